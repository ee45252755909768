//! Floor 5: a small vendor that behaves like HubSpot, so that the whole story runs with no vendor account: consent page,
//! token endpoints in all their versions, account details, the CRM API, and a control endpoint that makes it slow,
//! failing or rotating. Everything is in memory, and where `keep_in` says so in a file, too. It may import only `kernel`; nothing but the CLI and tests may
//! import it.

mod account;
mod admission;
mod control;
mod crm;
mod fields;
mod inspect;
mod journal;
mod kept;
mod oauth;
mod observe;
mod pages;
mod portal;
mod probe;
mod refusal;
mod scopes;
mod spoil;
mod state;
mod switches;
#[cfg(test)]
mod tests;
mod token;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::sync::Notify;

use self::admission::Meter;
use self::crm::Crm;
use self::journal::Journal;
pub use self::journal::{Call, PresentedCredential, RouteCounts};
use self::kept::{Kept, Line};
pub use self::portal::Portal;
pub use self::probe::Flow;
pub use self::spoil::{How, Spoil};
pub use self::state::EndOfGrant;
use self::state::{Ledger, Terms};
pub use self::switches::{Consent, Failure, Hang, Switches, TOKEN_ROUTES, When};
use crate::kernel::clock::Clock;
use crate::kernel::entropy::Entropy;
use crate::kernel::secret::Secret;

/// What the vendor knows from the start: its one OAuth app and the two keys of its main account. The defaults are public,
/// they open nothing but the sandbox.
#[derive(Debug, Clone)]
pub struct SandboxSettings {
    /// Where browsers and scripts reach the sandbox: no trailing slash, and no IP address, because HubSpot takes none in
    /// a redirect URI.
    pub public_url: String,
    /// Where Ligand is reached, for the commands on the pages; no trailing slash.
    pub ligand_url: String,
    pub client_id: String,
    pub client_secret: Secret,
    /// Taken as `?hapikey=`.
    pub api_key: Secret,
    /// Taken as `Authorization: Bearer`.
    pub private_app_token: Secret,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            public_url: "http://localhost:8081".to_owned(),
            ligand_url: "http://localhost:8080".to_owned(),
            client_id: "sandbox-client".to_owned(),
            client_secret: Secret::new("sandbox-secret"),
            api_key: Secret::new("3a9990ff-bf17-40b1-9ce1-e1702e36ab51"),
            private_app_token: Secret::new("pat-na1-00000000-0000-4000-a000-000000062515"),
        }
    }
}

/// The vendor. One value serves all workers; the methods are the control endpoint for tests in the same process.
pub struct Sandbox {
    settings: SandboxSettings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    inner: Mutex<Inner>,
    /// Wakes the calls that hang.
    released: Notify,
    flow: Flow,
}

#[derive(Default)]
struct Inner {
    ledger: Ledger,
    switches: Switches,
    journal: Journal,
    crm: Crm,
    meter: Meter,
    /// None: in memory alone.
    kept: Option<Kept>,
}

impl Inner {
    /// Writes down what changed, before anybody is told.
    fn save(&mut self, now: DateTime<Utc>) {
        let changes = self.ledger.take_changes();
        let Some(kept) = self.kept.as_mut().filter(|_| !changes.is_empty()) else { return };
        kept.append(changes.into_iter().map(Line::Ledger));
        if kept.is_long(self.ledger.size()) {
            kept.begin_anew(self.ledger.whole(now));
        }
    }

    /// Of a call that may have changed a record.
    fn save_call(&mut self, call: impl FnOnce() -> crm::Call) {
        if let Some(kept) = &mut self.kept {
            kept.append([Line::Crm(call())]);
        }
    }
}

