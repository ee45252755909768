//! What an element's file can say of a vendor's OAuth, and what is sent and read then.

mod accounts;
mod callback;
mod follow_up;
mod headers;
mod kept;
mod outages;
mod own_servers;
mod refused_calls;
mod token_requests;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::element_files::entry;
pub use crate::support::caller::fresh_code;
use crate::support::server::Setup;
use crate::support::vendor::{Request, Vendor};

const CALLBACK: &str = "https://app.example/callback";

const FILE: &str = r#"
id = 100NUMBER
key = "KEY"
name = "Own"
hookName = "Own"
description = "Connects to Own."
configDescription = "Ask Own for an app."
hub = "crm"
baseUrl = "BASE"
#top

[authentication]
type = "oauth2"

[authentication.oauth2]
description = "For everybody."
#oauth2

[authentication.oauth2.authorize]
url = "AUTHORIZE"
#authorize

[authentication.oauth2.token]
url = "TOKEN"
#token

#tables

"#;

/// An element of a vendor of the test's own. Lines of TOML go where their name says; `ORIGIN` in them is the vendor's.
#[derive(Default)]
pub struct Own {
    /// `ORIGIN` where it is empty.
    pub base: &'static str,
    pub top: &'static str,
    pub oauth2: &'static str,
    pub token: &'static str,
    /// `ORIGIN/authorize` where it is empty.
    pub authorize_url: &'static str,
    pub authorize: &'static str,
    /// `ORIGIN/token` where it is empty.
    pub token_url: &'static str,
    pub tables: &'static str,
    /// Its clients have no secret.
    pub public: bool,
}

impl Own {
    fn text(&self, vendor: &Vendor, number: usize) -> String {
        let base = if self.base.is_empty() { "ORIGIN" } else { self.base };
        let token = if self.token_url.is_empty() { "ORIGIN/token" } else { self.token_url };
        let authorize = if self.authorize_url.is_empty() { "ORIGIN/authorize" } else { self.authorize_url };
        let text = FILE
            .replace("AUTHORIZE", authorize)
            .replace("#authorize", self.authorize)
            .replace("BASE", base)
            .replace("TOKEN", token)
            .replace("KEY", &key(number))
            .replace("NUMBER", &(31 + number).to_string())
            .replace("#top", self.top)
            .replace("#oauth2", self.oauth2)
            .replace("#token", self.token)
            .replace("#tables", self.tables)
            .replace("ORIGIN", &format!("http://{}", vendor.address))
            .replace("PORT", &vendor.address.port().to_string());
        let given = "required = true\nauthentication = \"oauth2\"";
        let kept = "internal = true\nsecret = true\nauthentication = \"oauth2\"";
        let secret = entry("oauth.api.secret", &format!("{given}\nsecret = true"));
        [
            text,
            entry("oauth.api.key", given),
            if self.public { String::new() } else { secret },
            entry("oauth.callback.url", given),
            entry("oauth.user.token", kept),
            entry("oauth.user.refresh_token", kept),
        ]
        .concat()
    }

    /// A server with this element, for as long as the directory is there.
    pub fn setup(&self, vendor: &Vendor) -> (TempDir, Setup) {
        setup_of(&[(self, vendor)])
    }
}

/// The key of one of several.
pub fn key(number: usize) -> String {
    if number == 0 { "own".to_owned() } else { format!("own{number}") }
}

pub fn setup_of(elements: &[(&Own, &Vendor)]) -> (TempDir, Setup) {
    let directory = tempfile::tempdir().expect("a directory");
    for (number, (own, vendor)) in elements.iter().enumerate() {
        let file = directory.path().join(format!("{}.toml", key(number)));
        std::fs::write(file, own.text(vendor, number)).expect("a file");
    }
    let setup = Setup { elements: Some(directory.path().to_owned()), ..Setup::default() };
    (directory, setup)
}

/// A creation with a client of its own. `provided`: what the redirect brought.
pub fn creation(provided: &Value) -> Value {
    json!({
        "element": { "key": "own" }, "name": "Own", "providerData": provided,
        "configuration": {
            "oauth.api.key": "the-client", "oauth.api.secret": "the-secret", "oauth.callback.url": CALLBACK,
        },
    })
}

/// The requests to a path, in their order.
pub fn sent_to(vendor: &Vendor, path: &str) -> Vec<Request> {
    vendor.requests().into_iter().filter(|request| request.path == path).collect()
}
