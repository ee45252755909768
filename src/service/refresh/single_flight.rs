//! One refresh at a time for each instance, in this process and across processes (RFC 6749 section 6). A rotating refresh
//! token that is sent twice can end the whole grant, so everything here serves that one rule:
//! callers of one process share a flight, processes share a lease, and a new token is committed before anybody uses it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache;

use super::warm_instances::withdrawn;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::service::Services;
use crate::service::credentials::token_turns::{self, TokenTurns};
use crate::service::instance::schedule::lease_name;
use crate::service::process::flight::{Flight, Lateness};
use crate::service::process::liveness::{Death, Watch};
use crate::service::process::metrics::Cause;
use crate::store::instances::{self, Stored};
use crate::store::leases::{self, Lease};

/// A credential that is to be newer than the version that was seen.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub owner: Owner,
    pub id: i64,
    pub seen: i64,
    pub cause: Cause,
}

/// What this process has under way, and what it remembers of failures.
pub struct Refreshes {
    /// Each ends with the version that there is then.
    flights: Mutex<HashMap<i64, Flight<i64>>>,
    setbacks: Cache<i64, Setback>,
    turns: TokenTurns,
}

/// A refresh failed, and may do better later. Measured by a clock that nobody sets.
#[derive(Clone)]
struct Setback {
    until: Instant,
    pause: Duration,
    /// The token endpoint's host, where that was down: its return ends the pause.
    host: Option<Arc<str>>,
    error: Arc<ApiError>,
}

/// Why a refresh failed; the host, where that is down.
pub(in crate::service) struct Failure {
    pub error: ApiError,
    pub host: Option<Arc<str>>,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self { error, host: None }
    }
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long callers wait for another process's refresh, or for a place among the token calls.
const TURN: Duration = Duration::from_secs(40);
/// How long a failure is remembered, so that the next one has a longer pause.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);
/// Between two looks at another process's lease.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LATER_LOOKS: Duration = Duration::from_millis(500);

impl Default for Refreshes {
    fn default() -> Self {
        // Of deleted instances, too: nothing in it counts for longer.
        let setbacks = Cache::builder().max_capacity(100_000).time_to_live(REMEMBERED_FOR).build();
        Self { flights: Mutex::default(), setbacks, turns: TokenTurns::default() }
    }
}

impl Refreshes {
    /// Twice as long after every failure, but at least as long as the vendor asks for, within a minute. While a host is down,
    /// how long is the host's own matter.
    fn set_back(&self, id: i64, failure: Failure, now: Instant) -> Arc<ApiError> {
        let Failure { error, host } = failure;
        let doubled = self.setbacks.get(&id).map_or(FIRST_PAUSE, |before| before.pause.saturating_mul(2));
        let asked = Duration::from_secs(error.retry_after.unwrap_or(0));
        let pause = if host.is_some() { FIRST_PAUSE } else { doubled.max(asked).min(LONGEST_PAUSE) };
        let error = Arc::new(to_come_again(error, pause));
        let until = now.checked_add(pause).unwrap_or(now);
        self.setbacks.insert(id, Setback { until, pause, host, error: Arc::clone(&error) });
        error
    }
}

fn still_waiting() -> ApiError {
    let message = "The credential is being renewed, which takes longer than a caller should wait: ask again.";
    ApiError::new(Code::VendorTimeout, message).with_retry_after(5)
}

/// A refusal that passes says when; one for good does not.
fn to_come_again(error: ApiError, rest: Duration) -> ApiError {
    let passes = error.code.status() >= 500 || error.code.status() == 429;
    let seconds = rest.as_secs().saturating_add(u64::from(rest.subsec_nanos() > 0));
    if passes { error.with_retry_after(seconds.max(1)) } else { error }
}

impl Services {
    /// The failure that still stands in the way of a refresh, if there is one.
    pub(super) fn setback(&self, id: i64) -> Option<ApiError> {
        let setback = self.refreshes.setbacks.get(&id)?;
        let now = self.clock.steady();
        let rest = match &setback.host {
            // Not known to fail any more: it is back.
            Some(host) => self.token_hosts.rest(host, now).filter(|rest| *rest < Duration::MAX)?,
            None => setback.until.saturating_duration_since(now),
        };
        (!rest.is_zero()).then(|| to_come_again(setback.error.copy(), rest))
    }

    /// Waits until the credential is newer than the one that was seen. When the caller stops waiting, it goes on.
    pub async fn refresh_credential(&self, wanted: Wanted) -> Result<(), ApiError> {
        self.standstill.lets_refresh(wanted.cause)?;
        loop {
            // It may have been begun by somebody who had seen less.
            if self.start_refresh(wanted).arrival().await? > wanted.seen {
                return Ok(());
            }
        }
    }

