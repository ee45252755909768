//! Floor 4: the use cases, in rooms by subject. What a caller wants done, whichever protocol it came by.

pub mod actor;
pub mod audit;
pub mod authorize;
pub mod callback;
pub mod calls;
pub mod change_feed;
pub mod connect;
pub mod credentials;
pub mod elements;
pub mod grants;
pub mod ground;
pub mod instance;
pub mod keys;
pub mod lifecycle;
pub mod links;
pub mod notices;
pub mod organization;
pub mod people;
pub mod process;
pub mod refresh;
pub mod unstored;
pub mod work;

use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::kernel::clock::Clock;
use crate::kernel::code::Code;
use crate::kernel::entropy::Entropy;
use crate::kernel::error::ApiError;
use crate::kernel::queues::Queues;
use crate::kernel::request_id::{RequestId, carried};
use crate::outbound::{Dialer, Sender};
use crate::store::{Probe, Store, StoreFault};
use crate::vault::{AuditKey, Generations, LookupKey, SessionKey, Vault};

use connect::limits::LinkLimits;
use credentials::token_call::LateCalls;
use credentials::token_hosts::TokenHosts;
use elements::of_owner::Shelf;
use instance::changed_element::KnownPlaces;
use instance::creations::Creations;
use instance::rendered::RenderedInstances;
use instance::usage::Usage;
use organization::large_bodies::LargeBodies;
use organization::limits::Rates;
use organization::rooms::Rooms;
use people::authenticate::PrincipalCache;
use people::sign_in_limits::SignInLimits;
use process::memory::FeedTrust;
use process::metrics::Metrics;
use process::standstill::Standstill;
use refresh::single_flight::Refreshes;
use refresh::warm_instances::WarmInstances;
use unstored::Unstored;
use work::UnderWay;

/// How long a question whether the server is ready waits for a write.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

/// Where the use cases are. Cheap to clone.
#[derive(Clone)]
pub struct Services(Arc<Parts>);

impl Services {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for Services {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Everything the use cases work with.
#[derive(Clone)]
pub struct Parts {
    pub shelf: Shelf,
    pub store: Store,
    pub vault: Vault,
    pub lookup: Generations<LookupKey>,
    pub session: Generations<SessionKey>,
    pub audit_key: Generations<AuditKey>,
    /// How long rows of the audit log stay.
    pub audit_kept_for: TimeDelta,
    pub sender: Sender,
    pub dialer: Dialer,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// This process, among those that share the database: drawn at its start, never zero.
    pub process: i64,
    pub feed_trust: FeedTrust,
    pub standstill: Standstill,
    pub known_places: KnownPlaces,
    pub principals: PrincipalCache,
    pub warm: WarmInstances,
    pub rendered: RenderedInstances,
    pub refreshes: Arc<Refreshes>,
    pub token_hosts: Arc<TokenHosts>,
    pub late_calls: Arc<LateCalls>,
    pub creations: Arc<Creations>,
    pub unstored: Arc<Unstored>,
    pub usage: Arc<Usage>,
    pub work: Arc<UnderWay>,
    pub work_counted: Arc<work::counted::Counted>,
    pub metrics: Metrics,
    pub sign_in_limits: Arc<SignInLimits>,
    pub link_limits: Arc<LinkLimits>,
    pub rooms: Arc<Rooms>,
    pub rates: Arc<Rates>,
    pub large_bodies: Arc<LargeBodies>,
    /// One import of an organization at a time.
    pub imports: Arc<Queues<i64>>,
    /// One change of a row at a time, by its id.
    pub changes: Arc<Queues<i64>>,
    /// Password hashing is slow on purpose: this many at a time.
    pub password_gate: Arc<Semaphore>,
    /// Where browsers and callers reach this server.
    pub public_url: url::Url,
    /// Whether the catalogue and the OAuth helpers answer callers without credentials.
    pub anonymous_catalog: bool,
    pub detached: Detached,
}

/// Work that outlives the request that asked for it: whatever spends a one-time secret, with its commit. Its lines of the log have
/// the request's id.
#[derive(Clone)]
pub struct Detached {
    runtime: Handle,
    tasks: TaskTracker,
}

impl Detached {
    /// `runtime`: not a worker's own, which dies with the worker.
    pub fn new(runtime: Handle) -> Self {
        Self { runtime, tasks: TaskTracker::new() }
    }

    /// Runs to its end even when the caller stops waiting.
    pub async fn run<T, F>(&self, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ApiError>> + Send + 'static,
    {
        self.tasks.spawn_on(carried(work), &self.runtime).await.unwrap_or_else(|error| Err(ApiError::internal(error)))
    }

    /// Runs to its end, and nobody waits for it here.
    pub fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(carried(work), &self.runtime);
    }

    /// Runs beside other work for as long as that takes: the end of the server does not wait for it.
    pub fn accompany(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(carried(work)));
    }

    /// How many tasks have not ended.
    pub fn running(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until everything that was started has ended.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// A missing row is a 404 with a name, every other fault speaks for itself.
#[track_caller]
fn not_found(code: Code, message: impl FnOnce() -> String) -> impl FnOnce(StoreFault) -> ApiError {
    let place = Location::caller();
    move |fault| match fault {
        StoreFault::NotFound => ApiError::new(code, message()).at(place),
        other => ApiError::from(other).at(place),
    }
}

/// As `not_found`, of an instance.
#[track_caller]
fn of_instance(id: i64) -> impl FnOnce(StoreFault) -> ApiError {
    not_found(Code::InstanceNotFound, move || format!("No instance found with ID {id}."))
}

impl Services {
    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.clock.now()
    }

    /// Of the request that the running task works for; a new one where nobody asked.
    pub fn request_id(&self) -> RequestId {
        RequestId::current().unwrap_or_else(|| RequestId::draw(self.entropy.as_ref()))
    }

    /// Whether the database answers and can be written to.
    pub async fn ready(&self) -> Result<(), ApiError> {
        self.store.read(crate::store::principals::any).await?;
        if let Some(probe) = self.store.writability().due() {
            let services = self.clone();
            let made = tokio::spawn(carried(async move { services.probe_writes(probe).await }));
            // A database that takes longer is not yet one that refuses; the next who asks learns what came of it.
            drop(tokio::time::timeout(PROBE_PATIENCE, made).await);
        }
        match self.store.writability().refusal() {
            None => Ok(()),
            Some(reason) => {
                let message = "The database answers, and nothing can be written to it.";
                Err(ApiError::new(Code::DatabaseUnavailable, message).with_retry_after(1).with_source(reason))
            }
        }
    }

    async fn probe_writes(&self, probe: Probe) {
        let mut room = vec![0; probe.bytes];
        // What could be compressed would need no room.
        self.entropy.fill(&mut room);
        self.store.probe(self.process, room).await;
    }
}
