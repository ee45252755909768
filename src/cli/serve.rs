//! `ligand serve`: take the port, bring the database up, then open the port and serve; on SIGTERM finish what was begun.

use std::net::TcpListener;
use std::num::NonZero;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use chrono::TimeDelta;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use url::Url;

use super::backup::directory_of;
use super::data_lock::DataLock;
use super::port::Port;
use super::sandbox_vendor::{self, SandboxVendor};
use super::shutdown::{DEADLINE, Running, StopSignals};
use super::{Ended, database, first_login, key_ring, sockets, told};
use crate::catalog::Catalog;
use crate::catalog::source::Complaint;
use crate::config::{Serve, Storage, unknown_variables};
use crate::http::{self, CorsOrigins, Group, Lifetime, Listener, Listeners, Shared, public_path};
use crate::jobs::Jobs;
use crate::kernel::clock::{Clock, SystemClock};
use crate::kernel::entropy::{Entropy, SystemEntropy, bytes};
use crate::kernel::error::ApiError;
use crate::outbound::{Connections, Dialer, Guard, Sender, client_config};
use crate::service::actor::Actor;
use crate::service::connect::limits::LinkLimits;
use crate::service::elements::of_owner::Shelf;
use crate::service::instance::changed_element::KnownPlaces;
use crate::service::instance::rendered::RenderedInstances;
use crate::service::keys::data_keys::{self, DataKeys};
use crate::service::organization::profile::{ANY_LOCALHOST, OrganizationPatch};
use crate::service::people::authenticate::PrincipalCache;
use crate::service::people::bootstrap::{UserInput, random_password};
use crate::service::people::sign_in_limits::SignInLimits;
use crate::service::process::budget::Budget;
use crate::service::process::memory::FeedTrust;
use crate::service::process::metrics::Metrics;
use crate::service::process::standstill::{self, Standstill};
use crate::service::refresh::warm_instances::WarmInstances;
use crate::service::unstored::Journal;
use crate::service::{Detached, Parts, Services};
use crate::store::{Address, Store, identity, principals};
use crate::telemetry;
use crate::vault::{KeyRing, Vault};

/// What services are built from. The tests build theirs the same way.
pub struct Build {
    pub catalog: Catalog,
    /// Migrated.
    pub store: Store,
    pub ring: KeyRing,
    pub guard: Guard,
    pub proxy: Option<String>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub public_url: Url,
    pub anonymous_catalog: bool,
    /// How long rows of the audit log stay.
    pub audit_kept_for: TimeDelta,
}

impl Build {
    pub async fn services(self) -> Result<Services, ApiError> {
        let vault = Vault::new(self.ring, Arc::clone(&self.entropy));
        let metrics = Metrics::new(telemetry::dropped(), self.store.waits());
        let keys = DataKeys { store: &self.store, vault: &vault, clock: &self.clock };
        let (lookup, session, audit_key) = data_keys::load(keys, self.entropy.as_ref()).await?;
        let feed_trust = FeedTrust::default();
        let tls = client_config().map_err(|error| ApiError::internal(error))?;
        Ok(Services::new(Parts {
            shelf: Shelf::of(self.catalog).map_err(|error| ApiError::internal(error))?,
            store: self.store,
            vault,
            lookup,
            session,
            audit_key,
            audit_kept_for: self.audit_kept_for,
            dialer: Dialer::new(self.guard.clone(), self.proxy.as_deref(), tls.clone())
                .map_err(|error| ApiError::internal(error))?,
            sender: Sender::new(self.guard, self.proxy.as_deref(), tls, Arc::clone(&self.clock))
                .map_err(|error| ApiError::internal(error))?,
            sign_in_limits: Arc::new(SignInLimits::new(Arc::clone(&self.clock))),
            link_limits: Arc::new(LinkLimits::new(&self.clock)),
            rooms: Arc::default(),
            rates: Arc::default(),
            clock: self.clock,
            // Zero means nobody.
            process: i64::from_be_bytes(bytes(self.entropy.as_ref())).saturating_abs().max(1),
            principals: PrincipalCache::new(feed_trust.clone()),
            warm: WarmInstances::new(feed_trust.clone()),
            rendered: RenderedInstances::default(),
            feed_trust,
            standstill: Standstill::default(),
            known_places: KnownPlaces::default(),
            refreshes: Arc::default(),
            token_hosts: Arc::default(),
            late_calls: Arc::default(),
            creations: Arc::default(),
            unstored: Arc::default(),
            usage: Arc::default(),
            work: Arc::default(),
            work_counted: Arc::default(),
            metrics,
            large_bodies: Arc::default(),
            imports: Arc::default(),
            changes: Arc::default(),
            password_gate: Arc::new(Semaphore::new(hashes_at_once())),
            public_url: self.public_url,
            anonymous_catalog: self.anonymous_catalog,
            detached: Detached::new(Handle::current()),
            entropy: self.entropy,
        }))
    }
}

