//! `Idempotency-Key` on creation: a lost reply means a spent code, so a repeated call gets the first one's answer.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::answer::Answer;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::process::leases::while_beating;
use crate::service::process::liveness::{ABANDONED_AFTER, Death};
use crate::store::idempotency::{self, Claim, Claimant, Hashes};
use crate::store::leases::Lease;
use crate::store::limits::Limit;
use crate::store::sealed::ANSWER;
use crate::store::{AnyConn, StoreFault};
use crate::vault::lookup::Purpose;

/// Between two looks at another call's claim.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Longer than it takes to find out whether the process lives that has a key.
const PATIENCE: Duration = Duration::from_secs(15);

/// A key with the request it came with.
#[derive(Clone)]
pub struct IdempotencyKey {
    pub key: Secret,
    pub request: Vec<u8>,
}

/// A key that is ours until the answer is stored or the call has failed.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) struct Claimed {
    pub id: i64,
    /// The process that had it before and is dead.
    pub dead: Option<i64>,
}

pub(in crate::service) enum Begun {
    First(Claimed),
    /// The answer of the first call.
    Repeated(Box<Answer>),
}

impl IdempotencyKey {
    /// The header's value with what makes two requests the same: the path and the body.
    pub fn read(value: &str, path: &str, body: &[u8]) -> Result<Self, ApiError> {
        if value.is_empty() || value.len() > 255 || !value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            let message = "Idempotency-Key must have 1 to 255 visible ASCII characters.";
            return Err(ApiError::new(Code::BadIdempotencyKey, message));
        }
        Ok(Self { key: Secret::new(value), request: [path.as_bytes(), b"\0", body].concat() })
    }
}

pub(super) fn other_request() -> ApiError {
    let message = "This Idempotency-Key came with another request before: use a new key for a new request.";
    ApiError::new(Code::IdempotencyConflict, message)
}

impl Services {
    /// Under each generation of the look-up key; the first is the one that is stored.
    pub(super) fn idempotency_hashes(&self, key: &IdempotencyKey) -> Vec<Hashes> {
        self.lookup.under_each(|lookup| Hashes {
            key: lookup.hash(Purpose::IdempotencyKey, &key.key),
            request: lookup.hash_bytes(Purpose::Request, &key.request),
        })
    }

