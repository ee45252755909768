//! The passthrough: what reaches the vendor, what comes back, and what happens when something goes wrong on the way.

mod answers;
mod credentials;
mod fault_table;
mod faults;
mod forwarding;
mod hostile;
mod proxy;
mod refusals;
mod retries;
mod sharing;
mod streaming;

use ligand::service::elements::of_owner::ANYBODY;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::database::Database;
use crate::support::server::Setup;
use crate::support::vendor::elements;
use crate::support::wire::{self, Arrived, Step, WireVendor};
use crate::support::{Caller, TestServer};

/// A server with one instance of an element (Close, with an API key) whose vendor is a script of the test.
struct Passthrough {
    server: TestServer,
    vendor: WireVendor,
    /// The instance's.
    token: String,
    id: i64,
    elements: TempDir,
}

/// The key that the vendor gets, as Basic authentication: `the key:`.
const AUTHORIZATION: &str = "Basic dGhlIGtleTo=";
const VERIFICATION: &str = "/api/v1/me/";

impl Passthrough {
    async fn start(script: impl Fn(&Arrived, usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::with(&[], script).await
    }

    /// `changes`: to the element's file.
    async fn with(
        changes: &[(&str, &str)],
        script: impl Fn(&Arrived, usize) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::of(&with_key(), "", changes, script).await
    }

    /// With a base address that has a path.
    async fn below(
        base: &str,
        changes: &[(&str, &str)],
        script: impl Fn(&Arrived, usize) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::of(&with_key(), base, changes, script).await
    }

    /// With OAuth 2.0: an access token `at-0` that does not expire, and `rt-0`. `before` counts the token calls, too.
    async fn with_tokens(script: impl Fn(&Arrived, usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let body = json!({
            "element": { "key": "closeio" },
            "externalAuthentication": "initial",
            "configuration": { "oauth.api.key": "id", "oauth.api.secret": "secret", "oauth.user.token": "at-0",
                "oauth.user.refresh_token": "rt-0" , "oauth.user.refresh_interval": "3600" },
            "name": "Close",
        });
        Self::of(&body, "", &[("https://api.close.com/oauth2/", "{VENDOR}/oauth2/")], script).await
    }

    async fn of(
        body: &Value,
        base: &str,
        changes: &[(&str, &str)],
        script: impl Fn(&Arrived, usize) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let verified = body["configuration"]["authentication.type"] == "apiKey";
        let verification = format!("{base}{VERIFICATION}");
        let vendor = WireVendor::start(move |arrived, before| match arrived.target() {
            target if target.starts_with(&verification) => wire::json("{}"),
            // An API key is verified first.
            _ => script(arrived, before - usize::from(verified)),
        })
        .await;
        let address = format!("http://{}", vendor.address);
        let base = format!("baseUrl = \"{address}{base}\"");
        let changes: Vec<_> = changes.iter().map(|(from, to)| (*from, to.replace("{VENDOR}", &address))).collect();
        let mut all = vec![("baseUrl = \"https://api.close.com\"", base.as_str())];
        all.extend(changes.iter().map(|(from, to)| (*from, to.as_str())));
        let elements = elements(&[("closeio", &all)]);
        let setup = Setup { elements: Some(elements.path().to_owned()), ..Setup::default() };
        let server = TestServer::start(Database::sqlite(), setup).await;
        let created = server.caller().post("/instances", body).await.ok();
        let token = created["token"].as_str().expect("a token").to_owned();
        Self { server, vendor, token, id: created["id"].as_i64().expect("an id"), elements }
    }

    /// A caller with nothing but the instance's token.
    fn caller(&self) -> Caller {
        self.server.anonymous().with(&format!("Element {}", self.token))
    }

    /// What the vendor got of calls through the instance.
    fn arrived(&self) -> Vec<Arrived> {
        self.vendor.requests().into_iter().filter(|arrived| !arrived.target().contains(VERIFICATION)).collect()
    }

    /// Another server on the same database, for whom the vendor is elsewhere.
    async fn moved(&self, from: &str, to: &str) -> TestServer {
        let file = self.elements.path().join("0.toml");
        let text = std::fs::read_to_string(&file).expect("the element");
        std::fs::write(&file, text.replace(from, to)).expect("the element is written");
        let setup = Setup { elements: Some(self.elements.path().to_owned()), ..Setup::default() };
        let moved = self.server.start_beside(setup).await;
        // The operator's word: it is the same vendor.
        for element in moved.services.elements_of(ANYBODY).iter() {
            moved.services.trust_element(element).await.expect("it is noted");
        }
        moved.services.read_secret_places().await.expect("they are read");
        moved
    }

    /// Waits until no call to the vendor is under way and no connection is kept for one; the verification has its own.
    async fn vendor_is_left_alone(&self) {
        self.vendor.left_with(usize::from(self.vendor.requests().len() > self.arrived().len())).await;
    }

    /// A request in bytes, with the instance's token.
    fn raw(&self, line: &str, headers: &str, body: &str) -> String {
        let host = self.server.url.trim_start_matches("http://");
        format!("{line} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Element {}\r\n{headers}\r\n{body}", self.token)
    }
}

/// The creation of an instance with a key.
fn with_key() -> Value {
    json!({
        "element": { "key": "closeio" },
        "configuration": { "authentication.type": "apiKey", "closeio.api.key": "the key" },
        "name": "Close",
    })
}

/// The values of a header in an answer's head.
fn all<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

/// Runs an asynchronous test on the tests' runtime.
fn run(test: impl Future<Output = ()>) {
    let runtime = crate::support::database::runtime();
    runtime.block_on(test);
    runtime.shutdown_background();
}
