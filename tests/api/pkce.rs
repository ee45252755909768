//! Elements that use PKCE (RFC 7636): the verifier is kept as a grant of the caller.

use std::future::Future;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use ligand::sandbox::Consent;
use serde_json::{Value, json};
use url::Url;

use super::seals::exchange;
use crate::support::caller::{CALLBACK, read};
use crate::support::server::{Setup, run_with};
use crate::support::{Caller, Database, Reply, TestServer};

/// The built-in element with one line more; its endpoints are the sandbox's.
fn setup(directory: &tempfile::TempDir) -> Setup {
    let built_in = include_str!("../../elements/hubspotcrm.toml");
    let with_pkce = built_in.replacen("[authentication.oauth2]\n", "[authentication.oauth2]\npkce = \"S256\"\n", 1);
    assert_ne!(with_pkce, built_in);
    std::fs::write(directory.path().join("hubspotcrm.toml"), with_pkce).expect("the file is written");
    Setup { elements: Some(directory.path().to_owned()), ..Setup::default() }
}

fn run<F: Future<Output = ()>>(database: Database, test: impl FnOnce(TestServer) -> F) {
    let directory = tempfile::tempdir().expect("a directory");
    run_with(database, setup(&directory), test);
}

macro_rules! on_both_with_pkce {
    ($name:ident, |$server:ident| $body:expr) => {
        mod $name {
            use super::*;

            async fn body($server: TestServer) {
                $body.await;
            }

            #[test]
            fn sqlite() {
                run(Database::sqlite(), body);
            }

            #[test]
            fn postgres() {
                if let Some(database) = Database::postgres() {
                    run(database, body);
                }
            }
        }
    };
}

async fn start(caller: &Caller, state: &str) -> Reply {
    let query = [("apiKey", "sandbox-client"), ("callbackUrl", CALLBACK), ("state", state)];
    caller.get_with("/elements/hubspotcrm/oauth/url", &query).await
}

fn address(reply: &Reply) -> Url {
    Url::parse(reply.ok()["oauthUrl"].as_str().expect("an address")).expect("a URL")
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

/// Consents as a user would; gives the code and the state of the redirect.
async fn consent(server: &TestServer, url: &Url) -> (String, String) {
    server.sandbox().set(|switches| switches.consent = Consent::Grant);
    let path = format!("{}?{}", url.path(), url.query().expect("a query"));
    let vendor = Caller::anonymous(&url.origin().ascii_serialization());
    let redirect = read(vendor.request_at_root("GET", &path)).await;
    let location = Url::parse(redirect.header("location").expect("a redirect")).expect("a URL");
    (parameter(&location, "code").expect("a code"), parameter(&location, "state").expect("a state"))
}

fn creation(code: &str, state: Option<&str>) -> Value {
    json!({
        "name": "With PKCE",
        "element": { "key": "hubspotcrm" },
        "providerData": { "code": code, "state": state },
        "configuration": {
            "oauth.callback.url": CALLBACK, "oauth.api.key": "sandbox-client", "oauth.api.secret": "sandbox-secret",
        },
    })
}

on_both_with_pkce!(the_verifier_is_found_again_by_the_state, |server| async move {
    let caller = server.caller();
    let url = address(&start(&caller, "mine").await);
    assert_eq!(parameter(&url, "code_challenge_method").as_deref(), Some("S256"));
    let challenge = parameter(&url, "code_challenge").unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(&challenge).unwrap().len(), 32, "{challenge}");
    let (code, state) = consent(&server, &url).await;
    assert_eq!(state, "mine");
    // The sandbox compares the verifier with the challenge.
    let instance = caller.post("/instances", &creation(&code, Some(&state))).await.ok();
    assert_eq!(instance["configuration"]["oauth.user.token"], "********");
    let call = server.sandbox().calls().into_iter().find(|call| call.route == "POST /oauth/2026-03/token").unwrap();
    assert!(call.form.contains(&"code_verifier".to_owned()), "{:?}", call.form);
});

on_both_with_pkce!(a_state_whose_hash_was_put_elsewhere_finds_no_verifier, |server| async move {
    let caller = server.caller();
    let url = address(&start(&caller, "mine").await);
    start(&caller, "other").await.ok();
    let (code, state) = consent(&server, &url).await;
    let rows = ["min", "max"].map(|which| format!("id = (SELECT {which}(id) FROM oauth_grant)"));
    exchange(&server, "oauth_grant", "state_hash", rows.each_ref().map(String::as_str));
    caller.post("/instances", &creation(&code, Some(&state))).await.fails(400, "unknown_grant");
    assert!(
        server.sandbox().calls().iter().all(|call| call.route != "POST /oauth/2026-03/token"),
        "the code is not spent"
    );
    exchange(&server, "oauth_grant", "state_hash", rows.each_ref().map(String::as_str));
    caller.post("/instances", &creation(&code, Some(&state))).await.ok();
});

on_both_with_pkce!(anonymous_callers_are_told_why_they_cannot, |server| async move {
    for state in ["", "mine"] {
        let message = start(&server.anonymous(), state).await.fails(401, "missing_credentials");
        assert!(message.contains("PKCE") && message.contains("User <secret>, Organization <secret>"), "{message}");
    }
    // The other elements need nobody.
    let query = [("apiKey", "K"), ("callbackUrl", CALLBACK)];
    server.anonymous().get_with("/elements/hubspot/oauth/url", &query).await.ok();
    // What is wrong with the call itself is said first.
    let reply = server.anonymous().get("/elements/hubspotcrm/oauth/url").await;
    reply.fails(400, "missing_parameter");
});

