//! Attempts to sign in that failed, counted by address and by name. Who fails too often waits, longer each time; who is
//! right is not counted. A name's own bound is far out, because strangers can reach it too, and holds nobody up at an address
//! from which that person signed in before.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroI64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::kernel::clock::Clock;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::process::limiter::network;

/// How many failures are free, after how many seconds one is forgotten, and the longest pause in seconds.
#[derive(Clone, Copy)]
struct Bound {
    free: u32,
    forgotten: NonZeroI64,
    longest: i64,
}

/// An office behind one address mistypes now and then; who goes on guessing comes down to three a minute.
const PER_ADDRESS: Bound = Bound { free: 60, forgotten: NonZeroI64::new(20).unwrap(), longest: 900 };
/// A thousand an hour, from many addresses: more than a stranger reaches from a few.
const PER_NAME: Bound = Bound { free: 1000, forgotten: NonZeroI64::new(4).unwrap(), longest: 60 };
/// Characters of an e-mail address (RFC 5321 section 4.5.3.1).
const LONGEST_ADDRESS: usize = 320;
/// Entries of each kind; above it those go that hold nobody up.
const MOST: usize = 100_000;
/// How long an address from which somebody signed in is his own.
const FAMILIAR_FOR: TimeDelta = TimeDelta::days(30);

pub struct SignInLimits {
    clock: Arc<dyn Clock>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    by_address: HashMap<IpAddr, Failures>,
    by_name: HashMap<String, Failures>,
    /// Until when an address is familiar to a name.
    familiar: HashMap<(String, IpAddr), DateTime<Utc>>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: DateTime<Utc>,
    /// When the first of them is forgotten next is counted from here.
    forgot: DateTime<Utc>,
}

/// One that is under way. It counts as a failure until it has succeeded, so that many at once are no way around.
#[must_use = "it counts as a failure until it succeeded"]
pub struct Attempt {
    address: Option<IpAddr>,
    name: String,
    at: DateTime<Utc>,
    /// When the address and the name failed last before it.
    before: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
}

impl SignInLimits {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, counts: Mutex::default() }
    }

    fn locked(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before a password is looked at. Fails while address or name must wait.
    pub fn begin(&self, address: Option<IpAddr>, name: &str) -> Result<Attempt, ApiError> {
        // As the database looks it up, or padding would make a new name; no longer than an address can be.
        let name = name.trim().chars().take(LONGEST_ADDRESS).collect::<String>().to_lowercase();
        let (address, now) = (address.map(network), self.clock.now());
        let mut counts = self.locked();
        let of_address =
            address.and_then(|address| counts.by_address.get(&address)).map(|known| known.at(PER_ADDRESS, now));
        let of_name = counts.by_name.get(&name).map(|known| known.at(PER_NAME, now));
        let familiar =
            address.and_then(|address| counts.familiar.get(&(name.clone(), address))).is_some_and(|until| now < *until);
        let rest = |of: Option<Failures>, bound| of.map_or(0, |failures| failures.rest(bound, now));
        let rest = rest(of_address, PER_ADDRESS).max(if familiar { 0 } else { rest(of_name, PER_NAME) });
        if rest > 0 {
            let message = format!("Too many attempts to sign in: try again in {rest} s.");
            return Err(ApiError::new(Code::TooManyRequests, message).with_retry_after(rest.unsigned_abs()));
        }
        let before = (of_address.map(|known| known.last), of_name.map(|known| known.last));
        if let Some(address) = address {
            make_room(&mut counts.by_address, PER_ADDRESS, now);
            counts.by_address.insert(address, Failures::another(of_address, now));
        }
        make_room(&mut counts.by_name, PER_NAME, now);
        counts.by_name.insert(name.clone(), Failures::another(of_name, now));
        Ok(Attempt { address, name, at: now, before })
    }

    /// It was the right password: nothing of it counts, and the address is familiar from now on.
    pub fn succeeded(&self, attempt: Attempt) {
        self.take_back(&attempt);
        let Attempt { address, name, at, .. } = attempt;
        let Some(address) = address else { return };
        let mut counts = self.locked();
        if counts.familiar.len() >= MOST {
            counts.familiar.retain(|_, until| at < *until);
        }
        if counts.familiar.len() < MOST {
            counts.familiar.insert((name, address), at.checked_add_signed(FAMILIAR_FOR).unwrap_or(at));
        }
    }

    /// It was no failure of whoever made it.
    pub fn take_back(&self, attempt: &Attempt) {
        let Attempt { address, name, at, before } = attempt;
        let mut counts = self.locked();
        if let Some(failures) = counts.by_name.get_mut(name) {
            failures.take_back(*at, before.1);
        }
        if let Some(failures) = address.and_then(|address| counts.by_address.get_mut(&address)) {
            failures.take_back(*at, before.0);
        }
    }

    /// Forgets who has not failed for a while.
    pub fn sweep(&self) {
        let now = self.clock.now();
        let mut counts = self.locked();
        counts.by_address.retain(|_, failures| failures.at(PER_ADDRESS, now).count > 0);
        counts.by_name.retain(|_, failures| failures.at(PER_NAME, now).count > 0);
        counts.familiar.retain(|_, until| now < *until);
    }
}