/// Each keeps a core busy, and one is left for everybody else.
fn hashes_at_once() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get).saturating_sub(1).clamp(1, 2)
}

pub async fn serve(mut settings: Serve) -> Ended {
    telemetry::start(&settings.log)?;
    sockets::raise_limit();
    check_variables(settings.strict)?;
    if settings.sandbox {
        // Never among real data: its instances would look like real ones.
        settings.storage.data_dir = settings.storage.data_dir.join("sandbox");
    }
    let mut catalog =
        Catalog::load(settings.catalogue.elements_dir.as_deref()).map_err(|complaints| complaints_text(&complaints))?;
    for warning in &catalog.warnings {
        tracing::warn!("{warning}; the element is served without it");
    }
    // Before anything is made.
    key_ring::check(&settings.storage)?;
    let public_url = public_path::checked(&settings.public_url())?;
    if settings.check {
        return super::print(&format!("settings, keys and {} elements are fine", catalog.iter().len()));
    }
    // Before anything is made: a signal that comes while the server starts must not kill it half way.
    let mut signals = StopSignals::listen().map_err(|error| error.to_string())?;
    if settings.storage.database_url().is_none() {
        key_ring::private_directory(&settings.storage.data_dir)?;
    }
    let _alone = DataLock::take(&settings.storage)?;
    let ring = key_ring::load(&settings.storage)?;
    let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let (vendor, _kept) = match settings.sandbox {
        true => {
            let (vendor, kept) = start_sandbox(&settings, &mut catalog, (Arc::clone(&clock), Arc::clone(&entropy)))?;
            (Some(vendor), kept)
        }
        false => (None, None),
    };
    let listeners = listeners_of(&settings);
    let ports =
        listeners.iter().map(|listener| Port::reserve(listener.address).map_err(|error| taken(listener, &error)));
    let ports: Vec<Port> = ports.collect::<Result<_, _>>()?;
    let addresses =
        ports.iter().map(Port::address).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let listeners = listeners.at(addresses);
    let store = database::create(&settings.storage)?;
    tokio::select! {
        migrated = store.migrate() => drop(migrated.map_err(|fault| fault.to_string())?),
        // It may wait for another process for long. Its transaction undoes itself.
        () = signals.asked() => return database::close(&store, Ok(())).await,
    }
    recognise(&store, settings.clone).await?;
    let build = Build {
        catalog,
        store,
        ring,
        guard: match settings.clone {
            true => Guard::closed(),
            false => Guard::new(settings.outbound.outbound_allow.clone(), vendor.as_ref().map(|vendor| vendor.address)),
        },
        proxy: settings.outbound.proxy().map(|proxy| proxy.expose().to_owned()),
        clock,
        entropy: Arc::clone(&entropy),
        public_url,
        anonymous_catalog: settings.anonymous_catalog,
        audit_kept_for: settings.audit_kept_for(),
    };
    let services = build.services().await.map_err(|error| told(&error))?;
    if settings.clone {
        services.standstill.look_only();
    }
    services.keep_sandbox_apart(settings.sandbox).await.map_err(|error| told(&error))?;
    if !services.vault.database_is_bound() {
        tracing::warn!(
            "what is sealed here is not bound to its owner yet: once every server runs this version, run `ligand keys rotate`"
        );
    }
    services.begin_process().await.map_err(|fault| fault.to_string())?;
    tokio::select! {
        made = first_administrator(&services, &settings) => made?,
        // The terminal that it is shown on may stand still.
        () = signals.asked() => {
            let _ = services.end_process().await;
            return database::close_whole(&services.store, DEADLINE).await;
        }
    }
    let mut position = Default::default();
    services.follow_changes(&mut position).await;
    let journal = journal_of(&settings.storage, &services.store).await?;
    if let Some(journal) = journal.as_ref().filter(|_| !settings.clone) {
        services.take_up_journals(journal).await;
    }
    let jobs = Jobs::start(&services, position);
    let shared = web::Data::new(Shared {
        services: services.clone(),
        lifetime: Lifetime::default(),
        entropy,
        cors: CorsOrigins { listed: settings.cors_origins.clone(), localhost: settings.sandbox },
        listeners: listeners.clone(),
        trusted_proxies: settings.trusted_proxies.clone(),
        bodies: Budget::of(http::ALL_BODIES),
    });
    // Not earlier: who is refused asks another server, who gets a 503 does not.
    let opened = ports.into_iter().zip(listeners.iter());
    let opened = opened.map(|(port, listener)| port.open().map_err(|error| taken(listener, &error)));
    let (sockets, doors): (Vec<_>, Vec<_>) = opened.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let server = http_server(shared.clone(), sockets)?;
    let handle = server.handle();
    let server = tokio::spawn(server);
    for listener in listeners.iter().skip(1) {
        tracing::info!(address = %listener.address, "{} listens", listener.name);
    }
    tracing::info!(listen = %settings.listen, public_url = settings.public_url(), "ready");
    if let Some(vendor) = &vendor {
        introduce(vendor, &services, &settings).await?;
    }
    let ended = tokio::select! {
        ended = server => ended.map_err(|error| error.to_string())?.map_err(|error| error.to_string()),
        () = signals.asked() => Ok(()),
    };
    let (asked, store, drain) = (Instant::now(), services.store.clone(), Duration::from_secs(settings.drain.into()));
    let running = Running { server: handle, shared, doors, drain, jobs, services, vendor, journal };
    let finished = running.finish(&mut signals).await;
    // A forced end has little time for it, and does not say that all is well.
    let until = drain.saturating_add(DEADLINE);
    let left = if finished.is_ok() { until.saturating_sub(asked.elapsed()) } else { Duration::ZERO };
    let closed = database::close_whole(&store, left.max(Duration::from_millis(100))).await;
    ended.and(finished).and(closed)
}

