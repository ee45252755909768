//! Whether a process that holds something lives. Nobody compares clocks: who waits looks again and again.

use std::time::{Duration, Instant};

use chrono::TimeDelta;

use crate::service::Services;
use crate::store::StoreFault;
use crate::store::leases::{Lease, Seen};
use crate::store::processes::{self, Presence};

/// Between two signs of life.
pub(super) const BEAT: Duration = Duration::from_millis(500);
/// A holder that shows none for so long, while the database answered all the time, is dead. Longer than a sign of life can
/// wait for a connection.
const SILENT_FOR: Duration = Duration::from_secs(10);
/// Looks that are further apart prove nothing: the holder could not reach the database either.
const LONGEST_GAP: Duration = Duration::from_secs(4);
/// So is a holder without any session and any sign of life for so long: who lives opens one for its next sign, twice in
/// this time.
const GONE_FOR: Duration = Duration::from_millis(1200);
/// As `LONGEST_GAP`, of looks at sessions.
const LONGEST_GAP_OF_GONE: Duration = Duration::from_secs(1);
/// Between two looks at a holder without a session.
const SUSPICIOUS: Duration = Duration::from_millis(200);

/// A claim of an older version, which has no lease, is given up after so long without an answer.
pub(in crate::service) const ABANDONED_AFTER: TimeDelta = TimeDelta::minutes(5);

/// How it is known that a process is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum Death {
    /// It has no session with the database any more: whatever it still had to say, it cannot say it.
    Known,
    /// It gave no sign of life. It may be frozen or cut off, and come back with what it had in its hands.
    Silent,
}

/// What somebody who waits for a lease has seen of it.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) struct Watch {
    lease: Lease,
    since: Instant,
    /// The first of the looks that found no session, one soon after the other.
    gone_since: Option<Instant>,
    looked: Instant,
}

impl Watch {
    /// Looks once more, or for the first time: whether the holder is dead, by an answer that was asked for then.
    pub fn look(watch: &mut Option<Self>, seen: Seen, asked: Instant) -> Option<Death> {
        let now = Instant::now();
        watch.get_or_insert_with(|| Self::begin(seen.lease, now)).death(seen, asked, now)
    }

    /// How soon to look again, at the latest.
    pub fn pause(watch: Option<&Self>, usual: Duration) -> Duration {
        let gone = watch.is_some_and(|watch| watch.gone_since.is_some());
        if gone { usual.min(SUSPICIOUS) } else { usual }
    }

    /// Whether the silence has lasted so long.
    pub fn is_silent_for(watch: Option<&Self>, time: Duration) -> bool {
        watch.is_some_and(|it| it.looked.duration_since(it.since) >= time)
    }

    fn begin(lease: Lease, now: Instant) -> Self {
        Self { lease, since: now, gone_since: None, looked: now }
    }

    /// Whether the holder is dead, by this further look at its lease: asked for then, answered now.
    fn death(&mut self, Seen { lease, presence }: Seen, asked: Instant, now: Instant) -> Option<Death> {
        let gap = asked.saturating_duration_since(self.looked);
        if lease != self.lease || gap > LONGEST_GAP {
            *self = Self::begin(lease, now);
        }
        if presence != Presence::Gone || gap > LONGEST_GAP_OF_GONE {
            self.gone_since = None;
        }
        self.looked = now;
        if presence == Presence::Gone {
            let gone_since = *self.gone_since.get_or_insert(now);
            if asked.saturating_duration_since(gone_since) >= GONE_FOR {
                return Some(Death::Known);
            }
        }
        (now.duration_since(self.since) >= SILENT_FOR).then_some(Death::Silent)
    }
}

impl Services {
    /// Whether the holder of a lease is dead, by a further look at it.
    pub(in crate::service) fn watch(&self, watch: &mut Option<Watch>, seen: Seen, asked: Instant) -> Option<Death> {
        // When the database went away all sessions went, also those of the living.
        let presence = match seen.presence {
            Presence::Gone if !self.store.is_steady() => Presence::Unknown,
            presence => presence,
        };
        Watch::look(watch, Seen { presence, ..seen }, asked)
    }