fn make_room<K: Hash + Eq>(known: &mut HashMap<K, Failures>, bound: Bound, now: DateTime<Utc>) {
    if known.len() >= MOST {
        known.retain(|_, failures| failures.at(bound, now).count > bound.free / 2);
    }
}

impl Failures {
    fn another(known: Option<Self>, now: DateTime<Utc>) -> Self {
        let known = known.unwrap_or(Self { count: 0, last: now, forgot: now });
        Self { count: known.count.saturating_add(1), last: now, ..known }
    }

    /// What is left of them.
    fn at(self, bound: Bound, now: DateTime<Utc>) -> Self {
        let steps = now.signed_duration_since(self.forgot).num_seconds().max(0) / bound.forgotten.get();
        let forgotten = u32::try_from(steps).unwrap_or(u32::MAX);
        if forgotten >= self.count {
            return Self { count: 0, forgot: now, ..self };
        }
        let passed = TimeDelta::try_seconds(steps.saturating_mul(bound.forgotten.get())).unwrap_or_default();
        let forgot = self.forgot.checked_add_signed(passed).unwrap_or(now);
        Self { count: self.count.saturating_sub(forgotten), forgot, ..self }
    }

    /// Seconds to wait: one at the bound, doubling with each further failure.
    fn rest(self, bound: Bound, now: DateTime<Utc>) -> i64 {
        let Some(over) = self.count.checked_sub(bound.free) else { return 0 };
        let pause = 1i64.checked_shl(over).filter(|_| over < 32).unwrap_or(bound.longest).min(bound.longest);
        // Whole seconds, the one that has begun included; a clock that was set back makes nobody wait longer.
        let passed = now.signed_duration_since(self.last).num_seconds().max(0);
        pause.saturating_sub(passed)
    }

    fn take_back(&mut self, at: DateTime<Utc>, before: Option<DateTime<Utc>>) {
        self.count = self.count.saturating_sub(1);
        if self.last == at {
            self.last = before.unwrap_or(DateTime::UNIX_EPOCH);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::clock::ManualClock;

    fn limits() -> (Arc<ManualClock>, SignInLimits) {
        let clock = Arc::new(ManualClock::at(DateTime::from_timestamp(1_700_000_000, 0).unwrap()));
        let limits = SignInLimits::new(Arc::<ManualClock>::clone(&clock));
        (clock, limits)
    }

    fn from(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([203, 0, 113, last]))
    }

    fn rest(limits: &SignInLimits, address: Option<IpAddr>, name: &str) -> u64 {
        limits.begin(address, name).map_or_else(|error| error.retry_after.unwrap(), |_| 0)
    }

    #[test]
    fn pauses_grow_and_end() {
        let (clock, limits) = limits();
        for number in 0..60 {
            assert_eq!(rest(&limits, from(1), &format!("user{number}")), 0);
        }
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let seconds = rest(&limits, from(1), "another");
            pauses.push(seconds);
            clock.advance(TimeDelta::seconds(seconds.cast_signed()));
            assert_eq!(rest(&limits, from(1), "another"), 0, "the pause is over");
        }
        assert!(pauses.starts_with(&[1, 2, 4, 8]), "{pauses:?}");
        assert!(pauses.iter().all(|seconds| *seconds <= 900), "{pauses:?}");
        assert!(pauses.iter().skip(5).all(|seconds| *seconds >= 16), "{pauses:?}");
        assert_eq!(rest(&limits, from(2), "another"), 0, "another address");
        clock.advance(TimeDelta::hours(1));
        limits.sweep();
        assert!(limits.locked().by_address.is_empty() && limits.locked().by_name.is_empty());
    }

    #[test]
    fn who_is_right_is_not_counted_and_many_at_once_are_no_way_around() {
        let (_, limits) = limits();
        for _ in 0..500 {
            limits.succeeded(limits.begin(from(1), "jo@example.com").unwrap());
        }
        let under_way: Vec<_> = (0..60).map(|_| limits.begin(from(1), "jo@example.com").unwrap()).collect();
        assert_eq!(rest(&limits, from(1), "jo@example.com"), 1);
        under_way.into_iter().for_each(|attempt| limits.succeeded(attempt));
        assert_eq!(rest(&limits, from(1), "jo@example.com"), 0);
    }

    #[test]
    fn strangers_keep_nobody_out_of_a_familiar_place() {
        let (_, limits) = limits();
        limits.succeeded(limits.begin(from(1), "jo@example.com").unwrap());
        for number in 0..1000 {
            let address = Some(IpAddr::from([198, 51, 100, u8::try_from(number % 200).unwrap()]));
            assert_eq!(rest(&limits, address, "jo@example.com"), 0, "{number}");
        }
        assert!(rest(&limits, Some(IpAddr::from([192, 0, 2, 1])), "Jo@example.com ") > 0);
        assert_eq!(rest(&limits, from(1), "jo@example.com"), 0);
        assert!(rest(&limits, from(2), "jo@example.com") > 0);
    }

    #[test]
    fn what_is_counted_has_a_bound() {
        let (_, limits) = limits();
        for number in 0..200_000_u32 {
            let _ = limits.begin(Some(IpAddr::from(number.to_be_bytes())), &number.to_string());
        }
        assert!(limits.locked().by_address.len() <= MOST && limits.locked().by_name.len() <= MOST);
    }
}
