//! The story against a certified OAuth 2.0 server that nobody here wrote: what it takes, and how its refusals arrive.

use std::fs;

use ligand::kernel::owner::Owner;
use ligand::protocol::Credential;
use ligand::service::Services;
use ligand::store::sealed::CREDENTIAL;
use ligand::store::{instances, principals};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::support::caller::{CALLBACK, read};
use crate::support::oidc_provider::{OidcProvider, oidc_provider};
use crate::support::server::{Setup, run_with};
use crate::support::{Caller, Database, Reply, TestServer};

/// Clients of `tests/parts/oidc-provider/server.mjs`, each behind an element of its own: client authentication, PKCE.
const CLIENTS: &[(&str, &str, &str)] = &[
    ("post-client", "post", "none"),
    ("basic-client", "basic", "none"),
    ("pkce-post-client", "post", "S256"),
    ("pkce-basic-client", "basic", "S256"),
    ("odd-basic-client", "basic", "none"),
    ("steady-post-client", "post", "none"),
];

pub fn secret_of(client: &str) -> String {
    match client {
        "odd-basic-client" => "a:b c+d%2Fe&f=g".to_owned(),
        _ => format!("secret-of-{client}"),
    }
}

/// As a contributor would write it: endpoints, client authentication, and `login_hint` for the user who says no.
pub fn element(id: usize, key: &str, issuer: &str, authentication: &str, pkce: &str, hint: &str) -> String {
    format!(
        r#"
id = {id}
key = "{key}"
name = "Provider"
hookName = "Provider"
hub = "crm"
description = "A certified OAuth server."
configDescription = "Clients are registered by the test."
baseUrl = "{issuer}"

[authentication]
type = "oauth2"

[authentication.oauth2]
description = "The only way."
pkce = "{pkce}"

[authentication.oauth2.authorize]
url = "{issuer}/auth"
parameters = {{ login_hint = "{hint}" }}

[authentication.oauth2.scopes]
default = ["openid", "offline_access", "contacts"]

[authentication.oauth2.token]
url = "{issuer}/token"
clientAuthentication = "{authentication}"

[authentication.oauth2.revoke]
url = "{issuer}/token/revocation"

[[configuration]]
key = "oauth.callback.url"
name = "Callback"
description = "The redirect URI."
type = "TEXTFIELD_1000"
required = true
authentication = "oauth2"

[[configuration]]
key = "oauth.api.key"
name = "Client"
description = "The client id."
type = "TEXTFIELD_128"
required = true
secret = true
authentication = "oauth2"

[[configuration]]
key = "oauth.api.secret"
name = "Secret"
description = "The client secret."
type = "TEXTFIELD_128"
required = true
secret = true
authentication = "oauth2"

[[configuration]]
key = "oauth.user.token"
name = "Access token"
description = "The current access token."
type = "TEXTFIELD_1000"
internal = true
secret = true
authentication = "oauth2"

[[configuration]]
key = "oauth.user.refresh_token"
name = "Refresh token"
description = "The token that renews the access token."
type = "TEXTFIELD_1000"
internal = true
secret = true
authentication = "oauth2"
"#
    )
}

/// Keys of elements are letters and digits.
pub fn element_of(client: &str) -> String {
    client.replace('-', "")
}

/// One element for each client, named after it, and one for the user who says no.
pub fn elements(issuer: &str) -> TempDir {
    let directory = tempfile::Builder::new().prefix("ligand-elements-").tempdir().expect("a directory");
    let willing = CLIENTS.iter().map(|(client, authentication, pkce)| (*client, *authentication, *pkce, "willing"));
    for (number, (key, authentication, pkce, hint)) in willing.chain([("denied", "post", "none", "deny")]).enumerate() {
        let text = element(10_001 + number, &element_of(key), issuer, authentication, pkce, hint);
        fs::write(directory.path().join(format!("{number}.toml")), text).expect("the element is written");
    }
    directory
}

/// Somebody who connects an account at the provider.
pub struct Story {
    pub server: TestServer,
    pub caller: Caller,
    pub browser: reqwest::Client,
    pub issuer: String,
}

/// Runs a test on both databases, or skips it without the provider.
fn on_both<F: Future<Output = ()>>(test: impl Fn(Story) -> F) {
    if let Some(provider) = oidc_provider() {
        on_both_with(provider, test);
    }
}

