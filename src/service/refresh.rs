//! One refresh at a time for each instance, in this process and across processes (RFC 6749 section 6). A rotating refresh
//! token that is sent twice can end the whole grant, so everything here serves that one rule:
//! callers of one process share a flight, processes share a lease, and a new token is committed before anybody uses it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use moka::sync::Cache;
use tokio::sync::{Semaphore, watch};

use super::leases::Watch;
use super::warm_instances::withdrawn;
use super::{Services, refresh_attempt::lease_name};
use crate::catalog::element::Element;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::store::instances::{self, Stored};
use crate::store::leases::{self, Lease};

/// Why a refresh is wanted. Goes to the log and the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A caller needs a token, and the one there is is over.
    Expired,
    /// A caller used a token that is soon over.
    Ageing,
    /// The background job.
    Due,
    /// The vendor refused a token that should be good.
    Refused,
    /// `?refresh=true`.
    Asked,
}

impl Cause {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Ageing => "ageing",
            Self::Due => "due",
            Self::Refused => "refused",
            Self::Asked => "asked",
        }
    }
}

/// A credential that is to be newer than the version that was seen.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub owner: Owner,
    pub id: i64,
    pub seen: i64,
    pub cause: Cause,
}

/// The version that there is now, or why there is none newer.
type Outcome = Result<i64, Arc<ApiError>>;
type Flight = watch::Receiver<Option<Outcome>>;

/// What this process has under way, and what it remembers of failures.
pub struct Refreshes {
    flights: Mutex<HashMap<i64, Flight>>,
    setbacks: Cache<i64, Setback>,
    /// Token calls at once, by element.
    permits: Mutex<HashMap<i64, Arc<Semaphore>>>,
}

/// A refresh failed, and may do better later.
#[derive(Clone)]
pub struct Setback {
    pub until: DateTime<Utc>,
    pause: Duration,
    pub error: Arc<ApiError>,
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Between two looks at another process's lease.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LATER_LOOKS: Duration = Duration::from_millis(500);

impl Default for Refreshes {
    fn default() -> Self {
        Self { flights: Mutex::default(), setbacks: Cache::new(100_000), permits: Mutex::default() }
    }
}

impl Refreshes {
    /// The failure that still stands in the way, if there is one.
    pub fn setback(&self, id: i64, now: DateTime<Utc>) -> Option<Setback> {
        self.setbacks.get(&id).filter(|setback| now < setback.until)
    }

    /// Twice as long after every failure, but at least as long as the vendor asks for, within a minute.
    fn set_back(&self, id: i64, error: &Arc<ApiError>, now: DateTime<Utc>) {
        let doubled = self.setbacks.get(&id).map_or(FIRST_PAUSE, |before| before.pause.saturating_mul(2));
        let asked = Duration::from_secs(error.retry_after.unwrap_or(0));
        let pause = doubled.max(asked).min(LONGEST_PAUSE);
        let until = now.checked_add_signed(chrono::TimeDelta::from_std(pause).unwrap_or_default()).unwrap_or(now);
        self.setbacks.insert(id, Setback { until, pause, error: Arc::clone(error) });
    }

    pub(super) fn permits(&self, element: &Element) -> Arc<Semaphore> {
        let mut permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        let of_element = permits.entry(element.id).or_insert_with(|| Arc::new(Semaphore::new(element.concurrency())));
        Arc::clone(of_element)
    }
}

impl Services {
    /// Waits until the credential is newer than the one that was seen. When the caller stops waiting, it goes on.
    pub async fn refresh(&self, wanted: Wanted) -> Result<(), ApiError> {
        loop {
            let mut flight = self.start_refresh(wanted);
            let outcome = flight.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
            match outcome.map_err(|error| ApiError::internal(error))? {
                Some(Ok(version)) if version > wanted.seen => return Ok(()),
                Some(Err(error)) => return Err(error.copy()),
                // It was begun by somebody who had seen less.
                Some(Ok(_)) | None => {}
            }
        }
    }

    /// Joins the flight of this instance, or starts one.
    pub(super) fn start_refresh(&self, wanted: Wanted) -> Flight {
        let mut flights = self.refreshes.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&wanted.id) {
            return flight.clone();
        }
        let (tell, flight) = watch::channel(None);
        flights.insert(wanted.id, flight.clone());
        let services = self.clone();
        self.detached.start(async move {
            let landing = Landing { refreshes: Arc::clone(&services.refreshes), id: wanted.id };
            let outcome = services.fly(wanted).await.map_err(Arc::new);
            match &outcome {
                Ok(_) => services.refreshes.setbacks.invalidate(&wanted.id),
                Err(error) => services.refreshes.set_back(wanted.id, error, services.now()),
            }
            // Whoever comes from now on starts anew; whoever waits is told.
            drop(landing);
            let _ = tell.send(Some(outcome));
        });
        flight
    }

    /// Waits for another process's refresh, or does its own.
    async fn fly(&self, wanted: Wanted) -> Result<i64, ApiError> {
        let Wanted { owner, id, seen, .. } = wanted;
        let name: Arc<str> = lease_name(id).into();
        let mut watch: Option<Watch> = None;
        let mut pause = FIRST_LOOK;
        loop {
            let of_lease = Arc::clone(&name);
            let asked = Instant::now();
            let look = move |conn: &mut _| Ok((instances::find(conn, owner, id)?, leases::find(conn, &of_lease)?));
            let (stored, lease) = self.store.read(look).await.map_err(super::of_instance(id))?;
            if stored.credential.version > seen {
                return Ok(stored.credential.version);
            }
            if let Some(reason) = &stored.instance.invalid_reason {
                return Err(withdrawn(reason));
            }
            let held = lease.filter(Lease::is_held);
            let abandoned = held.is_some_and(|held| Watch::look(&mut watch, held, asked));
            if abandoned || held.is_none() {
                // First: nobody holds a lease while it waits for its turn.
                let permits = self.refreshes.permits(&*self.element_of_row(&stored.instance)?);
                let _permit = permits.acquire().await.map_err(|error| ApiError::internal(error))?;
                let asked = Instant::now();
                if let Some((lease, stored)) = self.take_lease(&name, held, wanted).await? {
                    return self.refresh_under(&name, (lease, asked), stored, wanted).await;
                }
            }
            tokio::time::sleep(pause).await;
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
        let taken = self.store.write(move |conn| {
            let lease = match held {
                Some(held) => leases::take_over(conn, &name, held, process)?,
                None => leases::take(conn, &name, process)?.mine(),
            };
            // Only now: whoever had it before wrote its result before it let go.
            lease.map(|lease| Ok((lease, instances::find(conn, owner, id)?))).transpose()
        });
        taken.await.map_err(super::of_instance(id))
    }
}

/// Takes the flight off the list, also when its task panics.
struct Landing {
    refreshes: Arc<Refreshes>,
    id: i64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.refreshes.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
