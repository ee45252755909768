//! Holding a lease while work runs, and noticing that another holder has died.

use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};

use super::Services;
use crate::store::StoreFault;
use crate::store::leases::{self, Lease, Taken};

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(1);
/// A holder that shows none for so long, while the database answered all the time, is dead. Longer than a sign of life can
/// wait for a connection.
const SILENT_FOR: Duration = Duration::from_secs(10);
/// Looks that are further apart prove nothing: the holder could not reach the database either.
const LONGEST_GAP: Duration = Duration::from_secs(4);

/// What somebody who waits for a lease has seen of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    seen: Lease,
    since: Instant,
    looked: Instant,
}

impl Watch {
    /// Looks once more, or for the first time: whether the holder is dead, by an answer that was asked for then. `longer`:
    /// how much longer than usual it may be silent.
    pub fn look(watch: &mut Option<Self>, held: Lease, asked: Instant, longer: Duration) -> bool {
        watch.get_or_insert_with(|| Self::begin(held, asked)).abandoned(held, asked, Instant::now(), longer)
    }

    fn begin(seen: Lease, now: Instant) -> Self {
        Self { seen, since: now, looked: now }
    }

    /// Whether the holder is dead, by this further look at its lease: asked for then, answered now.
    fn abandoned(&mut self, lease: Lease, asked: Instant, now: Instant, longer: Duration) -> bool {
        if lease != self.seen || asked.saturating_duration_since(self.looked) > LONGEST_GAP {
            *self = Self::begin(lease, now);
        }
        self.looked = now;
        now.duration_since(self.since) >= SILENT_FOR.saturating_add(longer)
    }
}

/// What a process knows of a job that one process of all does.
#[derive(Default)]
pub(super) struct Lead {
    watch: Mutex<Option<Watch>>,
    beat_at: Mutex<Option<Instant>>,
}

/// Who does a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    None,
    /// This process, from now on.
    New,
    /// This process, as before.
    Kept,
}

impl Lead {
    /// Nobody takes over from a holder whose last sign of life is so young.
    fn is_certain(&self) -> bool {
        let beat_at = self.beat_at.lock().unwrap_or_else(PoisonError::into_inner);
        beat_at.is_some_and(|beat_at| beat_at.elapsed() < BEAT)
    }

    fn note(&self, beat_at: Option<Instant>) {
        *self.beat_at.lock().unwrap_or_else(PoisonError::into_inner) = beat_at;
    }

    fn is_dead(&self, held: Lease, asked: Instant) -> bool {
        Watch::look(&mut self.watch.lock().unwrap_or_else(PoisonError::into_inner), held, asked, Duration::ZERO)
    }
}

impl Services {
    /// Whether this process is the one that does the job; asked for again and again while there is something to do.
    pub(super) async fn leads(&self, lease: &'static str, lead: &Lead) -> Result<Standing, StoreFault> {
        if lead.is_certain() {
            return Ok(Standing::Kept);
        }
        let (process, asked) = (self.process, Instant::now());
        let taken = self.store.write(move |conn| {
            if leases::beat(conn, lease, process)? { Ok(None) } else { leases::take(conn, lease, process).map(Some) }
        });
        let standing = match taken.await? {
            None => Standing::Kept,
            Some(Taken::Mine(_)) => Standing::New,
            Some(Taken::Held(held)) if lead.is_dead(held, asked) => {
                let taken = self.store.write(move |conn| leases::take_over(conn, lease, held, process)).await?;
                taken.map_or(Standing::None, |_| Standing::New)
            }
            Some(Taken::Held(_)) => Standing::None,
        };
        lead.note((standing != Standing::None).then_some(asked));
        Ok(standing)
    }

    /// Runs work under a lease that this process holds, with signs of life meanwhile.
    pub(super) async fn while_beating<T>(&self, name: &str, work: impl Future<Output = T>) -> T {
        match select(pin!(work), pin!(self.beat(name))).await {
            Either::Left((done, _)) => done,
            Either::Right((never, _)) => match never {},
        }
    }

    async fn beat(&self, name: &str) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(BEAT).await;
            let (name_of_lease, holder) = (name.to_owned(), self.process);
            match self.store.write(move |conn| leases::beat(conn, &name_of_lease, holder)).await {
                Ok(true) => {}
                // What was begun is finished all the same: its write compares versions.
                Ok(false) => tracing::warn!(lease = name, "another process has taken over"),
                Err(fault) => tracing::warn!(lease = name, %fault, "no sign of life could be given"),
            }
        }
    }

    /// At the end of the process: whoever comes next need not wait for a dead holder.
    pub async fn give_back_leases(&self) -> Result<usize, StoreFault> {
        let holder = self.process;
        self.store.write(move |conn| leases::give_back(conn, holder)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_that_was_listened_to_counts() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let lease = Lease { holder: 7, beat: 1, unsettled: false };
        let mut watch = Watch::begin(lease, at(0));
        assert!((1..20).all(|look| !watch.abandoned(lease, at(look * 500), at(look * 500), Duration::ZERO)));
        assert!(watch.abandoned(lease, at(10_000), at(10_000), Duration::ZERO));
        let alive = Lease { beat: 2, ..lease };
        assert!(!watch.abandoned(alive, at(10_500), at(10_500), Duration::ZERO), "a beat starts it anew");
        assert!(!watch.abandoned(alive, at(14_000), at(19_000), Duration::ZERO), "a slow answer is an answer");
        assert!(watch.abandoned(alive, at(20_000), at(20_600), Duration::ZERO));
        assert!(!watch.abandoned(alive, at(25_000), at(25_000), Duration::ZERO), "a gap starts it anew, too");
        assert!(!watch.abandoned(alive, at(29_000), at(34_900), Duration::ZERO));
        assert!(watch.abandoned(alive, at(35_000), at(35_000), Duration::ZERO));
    }
}
