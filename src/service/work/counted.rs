//! How much work there is, for an operator's monitoring.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::service::Services;
use crate::service::process::metrics::{KindLabel, WorkLabels};
use crate::store::claims;
use crate::store::work::WAITING;

/// To count reads all rows: whoever asks sooner sees what was counted before.
const COUNTED_FOR: Duration = Duration::from_secs(5);

/// When it was counted last.
#[derive(Debug, Default)]
pub struct Counted(Mutex<Option<Instant>>);

impl Counted {
    /// Whether it is to be counted now, by whoever asks.
    fn is_due(&self) -> bool {
        let mut at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = at.is_none_or(|at| at.elapsed() >= COUNTED_FOR);
        if due {
            *at = Some(Instant::now());
        }
        due
    }
}

impl Services {
    /// Brings the gauges up to date. Where the database cannot be asked they stay as they are.
    pub async fn count_work(&self) {
        if !self.work_counted.is_due() {
            return;
        }
        let counts = match self.store.read(claims::counts).await {
            Ok(counts) => counts,
            Err(fault) => return tracing::warn!(%fault, "due work could not be counted"),
        };
        let now = self.now();
        self.metrics.work.clear();
        self.metrics.oldest_work.clear();
        for claims::Count { kind, state, count, due_at } in counts {
            if state == WAITING {
                let late = now.signed_duration_since(DateTime::<Utc>::from(due_at)).num_seconds().max(0);
                self.metrics.oldest_work.get_or_create(&KindLabel { kind: kind.clone() }).set(late);
            }
            self.metrics.work.get_or_create(&WorkLabels { kind, state }).set(count);
        }
    }
}
