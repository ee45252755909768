//! `Idempotency-Key` on creation: a lost reply means a spent code, so a repeated call gets the first one's answer.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::Services;
use super::create_instance::Answer;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::store::StoreFault;
use crate::store::idempotency::{self, Claim, Hashes};
use crate::vault::lookup::Purpose;
use crate::vault::seal::Place;

/// A claim without an answer for so long is of a process that died.
const ABANDONED_AFTER: TimeDelta = TimeDelta::minutes(5);
/// How long answers are kept.
pub const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// A key with the request it came with.
#[derive(Clone)]
pub struct IdempotencyKey {
    pub key: Secret,
    pub request: Vec<u8>,
}

/// A key that is ours until the answer is stored or the call has failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claimed {
    pub id: i64,
}

pub(super) enum Begun {
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

fn place(row: i64) -> Place {
    Place { table: "idempotency", column: "reply_sealed", row }
}

impl Services {
    pub(super) async fn begin_once(&self, owner: Owner, key: &IdempotencyKey) -> Result<Begun, ApiError> {
        let (id, now) = (self.store.next_id().await?, self.now());
        let abandoned = now.checked_sub_signed(ABANDONED_AFTER).unwrap_or(now);
        let mut hashes = self.lookup.under_each(|lookup| Hashes {
            key: lookup.hash(Purpose::IdempotencyKey, &key.key),
            request: lookup.hash_bytes(Purpose::Request, &key.request),
        });
        let stored = hashes.remove(0);
        let claim =
            self.store.write(move |conn| idempotency::claim(conn, owner, id, stored, &hashes, (now, abandoned))).await;
        match claim {
            Ok(Claim::New) => Ok(Begun::First(Claimed { id })),
            Ok(Claim::Done { id, reply_sealed }) => {
                let document = self.vault.open(place(id), &reply_sealed)?;
                Ok(Begun::Repeated(Box::new(
                    serde_json::from_slice(&document).map_err(|error| ApiError::internal(error))?,
                )))
            }
            Ok(Claim::OtherRequest) => {
                let message = "This Idempotency-Key came with another request before: use a new key for a new request.";
                Err(ApiError::new(Code::IdempotencyConflict, message))
            }
            // Two first calls at once: the unique key lets one through.
            Ok(Claim::Running) | Err(StoreFault::Conflict(_)) => {
                let message = "The first call with this Idempotency-Key is still under way: ask again in a moment.";
                Err(ApiError::new(Code::IdempotencyConflict, message).with_retry_after(1))
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// The answer as it is kept; it holds an instance token.
    pub(super) fn seal_answer<T: Serialize + for<'a> Deserialize<'a>>(
        &self,
        claimed: Claimed,
        answer: &T,
    ) -> Result<Vec<u8>, ApiError> {
        let document = zeroize::Zeroizing::new(serde_json::to_vec(answer).map_err(|error| ApiError::internal(error))?);
        Ok(self.vault.seal(place(claimed.id), &document)?)
    }

    /// The call failed: the key may be used again.
    pub(super) async fn release_key(&self, owner: Owner, claimed: Claimed) {
        let released = self.store.write(move |conn| idempotency::release(conn, owner, claimed.id)).await;
        if let Err(fault) = released {
            tracing::warn!(%fault, "an idempotency key could not be released");
        }
    }
}
