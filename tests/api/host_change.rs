//! A secret goes only to the host that it was given for.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::shares::{connect, desk};
use crate::support::server::{Setup, run_with};
use crate::support::vendor::Vendor;
use crate::support::{Caller, on_both};

const REFUSED: &str = "secret_needed_for_new_host";

/// Keys instead of OAuth, where an instance says so.
const WITH_KEYS: &str = r#"
[authentication.apiKey]
description = "For one desk."
configuration = "desk.key"

[[authentication.apiKey.forms]]
placement = { in = "header", name = "X-Api-Key" }

[verification]
path = "/me"

[[configuration]]
key = "desk.key"
name = "Key"
description = "The key."
type = "PASSWORD"
required = true
authentication = "apiKey"

[[configuration]]
key = "authentication.type"
name = "Authentication Type"
description = "How the instance authenticates."
type = "COMBO"
default = "oauth2"
groupControl = true
options = [{ value = "oauth2", description = "OAuth2" }, { value = "apiKey", description = "A key" }]
"#;

/// One vendor on two hosts of which the second is somebody else's.
pub struct Hosts {
    pub own: Vendor,
    pub other: Vendor,
    elements: TempDir,
}

impl Hosts {
    pub fn start() -> Self {
        let own = Vendor::start();
        let other = Vendor::start_at(("127.0.0.2", own.address.port()));
        for vendor in [&own, &other] {
            let token = json!({ "access_token": "new", "token_type": "bearer", "expires_in": 86_400 });
            vendor.answers("/token", 200, token);
            vendor.answers("/me", 200, json!({ "id": 1 }));
        }
        let elements = TempDir::new().expect("a directory");
        let text = desk(own.address.port()) + WITH_KEYS;
        fs::write(elements.path().join("desk.toml"), text).expect("a file");
        Self { own, other, elements }
    }

    /// With another file of the element.
    pub fn setup_with(&self, change: impl FnOnce(String) -> String) -> Setup {
        let file = self.elements.path().join("desk.toml");
        let text = change(fs::read_to_string(&file).expect("the element"));
        fs::write(file, text).expect("a file");
        self.setup()
    }

    pub fn setup(&self) -> Setup {
        Setup { elements: Some(self.elements.path().to_owned()), ..Setup::default() }
    }
}

async fn configuration_id(caller: &Caller, path: &str, key: &str) -> i64 {
    let entries = caller.get(&format!("{path}/configuration")).await.ok();
    let entry = entries.as_array().and_then(|all| all.iter().find(|entry| entry["key"] == key));
    entry.and_then(|entry| entry["id"].as_i64()).expect("the entry")
}

on_both!(nothing_stored_goes_to_a_host_that_was_named_later, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |server| async move {
        let (caller, colleague) = (server.caller(), server.colleague().await);
        let before = connect(&caller, "127.0.0.1", 0).await;
        let path = format!("/instances/{}", before["id"]);
        let code = json!({ "code": "a-code" });
        let moved = |more: Value| {
            let mut configuration = json!({ "desk": "127.0.0.2" });
            configuration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            configuration
        };
        let masked = json!({ "oauth.api.secret": "********" });
        let (known, renamed) = (json!({ "oauth.api.secret": "secret" }), json!({ "oauth.api.key": "mine" }));
        let tokens = json!({ "oauth.user.token": "mine", "oauth.user.refresh_interval": "600" });
        for body in [
            json!({ "configuration": moved(json!({})) }),
            json!({ "configuration": moved(masked.clone()) }),
            json!({ "configuration": moved(renamed) }),
            json!({ "configuration": moved(known.clone()) }),
            json!({ "configuration": moved(masked), "providerData": code }),
            json!({ "configuration": moved(json!({})), "providerData": code }),
            json!({ "configuration": moved(tokens), "externalAuthentication": "initial" }),
            json!({ "configuration": moved(known.clone()), "externalAuthentication": "initial" }),
        ] {
            for who in [&caller, &colleague] {
                for method in ["PUT", "PATCH"] {
                    who.send(method, &path, &body).await.fails(409, REFUSED);
                }
            }
            let token = before["token"].as_str().unwrap();
            caller.with_element(token).patch("/instances", &body).await.fails(409, REFUSED);
        }
        let entry = format!("{path}/configuration/{}", configuration_id(&caller, &path, "desk").await);
        let said = colleague.patch(&entry, &json!({ "propertyValue": "127.0.0.2" })).await.fails(409, REFUSED);
        assert!(said.contains("oauth.api.secret") && said.contains("providerData.code"), "{said}");
        assert_eq!(caller.get(&path).await.ok(), before);
        assert!(hosts.other.requests().is_empty() && hosts.own.requests().is_empty());
        // Who brings everything may move.
        let body = json!({
            "configuration": moved(json!({ "oauth.api.secret": "another" })), "providerData": code,
        });
        colleague.patch(&path, &body).await.ok();
        assert!(hosts.own.requests().is_empty());
        let asked = hosts.other.requests();
        let sent = asked.iter().map(|request| (request.path.as_str(), request.field("client_secret")));
        assert_eq!(sent.collect::<Vec<_>>(), [("/token", Some("another".to_owned()))]);
        assert!(asked.iter().all(|request| !request.body.contains("refresh-0")));
        // The same address in the body is no change.
        let body = json!({ "configuration": moved(json!({ "oauth.api.secret": "********" })), "name": "Renamed" });
        assert_eq!(colleague.patch(&path, &body).await.ok()["name"], "Renamed");
    });
});

on_both!(a_stored_key_is_not_proven_at_another_host, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |server| async move {
        let (caller, colleague) = (server.caller(), server.colleague().await);
        let body = json!({
            "element": { "key": "desk" }, "name": "Desk",
            "configuration": { "authentication.type": "apiKey", "desk": "127.0.0.1", "desk.key": "KEY" },
        });
        let before = caller.post("/instances", &body).await.ok();
        let path = format!("/instances/{}", before["id"]);
        for configuration in [
            json!({ "desk": "127.0.0.2" }),
            json!({ "desk": "127.0.0.2", "desk.key": "********" }),
        ] {
            let body = json!({ "configuration": configuration });
            colleague.patch(&path, &body).await.fails(409, REFUSED);
            colleague.put(&format!("{path}?reAuthenticate=true"), &body).await.fails(409, REFUSED);
        }
        assert_eq!(caller.get(&path).await.ok(), before);
        assert!(hosts.other.requests().is_empty());
        let body = json!({ "configuration": { "desk": "127.0.0.2", "desk.key": "KEY-2" } });
        colleague.patch(&path, &body).await.ok();
        assert_eq!(hosts.other.requests().iter().filter(|request| request.path == "/me").count(), 1);
    });
});
