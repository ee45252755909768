//! The passthrough: what reaches the vendor, what comes back, and what happens when something goes wrong on the way.

mod credentials;
mod faults;
mod forwarding;
mod hostile;
mod refusals;
mod retries;
mod streaming;

use serde_json::json;
use tempfile::TempDir;

use crate::support::database::Database;
use crate::support::server::Setup;
use crate::support::vendor::elements;
use crate::support::wire::{Arrived, Step, WireVendor, json};
use crate::support::{Caller, TestServer};

/// A server with one instance of an element (Close, with an API key) whose vendor is a script of the test.
struct Passthrough {
    server: TestServer,
    vendor: WireVendor,
    /// The instance's.
    token: String,
    id: i64,
    _elements: TempDir,
}

/// The key that the vendor gets, as Basic authentication: `the key:`.
const AUTHORIZATION: &str = "Basic dGhlIGtleTo=";
const VERIFICATION: &str = "/api/v1/me/";

impl Passthrough {
    async fn start(script: impl Fn(&Arrived, usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::with("", script).await
    }

    /// `lines`: of the element's file, before its tables.
    async fn with(lines: &str, script: impl Fn(&Arrived, usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let vendor = WireVendor::start(move |arrived, before| match arrived.target() {
            VERIFICATION => json("{}"),
            // The verification came first.
            _ => script(arrived, before - 1),
        })
        .await;
        let base = format!("baseUrl = \"http://{}\"\n{lines}", vendor.address);
        let elements = elements(&[("closeio", &[("baseUrl = \"https://api.close.com\"", &base)])]);
        let setup = Setup { elements: Some(elements.path().to_owned()), ..Setup::default() };
        let server = TestServer::start(Database::sqlite(), setup).await;
        let body = json!({
            "element": { "key": "closeio" },
            "configuration": { "authentication.type": "apiKey", "closeio.api.key": "the key" },
            "name": "Close",
        });
        let created = server.caller().post("/instances", &body).await.ok();
        let token = created["token"].as_str().expect("a token").to_owned();
        Self { server, vendor, token, id: created["id"].as_i64().expect("an id"), _elements: elements }
    }

    /// A caller with nothing but the instance's token.
    fn caller(&self) -> Caller {
        self.server.anonymous().with(&format!("Element {}", self.token))
    }

    /// What the vendor got of calls through the instance.
    fn arrived(&self) -> Vec<Arrived> {
        self.vendor.requests().into_iter().skip(1).collect()
    }

    /// A request in bytes, with the instance's token.
    fn raw(&self, line: &str, headers: &str, body: &str) -> String {
        let host = self.server.url.trim_start_matches("http://");
        format!("{line} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Element {}\r\n{headers}\r\n{body}", self.token)
    }
}

/// Runs an asynchronous test on the tests' runtime.
fn run(test: impl Future<Output = ()>) {
    let runtime = crate::support::database::runtime();
    runtime.block_on(test);
    runtime.shutdown_background();
}