fn listeners_of(settings: &Serve) -> Listeners {
    let public = settings.public_listen.map(|address| ("LIGAND_PUBLIC_LISTEN", address, Group::Public));
    let admin = settings.admin_listen.map(|address| ("LIGAND_ADMIN_LISTEN", address, Group::Admin));
    Listeners::new(settings.listen, [public, admin].into_iter().flatten())
}

fn taken(listener: &Listener, error: &std::io::Error) -> String {
    format!("{} {}: {error}", listener.name, listener.address)
}

/// The server itself, as `main` and the tests run it.
pub fn http_server(shared: web::Data<Shared>, sockets: Vec<TcpListener>) -> Result<Server, String> {
    let (dialer, clock) = (shared.services.dialer.clone(), Arc::clone(&shared.services.clock));
    let mut server = HttpServer::new(move || {
        App::new()
            // Of this worker alone: its connections do not leave their thread.
            .app_data(Rc::new(Connections::new(dialer.clone(), Arc::clone(&clock))))
            .wrap(from_fn(http::envelope))
            .configure(http::routes(shared.clone()))
    })
    // Who hangs up ends what runs for it: a call to the vendor, too. What must not end is detached.
    .h1_allow_half_closed(false)
    // Common clients and proxies let go after 60 to 90 s: who closes first must not be us, in the middle of their next call.
    .keep_alive(Duration::from_secs(120))
    .tcp_nodelay(true)
    .max_connections(sockets::of_each_worker())
    .on_connect(|connection, _| sockets::accepted(connection))
    // Never the first to give up: the deadline of `shutdown` counts for everything.
    .shutdown_timeout(u64::from(u32::MAX))
    .disable_signals();
    for socket in sockets {
        server = server.listen(socket).map_err(|error| error.to_string())?;
    }
    Ok(server.run())
}

/// In a directory that outlives the process: the data directory, where there is one, or that of the SQLite file.
pub(super) async fn journal_of(storage: &Storage, store: &Store) -> Result<Option<Journal>, String> {
    let of_file = match storage.database_url() {
        Some(Address::Sqlite(path)) => Some(directory_of(path)),
        Some(Address::Postgres(_)) | None => None,
    };
    let directory = [Some(storage.data_dir.as_path()), of_file].into_iter().flatten().find(|path| path.is_dir());
    let Some(directory) = directory.map(Path::to_owned) else { return Ok(None) };
    let database = store.read(identity::find).await.map_err(|fault| fault.to_string())?.id;
    Ok(Some(Journal { directory, database }))
}

