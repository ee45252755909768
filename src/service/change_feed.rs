//! Following what other processes changed, so that a revocation on one reaches all within seconds.

use std::time::{Duration, Instant};

use super::Services;
use super::authenticate;
use crate::store::changes;

/// As long as the cache is trusted without it.
const TRUSTED_FOR: Duration = Duration::from_secs(authenticate::TRUSTED_FOR.unsigned_abs());

/// Where this process is in the feed.
#[derive(Debug, Default)]
pub struct FeedPosition {
    next: Option<i64>,
    /// When it was read last. The machine's own measure: a clock that is set back must not hide a gap.
    read_at: Option<Instant>,
}

impl Services {
    /// Reads the feed once and forgets what changed.
    pub async fn follow_changes(&self, position: &mut FeedPosition) {
        let from = position.next;
        let started = Instant::now();
        let read = self.store.read(move |conn| changes::since(conn, from.unwrap_or(i64::MAX))).await;
        match read {
            Ok((changed, next)) => {
                // After a gap the feed may have been purged of what was missed.
                let gap = position.read_at.is_none_or(|read_at| started.duration_since(read_at) > TRUSTED_FOR);
                if from.is_none() || gap || !changed.is_empty() {
                    self.principals.clear();
                }
                *position = FeedPosition { next: Some(next), read_at: Some(started) };
                self.principals.feed_was_read(self.now().timestamp());
            }
            Err(fault) => tracing::warn!(%fault, "the change feed cannot be read"),
        }
    }
}
