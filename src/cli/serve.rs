//! `ligand serve`: listen first, then bring the database up, then serve; on SIGTERM finish what was begun.

use std::io::Write as _;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use url::Url;

use super::sandbox_vendor::{self, SandboxVendor};
use super::shutdown::{Running, StopSignals};
use super::{Ended, first_login, key_ring, open_store, sockets, told};
use crate::catalog::Catalog;
use crate::catalog::source::Complaint;
use crate::config::{Serve, unknown_variables};
use crate::http::{self, CorsOrigins, Shared};
use crate::jobs::Jobs;
use crate::kernel::clock::{Clock, SystemClock};
use crate::kernel::entropy::{Entropy, SystemEntropy, bytes};
use crate::kernel::error::ApiError;
use crate::outbound::{Connections, Dialer, Guard, Sender, client_config};
use crate::protocol::instance_token::CredentialNames;
use crate::service::authenticate::PrincipalCache;
use crate::service::bootstrap::{UserInput, random_password};
use crate::service::budget::Budget;
use crate::service::connect::limits::LinkLimits;
use crate::service::data_keys::{self, DataKeys};
use crate::service::element_view::ElementTexts;
use crate::service::memory::FeedTrust;
use crate::service::metrics::Metrics;
use crate::service::organization::{ANY_LOCALHOST, OrganizationPatch};
use crate::service::rendered_instances::RenderedInstances;
use crate::service::sign_in_limits::SignInLimits;
use crate::service::warm_instances::WarmInstances;
use crate::service::{Detached, Parts, Services};
use crate::store::{Store, principals};
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
}

impl Build {
    pub async fn services(self) -> Result<Services, ApiError> {
        let vault = Vault::new(self.ring, Arc::clone(&self.entropy));
        let keys = DataKeys { store: &self.store, vault: &vault, clock: &self.clock };
        let (lookup, session) = data_keys::load(keys, self.entropy.as_ref()).await?;
        let feed_trust = FeedTrust::default();
        let tls = client_config().map_err(ApiError::internal)?;
        Ok(Services::new(Parts {
            element_texts: ElementTexts::of(&self.catalog).map_err(ApiError::internal)?,
            credential_names: Arc::new(CredentialNames::of(self.catalog.iter().map(AsRef::as_ref))),
            catalog: Arc::new(self.catalog),
            store: self.store,
            vault,
            lookup,
            session,
            dialer: Dialer::new(self.guard.clone(), self.proxy.as_deref(), tls.clone()).map_err(ApiError::internal)?,
            sender: Sender::new(self.guard, self.proxy.as_deref(), tls).map_err(ApiError::internal)?,
            sign_in_limits: Arc::new(SignInLimits::new(Arc::clone(&self.clock))),
            link_limits: Arc::new(LinkLimits::new(&self.clock)),
            clock: self.clock,
            // Zero means nobody.
            process: i64::from_be_bytes(bytes(self.entropy.as_ref())).saturating_abs().max(1),
            principals: PrincipalCache::new(feed_trust.clone()),
            warm: WarmInstances::new(feed_trust.clone()),
            rendered: RenderedInstances::default(),
            feed_trust,
            refreshes: Arc::default(),
            usage: Arc::default(),
            metrics: Metrics::default(),
            password_gate: Arc::new(Semaphore::new(2)),
            public_url: self.public_url,
            anonymous_catalog: self.anonymous_catalog,
            detached: Detached::new(Handle::current()),
            entropy: self.entropy,
        }))
    }
}

