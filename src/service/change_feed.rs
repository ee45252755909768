//! Following what other processes changed, so that a revocation on one reaches all within seconds.

use std::time::{Duration, Instant};

use crate::service::Services;
use crate::service::process::memory;
use crate::store::changes::{self, Change, Kind};

/// As long as memory is trusted without it.
const TRUSTED_FOR: Duration = Duration::from_secs(memory::TRUSTED_FOR.unsigned_abs());

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
        self.follow_changes_at(position, Instant::now()).await;
    }

    /// The same at a moment of the caller's choice.
    pub async fn follow_changes_at(&self, position: &mut FeedPosition, started: Instant) {
        let (from, asked) = (position.next, self.now());
        let read = self.store.read(move |conn| changes::since(conn, from.unwrap_or(i64::MAX))).await;
        match read {
            Ok((changed, next)) => {
                // After a gap the feed may have been purged of what was missed.
                let gap = position.read_at.is_none_or(|read_at| started.duration_since(read_at) > TRUSTED_FOR);
                let of_keys = changed.iter().any(|change| change.is(Kind::DataKey));
                let anything = from.is_none() || gap || of_keys;
                if anything {
                    self.forget_everything();
                } else {
                    self.forget(&changed);
                }
                let of_database = changed.iter().any(|change| change.is(Kind::Database));
                if (anything || of_database)
                    && let Err(fault) = self.read_standstill().await
                {
                    tracing::warn!(%fault, "whether the database was restored cannot be read");
                    return;
                }
                let of_elements = changed.iter().any(|change| change.is(Kind::Element));
                if (anything || of_elements)
                    && let Err(fault) = self.read_secret_places().await
                {
                    tracing::warn!(%fault, "what elements were before cannot be read");
                    return;
                }
                self.feed_trust.was_read(asked.timestamp());
                // Behind what was forgotten: none of it may have a hash under a generation that goes.
                if anything && let Err(error) = self.reload_data_keys().await {
                    // The position stays, so that the next round tries again.
                    tracing::warn!(?error, "the data keys cannot be read");
                    return;
                }
                *position = FeedPosition { next: Some(next), read_at: Some(started) };
            }
            Err(fault) => tracing::warn!(%fault, "the change feed cannot be read"),
        }
    }

    /// How many entries each memory has that the feed makes forget, and what is noted of instances.
    pub fn remembered(&self) -> Vec<(&'static str, u64)> {
        let noted = u64::try_from(self.usage.count()).unwrap_or(u64::MAX);
        let own = [("rendered instances", self.rendered.count()), ("uses", noted)];
        self.principals.counts().into_iter().chain(self.warm.counts()).chain(own).collect()
    }

    fn forget_everything(&self) {
        self.principals.clear();
        self.warm.clear();
        self.forget_organizations(None);
        self.rendered.clear();
    }

    fn forget(&self, changed: &[Change]) {
        let of_kind = |kind| changed.iter().filter(move |change| change.is(kind)).map(|change| change.entity_id);
        let (users, organizations) = (of_kind(Kind::User).collect(), of_kind(Kind::Organization).collect());
        self.principals.forget(&users, &organizations);
        // They say who made an instance.
        self.rendered.forget_made_by(&users);
        if !organizations.is_empty() {
            self.forget_organizations(Some(&organizations.into_iter().collect::<Vec<_>>()));
        }
        let instances: Vec<i64> = of_kind(Kind::Instance).collect();
        if !instances.is_empty() {
            self.warm.forget(&instances);
            self.rendered.forget(&instances);
        }
    }
}
