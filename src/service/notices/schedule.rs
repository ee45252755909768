//! When a notice that was not taken is tried again, stops to hold up others, and is given up.

use chrono::{DateTime, TimeDelta, Utc};

use crate::store::notices::{Delivery, Fate};

const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(5);
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);
/// From then on those behind it no longer wait for it.
const PARKED_AFTER: TimeDelta = TimeDelta::hours(1);
const GIVEN_UP_AFTER: TimeDelta = TimeDelta::days(1);

/// After an attempt at `now` that failed. `asked`: seconds, where the receiver said so.
pub(super) fn after_failure(notice: &Delivery, asked: Option<u64>, now: DateTime<Utc>) -> Fate {
    let since = DateTime::<Utc>::from(notice.created_at);
    let at = |age: TimeDelta| since.checked_add_signed(age).unwrap_or(now);
    let (parking, end) = (at(PARKED_AFTER), at(GIVEN_UP_AFTER));
    if now >= end {
        return Fate::Failed;
    }
    let asked = asked.and_then(|seconds| TimeDelta::try_seconds(i64::try_from(seconds).ok()?)).unwrap_or_default();
    let pause = pause(notice.id, notice.attempts).max(asked.min(LONGEST_PAUSE));
    let due_at = now.checked_add_signed(pause).unwrap_or(end);
    // At both turning points it is tried once more: a receiver that is back in time still gets everything in order.
    let turning = [parking, end].into_iter().find(|point| now < *point && *point < due_at);
    Fate::Again { due_at: turning.unwrap_or(due_at), parked: notice.parked || now >= parking }
}

/// Doubling from five seconds to an hour, up to a tenth less, so that what failed together is not tried together.
fn pause(id: i64, attempts: i64) -> TimeDelta {
    let doublings = u32::try_from(attempts).unwrap_or(u32::MAX).min(10);
    let pause = FIRST_PAUSE.checked_mul(2_i32.saturating_pow(doublings)).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
    // Multiplicative hashing: neighbouring ids are far apart.
    let share = i32::try_from(id.wrapping_mul(0x9E37_79B1).rem_euclid(100)).unwrap_or_default();
    pause - pause / 1000 * share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::time::UtcTime;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_772_366_400, 0).unwrap()
    }

    fn notice(id: i64) -> Delivery {
        Delivery {
            id,
            organization_id: 1,
            account_id: 2,
            link_id: None,
            subject: "instance:3".to_owned(),
            kind: "instance.created".to_owned(),
            message: "msg_4".to_owned(),
            payload: "{}".to_owned(),
            status: "waiting".to_owned(),
            parked: false,
            attempts: 0,
            last_status: None,
            last_error: None,
            due_at: UtcTime(start()),
            delivered_at: None,
            created_at: UtcTime(start()),
        }
    }

    /// The ages at which it is tried, and the age at which it is parked.
    fn attempts(mut notice: Delivery) -> (Vec<i64>, i64) {
        let (mut ages, mut parked, mut now) = (vec![0], None, start());
        while let Fate::Again { due_at, parked: is_parked } = after_failure(&notice, None, now) {
            assert!(due_at > now && due_at - now <= LONGEST_PAUSE);
            let age = (now - start()).num_seconds();
            parked = parked.or(is_parked.then_some(age));
            (notice.parked, notice.attempts, now) = (is_parked, notice.attempts + 1, due_at);
            ages.push((now - start()).num_seconds());
        }
        (ages, parked.unwrap())
    }

    #[test]
    fn pauses_grow_and_an_hour_and_a_day_are_met_exactly() {
        for id in 0..200 {
            let (ages, parked) = attempts(notice(id));
            assert!((4..=5).contains(&ages[1]), "{ages:?}");
            assert!((30..=40).contains(&ages.len()), "{ages:?}");
            assert!(ages.contains(&3600) && parked == 3600, "{ages:?}");
            assert_eq!(*ages.last().unwrap(), 86_400);
        }
    }

    #[test]
    fn what_failed_together_is_not_tried_together() {
        let pauses: std::collections::BTreeSet<_> = (1..=50).map(|id| pause(id, 6)).collect();
        assert!(pauses.len() > 40, "{pauses:?}");
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_all_of_it() {
        let pause = |asked| match after_failure(&notice(1), Some(asked), start()) {
            Fate::Again { due_at, .. } => (due_at - start()).num_seconds(),
            other => panic!("{other:?}"),
        };
        assert_eq!(pause(120), 120);
        assert!(pause(1) >= 4);
        assert_eq!(pause(u64::MAX), 4, "nobody means that");
        assert_eq!(pause(86_400), 3600);
    }
}
