//! The whole story against OAuth 2.0 servers that nobody here wrote: a link, a code of a caller's own, refreshes, a grant that ends,
//! connecting again, revocation. What a server lacks its test names.

use std::fs;

use chrono::TimeDelta;
use ligand::store::principals;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::oidc_provider::db_tokens;
use crate::support::browser::{Browser, PUBLIC, set_up, shown};
use crate::support::caller::{CALLBACK, read};
use crate::support::judge::{self, Judge};
use crate::support::server::{Setup, run_with};
use crate::support::{Caller, Database, TestServer};

const CLIENT: &str = "judged-client";
const SECRET: &str = "judged-secret";

/// What a server is like, and has.
struct Facts {
    client_authentication: &'static str,
    pkce: &'static str,
    /// Lines of the element's file, below `authentication.oauth2` and at its end; `ORIGIN` is the server.
    oauth2: &'static str,
    tables: &'static str,
    /// A call that wants a token.
    call: &'static str,
    /// It knows which tokens it gave, and takes no other.
    keeps_tokens: bool,
    revokes: bool,
    account: Value,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            client_authentication: "basic",
            pkce: "S256",
            oauth2: "",
            tables: "",
            call: "/me",
            keeps_tokens: true,
            revokes: true,
            account: Value::Null,
        }
    }
}

impl Facts {
    fn element(&self, judge: &Judge) -> TempDir {
        let Self { client_authentication, pkce, oauth2, tables, .. } = self;
        let revoke = if self.revokes { "[authentication.oauth2.revoke]\nurl = \"ORIGIN/revoke\"" } else { "" };
        let entry = |key: &str, more: &str| {
            format!(
                "[[configuration]]\nkey = \"{key}\"\nname = \"{key}\"\ndescription = \"{key}\"\ntype = \"TEXTFIELD_1000\"\n\
                 authentication = \"oauth2\"\n{more}\n"
            )
        };
        let given = ["oauth.callback.url", "oauth.api.key", "oauth.api.secret"]
            .map(|key| entry(key, &format!("required = true\nsecret = {}", key.ends_with("secret"))));
        let kept =
            ["oauth.user.token", "oauth.user.refresh_token"].map(|key| entry(key, "internal = true\nsecret = true"));
        let text = format!(
            r#"
id = 10001
key = "judge"
name = "Judge"
hookName = "Judge"
hub = "crm"
description = "An OAuth server."
configDescription = "Its client is registered by the test."
baseUrl = "ORIGIN"

[authentication]
type = "oauth2"

[authentication.oauth2]
description = "The only way."
pkce = "{pkce}"
{oauth2}

[authentication.oauth2.scopes]
default = ["contacts"]

[authentication.oauth2.token]
url = "ORIGIN/token"
clientAuthentication = "{client_authentication}"

[authentication.oauth2.refresh]
rotates = true

{revoke}

{tables}

{}
{}
"#,
            given.concat(),
            kept.concat()
        );
        let directory = tempfile::Builder::new().prefix("ligand-elements-").tempdir().expect("a directory");
        fs::write(directory.path().join("judge.toml"), text.replace("ORIGIN", &judge.url)).expect("a file");
        directory
    }
}

struct Story<'a> {
    server: TestServer,
    caller: Caller,
    judge: &'a Judge,
    facts: &'a Facts,
}

/// Tells the story on both databases, or skips it without the server.
fn judged(judge: Option<&'static Judge>, facts: &Facts) {
    let Some(judge) = judge else { return };
    let directory = facts.element(judge);
    for database in [Some(Database::sqlite()), Database::postgres()].into_iter().flatten() {
        let setup = Setup { elements: Some(directory.path().to_owned()), ..Setup::default() };
        run_with(database, setup, |server| async move {
            let caller = set_up(&server).await;
            let registered = format!("{PUBLIC}/connector/callback");
            let app = json!({ "clientId": CLIENT, "clientSecret": SECRET, "redirectUrl": registered });
            caller.put("/elements/judge/app", &app).await.ok();
            let story = Story { server, caller, judge, facts };
            let id = story.by_link(json!({ "elements": ["judge"] })).await;
            story.refreshes(id).await;
            assert_eq!(story.by_link(json!({ "instanceId": id })).await, id, "connected again");
            story.works(id).await;
            story.refreshes(id).await;
            let own = story.by_code_of_a_caller().await;
            story.refreshes(own).await;
            story.ends_and_begins_anew(id).await;
            story.is_revoked(id).await;
        });
    }
}

