//! Holding a lease while work runs, and noticing that another holder has died.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};

use super::liveness::{BEAT, Watch};
use crate::service::Services;
use crate::store::leases::{self, Seen, Taken};
use crate::store::{AnyConn, Store, StoreFault, processes};

/// After a sign of life that the database did not take: the connection may have been lost, and the next one is a new one.
const BEAT_AGAIN: Duration = Duration::from_millis(100);
/// Nobody takes over from a holder whose last sign of life is younger.
const CERTAIN_FOR: Duration = Duration::from_secs(1);
/// Between two looks at a job that another process does.
const LOOKS_AT_ANOTHER: Duration = Duration::from_millis(500);

/// What a process knows of a job that one process of all does.
#[derive(Default)]
pub(in crate::service) struct Lead {
    watch: Mutex<Option<Watch>>,
    beat_at: Mutex<Option<Instant>>,
}

/// The lease of a job, as a process finds it that wants to do the job.
enum Found {
    Kept,
    Taken,
    Held(Seen),
}

impl Lead {
    fn is_certain(&self) -> bool {
        let beat_at = self.beat_at.lock().unwrap_or_else(PoisonError::into_inner);
        beat_at.is_some_and(|beat_at| beat_at.elapsed() < CERTAIN_FOR)
    }

    fn note(&self, beat_at: Option<Instant>) {
        *self.beat_at.lock().unwrap_or_else(PoisonError::into_inner) = beat_at;
    }

    /// How long to wait for the next look, if usually so long.
    pub fn pause(&self, usual: Duration) -> Duration {
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if watch.is_some() { Watch::pause(watch.as_ref(), usual.min(LOOKS_AT_ANOTHER)) } else { usual }
    }

    /// Nobody waits for another process any more, or nothing is there to wait for.
    pub fn waits_for_nobody(&self) {
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Services {
    /// Whether this process is the one that does the job; asked for again and again while there is something to do.
    pub(in crate::service) async fn leads(&self, lease: &'static str, lead: &Lead) -> Result<bool, StoreFault> {
        if lead.is_certain() {
            return Ok(true);
        }
        let (process, asked) = (self.process, Instant::now());
        let taken = self.store.write(move |conn| {
            if leases::beat(conn, lease, process)? {
                return Ok(Found::Kept);
            }
            Ok(match leases::take(conn, lease, process)? {
                Taken::Mine(_) => Found::Taken,
                Taken::Held(lease) => {
                    let presence = processes::presence(conn, lease.holder)?;
                    Found::Held(Seen { lease, presence })
                }
            })
        });
        let leads = match taken.await? {
            Found::Kept | Found::Taken => true,
            Found::Held(seen) if self.watches(lead, seen, asked) => {
                let held = seen.lease;
                self.store.write(move |conn| leases::take_over(conn, lease, held, process)).await?.is_some()
            }
            Found::Held(_) => false,
        };
        if leads {
            lead.waits_for_nobody();
        }
        lead.note(leads.then_some(asked));
        Ok(leads)
    }

    /// Whether the one who does the job is dead. A job may be done twice: here both ways to die are the same.
    fn watches(&self, lead: &Lead, seen: Seen, asked: Instant) -> bool {
        let mut watch = lead.watch.lock().unwrap_or_else(PoisonError::into_inner);
        self.watch(&mut watch, seen, asked).is_some()
    }

    /// Runs work under a lease that this process holds, with signs of life meanwhile.
    pub(in crate::service) async fn while_beating<T>(&self, name: &str, work: impl Future<Output = T>) -> T {
        let beat = {
            let (name, holder) = (Arc::<str>::from(name), self.process);
            move |conn: &mut AnyConn| leases::beat(conn, &name, holder)
        };
        while_beating(&self.store, name, beat, work).await
    }
}

/// Runs work with signs of life meanwhile, until it ends.
pub(in crate::service) async fn while_beating<T, B>(
    store: &Store,
    what: &str,
    beat: B,
    work: impl Future<Output = T>,
) -> T
where
    B: Fn(&mut AnyConn) -> Result<bool, StoreFault> + Clone + Send + 'static,
{
    match select(pin!(work), pin!(signs_of_life(store, what, beat))).await {
        Either::Left((done, _)) => done,
        // What was begun is finished all the same: its write compares versions.
        Either::Right(((), work)) => {
            tracing::warn!(lease = what, "another process has taken over");
            work.await
        }
    }
}

/// Gives signs of life until the lease is not this process's any more.
pub(in crate::service) async fn signs_of_life<B>(store: &Store, what: &str, beat: B)
where
    B: Fn(&mut AnyConn) -> Result<bool, StoreFault> + Clone + Send + 'static,
{
    let mut pause = BEAT;
    loop {
        tokio::time::sleep(pause).await;
        let beaten = store.write(beat.clone()).await;
        let at_once = beaten.is_err() && pause == BEAT;
        pause = if at_once { BEAT_AGAIN } else { BEAT };
        match beaten {
            Ok(true) => {}
            Ok(false) => return,
            Err(fault) if !at_once => tracing::warn!(lease = what, %fault, "no sign of life could be given"),
            Err(_) => {}
        }
    }
}