pub fn complaints_text(complaints: &[Complaint]) -> String {
    let lines: Vec<_> = complaints.iter().map(|complaint| format!("\n  {complaint}")).collect();
    format!("the elements are not in order:{}", lines.concat())
}

fn check_variables(strict: bool) -> Ended {
    let unknown = unknown_variables(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()));
    if unknown.is_empty() {
        return Ok(());
    }
    let text = format!("no setting reads {}: see `ligand serve --help`", unknown.join(", "));
    if strict {
        return Err(text);
    }
    tracing::warn!("{text}");
    Ok(())
}

/// A copy is not served by mistake: it would use the refresh tokens of its original.
async fn recognise(store: &Store, clone: bool) -> Ended {
    if clone {
        tracing::warn!(
            "CLONE: this server looks at a copy of a database, and calls no vendor and no receiver of notices"
        );
        return Ok(());
    }
    match standstill::is_elsewhere(store, true).await.map_err(|fault| fault.to_string())? {
        true => Err("this database was copied or moved since it was served last, and one place may use its refresh tokens. \
                     Was it only moved: `ligand resume`. Does it take the place of the other one, from a backup: `ligand \
                     restore --mark`. To look at it, without a call to anybody: `ligand serve --clone`"
            .to_owned()),
        false => Ok(()),
    }
}

fn start_sandbox(
    settings: &Serve,
    catalog: &mut Catalog,
    drawn: (Arc<dyn Clock>, Arc<dyn Entropy>),
) -> Result<(SandboxVendor, Option<DataLock>), String> {
    if let Some(open) = listeners_of(settings).iter().find(|listener| !listener.address.ip().is_loopback()) {
        return Err(format!("--sandbox serves loopback only: {} is {}", open.name, open.address));
    }
    key_ring::private_directory(&settings.storage.data_dir)?;
    let file = settings.storage.data_dir.join("vendor.jsonl");
    // Of several on PostgreSQL that share a directory the first keeps what its vendor knows.
    let kept = DataLock::of(&file)?;
    let written = kept.as_ref().map(|_| file.as_path());
    let started = sandbox_vendor::start_kept(settings.sandbox_listen, settings.public_url(), drawn, written);
    let (vendor, server) = started?;
    vendor.redirect(catalog)?;
    tokio::spawn(server);
    Ok((vendor, kept))
}

async fn first_administrator(services: &Services, settings: &Serve) -> Ended {
    let input = UserInput {
        email: settings.admin_email.clone(),
        password: settings.admin_password().cloned().unwrap_or_else(|| random_password(&SystemEntropy)),
        first_name: "First".to_owned(),
        last_name: "Administrator".to_owned(),
        organization_admin: true,
    };
    let created = services.first_administrator(input).await.map_err(|error| told(&error))?;
    let Some(created) = created else { return Ok(()) };
    if settings.sandbox {
        allow_localhost(services).await?;
    }
    first_login::show(&created, settings.admin_password().is_none(), &settings.storage.data_dir).await
}

/// Whoever tries the sandbox has an application on this machine.
async fn allow_localhost(services: &Services) -> Ended {
    let users = services.store.read(principals::list).await.map_err(|fault| fault.to_string())?;
    let first = users.first().ok_or("the sandbox has no user")?;
    let patch = OrganizationPatch { allowed_origins: Some(vec![ANY_LOCALHOST.to_owned()]), ..Default::default() };
    let operator = Actor::operator(first.owner, services.request_id());
    services.change_organization(&operator, patch).await.map(drop).map_err(|error| told(&error))
}

/// The sandbox's secrets open nothing but the sandbox: they are shown at every start.
async fn introduce(vendor: &SandboxVendor, services: &Services, settings: &Serve) -> Ended {
    let users = services.store.read(principals::list).await.map_err(|fault| fault.to_string())?;
    let first = users.first().ok_or("the sandbox has no user")?;
    let secrets = services.secrets(first).await.map_err(|error| told(&error))?;
    let text = vendor.introduction(&settings.public_url(), &secrets);
    tokio::spawn(async move {
        if let Err(error) = super::show(text).await {
            tracing::warn!(error, "the sandbox's introduction was not shown");
        }
    });
    Ok(())
}