on_both_with_pkce!(without_a_state_a_random_one_is_made, |server| async move {
    let mut seen = Vec::new();
    for _ in 0..3 {
        let url = address(&start(&server.caller(), "").await);
        let state = parameter(&url, "state").unwrap();
        assert!(state.len() >= 22 && state.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert!(!seen.contains(&state));
        seen.push(state);
        seen.push(parameter(&url, "code_challenge").unwrap());
    }
    let url = address(&start(&server.caller(), "").await);
    let (code, state) = consent(&server, &url).await;
    server.caller().post("/instances", &creation(&code, Some(&state))).await.ok();
});

// The person closed the window and clicks once more (pac4j/pac4j #103, supabase/supabase-js #2557), or the client sends the same
// state for everybody, as the API that this one follows does by default (cloudflare/agents PR 1666).
on_both_with_pkce!(who_begins_the_same_once_more_is_not_kept_waiting, |server| async move {
    let caller = server.caller();
    let first = address(&start(&caller, "mine").await);
    let second = address(&start(&caller, "mine").await);
    assert_ne!(parameter(&first, "code_challenge"), parameter(&second, "code_challenge"));
    // The older start is over: its code has no verifier any more.
    let (code, state) = consent(&server, &first).await;
    caller.post("/instances", &creation(&code, Some(&state))).await.fails(400, "vendor_refused");
    let third = address(&start(&caller, "mine").await);
    let (code, state) = consent(&server, &third).await;
    caller.post("/instances", &creation(&code, Some(&state))).await.ok();
    let begun = futures_util::future::join_all((0..8).map(|_| start(&caller, "at once"))).await;
    assert!(begun.iter().all(|reply| reply.status == 200), "{begun:?}");
    let open = caller.get("/organizations/me").await.ok()["limits"]["authorizations"]["used"].clone();
    assert_eq!(open, 1, "one takes the place of another");
});

on_both_with_pkce!(a_state_is_nobody_elses, |server| async move {
    let caller = server.caller();
    start(&caller, "mine").await.ok();
    let elsewhere = [
        ("hubspotcrm", "other-client", CALLBACK, "mine"),
        ("hubspotcrm", "sandbox-client", "https://a.example/other", "mine"),
    ];
    for (element, client, callback, state) in elsewhere {
        let query = [("apiKey", client), ("callbackUrl", callback), ("state", state)];
        let reply = caller.get_with(&format!("/elements/{element}/oauth/url"), &query).await;
        let message = reply.fails(409, "state_in_use");
        assert!(message.contains("with another client, callback URL or user"), "{message}");
    }
    start(&server.colleague().await, "mine").await.fails(409, "state_in_use");
    start(&caller, "other").await.ok();
    // Nobody learns which states others use.
    start(&server.stranger().await, "mine").await.ok();
});

on_both_with_pkce!(a_state_is_free_again_after_an_hour, |server| async move {
    let (caller, colleague) = (server.caller(), server.colleague().await);
    let url = address(&start(&caller, "mine").await);
    server.sandbox().set(|switches| switches.code_lifetime = 100_000);
    let (code, _) = consent(&server, &url).await;
    server.advance(TimeDelta::minutes(60) - TimeDelta::seconds(1));
    start(&colleague, "mine").await.fails(409, "state_in_use");
    server.advance(TimeDelta::seconds(1));
    caller.post("/instances", &creation(&code, Some("mine"))).await.fails(400, "unknown_grant");
    start(&colleague, "mine").await.ok();
});

on_both_with_pkce!(a_state_is_free_again_after_its_use, |server| async move {
    let caller = server.caller();
    let (code, state) = consent(&server, &address(&start(&caller, "mine").await)).await;
    let body = creation(&code, Some(&state));
    let made = caller.post("/instances", &body).await.ok();
    // The verifier is gone with its grant, and who has it again wants the same instance.
    assert_eq!(caller.post("/instances", &body).await.ok()["id"], made["id"]);
    caller.post("/instances", &creation("another", Some(&state))).await.fails(400, "unknown_grant");
    start(&server.colleague().await, "mine").await.ok();
});

on_both_with_pkce!(a_grant_serves_only_who_and_what_it_was_made_for, |server| async move {
    let caller = server.caller();
    let (code, state) = consent(&server, &address(&start(&caller, "mine").await)).await;
    for wrong in [None, Some(""), Some("other"), Some("MINE")] {
        caller.post("/instances", &creation(&code, wrong)).await.fails(400, "unknown_grant");
    }
    let stranger = server.stranger().await;
    stranger.post("/instances", &creation(&code, Some(&state))).await.fails(400, "unknown_grant");
    for (key, value) in [("oauth.api.key", "other-client"), ("oauth.callback.url", "http://localhost:9090/other")] {
        let mut body = creation(&code, Some(&state));
        body["configuration"][key] = json!(value);
        caller.post("/instances", &body).await.fails(400, "unknown_grant");
    }
    // None of these spent the code or the grant.
    caller.post("/instances", &creation(&code, Some(&state))).await.ok();
});