    /// Joins the flight of this instance, or starts one.
    pub(super) fn start_refresh(&self, wanted: Wanted) -> Flight<i64> {
        let mut flights = self.refreshes.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&wanted.id) {
            return flight.clone();
        }
        let (lateness, landing, flight) = Flight::begin();
        flights.insert(wanted.id, flight.clone());
        let services = self.clone();
        self.detached.start(async move {
            let under_way = UnderWay { refreshes: Arc::clone(&services.refreshes), id: wanted.id };
            let outcome = services.refresh_in_turn(wanted, &lateness).await;
            let outcome =
                outcome.map_err(|failure| services.refreshes.set_back(wanted.id, failure, services.clock.steady()));
            if outcome.is_ok() {
                services.refreshes.setbacks.invalidate(&wanted.id);
            }
            // Whoever comes from now on starts anew; whoever waits is told.
            drop(under_way);
            landing.tell(outcome);
        });
        flight
    }

    /// Waits for another process's refresh, or does its own.
    async fn refresh_in_turn(&self, wanted: Wanted, lateness: &Lateness) -> Result<i64, Failure> {
        let turn = lateness.within(TURN, still_waiting, self.wait_for_turn(wanted)).await?;
        match turn {
            Turn::Refreshed(version) => Ok(version),
            Turn::Ours { lease, asked, stored, turn } => {
                let name: Arc<str> = lease_name(wanted.id).into();
                self.refresh_under(&name, (lease, asked), *stored, wanted, (lateness, turn)).await
            }
        }
    }

    async fn wait_for_turn(&self, wanted: Wanted) -> Result<Turn, ApiError> {
        let Wanted { owner, id, seen, .. } = wanted;
        let name: Arc<str> = lease_name(id).into();
        let mut watch: Option<Watch> = None;
        let mut pause = FIRST_LOOK;
        loop {
            let of_lease = Arc::clone(&name);
            let asked = Instant::now();
            let look = move |conn: &mut _| Ok((instances::find(conn, owner, id)?, leases::look(conn, &of_lease)?));
            let (stored, lease) = self.store.read_for(owner, look).await.map_err(crate::service::of_instance(id))?;
            if stored.credential.version > seen {
                return Ok(Turn::Refreshed(stored.credential.version));
            }
            if let Some(reason) = &stored.instance.invalid_reason {
                return Err(withdrawn(reason));
            }
            let element = self.element_of_row(&stored.instance)?;
            let held = lease.filter(|seen| seen.lease.is_held());
            // Nobody else of this process is at it: an earlier flight could not give the lease back.
            let left = held.is_some_and(|held| held.lease.holder == self.process);
            let abandoned = match held.and_then(|held| self.watch(&mut watch, held, asked)) {
                None => left,
                Some(Death::Known) => true,
                // It may come back with the answer in its hands, so the token is sent again only when that must be over.
                Some(Death::Silent) => Watch::is_silent_for(watch.as_ref(), Duration::from_secs(element.timeout)),
            };
            let held = held.map(|held| held.lease);
            if abandoned || held.is_none() {
                // First: nobody holds a lease while it waits for its turn.
                let turn = self.refreshes.turns.wait(&element, self.party(&stored, &element));
                let turn = turn.await.map_err(|error| ApiError::internal(error))?;
                let asked = Instant::now();
                if let Some((lease, stored)) = self.take_lease(&name, held, wanted).await? {
                    return Ok(Turn::Ours { lease, asked, stored: Box::new(stored), turn });
                }
            }
            tokio::time::sleep(Watch::pause(watch.as_ref(), pause)).await;
            pause = pause.saturating_mul(2).min(LATER_LOOKS);
        }
    }

    /// The lease, and the instance as it is under the lease. `held`: by whom it was held, who is dead; none: it was free.
    async fn take_lease(
        &self,
        name: &Arc<str>,
        held: Option<Lease>,
        Wanted { owner, id, .. }: Wanted,
    ) -> Result<Option<(Lease, Stored)>, ApiError> {
        let (name, process) = (Arc::clone(name), self.process);
        let taken = self.store.write_for(owner, move |conn| {
            let lease = match held {
                Some(held) => leases::take_over(conn, &name, held, process)?,
                None => leases::take(conn, &name, process)?.mine(),
            };
            // Only now: whoever had it before wrote its result before it let go.
            lease.map(|lease| Ok((lease, instances::find(conn, owner, id)?))).transpose()
        });
        taken.await.map_err(crate::service::of_instance(id))
    }
}

/// Whose turn it is.
enum Turn {
    /// Somebody else did it: the version that there is now.
    Refreshed(i64),
    Ours {
        lease: Lease,
        asked: Instant,
        stored: Box<Stored>,
        turn: token_turns::Turn,
    },
}

/// Takes the flight off the list, also when its task panics.
struct UnderWay {
    refreshes: Arc<Refreshes>,
    id: i64,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.refreshes.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