impl Sandbox {
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, settings: SandboxSettings) -> Self {
        Self { settings, clock, entropy, inner: Mutex::default(), released: Notify::new(), flow: Flow::default() }
    }

    /// Goes on with what the file holds of an earlier start, and writes what changes into it: grants and records, not the
    /// switches. An app has its tokens only when they are in it.
    pub fn keep_in(self, file: &Path) -> std::io::Result<Self> {
        let (kept, lines) = Kept::open(file)?;
        self.locked(|inner| {
            for line in &lines {
                match line {
                    Line::Ledger(change) => inner.ledger.apply(change),
                    Line::Crm(call) => call.repeat(&mut inner.crm),
                }
            }
            inner.kept = Some(kept);
            let now = self.clock.now();
            if let Some(kept) = &mut inner.kept {
                kept.begin_anew(inner.ledger.whole(now));
            }
        });
        Ok(self)
    }

    pub fn settings(&self) -> &SandboxSettings {
        &self.settings
    }

    /// Flips switches: `sandbox.set(|it| it.rotation = true)`.
    pub fn set(&self, change: impl FnOnce(&mut Switches)) {
        self.locked(|inner| change(&mut inner.switches));
    }

    /// The same in the JSON of `PATCH /control`; the error says what is wrong with it.
    pub fn patch(&self, changes: &Value) -> Result<Switches, String> {
        self.locked(|inner| {
            inner.switches = inner.switches.merged(changes)?;
            Ok(inner.switches.clone())
        })
    }

    pub fn switches(&self) -> Switches {
        self.locked(|inner| inner.switches.clone())
    }

    /// Every call since the start or the last reset, oldest first, but for `/control` itself; the last 10,000.
    pub fn calls(&self) -> Vec<Call> {
        self.locked(|inner| inner.journal.calls())
    }

    /// How often a route (`POST /oauth/v1/token`) was called, and how many calls of it ran at once.
    pub fn counts(&self, route: &str) -> RouteCounts {
        self.locked(|inner| inner.journal.counts(route))
    }

    pub fn forget_calls(&self) {
        self.locked(|inner| inner.journal.forget());
    }

    /// Ends all access tokens now, as their own expiry would.
    pub fn expire_access_tokens(&self) {
        let now = self.clock.now();
        self.locked(|inner| inner.ledger.expire_access_tokens(now));
    }

    /// Ends all grants, as an administrator of the account would.
    pub fn revoke(&self, reason: EndOfGrant) {
        self.locked(|inner| inner.ledger.end_grants(reason, None));
    }

    /// Ends all access tokens before their time, as a vendor's mishap would: they are unknown from now on, and the grants
    /// are as good as before.
    pub fn forget_access_tokens(&self) {
        self.locked(|inner| inner.ledger.forget_access_tokens());
    }

    /// What went through `/test/bytes` and `/test/sink` since the start.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Refresh tokens that a newer one has replaced.
    pub fn spent_refresh_tokens(&self) -> usize {
        self.locked(|inner| inner.ledger.spent_refresh_tokens())
    }

    /// Grants that can still be refreshed.
    pub fn live_grants(&self) -> usize {
        self.locked(|inner| inner.ledger.live_grants())
    }

    /// Back to the start: no codes, grants, tokens, records or calls, default switches; calls that hang end with a 503.
    pub fn reset(&self) {
        self.locked(|inner| {
            inner.ledger = Ledger::default();
            if let Some(kept) = &mut inner.kept {
                kept.forget();
            }
            inner.switches = Switches::default();
            inner.journal.forget();
            inner.crm = Crm::default();
            inner.meter = Meter::default();
        });
        self.release();
    }

    /// Ends the calls that hang, with a 503; for a shutdown that does not want to wait.
    pub fn release(&self) {
        self.released.notify_waiters();
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut inner);
        inner.save(self.clock.now());
        done
    }

    fn terms(&self, switches: &Switches) -> Terms {
        let token_lifetime = TimeDelta::try_seconds(switches.token_lifetime).unwrap_or(TimeDelta::MAX);
        Terms { now: self.clock.now(), token_lifetime, rotation: switches.rotation }
    }

    fn api_error(&self, status: StatusCode, message: &str, more: Value) -> HttpResponse {
        refusal::api_error(status, &state::uuid(self.entropy.as_ref()), message, more)
    }
}

/// All routes. The same state goes to every worker: `App::new().configure(sandbox::configure(state.clone()))`.
pub fn configure(state: web::Data<Sandbox>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config.app_data(state).service(control::scope()).service(
            web::scope("")
                .wrap(from_fn(observe::observe))
                .route("/", web::get().to(pages::show_start))
                .route("/callback", web::get().to(pages::show_callback))
                .service(
                    web::scope("/oauth")
                        .configure(consent_routes)
                        .configure(token_routes)
                        .route("/v1/access-tokens/{token}", web::get().to(inspect::show_access_token))
                        .route("/v1/refresh-tokens/{token}", web::get().to(inspect::show_refresh_token))
                        .route("/v1/refresh-tokens/{token}", web::delete().to(inspect::delete_refresh_token)),
                )
                .route("/account-info/v3/details", web::get().to(account::show_details))
                .service(crm::resource())
                .service(probe::scope())
                .default_service(web::to(not_found)),
        );
    }
}

fn consent_routes(config: &mut web::ServiceConfig) {
    for path in ["/authorize", "/{portal}/authorize"] {
        config.route(path, web::get().to(oauth::show_consent)).route(path, web::post().to(oauth::decide_consent));
    }
}

/// The dated version is the current one; v1 works until 2027-02-16 and has its own reply (vendor's changelog).
fn token_routes(config: &mut web::ServiceConfig) {
    config.route("/v1/token", web::post().to(token::issue_classic));
    for version in ["2026-03", "v3"] {
        config
            .route(&format!("/{version}/token"), web::post().to(token::issue))
            .route(&format!("/{version}/token/introspect"), web::post().to(inspect::introspect))
            .route(&format!("/{version}/token/revoke"), web::post().to(inspect::revoke));
    }
}

async fn not_found(sandbox: web::Data<Sandbox>) -> HttpResponse {
    sandbox.api_error(StatusCode::NOT_FOUND, "resource not found", json!({}))
}