/// The same with a provider of the test's own.
pub fn on_both_with<F: Future<Output = ()>>(provider: &OidcProvider, test: impl Fn(Story) -> F) {
    let directory = elements(&provider.issuer);
    for database in [Some(Database::sqlite()), Database::postgres()].into_iter().flatten() {
        let setup = Setup { elements: Some(directory.path().to_owned()), ..Setup::default() };
        run_with(database, setup, |server| {
            let browser = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().expect("a client");
            test(Story { caller: server.caller(), server, browser, issuer: provider.issuer.clone() })
        });
    }
}

impl Story {
    /// Where `oauth/url` sends the user.
    async fn address(&self, element: &str, client: &str) -> Url {
        let query = encoded(&[("apiKey", client), ("callbackUrl", CALLBACK)]);
        let reply = self.caller.get(&format!("/elements/{}/oauth/url?{query}", element_of(element))).await.ok();
        reply["oauthUrl"].as_str().expect("an address").parse().expect("a URL")
    }

    /// The parameters that the browser brings back to the callback.
    async fn visit(&self, address: &Url) -> Value {
        let reply = read(self.browser.get(address.as_str())).await;
        let location = reply.header("location").unwrap_or_else(|| panic!("no redirect: {reply:?}"));
        assert!(location.starts_with(CALLBACK), "{location}");
        let location = Url::parse(location).expect("a URL");
        location.query_pairs().map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect()
    }

    /// Code and state of a user who agreed.
    pub async fn agree(&self, client: &str) -> Value {
        self.visit(&self.address(client, client).await).await
    }

    pub async fn create(&self, client: &str, provider_data: &Value) -> Reply {
        self.create_with(client, provider_data, &secret_of(client), CALLBACK).await
    }

    async fn create_with(&self, client: &str, provider_data: &Value, secret: &str, callback: &str) -> Reply {
        let body = json!({
            "element": { "key": element_of(client) },
            "name": client,
            "providerData": provider_data,
            "configuration": {
                "oauth.api.key": client, "oauth.api.secret": secret, "oauth.callback.url": callback,
            },
        });
        self.caller.post("/instances", &body).await
    }

    /// A failed creation: its code and message, the provider's words, and that nothing was stored.
    async fn refused(&self, reply: &Reply, code: &str) -> (String, String) {
        let message = reply.fails(400, code);
        self.caller.get("/instances").await.fails(404, "nothing_found");
        (message, reply.json()["providerMessage"].as_str().expect("the provider's words").to_owned())
    }

    /// Whether the provider still knows a token (RFC 7662).
    pub async fn active(&self, client: &str, token: &str) -> bool {
        let request = self.browser.post(format!("{}/token/introspection", self.issuer));
        let secret = secret_of(client);
        let request = if client.contains("basic") {
            let half = |text: &str| encoded(&[("", text)]).trim_start_matches('=').to_owned();
            request.basic_auth(half(client), Some(half(&secret))).body(encoded(&[("token", token)]))
        } else {
            request.body(encoded(&[("token", token), ("client_id", client), ("client_secret", &secret)]))
        };
        let reply = read(request.header("content-type", "application/x-www-form-urlencoded")).await;
        reply.ok()["active"].as_bool().expect("active is told")
    }
}