    /// Claims a key, or gives the answer that there is. While it is not known whether the first call lives it is watched:
    /// the answer may come, its process may be dead, and otherwise the caller is told that it runs. `spends_for`: how
    /// long the first call may be at what cannot be repeated. A process that is only silent may come back with its result.
    pub(in crate::service) async fn begin_once(
        &self,
        owner: Owner,
        key: &IdempotencyKey,
        spends_for: TimeDelta,
    ) -> Result<Begun, ApiError> {
        let mut hashes = self.idempotency_hashes(key);
        let (stored, others): (_, Arc<[Hashes]>) = (hashes.remove(0), hashes.into());
        let (id, process) = (self.store.next_id().await?, self.process);
        // Whoever repeats a call needs none.
        let room = self.claim(owner.organization, Limit::IdempotencyKeys, 1).await;
        let has_room = room.is_ok();
        let (mut watch, mut first, mut dead) = (None, None, None::<Lease>);
        let deadline = Instant::now().checked_add(PATIENCE);
        loop {
            let (now, asked) = (self.now(), Instant::now());
            let abandoned = now.checked_sub_signed(ABANDONED_AFTER).unwrap_or(now);
            let claimant = Claimant { owner, id, process, now, abandoned, dead, has_room };
            let (stored, others) = (stored.clone(), Arc::clone(&others));
            let claim =
                self.store.write_for(owner, move |conn| idempotency::claim(conn, claimant, stored, &others)).await;
            match claim {
                Ok(Claim::New) => {
                    return Ok(Begun::First(Claimed { id, dead: dead.map(|lease| lease.holder) }));
                }
                Ok(Claim::Done { id, reply_sealed }) => {
                    let place = ANSWER.place(owner.organization, id);
                    let answer: Answer = self.vault.open_document(place, &reply_sealed)?;
                    self.refuse_answer_of_deleted(owner, &answer).await?;
                    return Ok(Begun::Repeated(Box::new(answer)));
                }
                Ok(Claim::NoRoom) => return Err(room.err().unwrap_or_else(|| Code::LimitReached.into())),
                Ok(Claim::OtherRequest) => return Err(other_request()),
                Ok(Claim::RunningSince(since)) => return Err(unknown(seconds_until(since, ABANDONED_AFTER, now))),
                Ok(Claim::Running { seen, since }) => {
                    if *first.get_or_insert(seen.lease) != seen.lease {
                        return Err(under_way());
                    }
                    let over = match self.watch(&mut watch, seen, asked) {
                        None => false,
                        Some(Death::Known) => true,
                        Some(Death::Silent) if now.signed_duration_since(since) < spends_for => {
                            return Err(unknown(seconds_until(since, spends_for, now)));
                        }
                        Some(Death::Silent) => true,
                    };
                    if over {
                        dead = Some(seen.lease);
                        continue;
                    }
                    if deadline.is_none_or(|deadline| asked >= deadline) {
                        return Err(unknown(PATIENCE.as_secs()));
                    }
                }
                // Two first calls at once: the unique key lets one through.
                Err(StoreFault::Conflict(_)) if deadline.is_some_and(|deadline| asked < deadline) => {}
                Err(fault) => return Err(fault.into()),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The answer has a token, which is dead with its instance.
    async fn refuse_answer_of_deleted(&self, owner: Owner, answer: &Answer) -> Result<(), ApiError> {
        match self.current_versions(owner, answer.instance.id).await {
            Err(StoreFault::NotFound) => Err(Code::InstanceDeleted.into()),
            found => Ok(found.map(drop)?),
        }
    }

    /// Runs the call that has a key, with signs of life for whoever comes with the same one.
    pub(in crate::service) async fn while_claimed<T>(
        &self,
        claimed: Option<Claimed>,
        work: impl Future<Output = T>,
    ) -> T {
        let Some(Claimed { id, .. }) = claimed else { return work.await };
        let process = self.process;
        let beat = move |conn: &mut AnyConn| idempotency::beat(conn, id, process);
        while_beating(&self.store, "an idempotency key", beat, work).await
    }

    /// The answer as it is kept; it holds an instance token.
    pub(in crate::service) fn seal_answer(
        &self,
        owner: Owner,
        claimed: Claimed,
        answer: &Answer,
    ) -> Result<Vec<u8>, ApiError> {
        Ok(self.vault.seal_document(ANSWER.place(owner.organization, claimed.id), answer)?)
    }

    /// The call failed: the key may be used again.
    pub(in crate::service) async fn release_key(&self, owner: Owner, claimed: Claimed) {
        let release = move |conn: &mut AnyConn| idempotency::release(conn, owner, claimed.id);
        let _ = self.commit_until_decided(owner, "the release of an idempotency key", release).await;
    }
}

fn under_way() -> ApiError {
    let message = "The first call with this Idempotency-Key is still under way: ask again in a moment.";
    ApiError::new(Code::IdempotencyConflict, message).with_retry_after(1)
}

/// `again_after`: in seconds.
fn unknown(again_after: u64) -> ApiError {
    let message = "The first call with this Idempotency-Key has not ended, and nobody knows whether its process lives.";
    ApiError::new(Code::IdempotencyConflict, message).with_retry_after(again_after)
}

fn seconds_until(since: DateTime<Utc>, time: TimeDelta, now: DateTime<Utc>) -> u64 {
    let rest = time.checked_sub(&now.signed_duration_since(since)).unwrap_or(time);
    u64::try_from(rest.num_seconds()).unwrap_or(0).saturating_add(1)
}
