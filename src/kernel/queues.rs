//! Queues by a key: whoever holds one of a key's places keeps the others waiting, in the order in which they came.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// How many queues there may be before those are forgotten that nobody stands in.
const SWEPT_AT: usize = 1024;

#[derive(Debug)]
pub struct Queues<K>(Mutex<HashMap<K, Weak<Semaphore>>>);

impl<K> Default for Queues<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Queues<K> {
    /// Waits for one of so many places.
    pub async fn wait(&self, key: K, places: usize) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.queue(key, places).acquire_owned().await
    }

    /// The places of a key, for who takes several at once.
    pub fn queue(&self, key: K, places: usize) -> Arc<Semaphore> {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(&key).and_then(Weak::upgrade) {
            return queue;
        }
        if queues.len() >= SWEPT_AT {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let semaphore = Arc::new(Semaphore::new(places));
        queues.insert(key, Arc::downgrade(&semaphore));
        semaphore
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_has_its_own_places_and_leaves_nothing_behind() {
        let queues = Queues::default();
        let first = queues.wait(0, 1).await.unwrap();
        assert!(queues.queue(0, 1).try_acquire().is_err());
        drop(first);
        for key in 0..10_000 {
            drop(queues.wait(key, 1).await.unwrap());
        }
        assert!(queues.0.lock().unwrap().len() <= SWEPT_AT);
    }
}
