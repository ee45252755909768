//! When instances were used last. Noted in memory, written in batches; a crash may lose the last seconds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use super::Services;
use crate::kernel::error::ApiError;
use crate::store::refreshes;

/// Rows that one transaction writes at most.
const BATCH: usize = 500;

/// Uses that are not written yet, by instance.
#[derive(Default)]
pub struct Usage(Mutex<HashMap<i64, DateTime<Utc>>>);

impl Usage {
    pub fn note(&self, id: i64, now: DateTime<Utc>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, now);
    }

    fn take(&self) -> Vec<(i64, DateTime<Utc>)> {
        let noted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut used: Vec<_> = noted.into_iter().collect();
        // Replicas write the same rows at the same time: all in one order, or two would wait for each other.
        used.sort_unstable();
        used
    }
}

impl Services {
    /// Writes what was noted.
    pub async fn write_usage(&self) -> Result<(), ApiError> {
        let mut used = self.usage.take();
        while !used.is_empty() {
            let batch = used.split_off(used.len().saturating_sub(BATCH));
            let rows = batch.clone();
            let written = self.store.write(move |conn| refreshes::record_usage(conn, &rows)).await;
            if let Err(fault) = written {
                for (id, at) in used.into_iter().chain(batch) {
                    self.usage.note(id, at);
                }
                return Err(fault.into());
            }
        }
        Ok(())
    }
}
