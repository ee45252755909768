//! Limits of an organization: what it may keep, and how much it may ask for. Whatever would go beyond one is refused before
//! anything is spent for it.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use serde::Serialize;
use utoipa::ToSchema;

use super::rooms::{Found, Known, Looked, Taken};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::Services;
use crate::service::audit::Deed;
use crate::service::process::limiter::InjectedClock;
use crate::store::limits::{self, Limit};
use crate::store::{StoreFault, Whose, links, organization_settings};

/// What a row takes beside the documents that are counted.
const ROW: usize = 1000;
/// Links that go at once to make room: few, because somebody waits.
const ROOM: i64 = 100;
/// How often one looks again where only what is under way fills a limit.
const LOOKS: usize = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// One limit, and how much of it is in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Limit)]
pub struct LimitView {
    pub limit: u64,
    /// Null: it is not counted (requests).
    #[schema(required)]
    pub used: Option<u64>,
}

/// Requests of each organization, counted by this process.
#[derive(Default)]
pub struct Rates(RwLock<HashMap<i64, Arc<Rate>>>);

struct Rate {
    limit: u64,
    limiter: RateLimiter<NotKeyed, InMemoryState, InjectedClock, NoOpMiddleware<Duration>>,
    /// The operator may have said otherwise since.
    stale: AtomicBool,
}