impl Story<'_> {
    /// The instance that somebody connects.
    async fn by_link(&self, link: Value) -> i64 {
        let made = self.caller.post("/connect/links", &link).await.ok();
        Browser::new(&self.server).connect(&made).await;
        let after = shown(&self.caller, &made).await;
        assert_eq!(after["status"], "authorised", "{after}");
        let id = after["instanceId"].as_i64().expect("an id");
        let instance = self.caller.get(&format!("/instances/{id}")).await.ok();
        assert_eq!((&instance["valid"], &instance["vendorAccount"]["id"]), (&json!(true), &self.facts.account));
        self.works(id).await;
        id
    }

    /// The vendor takes the token.
    async fn works(&self, id: i64) {
        let token = self.caller.get(&format!("/instances/{id}")).await.ok()["token"].clone();
        let own = self.caller.with_element(token.as_str().expect("a token"));
        let reply = read(own.request_at_root("GET", &format!("/vendor{}", self.facts.call))).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// Access and refresh token.
    async fn tokens(&self, id: i64) -> [String; 2] {
        let services = &self.server.services;
        let owner = services.store.read(principals::list).await.expect("the users")[0].owner;
        db_tokens(services, owner, id).await.try_into().expect("two tokens")
    }

    async fn control(&self, what: &str, body: &str) -> Value {
        read(reqwest::Client::new().post(format!("{}/control/{what}", self.judge.url)).body(body.to_owned())).await.ok()
    }

    async fn is_active(&self, token: &str) -> bool {
        self.control("active", token).await["active"].as_bool().expect("active is told")
    }

    async fn refreshes(&self, id: i64) {
        let [mut access, mut refresh] = self.tokens(id).await;
        for round in 0..3 {
            self.server.advance(TimeDelta::hours(1));
            let shown = self.caller.get(&format!("/instances/{id}?refresh=true")).await.ok();
            assert_eq!((&shown["valid"], &shown["failingSince"]), (&json!(true), &Value::Null), "{round}: {shown}");
            let [newer_access, newer_refresh] = self.tokens(id).await;
            assert!(newer_refresh != refresh, "{round}");
            // Where they are signed claims, those of one second are the same.
            assert!(newer_access != access || !self.facts.keeps_tokens, "{round}");
            if self.facts.keeps_tokens {
                assert!(self.is_active(&newer_access).await && self.is_active(&newer_refresh).await, "{round}");
                assert!(!self.is_active(&refresh).await, "{round}: it rotates");
            }
            (access, refresh) = (newer_access, newer_refresh);
            self.works(id).await;
        }
    }

    /// What the server's redirect to a callback of the caller's own says.
    async fn agreed(&self) -> Value {
        let query = format!("apiKey={CLIENT}&callbackUrl={CALLBACK}");
        let address = self.caller.get(&format!("/elements/judge/oauth/url?{query}")).await.ok()["oauthUrl"].clone();
        let browser = Browser::new(&self.server);
        let location = browser.get(address.as_str().expect("an address")).await.location().expect("a redirect");
        let location = Url::parse(&location).expect("an address");
        assert!(location.as_str().starts_with(CALLBACK), "{location}");
        location.query_pairs().map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect()
    }

    async fn by_code_of_a_caller(&self) -> i64 {
        let body = |provided: &Value, secret: &str| {
            json!({
                "element": { "key": "judge" }, "name": "By code", "providerData": provided,
                "configuration": {
                    "oauth.api.key": CLIENT, "oauth.api.secret": secret, "oauth.callback.url": CALLBACK,
                },
            })
        };
        let came_back = self.agreed().await;
        if self.facts.keeps_tokens {
            // The app is refused, and not the code.
            self.caller.post("/instances", &body(&came_back, "wrong")).await.fails(400, "vendor_configuration");
        }
        let made = self.caller.post("/instances", &body(&came_back, SECRET)).await.ok();
        let id = made["id"].as_i64().expect("an id");
        self.works(id).await;
        let again = json!({ "providerData": self.agreed().await });
        assert_eq!(self.caller.patch(&format!("/instances/{id}"), &again).await.ok()["valid"], true);
        self.works(id).await;
        id
    }

    async fn ends_and_begins_anew(&self, id: i64) {
        self.control("end", "").await;
        self.server.advance(TimeDelta::hours(1));
        let shown = self.caller.get(&format!("/instances/{id}?refresh=true")).await.ok();
        let reason = shown["invalidReason"].as_str().expect("a reason");
        assert!(shown["valid"] == false && reason.contains("refused the refresh token"), "{reason}");
        if !self.facts.keeps_tokens {
            self.control("begin", "").await;
        }
        assert_eq!(self.by_link(json!({ "instanceId": id })).await, id);
    }

    async fn is_revoked(&self, id: i64) {
        let tokens = self.tokens(id).await;
        let before =
            if self.facts.keeps_tokens { Value::Null } else { self.control("revoked", "").await["total"].clone() };
        self.caller.delete(&format!("/instances/{id}")).await.ok_empty();
        self.server.services.revoke_due_grants().await.expect("the job runs");
        for token in &tokens {
            if self.facts.keeps_tokens {
                assert_eq!(self.is_active(token).await, !self.facts.revokes, "{token}");
            }
        }
        if !self.facts.keeps_tokens {
            let total = self.control("revoked", "").await["total"].as_u64();
            assert!(total > before.as_u64(), "{total:?} after {before}");
        }
    }
}

const PLAIN: &str = "[authentication.oauth2.authorize]\nurl = \"ORIGIN/authorize\"";

// It lacks `iss` in the redirect, and an account.
#[test]
fn oauthlib_takes_the_whole_story() {
    judged(judge::oauthlib(), &Facts { tables: PLAIN, ..Facts::default() });
}

// It lacks an account.
#[test]
fn authlib_takes_the_whole_story() {
    let tables = "[authentication.oauth2.authorize]\nurl = \"ORIGIN/authorize\"\nissuer = \"ORIGIN\"";
    judged(judge::authlib(), &Facts { client_authentication: "post", tables, ..Facts::default() });
}

// It lacks an endpoint for revocation, one for introspection, `iss` and an account: a deleted instance's tokens live on until they end.
#[test]
fn node_oauth_takes_the_whole_story() {
    judged(judge::node_oauth(), &Facts { tables: PLAIN, revokes: false, ..Facts::default() });
}

// It lacks any memory of its tokens: none is ever refused, old and revoked ones neither, nor a client. It has the account, in its ID token.
#[test]
fn oauth2_mock_server_takes_the_whole_story() {
    let facts = Facts {
        client_authentication: "post",
        tables: PLAIN,
        oauth2: "reply = { account = [\"/id_token/sub\"] }",
        call: "/userinfo",
        keeps_tokens: false,
        account: json!("johndoe"),
        ..Facts::default()
    };
    judged(judge::mock(), &facts);
}
