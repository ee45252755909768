//! What a process has under way, whichever of its dispatchers began it: its claims in the database are these.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::fair::Counts;
use crate::store::work::{Row, Share};

/// Of one process.
#[derive(Debug, Default)]
pub struct UnderWay {
    rows: Mutex<HashMap<i64, Share>>,
    doubted: Mutex<Option<Instant>>,
}

/// A commit whose reply was lost may still come into effect so much later: a database waits no longer for its standbys.
const DOUBTED_FOR: Duration = Duration::from_secs(60);

impl UnderWay {
    pub(super) fn begin(&self, row: &Row, share: Share) {
        self.locked(|rows| rows.insert(row.id, share));
    }

    pub(super) fn end(&self, row: &Row) {
        self.locked(|rows| rows.remove(&row.id));
    }

    pub(super) fn known(&self) -> Vec<i64> {
        self.locked(|rows| rows.keys().copied().collect())
    }

    pub(super) fn counts(&self) -> Counts {
        self.locked(|rows| {
            let mut counts = Counts::default();
            rows.values().for_each(|share| counts.add(share));
            counts
        })
    }

    /// The reply to a claim, or to its end, was lost: rows may be claimed that this process does not know.
    pub(super) fn doubt(&self) {
        *self.doubted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        let doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        doubted.is_some_and(|since| since.elapsed() < DOUBTED_FOR)
    }

    fn locked<T>(&self, work: impl FnOnce(&mut HashMap<i64, Share>) -> T) -> T {
        work(&mut self.rows.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
