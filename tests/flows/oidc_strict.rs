//! `oidc-provider` with its strictest settings: PKCE, `iss` in what comes back (RFC 9207), a code that the browser posts instead of carrying it in an
//! address (OAuth 2.0 Form Post Response Mode), refresh tokens that are good once; DPoP and JARM are off.

use std::fs;

use chrono::TimeDelta;
use ligand::store::principals;
use reqwest::redirect::Policy;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use url::Url;

use super::oidc_provider::{Story, db_tokens, element, encoded, secret_of};
use crate::support::Database;
use crate::support::browser::{Browser, set_up, shown};
use crate::support::caller::{CALLBACK, read};
use crate::support::oidc_provider::oidc_provider;
use crate::support::server::{Setup, run_with};

const CLIENT: &str = "strict-client";
/// Elements of that client: its codes come in a form, or in an address.
const POSTED: &str = "strictclient";
const REDIRECTED: &str = "strictlink";

fn elements(issuer: &str) -> TempDir {
    let directory = tempfile::Builder::new().prefix("ligand-elements-").tempdir().expect("a directory");
    for (number, key) in [POSTED, REDIRECTED].into_iter().enumerate() {
        let text = element(10_001 + number, key, issuer, "post", "S256", "willing");
        let mode = if key == POSTED { ", response_mode = \"form_post\"" } else { "" };
        let parameters = "parameters = { login_hint = \"willing\" }";
        assert!(text.contains(parameters));
        let strict = format!("issuer = \"{issuer}\"\nparameters = {{ login_hint = \"willing\"{mode} }}");
        fs::write(directory.path().join(format!("{key}.toml")), text.replace(parameters, &strict)).expect("a file");
    }
    directory
}

fn on_both<F: Future<Output = ()>>(test: impl Fn(Story) -> F) {
    let Some(provider) = oidc_provider() else { return };
    let directory = elements(&provider.issuer);
    for database in [Some(Database::sqlite()), Database::postgres()].into_iter().flatten() {
        let setup = Setup { elements: Some(directory.path().to_owned()), ..Setup::default() };
        run_with(database, setup, |server| {
            let browser = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().expect("a client");
            test(Story { caller: server.caller(), server, browser, issuer: provider.issuer.clone() })
        });
    }
}

/// Where the page's form goes, and what is in it.
fn form_of(page: &str) -> (String, Map<String, Value>) {
    let attribute = |tag: &str, name: &str| {
        let rest = tag.split_once(&format!(" {name}=\"")).unwrap_or_else(|| panic!("no {name}: {tag}")).1;
        rest.split_once('"').expect("an end").0.replace("&amp;", "&")
    };
    let form = page.split_once("<form").unwrap_or_else(|| panic!("no form: {page}")).1;
    let inputs = form.split("<input").skip(1).filter(|input| input.contains(" name=\""));
    let fields = inputs.map(|input| (attribute(input, "name"), Value::from(attribute(input, "value"))));
    (attribute(form, "action"), fields.collect())
}

async fn posted(story: &Story) -> Value {
    let query = encoded(&[("apiKey", CLIENT), ("callbackUrl", CALLBACK)]);
    let reply = story.caller.get(&format!("/elements/{POSTED}/oauth/url?{query}")).await.ok();
    let page = read(story.browser.get(reply["oauthUrl"].as_str().expect("an address"))).await;
    assert_eq!(page.status, 200, "{page:?}");
    let (action, fields) = form_of(&page.text);
    assert_eq!((action.as_str(), &fields["iss"]), (CALLBACK, &json!(story.issuer)));
    Value::Object(fields)
}

async fn tokens(story: &Story, id: i64) -> [String; 2] {
    let services = &story.server.services;
    let owner = services.store.read(principals::list).await.expect("the users")[0].owner;
    db_tokens(services, owner, id).await.try_into().expect("two tokens")
}

#[test]
fn a_code_that_is_posted_makes_renews_and_ends_an_instance() {
    on_both(|story| async move {
        let came_back = posted(&story).await;
        let made = story.create(CLIENT, &came_back).await.ok();
        let id = made["id"].as_i64().expect("an id");
        let path = format!("/instances/{id}");
        let mut known = tokens(&story, id).await;
        for way in ["refresh", "refresh", "code", "refresh"] {
            if way == "refresh" {
                story.server.advance(TimeDelta::hours(1));
                assert_eq!(story.caller.get(&format!("{path}?refresh=true")).await.ok()["valid"], true);
            } else {
                let change = json!({ "providerData": posted(&story).await });
                assert_eq!(story.caller.patch(&path, &change).await.ok()["valid"], true);
            }
            let newer = tokens(&story, id).await;
            assert!(newer[0] != known[0] && newer[1] != known[1], "{way}");
            for token in &newer {
                assert!(story.active(CLIENT, token).await, "{way}");
            }
            known = newer;
        }
        story.caller.delete(&path).await.ok_empty();
        story.server.services.revoke_due_grants().await.expect("the job runs");
        for token in &known {
            assert!(!story.active(CLIENT, token).await);
        }
    });
}

#[test]
fn a_link_takes_the_code_of_this_issuer_alone() {
    on_both(|story| async move {
        let caller = set_up(&story.server).await;
        let app = json!({ "clientId": CLIENT, "clientSecret": secret_of(CLIENT) });
        caller.put(&format!("/elements/{REDIRECTED}/app"), &app).await.ok();
        let link = async |body: Value| caller.post("/connect/links", &body).await.ok();
        let made = link(json!({ "elements": [REDIRECTED] })).await;
        Browser::new(&story.server).connect(&made).await;
        let connected = shown(&caller, &made).await;
        assert_eq!(connected["status"], "authorised", "{connected}");
        let id = connected["instanceId"].as_i64().expect("an id");
        let before = tokens(&story, id).await;
        let renewal = link(json!({ "instanceId": id })).await;
        Browser::new(&story.server).connect(&renewal).await;
        assert_eq!(shown(&caller, &renewal).await["status"], "authorised");
        let after = tokens(&story, id).await;
        assert!(before != after && story.active(CLIENT, &after[0]).await);
        // Somebody else's redirect (RFC 9207 section 2.4).
        let mixed = link(json!({ "elements": [REDIRECTED] })).await;
        let browser = Browser::new(&story.server);
        let at_vendor = browser.submit(&mixed, &[]).await.location().expect("a redirect");
        let callback = browser.get(&at_vendor).await.location().expect("a redirect");
        let mut callback = Url::parse(&callback).expect("an address");
        let pairs: Vec<(String, String)> = callback
            .query_pairs()
            .map(|(name, value)| {
                (name.to_string(), if name == "iss" { "https://other.example".to_owned() } else { value.to_string() })
            })
            .collect();
        callback.query_pairs_mut().clear().extend_pairs(pairs);
        browser.follow(browser.get(callback.as_str()).await).await;
        assert_ne!(shown(&caller, &mixed).await["status"], "authorised");
        assert_eq!(story.server.count().await, 1);
    });
}
