//! Creations under way in this process: their ids are known before anything is stored, so whoever asks for one, or repeats its
//! `Idempotency-Key`, finds it while the vendor or the database is slow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::answer::Answer;
use super::idempotency::{IdempotencyKey, other_request};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::service::Services;
use crate::service::process::flight::Flight;
use crate::store::idempotency::Hashes;

#[derive(Default)]
pub struct Creations(Mutex<HashMap<i64, UnderWay>>);

struct UnderWay {
    owner: Owner,
    key: Option<Hashes>,
    flight: Flight<Answer>,
}

/// Ends with the creation, also when its task panics.
pub(in crate::service) struct Entered {
    creations: Arc<Creations>,
    id: i64,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.creations.locked().remove(&self.id);
    }
}

impl Creations {
    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<i64, UnderWay>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn contains(&self, owner: Owner, id: i64) -> bool {
        self.locked().get(&id).is_some_and(|under_way| under_way.owner == owner)
    }

    /// Enters a creation, or gives the flight of the same key that is under way.
    pub(in crate::service) fn enter(
        self: &Arc<Self>,
        owner: Owner,
        id: i64,
        key: Option<Hashes>,
        flight: &Flight<Answer>,
    ) -> Result<Result<Entered, Flight<Answer>>, ApiError> {
        let mut creations = self.locked();
        if let Some(key) = &key {
            let same = |it: &&UnderWay| it.owner == owner && it.key.as_ref().is_some_and(|its| its.key == key.key);
            if let Some(first) = creations.values().find(same) {
                let repeated = first.key.as_ref().is_some_and(|its| its.request == key.request);
                return if repeated { Ok(Err(first.flight.clone())) } else { Err(other_request()) };
            }
        }
        creations.insert(id, UnderWay { owner, key, flight: flight.clone() });
        Ok(Ok(Entered { creations: Arc::clone(self), id }))
    }
}

impl Services {
    pub(in crate::service) fn hashes_of(&self, key: &IdempotencyKey) -> Option<Hashes> {
        self.idempotency_hashes(key).into_iter().next()
    }

    /// What is said of an instance that is not there, or cannot be read: where it is being made, that it will be.
    pub(super) fn unless_under_way(&self, owner: Owner, id: i64, error: ApiError) -> ApiError {
        let absent = error.code == Code::InstanceNotFound || error.is_passing();
        if !absent || !self.creations.contains(owner, id) {
            return error;
        }
        let message = format!("The instance {id} is still being made: ask again in a moment.");
        ApiError::new(Code::InstanceNotFound, message).with_retry_after(1)
    }
}
