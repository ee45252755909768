//! What is left of an organization's limits, in memory: the database is asked only when what was known to be free is used
//! up. Then an eighth of what is really left is taken from, so that several processes together take little too much, and near
//! the limit every count is exact.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::kernel::queues::Queues;
use crate::store::limits::Limit;

/// Of what is left, this part is taken without looking again.
const PART: u64 = 8;
/// Of a limit of bytes, this part is free before a process has looked: to add up all of a large organization's rows takes a while.
const UNSEEN: u64 = 64;
/// As long as a refusal holds without looking again; where a look takes long, ten times as long as that.
const REFUSED_FOR: Duration = Duration::from_secs(1);
/// A look that took less may come again at any time: only of very many rows one takes longer.
const QUICK: Duration = Duration::from_millis(250);

type Key = (i64, Limit);

#[derive(Default)]
pub struct Rooms {
    rooms: Mutex<HashMap<Key, Room>>,
    /// One looks, the others of its organization wait.
    pub(in crate::service) looking: Queues<Key>,
}

#[derive(Default)]
struct Room {
    /// Known to be free.
    rest: u64,
    /// Taken, and perhaps not in the database yet.
    under_way: u64,
    /// How much ever came to its end, so that a look knows what did while it looked.
    ended: u64,
    looked: Option<Looked>,
    full: bool,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Looked {
    pub used: u64,
    at: Instant,
    took: Duration,
}

/// A place: in memory until it is dropped, which is when the database has it, or will not get it.
#[must_use = "it is given back when it is dropped"]
pub(in crate::service) struct Taken {
    rooms: Arc<Rooms>,
    key: Key,
    amount: u64,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut rooms = self.rooms.locked();
        if let Some(room) = rooms.get_mut(&self.key) {
            room.under_way = room.under_way.saturating_sub(self.amount);
            room.ended = room.ended.saturating_add(self.amount);
        }
    }
}

/// What a look found for who asked.
pub(in crate::service) enum Found {
    Free(Taken),
    Full,
    /// Full only with what is under way, some of which may be counted twice: in the database already, and not at its end.
    Perhaps,
}

/// What is known without a look.
pub(in crate::service) enum Known {
    Free(Taken),
    Full,
    Unknown,
}

impl Looked {
    pub fn now(used: u64, began: Instant) -> Self {
        let at = Instant::now();
        Self { used, at, took: at.saturating_duration_since(began) }
    }

    fn is_young(&self) -> bool {
        self.at.elapsed() < self.took.saturating_mul(10).max(REFUSED_FOR)
    }
}

impl Rooms {
    fn locked(&self) -> MutexGuard<'_, HashMap<Key, Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `limit`: as far as it is known in memory.
    pub(in crate::service) fn take(self: &Arc<Self>, key: Key, amount: u64, limit: Option<u64>) -> Known {
        let mut rooms = self.locked();
        if let (Limit::Bytes, Some(limit)) = (key.1, limit) {
            rooms.entry(key).or_insert_with(|| Room { rest: limit / UNSEEN, ..Room::default() });
        }
        let Some(room) = rooms.get_mut(&key) else { return Known::Unknown };
        if room.rest < amount {
            let refused = room.full && room.looked.is_some_and(|looked| looked.is_young());
            return if refused { Known::Full } else { Known::Unknown };
        }
        room.rest = room.rest.saturating_sub(amount);
        room.under_way = room.under_way.saturating_add(amount);
        Known::Free(Taken { rooms: Arc::clone(self), key, amount })
    }

    /// For `take_of`, before the look.
    pub(in crate::service) fn ended(&self, key: Key) -> u64 {
        self.locked().get(&key).map_or(0, |room| room.ended)
    }

    /// Until there is another look.
    pub(in crate::service) fn refuse(&self, key: Key) {
        self.locked().entry(key).or_default().full = true;
    }

    /// After a look. `ended`: as it was before.
    pub(super) fn take_of(
        self: &Arc<Self>,
        key: Key,
        amount: u64,
        limit: u64,
        (looked, ended): (Looked, u64),
    ) -> Found {
        let mut rooms = self.locked();
        let room = rooms.entry(key).or_default();
        // What came to its end meanwhile may have been committed behind the look.
        let meanwhile = room.under_way.saturating_add(room.ended.saturating_sub(ended));
        let left = limit.saturating_sub(looked.used.saturating_add(meanwhile));
        room.looked = Some(looked);
        room.full = limit.saturating_sub(looked.used) < amount;
        if left < amount {
            room.rest = 0;
            return if room.full { Found::Full } else { Found::Perhaps };
        }
        room.rest = (left / PART).max(amount).saturating_sub(amount);
        room.under_way = room.under_way.saturating_add(amount);
        Found::Free(Taken { rooms: Arc::clone(self), key, amount })
    }

