//! Whether writes succeed: remembered from those that were made anyway, and found out by one of no consequence where they say
//! nothing. A full disk and a database that became a standby answer every read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::prelude::*;

use super::connection::AnyConn;
use super::fault::StoreFault;
use super::schema::{id_block, revocation};
use super::time::UtcTime;

/// How long a success counts.
const FRESH: Duration = Duration::from_secs(5);
/// Between two probes, while something is wrong.
const AGAIN: Duration = Duration::from_secs(1);
/// So many failures in a row are no accident of one row, whatever a probe of other rows says.
const IN_A_ROW: u32 = 3;
/// More than what a database has room for in the pages that it has: a full disk shows.
const ROOM: usize = 64 * 1024;

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Writability(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The last write or probe that succeeded.
    good: Option<Instant>,
    /// Writes that failed since the last that succeeded: how many, and the last one's time and reason.
    failures: u32,
    failed: Option<(Instant, String)>,
    /// The last probe: its time, and why it failed.
    probed: Option<Instant>,
    refused: Option<String>,
    probing: bool,
}

/// The right to make the one probe that is due, of so many bytes.
pub struct Probe {
    of: Writability,
    pub bytes: usize,
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.of.locked().probing = false;
    }
}

impl Writability {
    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came of a write.
    pub(super) fn note<T>(&self, result: &Result<T, StoreFault>) {
        let mut state = self.locked();
        match result {
            Ok(_) => {
                state.good = Some(Instant::now());
                (state.failures, state.failed, state.refused) = (0, None, None);
            }
            Err(StoreFault::Unavailable(reason) | StoreFault::Other(reason)) => {
                state.failures = state.failures.saturating_add(1);
                state.failed = Some((Instant::now(), reason.clone()));
            }
            // The database looked and found something else than it was asked for: it works.
            Err(StoreFault::Conflict(_) | StoreFault::Refused(_) | StoreFault::NotFound | StoreFault::Newer(_)) => {}
        }
    }

    pub(super) fn note_probe(&self, result: &Result<(), StoreFault>) {
        let mut state = self.locked();
        let now = Instant::now();
        state.probed = Some(now);
        state.refused = result.as_ref().err().map(ToString::to_string);
        if result.is_ok() {
            state.good = Some(now);
        }
    }

    /// A probe, if one is due and nobody makes it.
    pub fn due(&self) -> Option<Probe> {
        let mut state = self.locked();
        let since = |time: Option<Instant>| time.map_or(Duration::MAX, |time| time.elapsed());
        let wrong = state.failures > 0 || state.refused.is_some();
        let due = if wrong { since(state.probed) >= AGAIN } else { since(state.good) >= FRESH };
        if !due || state.probing {
            return None;
        }
        state.probing = true;
        drop(state);
        Some(Probe { of: self.clone(), bytes: if wrong { ROOM } else { 0 } })
    }

    /// Why nothing can be written, as far as is known.
    pub fn refusal(&self) -> Option<String> {
        let state = self.locked();
        let failing = state.failed.as_ref().filter(|(at, _)| state.failures >= IN_A_ROW && at.elapsed() < FRESH);
        state.refused.clone().or_else(|| failing.map(|(_, reason)| reason.clone()))
    }
}

/// Leaves nothing behind but a row that says nothing.
pub(super) fn write(conn: &mut AnyConn, own: i64, room: &[u8]) -> Result<(), StoreFault> {
    // One that is always there; written as it is.
    let row = id_block::table.find("all");
    diesel::update(row).set(id_block::next.eq(id_block::next)).execute(conn)?;
    if !room.is_empty() {
        // Nobody else sees it: it goes before the commit. No row of another table has a negative id.
        let id = own.saturating_abs().saturating_neg();
        let never = UtcTime(chrono::DateTime::UNIX_EPOCH);
        diesel::insert_into(revocation::table)
            .values((
                revocation::id.eq(id),
                revocation::organization_id.eq(0_i64),
                revocation::account_id.eq(0_i64),
                revocation::element_id.eq(0_i64),
                revocation::sealed.eq(room),
                revocation::attempts.eq(0_i64),
                revocation::due_at.eq(never),
                revocation::created_at.eq(never),
            ))
            .execute(conn)?;
        diesel::delete(revocation::table.find(id)).execute(conn)?;
    }
    Ok(())
}