pub async fn serve(mut settings: Serve) -> Ended {
    telemetry::start(&settings.log)?;
    sockets::raise_limit();
    // From the first moment on: a signal that comes while the server starts must not kill it half way.
    let mut signals = StopSignals::listen().map_err(|error| error.to_string())?;
    check_variables(settings.strict)?;
    if settings.sandbox {
        // Never among real data: its instances would look like real ones.
        settings.storage.data_dir = settings.storage.data_dir.join("sandbox");
    }
    let mut catalog =
        Catalog::load(settings.catalogue.elements_dir.as_deref()).map_err(|complaints| complaints_text(&complaints))?;
    if settings.check {
        key_ring::check(&settings.storage)?;
        return super::print(&format!("settings, keys and {} elements are fine", catalog.iter().len()));
    }
    let ring = key_ring::load(&settings.storage)?;
    let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let vendor = match settings.sandbox {
        true => Some(start_sandbox(&settings, &mut catalog, (Arc::clone(&clock), Arc::clone(&entropy)))?),
        false => None,
    };
    let shared = web::Data::new(Shared {
        services: OnceLock::new(),
        entropy: Arc::clone(&entropy),
        cors: CorsOrigins { listed: settings.cors_origins.clone(), localhost: settings.sandbox },
        trusted_proxies: settings.trusted_proxies.clone(),
        bodies: Budget::of(http::ALL_BODIES),
    });
    let listener = std::net::TcpListener::bind(settings.listen)
        .map_err(|error| format!("LIGAND_LISTEN {}: {error}", settings.listen))?;
    let server = http_server(shared.clone(), listener)?;
    let handle = server.handle();
    let server = tokio::spawn(server);
    let store = open_store(&settings.storage)?;
    tokio::select! {
        migrated = store.migrate() => drop(migrated.map_err(|fault| fault.to_string())?),
        // It may wait for another process for long. Its transaction undoes itself.
        () = signals.asked() => return Ok(()),
    }
    let build = Build {
        catalog,
        store,
        ring,
        guard: Guard::new(settings.outbound_allow.clone(), vendor.as_ref().map(|vendor| vendor.address)),
        proxy: settings.outbound_proxy.as_ref().map(|proxy| proxy.expose().to_owned()),
        clock,
        entropy,
        public_url: settings.public_url().parse().map_err(|error| format!("LIGAND_PUBLIC_URL: {error}"))?,
        anonymous_catalog: settings.anonymous_catalog,
    };
    let services = build.services().await.map_err(|error| told(&error))?;
    services.keep_sandbox_apart(settings.sandbox).await.map_err(|error| told(&error))?;
    first_administrator(&services, &settings).await?;
    let mut position = Default::default();
    services.follow_changes(&mut position).await;
    let jobs = Jobs::start(&services, position);
    let _ = shared.services.set(services.clone());
    tracing::info!(listen = %settings.listen, public_url = settings.public_url(), "ready");
    if let Some(vendor) = &vendor {
        introduce(vendor, &services, &settings).await?;
    }
    let ended = tokio::select! {
        ended = server => ended.map_err(|error| error.to_string())?.map_err(|error| error.to_string()),
        () = signals.asked() => Ok(()),
    };
    let finished = Running { server: handle, jobs, services, vendor }.finish(&mut signals).await;
    ended.and(finished)
}

/// The server itself, as `main` and the tests run it.
pub fn http_server(shared: web::Data<Shared>, listener: std::net::TcpListener) -> Result<Server, String> {
    let server = HttpServer::new(move || {
        App::new()
            // Of this worker alone: its connections do not leave their thread.
            .app_data(Rc::new(Connections::default()))
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
    .disable_signals()
    .listen(listener)
    .map_err(|error| error.to_string())?;
    Ok(server.run())
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

fn start_sandbox(
    settings: &Serve,
    catalog: &mut Catalog,
    (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
) -> Result<SandboxVendor, String> {
    if !settings.listen.ip().is_loopback() {
        return Err(format!("--sandbox serves loopback only: LIGAND_LISTEN is {}", settings.listen));
    }
    let (vendor, server) = sandbox_vendor::start(settings.sandbox_listen, settings.public_url(), clock, entropy)?;
    vendor.redirect(catalog)?;
    tokio::spawn(server);
    Ok(vendor)
}

async fn first_administrator(services: &Services, settings: &Serve) -> Ended {
    let input = UserInput {
        email: settings.admin_email.clone(),
        password: settings.admin_password.clone().unwrap_or_else(|| random_password(&SystemEntropy)),
        first_name: "First".to_owned(),
        last_name: "Administrator".to_owned(),
        organization_admin: true,
    };
    let created = services.first_administrator(input).await.map_err(|error| told(&error))?;
    let Some(created) = created else { return Ok(()) };
    if settings.sandbox {
        allow_localhost(services).await?;
    }
    first_login::show(&created, &settings.storage.data_dir)
}

/// Whoever tries the sandbox has an application on this machine.
async fn allow_localhost(services: &Services) -> Ended {
    let users = services.store.read(principals::list).await.map_err(|fault| fault.to_string())?;
    let first = users.first().ok_or("the sandbox has no user")?;
    let patch = OrganizationPatch { allowed_origins: Some(vec![ANY_LOCALHOST.to_owned()]), ..Default::default() };
    services.change_organization(first, patch).await.map(drop).map_err(|error| told(&error))
}

/// The sandbox's secrets open nothing but the sandbox: they are shown at every start.
async fn introduce(vendor: &SandboxVendor, services: &Services, settings: &Serve) -> Ended {
    let users = services.store.read(principals::list).await.map_err(|fault| fault.to_string())?;
    let first = users.first().ok_or("the sandbox has no user")?;
    let secrets = services.secrets(first).await.map_err(|error| told(&error))?;
    let text = vendor.introduction(&settings.public_url(), &secrets);
    write!(std::io::stdout(), "{text}").map_err(|error| error.to_string())
}
