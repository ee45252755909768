//! The server as `main` starts it, in this process: real sockets, an injected clock, the sandbox as its vendor.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::{dev::ServerHandle, web};
use chrono::{DateTime, TimeDelta, Utc};
use ligand::catalog::Catalog;
use ligand::cli::sandbox_vendor::{self, SandboxVendor};
use ligand::cli::serve::{Build, http_server};
use ligand::http::{ALL_BODIES, CorsOrigins, Lifetime, Shared};
use ligand::kernel::clock::{Clock, ManualClock};
use ligand::kernel::entropy::{Entropy, SeededEntropy, SystemEntropy};
use ligand::kernel::secret::Secret;
use ligand::outbound::Guard;
use ligand::sandbox::Sandbox;
use ligand::service::Services;
use ligand::service::people::bootstrap::{CreatedUser, UserInput};
use ligand::service::process::budget::Budget;
use ligand::store::principals;
use ligand::vault::KeyRing;

use super::caller::Caller;
use super::database::{Database, open, runtime};

pub const MASTER_KEY: &str = "test:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
pub const PASSWORD: &str = "correct horse battery";

/// A running server with its database and vendor. Everything ends with it.
pub struct TestServer {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    pub clock: Arc<ManualClock>,
    pub services: Services,
    pub database: Database,
    /// The first administrator.
    pub admin: CreatedUser,
    callers: Caller,
    vendor: SandboxVendor,
    handle: ServerHandle,
}

/// What a server can be started with beside the defaults.
pub struct Setup {
    pub elements: Option<PathBuf>,
    /// Exact snapshots: tokens and ids come out the same.
    pub seed: Option<u64>,
    pub master_key: String,
    pub anonymous_catalog: bool,
    pub cors: CorsOrigins,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// The loopback is allowed for elements of a test's own; the sandbox's socket always is.
    pub allow_loopback: bool,
    /// Public at its own address on this machine, for browsers.
    pub at_localhost: bool,
    /// Where a proxy in front has it.
    pub public_url: Option<String>,
    /// `LIGAND_OUTBOUND_PROXY`
    pub proxy: Option<String>,
    /// What all request bodies together may take.
    pub bodies: Budget,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            elements: None,
            seed: None,
            master_key: MASTER_KEY.to_owned(),
            anonymous_catalog: true,
            cors: CorsOrigins { listed: vec!["https://app.example".to_owned()], localhost: false },
            trusted_proxies: Vec::new(),
            allow_loopback: true,
            at_localhost: false,
            public_url: None,
            proxy: None,
            bodies: Budget::of(ALL_BODIES),
        }
    }
}

/// Runs a test against a server with the default set-up.
pub fn run<F: Future<Output = ()>>(database: Database, test: impl FnOnce(TestServer) -> F) {
    run_with(database, Setup::default(), test);
}

pub fn run_with<F: Future<Output = ()>>(database: Database, setup: Setup, test: impl FnOnce(TestServer) -> F) {
    let runtime = runtime();
    runtime.block_on(async {
        let server = TestServer::start(database, setup).await;
        test(server).await;
    });
    runtime.shutdown_background();
}

/// 2026-03-01T12:00:00.123456Z
pub fn start_of_time() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_772_366_400_123_456).expect("a time")
}

impl TestServer {
    pub async fn start(database: Database, setup: Setup) -> Self {
        Self::start_at(database, setup, Arc::new(ManualClock::at(start_of_time())), None).await
    }

    /// Another server on the same database, under the same clock, with a vendor of its own.
    pub async fn start_beside(&self, setup: Setup) -> Self {
        let database = Database::at(self.database.url.clone());
        Self::start_at(database, setup, Arc::clone(&self.clock), Some(self.admin.clone())).await
    }