impl Rates {
    fn get(&self, organization: i64) -> Option<Arc<Rate>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&organization).cloned()
    }

    /// Their limits may be others now; of all where none is named. What they asked for is not forgotten.
    pub(super) fn look_again(&self, organizations: Option<&[i64]>) {
        for (organization, rate) in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if organizations.is_none_or(|changed| changed.contains(organization)) {
                rate.stale.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Services {
    /// Counts one request of an organization. From memory; a limit that is not known yet, or may have changed, is read once.
    pub async fn count_request(&self, organization: i64) -> Result<(), ApiError> {
        let rate = match self.rates.get(organization) {
            Some(rate) if !rate.stale.load(Ordering::Relaxed) => rate,
            known => self.rate_of(organization, known).await,
        };
        rate.limiter.check().map_err(|denied| {
            let wait = denied.wait_time_from(rate.limiter.clock().now());
            let message = format!(
                "The organization may send {} requests a minute: wait, and send fewer at once, or ask the operator for \
                 more (ligand organizations limit).",
                rate.limit
            );
            ApiError::new(Code::RequestLimit, message).with_retry_after(wait.as_secs().saturating_add(1))
        })
    }

    async fn rate_of(&self, organization: i64, known: Option<Arc<Rate>>) -> Arc<Rate> {
        let settings = self.organization_settings(organization).await;
        let limit = match (&settings, &known) {
            (Ok(settings), _) => settings.limit(Limit::Requests),
            // Whoever calls finds out soon enough that the database is away.
            (Err(_), Some(known)) => known.limit,
            (Err(_), None) => Limit::Requests.default(),
        };
        if let Some(known) = known.filter(|known| known.limit == limit) {
            known.stale.store(settings.is_err(), Ordering::Relaxed);
            return known;
        }
        let a_minute = u32::try_from(limit).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
        let clock = InjectedClock(Arc::clone(&self.clock));
        let limiter = RateLimiter::direct_with_clock(Quota::per_minute(a_minute), clock);
        let rate = Arc::new(Rate { limit, limiter, stale: AtomicBool::new(settings.is_err()) });
        self.rates.0.write().unwrap_or_else(PoisonError::into_inner).insert(organization, Arc::clone(&rate));
        rate
    }

    /// Takes so much of a limit, or says that it is used up. Nothing is written: the place is kept in memory until the caller
    /// has written, or failed to.
    pub(in crate::service) async fn claim(
        &self,
        organization: i64,
        limit: Limit,
        amount: u64,
    ) -> Result<Taken, ApiError> {
        let key = (organization, limit);
        let allowed = self.organization_settings(organization).await?.limit(limit);
        let _turn = match self.rooms.take(key, amount, Some(allowed)) {
            Known::Free(taken) => return Ok(taken),
            Known::Full => return Err(used_up(limit, allowed)),
            Known::Unknown => self.rooms.looking.wait(key, 1).await.map_err(|error| ApiError::internal(error))?,
        };
        for makes_room in [limit == Limit::Links, false] {
            match self.rooms.take(key, amount, Some(allowed)) {
                Known::Free(taken) => return Ok(taken),
                Known::Full => return Err(used_up(limit, allowed)),
                Known::Unknown => {}
            }
            if let Some(taken) = self.look_for(key, amount, allowed).await? {
                return Ok(taken);
            }
            if makes_room && self.forget_ended_links(organization).await? > 0 {
                self.rooms.freed(organization);
            } else {
                break;
            }
        }
        Err(used_up(limit, allowed))
    }

    /// As `claim`, of bytes: what a row takes, with the documents in it.
    pub(in crate::service) async fn claim_bytes(&self, organization: i64, documents: usize) -> Result<Taken, ApiError> {
        let bytes = u64::try_from(documents.saturating_add(ROW)).unwrap_or(u64::MAX);
        self.claim(organization, Limit::Bytes, bytes).await
    }

    /// What is committed in this moment settles at once, what waits for a vendor does not: it has its place.
    async fn look_for(&self, key: (i64, Limit), amount: u64, allowed: u64) -> Result<Option<Taken>, ApiError> {
        for _ in 0..LOOKS {
            let ended = self.rooms.ended(key);
            let looked = self.look(key.0, key.1).await?;
            match self.rooms.take_of(key, amount, allowed, (looked, ended)) {
                Found::Free(taken) => return Ok(Some(taken)),
                Found::Full => return Ok(None),
                Found::Perhaps => tokio::time::sleep(BETWEEN_LOOKS).await,
            }
        }
        self.rooms.refuse(key);
        Ok(None)
    }

    async fn look(&self, organization: i64, limit: Limit) -> Result<Looked, StoreFault> {
        let began = Instant::now();
        let count = move |conn: &mut _| limits::used(conn, organization, limit);
        Ok(Looked::now(self.store.read_for(Whose::of(organization), count).await?, began))
    }

    /// Every limit by its name.
    pub async fn limits(&self, organization: i64) -> Result<BTreeMap<String, LimitView>, ApiError> {
        let settings = self.organization_settings(organization).await?;
        let mut views = BTreeMap::new();
        for limit in Limit::ALL {
            let used = match limit {
                Limit::Requests => None,
                limit => Some(self.used(organization, *limit).await?),
            };
            views.insert(limit.name().to_owned(), LimitView { limit: settings.limit(*limit), used });
        }
        Ok(views)
    }

    async fn used(&self, organization: i64, limit: Limit) -> Result<u64, ApiError> {
        let key = (organization, limit);
        if let Some(used) = self.rooms.found(key) {
            return Ok(used);
        }
        let _turn = self.rooms.looking.wait(key, 1).await.map_err(|error| ApiError::internal(error))?;
        if let Some(used) = self.rooms.found(key) {
            return Ok(used);
        }
        let looked = self.look(organization, limit).await?;
        self.rooms.note(key, looked);
        Ok(looked.used)
    }

    /// For the operator. `None`: the default.
    pub async fn set_limits(&self, organization: i64, limits: Vec<(Limit, Option<u64>)>) -> Result<(), ApiError> {
        let (actor, now) = (self.operator(Some(organization)), self.now());
        let trail = self.audit(&actor, Deed::OrganizationLimitsSet, organization).await?;
        let set = self.store.write(move |conn| {
            let mut settings = organization_settings::find_to_change(conn, organization)?;
            for (limit, value) in limits {
                match value {
                    Some(value) => drop(settings.limits.insert(limit.name().to_owned(), value)),
                    None => drop(settings.limits.remove(limit.name())),
                }
            }
            organization_settings::save(conn, organization, &settings, now, &trail)
        });
        set.await?;
        self.forget_organizations(Some(&[organization]));
        Ok(())
    }

    /// What is remembered of organizations: of these, or of all.
    pub(in crate::service) fn forget_organizations(&self, changed: Option<&[i64]>) {
        self.warm.forget_settings(changed);
        self.rooms.forget(changed);
        self.rates.look_again(changed);
    }

    /// Of an organization that has as many links as it may, the oldest that came to their end make room. How many did.
    async fn forget_ended_links(&self, organization: i64) -> Result<usize, ApiError> {
        let whose = Whose::of(organization);
        Ok(self.store.write_for(whose, move |conn| links::drop_ended(conn, organization, ROOM)).await?)
    }
}

fn used_up(limit: Limit, allowed: u64) -> ApiError {
    let (unit, remedy) = (limit.unit(), limit.remedy());
    let message = format!(
        "The organization may have {allowed} {unit}, and has as many: {remedy}, or ask the operator for more (ligand \
         organizations limit)."
    );
    ApiError::new(Code::LimitReached, message)
}
