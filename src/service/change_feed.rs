//! Following what other processes changed, so that a revocation on one reaches all within seconds.

use super::Services;
use crate::store::changes;

/// Where this process is in the feed.
#[derive(Debug, Default)]
pub struct FeedPosition(Option<i64>);

impl Services {
    /// Reads the feed once and forgets what changed.
    pub async fn follow_changes(&self, position: &mut FeedPosition) {
        let from = position.0;
        let read = self.store.read(move |conn| changes::since(conn, from.unwrap_or(i64::MAX))).await;
        match read {
            Ok((changed, next)) => {
                // The first reading only finds the position: nothing is in memory yet.
                if from.is_none() || !changed.is_empty() {
                    self.principals.clear();
                }
                position.0 = Some(next);
                self.principals.feed_was_read(self.now().timestamp());
            }
            Err(fault) => tracing::warn!(%fault, "the change feed cannot be read"),
        }
    }
}
