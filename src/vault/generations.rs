//! Generations of a data key: a new one is made, and the old ones stay good until they retire.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};

use crate::kernel::clock::Clock;

/// How long a new generation is only accepted: by then every process knows it, and it is used.
pub const SPREAD: TimeDelta = TimeDelta::seconds(10);

#[derive(Debug, Clone)]
pub struct Generation<K> {
    pub number: i64,
    pub key: K,
    pub created_at: DateTime<Utc>,
    /// None: nobody has said when it ends.
    pub retires_at: Option<DateTime<Utc>>,
}

/// What is known of a data key at one moment. Never empty.
#[derive(Debug)]
pub struct Known<K> {
    oldest: Generation<K>,
    /// Ascending.
    later: Vec<Generation<K>>,
}

impl<K> Known<K> {
    /// None without any generation.
    pub fn of(mut generations: Vec<Generation<K>>) -> Option<Self> {
        generations.sort_by_key(|generation| generation.number);
        let mut generations = generations.into_iter();
        Some(Self { oldest: generations.next()?, later: generations.collect() })
    }

    pub fn newest(&self) -> &Generation<K> {
        self.later.last().unwrap_or(&self.oldest)
    }

    /// The one to work with: the newest that every process knows by now. Alone, it is used at once.
    pub fn current(&self, clock: &dyn Clock) -> &Generation<K> {
        if self.later.is_empty() {
            return &self.oldest;
        }
        let now = clock.now();
        let known_everywhere = |generation: &&Generation<K>| now.signed_duration_since(generation.created_at) >= SPREAD;
        self.later.iter().rev().find(known_everywhere).unwrap_or(&self.oldest)
    }

    /// Newest first.
    pub fn all(&self) -> impl Iterator<Item = &Generation<K>> {
        self.later.iter().rev().chain([&self.oldest])
    }
}

/// A data key as this process knows it. All clones change together.
#[derive(Clone)]
pub struct Generations<K> {
    pub(super) clock: Arc<dyn Clock>,
    known: Arc<RwLock<Arc<Known<K>>>>,
}

impl<K> Generations<K> {
    pub fn new(clock: Arc<dyn Clock>, known: Known<K>) -> Self {
        Self { clock, known: Arc::new(RwLock::new(Arc::new(known))) }
    }

    pub fn known(&self) -> Arc<Known<K>> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn replace(&self, known: Known<K>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::clock::ManualClock;

    const START: i64 = 1_700_000_000;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(START + second, 0).unwrap()
    }

    /// Generations by number, made at these seconds; the keys are the numbers.
    fn known(made: &[(i64, i64)]) -> Known<i64> {
        let generation = |(number, second): &(i64, i64)| Generation {
            number: *number,
            key: *number,
            created_at: at(*second),
            retires_at: None,
        };
        Known::of(made.iter().map(generation).collect()).unwrap()
    }

    #[test]
    fn a_generation_is_used_when_everybody_knows_it_and_the_first_at_once() {
        let clock = ManualClock::at(at(0));
        assert_eq!(known(&[(1, 0)]).current(&clock).key, 1);
        assert_eq!(known(&[(7, 0)]).current(&clock).key, 7, "older ones are gone");
        let both = known(&[(2, 0), (1, -90)]);
        assert_eq!((both.current(&clock).key, both.newest().key), (1, 2));
        clock.advance(SPREAD - TimeDelta::microseconds(1));
        assert_eq!(both.current(&clock).key, 1);
        clock.advance(TimeDelta::microseconds(1));
        assert_eq!(both.current(&clock).key, 2);
        assert_eq!(both.all().map(|generation| generation.key).collect::<Vec<_>>(), [2, 1]);
        let three = known(&[(1, -90), (2, 0), (3, 5)]);
        assert_eq!(three.current(&clock).key, 2);
        assert!(Known::<i64>::of(Vec::new()).is_none());
    }

    #[test]
    fn all_clones_change_together() {
        let ring = Generations::new(Arc::new(ManualClock::at(at(0))), known(&[(1, 0)]));
        let (clone, before) = (ring.clone(), ring.known());
        ring.replace(known(&[(1, 0), (2, 0)]));
        assert_eq!(clone.known().newest().key, 2);
        assert_eq!(before.newest().key, 1, "who looked before goes on with what it saw");
    }
}