    /// The process begins: before it takes anything, and before anybody asks it for something.
    pub async fn begin_process(&self) -> Result<(), StoreFault> {
        let (process, now, alone) = (self.process, self.now(), self.store.is_of_one_process());
        self.store.belongs_to(process);
        let locks = self.store.has_sessions();
        let recent = now.checked_sub_signed(crate::service::process::liveness::ABANDONED_AFTER).unwrap_or(now);
        let given_back = self.store.write(move |conn| {
            let given_back = if alone { processes::begin_alone(conn, recent)? } else { 0 };
            processes::note(conn, process, locks, now)?;
            Ok(given_back)
        });
        let given_back = given_back.await?;
        if given_back > 0 {
            tracing::info!(leases = given_back, "what an earlier process held when it died is free");
        }
        Ok(())
    }

    /// At the end of the process: whoever comes next need not wait for a dead holder.
    pub async fn end_process(&self) -> Result<usize, StoreFault> {
        let process = self.process;
        self.store.write(move |conn| processes::leave(conn, process)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Lease = Lease { holder: 7, beat: 1, unsettled: false };
    const ALIVE: Lease = Lease { beat: 2, ..LEASE };

    fn seen(lease: Lease, presence: Presence) -> Seen {
        Seen { lease, presence }
    }

    #[test]
    fn only_silence_that_was_listened_to_counts() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        for presence in [Presence::Unknown, Presence::There] {
            let mut watch = Watch::begin(LEASE, at(0));
            let mut look = |lease, asked, now| watch.death(seen(lease, presence), at(asked), at(now));
            assert!((1..20).all(|number| look(LEASE, number * 500, number * 500).is_none()));
            assert_eq!(look(LEASE, 10_000, 10_000), Some(Death::Silent));
            assert_eq!(look(ALIVE, 10_500, 10_500), None, "a beat starts it anew");
            assert_eq!(look(ALIVE, 14_000, 19_000), None, "a slow answer is an answer");
            assert_eq!(look(ALIVE, 20_000, 20_600), Some(Death::Silent));
            assert_eq!(look(ALIVE, 25_000, 25_000), None, "a gap starts it anew, too");
            assert_eq!(look(ALIVE, 29_000, 34_900), None);
            assert_eq!(look(ALIVE, 35_000, 35_000), Some(Death::Silent));
        }
    }

    #[test]
    fn only_an_absence_that_was_seen_again_and_again_counts() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut watch = Watch::begin(LEASE, at(0));
        let mut look = |lease, presence, ms| watch.death(seen(lease, presence), at(ms), at(ms));
        assert_eq!(look(LEASE, Presence::There, 0), None);
        assert_eq!(look(LEASE, Presence::Gone, 500), None, "since now, as far as anybody knows");
        assert_eq!(look(LEASE, Presence::Gone, 1_500), None);
        assert_eq!(look(LEASE, Presence::There, 1_700), None, "a session is there again");
        assert_eq!(look(LEASE, Presence::Gone, 1_900), None);
        assert_eq!(look(LEASE, Presence::Unknown, 2_500), None, "not known is not gone");
        assert_eq!(look(LEASE, Presence::Gone, 3_100), None);
        assert_eq!(look(ALIVE, Presence::Gone, 3_500), None, "a sign of life");
        assert_eq!(look(ALIVE, Presence::Gone, 4_500), None);
        assert_eq!(look(ALIVE, Presence::Gone, 5_600), None, "nobody looked for more than a second");
        assert_eq!(look(ALIVE, Presence::Gone, 6_600), None);
        assert_eq!(look(ALIVE, Presence::Gone, 6_800), Some(Death::Known));
    }

    #[test]
    fn an_answer_that_was_asked_for_before_says_nothing_of_the_time_after() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut watch = Watch::begin(LEASE, at(0));
        let mut look = |asked, now| watch.death(seen(LEASE, Presence::Gone), at(asked), at(now));
        assert_eq!(look(0, 1_000), None);
        assert_eq!(look(1_100, 2_500), None, "slow answers: what is proved is the time from answer to question");
        assert_eq!(look(2_600, 2_700), Some(Death::Known));
    }
}
