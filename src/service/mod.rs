//! Floor 4: the use cases, one file each. What a caller wants done, whichever protocol it came by.

mod app_hosts;
pub mod authenticate;
pub mod bootstrap;
pub mod budget;
pub mod call_hub;
pub mod call_vendor;
pub mod callback;
pub mod change_feed;
pub mod change_instance;
pub mod changed_element;
mod commit;
pub mod configuration;
pub mod connect;
pub mod create_instance;
pub mod creations;
pub mod data_keys;
pub mod default_oauth;
pub mod delete_instance;
pub mod document;
pub mod element_metadata;
pub mod element_view;
pub mod end_grants;
pub mod flight;
pub mod forget;
mod form_token;
pub mod fresh_token;
pub mod idempotency;
pub mod instance_input;
pub mod instance_view;
mod introspect;
pub mod key_status;
pub mod large_bodies;
mod leases;
pub mod limits;
pub mod list_elements;
pub mod list_instances;
mod liveness;
pub mod memory;
pub mod metrics;
mod new_host;
pub mod notices;
pub mod organization;
pub mod overview;
pub mod partner_app;
pub mod pass_through;
pub mod passwords;
pub mod proof;
pub mod provision;
pub mod refresh;
mod refresh_attempt;
pub mod refresh_due;
mod refresh_outcomes;
pub mod rendered_instances;
pub mod resets;
pub mod revoke_grants;
pub mod roles;
pub mod rooms;
pub mod rotate_data_keys;
pub mod rotate_keys;
pub mod scope_choice;
pub mod sessions;
pub mod sign_in;
pub mod sign_in_limits;
pub mod standstill;
pub mod start_oauth;
pub mod token_call;
pub mod token_hosts;
pub mod token_sight;
mod token_turns;
pub mod unstored;
pub mod usage;
pub mod user_account;
pub mod users;
pub mod warm_instances;

use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::catalog::Catalog;
use crate::kernel::clock::Clock;
use crate::kernel::code::Code;
use crate::kernel::entropy::Entropy;
use crate::kernel::error::ApiError;
use crate::kernel::queues::Queues;
use crate::outbound::{Dialer, Sender};
use crate::protocol::instance_token::CredentialNames;
use crate::store::{Probe, Store, StoreFault};
use crate::vault::{Generations, LookupKey, SessionKey, Vault};

use authenticate::PrincipalCache;
use changed_element::KnownPlaces;
use connect::limits::LinkLimits;
use creations::Creations;
use element_view::ElementTexts;
use large_bodies::LargeBodies;
use limits::Rates;
use memory::FeedTrust;
use metrics::Metrics;
use refresh::Refreshes;
use rendered_instances::RenderedInstances;
use rooms::Rooms;
use sign_in_limits::SignInLimits;
use standstill::Standstill;
use token_call::LateCalls;
use token_hosts::TokenHosts;
use unstored::Unstored;
use usage::Usage;
use warm_instances::WarmInstances;

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
    pub catalog: Arc<Catalog>,
    pub element_texts: ElementTexts,
    pub store: Store,
    pub vault: Vault,
    pub lookup: Generations<LookupKey>,
    pub session: Generations<SessionKey>,
    pub sender: Sender,
    pub dialer: Dialer,
    /// Where callers of the passthrough may put a token.
    pub credential_names: Arc<CredentialNames>,
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
    pub metrics: Metrics,
    pub sign_in_limits: Arc<SignInLimits>,
    pub link_limits: Arc<LinkLimits>,
    pub rooms: Arc<Rooms>,
    pub rates: Arc<Rates>,
    pub large_bodies: Arc<LargeBodies>,
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

/// Work that outlives the request that asked for it: whatever spends a one-time secret, with its commit.
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
        self.tasks.spawn_on(work, &self.runtime).await.unwrap_or_else(|error| Err(ApiError::internal(error)))
    }

    /// Runs to its end, and nobody waits for it here.
    pub fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(work, &self.runtime);
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

    /// Whether the database answers and can be written to.
    pub async fn ready(&self) -> Result<(), ApiError> {
        self.store.read(crate::store::principals::any).await?;
        if let Some(probe) = self.store.writability().due() {
            let services = self.clone();
            let made = tokio::spawn(async move { services.probe_writes(probe).await });
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

    /// The element with this key or id.
    pub fn element(&self, key_or_id: &str) -> Result<Arc<crate::catalog::element::Element>, ApiError> {
        self.catalog.get(key_or_id).cloned().ok_or_else(|| {
            let shown: String = key_or_id.chars().filter(|c| !c.is_control()).take(64).collect();
            ApiError::new(Code::ElementNotFound, format!("No element found with key or id {shown}."))
        })
    }
}