    /// `admin`: the first administrator, where the database has one.
    async fn start_at(database: Database, setup: Setup, clock: Arc<ManualClock>, admin: Option<CreatedUser>) -> Self {
        ligand::tls::install();
        let entropy: Arc<dyn Entropy> = match setup.seed {
            Some(seed) => Arc::new(SeededEntropy::new(seed)),
            None => Arc::new(SystemEntropy),
        };
        let mut catalog = Catalog::load(setup.elements.as_deref()).expect("the elements load");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address: SocketAddr = listener.local_addr().expect("an address");
        let (vendor, vendor_server) = sandbox_vendor::start(
            "127.0.0.1:0".parse().expect("an address"),
            format!("http://localhost:{}", address.port()),
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::new(SystemEntropy),
        )
        .expect("the sandbox starts");
        tokio::spawn(vendor_server);
        vendor.redirect(&mut catalog).expect("the catalogue takes the sandbox");
        let store = open(&database.url, 8);
        store.migrate().await.expect("the schema migrates");
        let own = format!("http://localhost:{}", address.port());
        let public_url = if setup.at_localhost { own.as_str() } else { "https://ligand.example" };
        let public_url = setup.public_url.as_deref().unwrap_or(public_url);
        let allowed = if setup.allow_loopback { vec!["127.0.0.0/8".parse().expect("a network")] } else { Vec::new() };
        let build = Build {
            catalog,
            store,
            ring: KeyRing::parse(&Secret::new(setup.master_key)).expect("a key ring"),
            guard: Guard::new(allowed, Some(vendor.address)),
            proxy: setup.proxy,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy: Arc::clone(&entropy),
            public_url: public_url.parse().expect("an address"),
            anonymous_catalog: setup.anonymous_catalog,
            audit_kept_for: TimeDelta::days(365),
        };
        let services = build.services().await.expect("the services build");
        let created = services.first_administrator(user("admin@example.com", true)).await.expect("the first user");
        services.follow_changes(&mut Default::default()).await;
        let shared = Shared {
            services: services.clone(),
            lifetime: Lifetime::default(),
            entropy,
            cors: setup.cors,
            listeners: Default::default(),
            trusted_proxies: setup.trusted_proxies,
            bodies: setup.bodies,
        };
        let server = http_server(web::Data::new(shared), vec![listener]).expect("the server starts");
        let handle = server.handle();
        tokio::spawn(server);
        let admin = created.or(admin).expect("the database is empty");
        let url = format!("http://{address}");
        Self { callers: Caller::anonymous(&url), url, clock, services, database, admin, vendor, handle }
    }

    /// How many instances the first administrator's organization has.
    pub async fn count(&self) -> i64 {
        self.caller().get("/instances/count").await.ok()["totalInstances"].as_i64().expect("a number")
    }

    /// A caller with the first administrator's secrets.
    pub fn caller(&self) -> Caller {
        self.callers.signed(&self.admin)
    }

    pub fn anonymous(&self) -> Caller {
        self.callers.clone()
    }

    /// A caller of another organization.
    pub async fn stranger(&self) -> Caller {
        let created = self.services.create_user(user("stranger@other.example", true), None).await.expect("a user");
        self.callers.signed(&created)
    }

    /// A caller of the administrator's organization who is no administrator.
    pub async fn colleague(&self) -> Caller {
        self.callers.signed(&self.plain_user().await)
    }

    /// Somebody of the administrator's organization who is no administrator.
    pub async fn plain_user(&self) -> CreatedUser {
        let admin = self.admin.email.clone();
        let found = self.services.store.read(move |conn| principals::find_by_email(conn, &admin)).await;
        let (admin, _) = found.expect("the database answers").expect("the administrator");
        let created = self.services.create_user(user("colleague@example.com", false), Some(admin.owner)).await;
        created.expect("a user")
    }

    /// The vendor behind hubspotcrm and hubspot.
    pub fn sandbox(&self) -> &Sandbox {
        &self.vendor.state
    }

    /// Where the vendor listens.
    pub fn vendor_address(&self) -> SocketAddr {
        self.vendor.address
    }

    /// Moves the clock of the server and of the sandbox.
    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.vendor.state.release();
        drop(self.handle.stop(false));
        drop(self.vendor.handle.stop(false));
    }
}

pub fn user(email: &str, organization_admin: bool) -> UserInput {
    UserInput {
        email: email.to_owned(),
        password: Secret::new(PASSWORD),
        first_name: "Jo".to_owned(),
        last_name: "Doe".to_owned(),
        organization_admin,
    }
}