    /// What a look found that took long, for a while.
    pub(in crate::service) fn found(&self, key: Key) -> Option<u64> {
        let looked = self.locked().get(&key)?.looked?;
        (looked.took > QUICK && looked.is_young()).then_some(looked.used)
    }

    pub(super) fn note(&self, key: Key, looked: Looked) {
        self.locked().entry(key).or_default().looked = Some(looked);
    }

    /// Something of the organization's went.
    pub(in crate::service) fn freed(&self, organization: i64) {
        for limit in Limit::ALL {
            if let Some(room) = self.locked().get_mut(&(organization, *limit))
                && room.looked.is_none_or(|looked| looked.took < QUICK)
            {
                room.full = false;
            }
        }
    }

    /// The limits of these may be others now; of all where none is named.
    pub(in crate::service) fn forget(&self, organizations: Option<&[i64]>) {
        for ((organization, _), room) in &mut *self.locked() {
            if organizations.is_none_or(|changed| changed.contains(organization)) {
                (room.rest, room.full) = (0, false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = (1, Limit::Instances);

    fn look(used: u64) -> Looked {
        Looked::now(used, Instant::now())
    }

    impl Rooms {
        fn look(self: &Arc<Self>, amount: u64, limit: u64, used: u64) -> Option<Taken> {
            match self.take_of(KEY, amount, limit, (look(used), self.ended(KEY))) {
                Found::Free(taken) => Some(taken),
                Found::Full | Found::Perhaps => None,
            }
        }
    }

    #[test]
    fn what_ends_during_a_look_is_not_forgotten() {
        let rooms = Arc::<Rooms>::default();
        let first = rooms.look(1, 2, 0).expect("room");
        let second = rooms.look(1, 2, 0).expect("room");
        // The look found neither, and both are committed before it is heard.
        let ended = rooms.ended(KEY);
        drop((first, second));
        assert!(matches!(rooms.take_of(KEY, 1, 2, (look(0), ended)), Found::Perhaps));
        assert!(matches!(rooms.take_of(KEY, 1, 2, (look(2), rooms.ended(KEY))), Found::Full));
    }

    #[test]
    fn near_the_limit_every_one_is_counted() {
        let rooms = Arc::<Rooms>::default();
        let (mut used, mut looks) = (0, 0);
        loop {
            let taken = match rooms.take(KEY, 1, None) {
                Known::Free(taken) => Some(taken),
                Known::Full => panic!("nobody has looked"),
                Known::Unknown => {
                    looks += 1;
                    rooms.look(1, 1000, used)
                }
            };
            let Some(taken) = taken else { break };
            used += 1;
            drop(taken);
        }
        assert_eq!(used, 1000);
        assert!(looks < 60, "{looks}");
        assert!(matches!(rooms.take(KEY, 1, None), Known::Full), "without another look");
        rooms.freed(1);
        assert!(matches!(rooms.take(KEY, 1, None), Known::Unknown));
    }

    #[test]
    fn what_is_under_way_has_its_place() {
        let rooms = Arc::<Rooms>::default();
        let first = rooms.look(1, 2, 0).expect("room");
        let second = rooms.look(1, 2, 0).expect("room");
        assert!(rooms.look(1, 2, 0).is_none());
        drop((first, second));
        assert!(rooms.look(1, 2, 1).is_some());
        assert!(matches!(rooms.take((2, Limit::Instances), 1, Some(5)), Known::Unknown), "another organization");
    }

    #[test]
    fn bytes_are_free_before_anybody_looked_and_once() {
        let rooms = Arc::<Rooms>::default();
        let key = (1, Limit::Bytes);
        assert!(matches!(rooms.take(key, 10, Some(640)), Known::Free(_)));
        assert!(matches!(rooms.take(key, 1, Some(640)), Known::Unknown));
        rooms.forget(Some(&[1]));
        assert!(matches!(rooms.take(key, 1, Some(640)), Known::Unknown), "no second time");
    }
}
