//! Whether writes succeed: found out by one of no consequence now and then, at once when another failed. A full disk and a
//! database that became a standby answer every read, and commit every transaction that had nothing to write.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::prelude::*;

use super::connection::AnyConn;
use super::fault::StoreFault;
use super::schema::{id_block, revocation};
use super::time::UtcTime;

/// How long a probe that succeeded counts.
const FRESH: Duration = Duration::from_secs(5);
/// Between two probes, while something is wrong.
const AGAIN: Duration = Duration::from_secs(1);
/// So many failures in a row are no accident of one row, whatever a probe of other rows says.
const IN_A_ROW: u32 = 3;
/// More than what a database has room for in the pages that it has: a full disk shows.
const ROOM: usize = 64 * 1024;

/// What probes write to.
const OWN_ROW: &str = "probe";

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Writability(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Transactions that failed since the last that did not: how many, and the last one's time and reason.
    failures: u32,
    failed: Option<(Instant, String)>,
    /// One failed, and no probe has succeeded since.
    suspect: bool,
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
            // It may have written nothing: what a probe found out stands.
            Ok(_) => (state.failures, state.failed) = (0, None),
            Err(StoreFault::Unavailable(reason) | StoreFault::Other(reason)) => {
                state.failures = state.failures.saturating_add(1);
                state.failed = Some((Instant::now(), reason.clone()));
                state.suspect = true;
            }
            // The database looked and found something else than it was asked for: it works.
            Err(_) => {}
        }
    }

    pub(super) fn note_probe(&self, result: &Result<(), StoreFault>) {
        let mut state = self.locked();
        state.probed = Some(Instant::now());
        state.refused = match result {
            Err(StoreFault::Unavailable(reason) | StoreFault::Other(reason)) => Some(reason.clone()),
            // Somebody else's first probe was a moment earlier.
            Ok(()) | Err(_) => None,
        };
        if state.refused.is_none() {
            // `failures` stays: this one wrote elsewhere.
            state.suspect = false;
        }
    }

    /// A probe, if one is due and nobody makes it.
    pub fn due(&self) -> Option<Probe> {
        let mut state = self.locked();
        let wrong = state.suspect || state.refused.is_some();
        let pause = if wrong { AGAIN } else { FRESH };
        let due = state.probed.is_none_or(|last| last.elapsed() >= pause);
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

/// Leaves nothing behind that says anything.
pub(super) fn write(conn: &mut AnyConn, own: i64, room: &[u8]) -> Result<(), StoreFault> {
    // A number that nobody reads. What stays as it was would not be written: SQLite compares.
    let row = id_block::table.find(OWN_ROW);
    if diesel::update(row).set(id_block::next.eq(id_block::next + 1)).execute(conn)? == 0 {
        let first = (id_block::name.eq(OWN_ROW), id_block::next.eq(1_i64));
        diesel::insert_into(id_block::table).values(first).execute(conn)?;
    }
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