pub fn encoded(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Access and refresh token of an instance, which no reply ever shows.
pub async fn db_tokens(services: &Services, owner: Owner, id: i64) -> Vec<String> {
    let stored = services.store.read(move |conn| instances::find(conn, owner, id)).await.expect("the instance");
    let place = CREDENTIAL.place(owner.organization, id);
    match services.vault.open_document(place, &stored.credential.sealed).expect("a credential") {
        Credential::OAuth2 { access_token, refresh_token, .. } => {
            vec![access_token.expose().to_owned(), refresh_token.expect("a refresh token").expose().to_owned()]
        }
        Credential::ApiKey { .. } => panic!("not from OAuth"),
    }
}

#[test]
fn every_client_authentication_with_and_without_pkce_makes_an_instance() {
    on_both(|story| async move {
        for (client, _, pkce) in CLIENTS {
            let address = story.address(client, client).await;
            let challenged = address.query_pairs().any(|(name, _)| name == "code_challenge");
            assert_eq!(challenged, *pkce == "S256", "{client}");
            let came_back = story.visit(&address).await;
            let instance = story.create(client, &came_back).await.ok();
            assert_eq!(instance["valid"], true, "{client}");
            assert_eq!(instance["configuration"]["oauth.user.token"], "********", "{client}");
            assert!(instance["expiresAt"].is_string(), "{client}: {instance}");
        }
        assert_eq!(story.caller.get("/instances").await.ok().as_array().expect("a list").len(), CLIENTS.len());
    });
}

#[test]
fn a_user_who_says_no_is_the_callers_answer() {
    on_both(|story| async move {
        let came_back = story.visit(&story.address("denied", "post-client").await).await;
        assert_eq!(came_back["error"], "access_denied", "{came_back}");
        let (message, said) = story.refused(&story.create("denied", &came_back).await, "authorization_denied").await;
        assert!(message.contains("the user said no"), "{message}");
        assert!(said.contains("the user said no"), "{said}");
    });
}

#[test]
fn a_code_is_good_once_and_not_for_long() {
    on_both(|story| async move {
        for client in ["post-client", "pkce-basic-client"] {
            let expired = story.agree(client).await;
            let order = json!({ "value": expired["code"] }).to_string();
            read(story.browser.post(format!("{}/control/expire", story.issuer)).body(order)).await.ok();
            let (message, said) = story.refused(&story.create(client, &expired).await, "vendor_refused").await;
            assert!(message.starts_with("Provider refused the code"), "{message}");
            assert!(!said.is_empty());
        }
        let used = story.agree("post-client").await;
        let instance = story.create("post-client", &used).await.ok();
        let again = story.create("post-client", &used).await;
        assert_eq!(again.ok()["id"], instance["id"], "the provider is not asked again");
        assert!(!again.text.contains(used["code"].as_str().expect("a code")), "{again:?}");
        let listed = story.caller.get("/instances").await.ok();
        assert_eq!(listed.as_array().expect("a list").len(), 1, "{listed}");
        assert_eq!(listed[0]["id"], instance["id"]);
    });
}

#[test]
fn a_wrong_secret_or_redirect_uri_is_told_as_such() {
    on_both(|story| async move {
        for client in ["post-client", "basic-client", "pkce-post-client"] {
            let reply = story.create_with(client, &story.agree(client).await, "not-the-secret", CALLBACK).await;
            let (message, _) = story.refused(&reply, "vendor_configuration").await;
            assert!(message.contains("Check client id, secret and redirect URL"), "{message}");
            assert!(!reply.text.contains("not-the-secret"), "{reply:?}");
        }
        let came_back = story.agree("post-client").await;
        let other = "https://www.mycoolapp.com/auth";
        let reply = story.create_with("post-client", &came_back, &secret_of("post-client"), other).await;
        let (message, said) = story.refused(&reply, "vendor_refused").await;
        assert!(message.starts_with("Provider refused the code"), "{message}");
        assert!(!said.is_empty());
        // With PKCE the mistake is noticed before the code is spent: the right address still works.
        let came_back = story.agree("pkce-post-client").await;
        let reply = story.create_with("pkce-post-client", &came_back, &secret_of("pkce-post-client"), other).await;
        reply.fails(400, "unknown_grant");
        story.create("pkce-post-client", &came_back).await.ok();
    });
}

#[test]
fn a_wrong_secret_with_pkce_leaves_the_authorization_open_for_the_right_one() {
    on_both(|story| async move {
        let came_back = story.agree("pkce-basic-client").await;
        let reply = story.create_with("pkce-basic-client", &came_back, "not-the-secret", CALLBACK).await;
        story.refused(&reply, "vendor_configuration").await;
        let made = story.create("pkce-basic-client", &came_back).await.ok();
        assert_eq!(story.create("pkce-basic-client", &came_back).await.ok()["id"], made["id"]);
    });
}

#[test]
fn a_deleted_instance_is_revoked_at_the_provider() {
    on_both(|story| async move {
        for client in ["post-client", "basic-client", "odd-basic-client"] {
            let came_back = story.agree(client).await;
            let instance = story.create(client, &came_back).await.ok();
            let id = instance["id"].as_i64().expect("an id");
            let services = &story.server.services;
            let admin = services.store.read(principals::list).await.expect("the users")[0].owner;
            let tokens = db_tokens(services, admin, id).await;
            for token in &tokens {
                assert!(story.active(client, token).await, "{client}");
            }
            assert_eq!(story.caller.delete(&format!("/instances/{id}")).await.status, 200);
            assert_eq!(services.revoke_due_grants().await.expect("the job runs"), 1, "{client}");
            for token in &tokens {
                assert!(!story.active(client, token).await, "{client}");
            }
            // Dealt with: nothing is left for a later round.
            story.server.advance(chrono::TimeDelta::days(1));
            assert_eq!(services.revoke_due_grants().await.expect("the job runs"), 0, "{client}");
        }
    });
}
