//! When work that failed is tried again, stops to hold up others, and is given up: one rule, with figures for each kind.

use chrono::{DateTime, TimeDelta, Utc};

use crate::store::work::{Fate, Row};

/// The figures of a kind.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// After the first failure. Each pause is twice the one before, up to a tenth less, so that what failed together is not tried
    /// together.
    pub first_pause: TimeDelta,
    pub longest_pause: TimeDelta,
    /// A pause that the other side asks for, at most.
    pub longest_asked: TimeDelta,
    /// From this age on those behind it in its lane no longer wait for it. None: from its end on.
    pub parked_after: Option<TimeDelta>,
    pub given_up: GivenUp,
    /// What was given up is kept so long. None: what became of it is written in a table of the kind's own.
    pub kept_for: Option<TimeDelta>,
}

/// When there is no further attempt.
#[derive(Debug, Clone, Copy)]
pub enum GivenUp {
    AtAge(TimeDelta),
    AfterTries(i64),
}

impl Schedule {
    /// After an attempt at `now` that failed. `asked`: seconds, where the other side said so. `last`: no other would do better.
    pub fn after_failure(&self, row: &Row, asked: Option<u64>, last: bool, now: DateTime<Utc>) -> Fate {
        let since = DateTime::<Utc>::from(row.created_at);
        let at = |age: TimeDelta| since.checked_add_signed(age).unwrap_or(now);
        let parking = self.parked_after.map(at);
        let (end, over) = match self.given_up {
            GivenUp::AtAge(age) => (Some(at(age)), now >= at(age)),
            GivenUp::AfterTries(tries) => (None, row.attempts >= tries),
        };
        if last || over {
            return Fate::GivenUp { forgotten_at: self.kept_for.and_then(|time| now.checked_add_signed(time)) };
        }
        let asked = asked.and_then(|seconds| TimeDelta::try_seconds(i64::try_from(seconds).ok()?)).unwrap_or_default();
        let pause = self.pause(row.about, row.attempts).max(asked.min(self.longest_asked));
        let due_at = now.checked_add_signed(pause).unwrap_or(now);
        // At both turning points it is tried once more: whoever is back in time still gets everything in order.
        let turning = [parking, end].into_iter().flatten().find(|point| now < *point && *point < due_at);
        let parked = row.is_parked() || parking.is_some_and(|parking| now >= parking);
        Fate::Again { due_at: turning.unwrap_or(due_at), parked }
    }

    /// After so many attempts.
    pub fn pause(&self, about: i64, attempts: i64) -> TimeDelta {
        let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or_default().min(20);
        let pause = self.first_pause.checked_mul(2_i32.saturating_pow(doublings)).unwrap_or(self.longest_pause);
        let pause = pause.min(self.longest_pause);
        // Multiplicative hashing: neighbours are far apart.
        let share = i32::try_from(about.wrapping_mul(0x9E37_79B1).rem_euclid(100)).unwrap_or_default();
        pause - pause / 1000 * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::time::UtcTime;
    use crate::store::work::{PARKED, WAITING};

    const OF_NOTICES: Schedule = crate::service::notices::sending::SCHEDULE;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_772_366_400, 0).unwrap()
    }

    fn row(about: i64) -> Row {
        Row {
            id: 1,
            organization_id: 1,
            account_id: 2,
            kind: "notice".to_owned(),
            about,
            share: "notice/1/1".to_owned(),
            lane: None,
            state: WAITING.to_owned(),
            is_head: true,
            due_at: UtcTime(start()),
            attempts: 1,
            process: None,
            refusal: None,
            body: String::new(),
            created_at: UtcTime(start()),
        }
    }

    /// The ages at which it is tried, and the age at which it is parked.
    fn attempts(schedule: &Schedule, mut row: Row) -> (Vec<i64>, Option<i64>) {
        let (mut ages, mut parked, mut now) = (vec![0], None, start());
        while let Fate::Again { due_at, parked: is_parked } = schedule.after_failure(&row, None, false, now) {
            assert!(due_at > now && due_at - now <= schedule.longest_pause);
            parked = parked.or(is_parked.then_some((now - start()).num_seconds()));
            (row.attempts, now) = (row.attempts + 1, due_at);
            row.state = if is_parked { PARKED } else { WAITING }.to_owned();
            ages.push((now - start()).num_seconds());
        }
        (ages, parked)
    }

    #[test]
    fn pauses_grow_and_an_hour_and_a_day_are_met_exactly() {
        for about in 0..200 {
            let (ages, parked) = attempts(&OF_NOTICES, row(about));
            assert!((4..=5).contains(&ages[1]), "{ages:?}");
            assert!((30..=40).contains(&ages.len()), "{ages:?}");
            assert!(ages.contains(&3600) && parked == Some(3600), "{ages:?}");
            assert_eq!(*ages.last().unwrap(), 86_400);
        }
    }

    #[test]
    fn what_failed_together_is_not_tried_together() {
        let pauses: std::collections::BTreeSet<_> = (1..=50).map(|about| OF_NOTICES.pause(about, 7)).collect();
        assert!(pauses.len() > 40, "{pauses:?}");
    }

    #[test]
    fn who_refuses_may_ask_for_more_time_but_not_for_all_of_it() {
        let pause = |asked| match OF_NOTICES.after_failure(&row(1), Some(asked), false, start()) {
            Fate::Again { due_at, .. } => (due_at - start()).num_seconds(),
            other => panic!("{other:?}"),
        };
        assert_eq!(pause(120), 120);
        assert!(pause(1) >= 4);
        assert_eq!(pause(u64::MAX), 4, "nobody means that");
        assert_eq!(pause(86_400), 3600);
    }

    #[test]
    fn what_no_attempt_would_mend_is_given_up_at_once() {
        let fate = OF_NOTICES.after_failure(&row(1), None, true, start());
        assert_eq!(fate, Fate::GivenUp { forgotten_at: None });
        let kept = Schedule { kept_for: Some(TimeDelta::days(30)), ..OF_NOTICES };
        let fate = kept.after_failure(&row(1), None, true, start());
        assert_eq!(fate, Fate::GivenUp { forgotten_at: Some(start() + TimeDelta::days(30)) });
    }
}
