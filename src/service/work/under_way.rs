//! What a process has under way, whichever of its dispatchers began it: its claims in the database are these.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::fair::Counts;
use crate::store::work::{Row, Share};

/// Of one process.
#[derive(Debug, Default)]
pub struct UnderWay {
    rows: Mutex<HashMap<i64, Share>>,
}

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

    fn locked<T>(&self, work: impl FnOnce(&mut HashMap<i64, Share>) -> T) -> T {
        work(&mut self.rows.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
