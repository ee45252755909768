//! Whose turn it is: writes that wait for one writer are taken organization by organization, so that who writes as fast as
//! it can stands in nobody else's way.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::kernel::owner::Owner;

/// Whose a query is, and how much it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose {
    pub(super) organization: i64,
    /// Where that is much; what a row takes anyway is not counted.
    pub(super) bytes: usize,
}

impl Whose {
    /// Nobody's in particular: jobs, and what all processes share.
    pub const SERVER: Self = Self::of(0);

    pub const fn of(organization: i64) -> Self {
        Self { organization, bytes: 0 }
    }

    pub const fn writing(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }
}

impl From<Owner> for Whose {
    fn from(owner: Owner) -> Self {
        Self::of(owner.organization)
    }
}

/// What waits, by whose it is; each has one turn after the other. Without a bound of its own: whoever put something in waits
/// for it, and keeps it anyway.
pub(super) struct Turns<T> {
    waiting: Mutex<Waiting<T>>,
    filled: Condvar,
}

struct Waiting<T> {
    of: HashMap<i64, VecDeque<T>>,
    /// Everybody in `of` once; the first is next.
    order: VecDeque<i64>,
    closed: bool,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        let waiting = Waiting { of: HashMap::new(), order: VecDeque::new(), closed: false };
        Self { waiting: Mutex::new(waiting), filled: Condvar::new() }
    }
}

impl<T> Turns<T> {
    /// False: it is closed.
    pub fn push(&self, party: i64, item: T) -> bool {
        let mut waiting = self.locked();
        if waiting.closed {
            return false;
        }
        let Waiting { of, order, .. } = &mut *waiting;
        let own = of.entry(party).or_default();
        if own.is_empty() {
            order.push_back(party);
        }
        own.push_back(item);
        drop(waiting);
        self.filled.notify_one();
        true
    }

    /// Waits for the next. None: it is closed, and nothing is left.
    pub fn next(&self) -> Option<(i64, T)> {
        let mut waiting = self.locked();
        loop {
            if let Some(next) = waiting.take(|_| true) {
                return Some(next);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next, if somebody waits and it may be this one's turn.
    pub fn next_if(&self, may: impl FnOnce(i64) -> bool) -> Option<(i64, T)> {
        self.locked().take(may)
    }

    /// What waits is still given out.
    pub fn close(&self) {
        self.locked().closed = true;
        self.filled.notify_all();
    }

    fn locked(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Waiting<T> {
    fn take(&mut self, may: impl FnOnce(i64) -> bool) -> Option<(i64, T)> {
        let party = self.order.front().copied().filter(|party| may(*party))?;
        self.order.pop_front();
        let own = self.of.get_mut(&party)?;
        let item = own.pop_front()?;
        if own.is_empty() {
            self.of.remove(&party);
        } else {
            self.order.push_back(party);
        }
        Some((party, item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_turn_after_the_other() {
        let turns = Turns::default();
        for number in 0..4 {
            assert!(turns.push(1, number));
        }
        assert_eq!(turns.next(), Some((1, 0)));
        turns.push(2, 20);
        turns.push(3, 30);
        turns.push(2, 21);
        let taken: Vec<_> = std::iter::from_fn(|| turns.next_if(|_| true)).map(|(_, item)| item).collect();
        assert_eq!(taken, [1, 20, 30, 2, 21, 3]);
        assert!(turns.locked().of.is_empty(), "nothing is left behind");
        turns.push(1, 4);
        assert_eq!(turns.next_if(|party| party != 1), None);
        turns.close();
        assert!(!turns.push(1, 5));
        assert_eq!((turns.next(), turns.next()), (Some((1, 4)), None));
    }
}
