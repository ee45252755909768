//! What instances are used for, and when last. Noted in memory, written in batches; a crash may lose the last seconds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::kernel::clock::api_date;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::service::{Services, of_instance};
use crate::store::usage::{self, Use};

/// Calls through an instance, a few seconds behind the present.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InstanceUsage)]
pub struct UsageView {
    pub calls: i64,
    /// Calls that the vendor or the way to it failed: those with a status of 500 and above.
    pub failures: i64,
    #[schema(example = "2026-03-01T12:00:00Z")]
    pub last_used_at: Option<String>,
    /// The status of the last call.
    #[schema(minimum = 100, maximum = 999)]
    pub last_status: Option<i64>,
}

/// Rows that one transaction writes at most.
const BATCH: usize = 500;
/// Rows that one round writes, give or take a shard, so that a hundred thousand busy instances leave the database to others.
const ROUND: usize = 2_000;
/// Worker threads seldom wait for each other when they note in different maps.
const SHARDS: usize = 16;

type Noted = HashMap<i64, Use>;

/// Uses that are not written yet, by instance.
#[derive(Default)]
pub struct Usage {
    shards: [Mutex<Noted>; SHARDS],
    turn: AtomicUsize,
}

impl Usage {
    /// The instance was used; whoever calls the vendor then says what came of it with `note_call`.
    pub fn note(&self, id: i64, now: DateTime<Utc>) {
        self.add(id, Use { last_at: now, calls: 0, failures: 0, last_status: None });
    }

    /// A call through the instance ended with this status.
    pub fn note_call(&self, id: i64, now: DateTime<Utc>, status: u16) {
        let failures = i64::from(status >= 500);
        self.add(id, Use { last_at: now, calls: 1, failures, last_status: Some(status) });
    }

    fn add(&self, id: i64, new: Use) {
        let Some(mut noted) = self.shard(id) else { return };
        let Some(known) = noted.get_mut(&id) else {
            noted.insert(id, new);
            return;
        };
        known.calls = known.calls.saturating_add(new.calls);
        known.failures = known.failures.saturating_add(new.failures);
        if new.last_at >= known.last_at {
            known.last_at = new.last_at;
            known.last_status = new.last_status.or(known.last_status);
        }
    }

    fn shard(&self, id: i64) -> Option<MutexGuard<'_, Noted>> {
        let shard = usize::try_from(id.unsigned_abs()).unwrap_or_default() % SHARDS;
        self.shards.get(shard).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// About `most`, which are forgotten here. Replicas write the same rows at the same time: all in one order, or two would
    /// wait for each other.
    fn take(&self, most: usize) -> Vec<(i64, Use)> {
        let mut taken = Vec::new();
        for _ in 0..SHARDS {
            // In turn, so that no shard waits for ever behind busier ones.
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            if let Some(shard) = self.shards.get(turn % SHARDS) {
                taken.extend(std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner)));
            }
            if taken.len() >= most {
                break;
            }
        }
        taken.sort_unstable_by_key(|(id, _)| *id);
        taken
    }

    /// How many instances are noted.
    pub(in crate::service) fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).is_empty())
    }
}

impl Services {
    /// Writes what was noted, but no more than a round's share.
    pub async fn write_usage(&self) -> Result<(), ApiError> {
        let mut used = self.usage.take(ROUND);
        while !used.is_empty() {
            let rest = used.split_off(used.len().min(BATCH));
            let rows = used.clone();
            if let Err(fault) = self.store.write(move |conn| usage::record(conn, &rows)).await {
                for (id, not_written) in used.into_iter().chain(rest) {
                    self.usage.add(id, not_written);
                }
                return Err(fault.into());
            }
            used = rest;
        }
        Ok(())
    }

    /// Writes all of it, at the end.
    pub async fn write_all_usage(&self) -> Result<(), ApiError> {
        while !self.usage.is_empty() {
            self.write_usage().await?;
        }
        Ok(())
    }

    /// What the owner's instance was used for, as far as it is written.
    pub async fn instance_usage(&self, owner: Owner, id: i64) -> Result<UsageView, ApiError> {
        let found =
            self.store.read_for(owner, move |conn| usage::find(conn, owner, id)).await.map_err(of_instance(id))?;
        Ok(UsageView {
            calls: found.map_or(0, |found| found.calls),
            failures: found.map_or(0, |found| found.failures),
            last_used_at: found.map(|found| api_date(found.last_at)),
            last_status: found.and_then(|found| found.last_status).map(i64::from),
        })
    }
}
