//! Credentials that stay alive: when a token is renewed, what the vendor's answers mean, and what callers see of it.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use ligand::kernel::error::ApiError;
use ligand::protocol::Credential;
use ligand::sandbox::{EndOfGrant, Failure};
use ligand::service::refresh::warm_instances::LiveInstance;
use serde_json::{Value, json};

use crate::support::caller::read;
use crate::support::{Caller, TestServer, on_both};

const TOKEN: &str = "POST /oauth/2026-03/token";

/// An instance with a code, and its path. The sandbox's calls are forgotten.
async fn instance(server: &TestServer) -> (i64, String) {
    let created = server.caller().create_with_code(server.sandbox(), "Fresh").await;
    server.sandbox().forget_calls();
    let id = created["id"].as_i64().expect("an id");
    (id, format!("/instances/{id}"))
}

async fn refreshed(server: &TestServer, path: &str) -> Value {
    server.caller().get(&format!("{path}?refresh=true")).await.ok()
}

fn token_calls(server: &TestServer) -> u64 {
    server.sandbox().counts(TOKEN).total
}

async fn fresh_token(server: &TestServer, id: i64) -> Result<Arc<LiveInstance>, ApiError> {
    let owner = server.services.store.read(ligand::store::principals::list).await.expect("users")[0].owner;
    server.services.fresh_token(owner, id).await
}

fn access_token(live: &LiveInstance) -> String {
    match &live.credential {
        Credential::OAuth2 { access_token, .. } => access_token.expose().to_owned(),
        Credential::ApiKey { key, .. } => key.expose().to_owned(),
    }
}

/// What the vendor says to a call with this instance's credential.
async fn call(server: &TestServer, live: &LiveInstance) -> (u16, Value) {
    let url = format!("http://{}", server.vendor_address());
    let vendor = Caller::anonymous(&url);
    let reply =
        vendor.with(&format!("Bearer {}", access_token(live))).request_at_root("GET", "/account-info/v3/details");
    let reply = read(reply).await;
    (reply.status, reply.json())
}

on_both!(a_refresh_renews_the_token_and_shows_when, |server| async move {
    for rotation in [false, true] {
        server.sandbox().set(|switches| switches.rotation = rotation);
        let (id, path) = instance(&server).await;
        let before = access_token(&fresh_token(&server, id).await.expect("a token"));
        for round in 1..4 {
            server.advance(TimeDelta::minutes(31));
            let shown = refreshed(&server, &path).await;
            assert_eq!(shown["valid"], true);
            let now = ligand::kernel::clock::api_date(server.services.now());
            assert_eq!(shown["lastRefreshAt"], json!(now));
            assert_eq!(token_calls(&server), round);
        }
        let live = fresh_token(&server, id).await.expect("a token");
        assert_ne!(access_token(&live), before);
        assert_eq!(call(&server, &live).await.0, 200);
        let calls = server.sandbox().calls();
        let mut fields = calls[0].form.clone();
        fields.sort();
        assert_eq!(fields, ["client_id", "client_secret", "grant_type", "refresh_token"]);
    }
});

on_both!(of_64_callers_at_once_one_asks_the_vendor, |server| async move {
    server.sandbox().set(|switches| {
        switches.rotation = true;
        switches.delay_ms.insert("/oauth/*/token".to_owned(), 500);
    });
    let (_, path) = instance(&server).await;
    server.advance(TimeDelta::hours(1));
    let callers = (0..64).map(|_| refreshed(&server, &path));
    for shown in join_all(callers).await {
        assert_eq!((&shown["valid"], &shown["invalidReason"]), (&json!(true), &Value::Null));
    }
    assert_eq!(token_calls(&server), 1);
    assert_eq!(server.sandbox().live_grants(), 1);
});

on_both!(use_renews_ahead_of_the_expiry_and_waits_only_after_it, |server| async move {
    server.sandbox().set(|switches| switches.rotation = true);
    let (id, _) = instance(&server).await;
    let first = access_token(&fresh_token(&server, id).await.expect("a token"));
    server.advance(TimeDelta::minutes(26));
    assert_eq!(access_token(&fresh_token(&server, id).await.expect("a token")), first);
    assert_eq!(token_calls(&server), 0, "not too early");
    server.sandbox().set(|switches| _ = switches.delay_ms.insert("/oauth/*/token".to_owned(), 100));
    server.advance(TimeDelta::minutes(2));
    assert_eq!(access_token(&fresh_token(&server, id).await.expect("a token")), first, "nobody waits");
    server.services.detached.drain().await;
    let second = access_token(&fresh_token(&server, id).await.expect("a token"));
    assert_ne!(second, first);
    server.advance(TimeDelta::minutes(30));
    let third = fresh_token(&server, id).await.expect("a token");
    assert_ne!(access_token(&third), second);
    assert_eq!(token_calls(&server), 2);
    assert_eq!(call(&server, &third).await.0, 200);
});

on_both!(replies_of_every_shape_keep_the_grant_alive, |server| async move {
    let shapes: [(&str, Value, Value); 6] = [
        ("omitRefreshToken", json!(true), json!("2026")),
        ("expiresIn", json!(null), json!("2026")),
        ("expiresIn", json!(1e18), Value::Null),
        ("expiresIn", json!("1800"), json!("2026")),
        ("expiresIn", json!("soon"), json!("2026")),
        ("expiresIn", json!(-5), json!("2026")),
    ];
    for (switch, value, expiry) in shapes {
        let (id, path) = instance(&server).await;
        server.advance(TimeDelta::hours(1));
        server.sandbox().patch(&json!({ switch: value })).expect("a switch");
        let shown = refreshed(&server, &path).await;
        let expires_at = shown["expiresAt"].as_str().map(|text| text[..4].to_owned());
        assert_eq!(json!(expires_at), expiry, "{switch} {value}");
        server.sandbox().patch(&json!({ "omitRefreshToken": false, "expiresIn": "default" })).expect("switches");
        server.advance(TimeDelta::hours(1));
        assert_eq!(refreshed(&server, &path).await["valid"], true, "{switch} {value}");
        assert_eq!(token_calls(&server), 2, "{switch} {value}");
        assert!(fresh_token(&server, id).await.is_ok());
    }
});

on_both!(answers_that_make_no_sense_are_outages, |server| async move {
    let (id, path) = instance(&server).await;
    server.sandbox().set(|switches| switches.garbage = true);
    server.advance(TimeDelta::minutes(20));
    let reply = server.caller().get(&format!("{path}?refresh=true")).await;
    assert_eq!(reply.header("elements-error"), Some("vendor_answer"), "the old token is good");
    assert_eq!(reply.ok()["valid"], true);
    server.advance(TimeDelta::minutes(20));
    server.caller().get(&format!("{path}?refresh=true")).await.fails(502, "vendor_answer");
    assert_eq!(fresh_token(&server, id).await.err().expect("no token").code.name(), "vendor_answer");
    server.sandbox().set(|switches| switches.garbage = false);
    // An error inside of a success, and one that nobody listed.
    for body in [json!({ "status": "error", "error": "try_again" }), json!({ "status": "SOMETHING_NEW" })] {
        let status = if body["error"].is_null() { 400 } else { 200 };
        server.sandbox().set(|switches| {
            switches.failure = Some(Failure { body: Some(body.clone()), ..Failure::of("/oauth/*/token", status, 1) });
        });
        server.caller().get(&format!("{path}?refresh=true")).await.fails(400, "vendor_refused");
        assert_eq!(server.caller().get(&path).await.ok()["valid"], true, "{body}");
    }
    assert_eq!(refreshed(&server, &path).await["valid"], true);
});

on_both!(a_grant_that_is_gone_makes_the_instance_invalid_at_once, |server| async move {
    for reason in [EndOfGrant::Uninstalled, EndOfGrant::UserRemoved] {
        let (id, path) = instance(&server).await;
        server.sandbox().revoke(reason);
        server.advance(TimeDelta::hours(1));
        let error = fresh_token(&server, id).await.err().expect("no token");
        assert_eq!(error.code.name(), "reauthorization_required");
        assert!(error.message.contains("must authorise again"), "{}", error.message);
        let shown = server.caller().get(&path).await.ok();
        assert_eq!(shown["valid"], false);
        assert_eq!(shown["invalidReason"], json!(error.message));
        assert_eq!(token_calls(&server), 1);
        for _ in 0..3 {
            server.advance(TimeDelta::minutes(10));
            assert_eq!(refreshed(&server, &path).await["valid"], false);
            assert!(fresh_token(&server, id).await.is_err());
        }
        assert_eq!(token_calls(&server), 1, "nobody asks again");
    }
});

on_both!(a_new_code_makes_it_valid_again, |server| async move {
    let (id, path) = instance(&server).await;
    server.sandbox().revoke(EndOfGrant::Uninstalled);
    server.advance(TimeDelta::hours(1));
    assert_eq!(refreshed(&server, &path).await["valid"], false);
    let code = server.caller().code(server.sandbox()).await;
    let shown = server.caller().patch(&path, &json!({ "providerData": { "code": code } })).await.ok();
    assert_eq!((&shown["valid"], &shown["invalidReason"]), (&json!(true), &Value::Null));
    let live = fresh_token(&server, id).await.expect("a token");
    assert_eq!(call(&server, &live).await.0, 200);
});

on_both!(an_outage_of_the_token_endpoint_withholds_no_good_token, |server| async move {
    let (id, path) = instance(&server).await;
    let first = access_token(&fresh_token(&server, id).await.expect("a token"));
    server.sandbox().set(|switches| switches.failure = Some(Failure::of("/oauth/*/token", 503, 1000)));
    server.advance(TimeDelta::minutes(28));
    for _ in 0..20 {
        assert_eq!(access_token(&fresh_token(&server, id).await.expect("a token")), first);
        server.services.detached.drain().await;
    }
    assert_eq!(token_calls(&server), 1, "a failed refresh is not tried again at once");
    server.advance(TimeDelta::seconds(117));
    assert_eq!(access_token(&fresh_token(&server, id).await.expect("still good")), first);
    server.advance(TimeDelta::minutes(2));
    for _ in 0..5 {
        assert_eq!(fresh_token(&server, id).await.err().expect("none").code.name(), "vendor_unreachable");
    }
    assert_eq!(token_calls(&server), 3, "callers do not storm it");
    assert_eq!(server.caller().get(&path).await.ok()["valid"], true);
    server.sandbox().set(|switches| switches.failure = None);
    server.advance(TimeDelta::minutes(2));
    assert_ne!(access_token(&fresh_token(&server, id).await.expect("a token")), first);
});

on_both!(a_refusal_before_the_expiry_causes_one_refresh, |server| async move {
    let (id, path) = instance(&server).await;
    let live = fresh_token(&server, id).await.expect("a token");
    server.sandbox().expire_access_tokens();
    let (status, body) = call(&server, &live).await;
    assert_eq!(status, 401);
    let renewed = server.services.after_refusal(&live, status, Some(&body)).await.expect("an answer");
    let renewed = renewed.expect("a newer credential");
    assert_eq!(call(&server, &renewed).await.0, 200);
    assert_eq!(token_calls(&server), 1);
    // Who was refused with the older token gets the newer one, without a call.
    let again = server.services.after_refusal(&live, status, Some(&body)).await.expect("an answer");
    assert_eq!(again.expect("a newer credential").version, renewed.version);
    // A vendor that refuses whatever it gets.
    for minute in 0..3_u64 {
        for _ in 0..10 {
            let live = fresh_token(&server, id).await.expect("a token");
            server.services.after_refusal(&live, status, Some(&body)).await.expect("an answer");
        }
        assert_eq!(token_calls(&server), 1 + minute, "one in a minute");
        server.advance(TimeDelta::seconds(61));
    }
    assert_eq!(server.caller().get(&path).await.ok()["valid"], true);
    // Another kind of 401 has nothing to do with the token's age.
    let other = json!({ "category": "INVALID_AUTHENTICATION" });
    let live = fresh_token(&server, id).await.expect("a token");
    assert!(server.services.after_refusal(&live, 401, Some(&other)).await.expect("an answer").is_none());
    assert!(server.services.after_refusal(&live, 403, Some(&body)).await.expect("an answer").is_none());
});

on_both!(keys_are_never_refreshed, |server| async move {
    let created = server.caller().create_with_key("Key").await;
    server.sandbox().forget_calls();
    let id = created["id"].as_i64().expect("an id");
    server.advance(TimeDelta::days(400));
    assert_eq!(refreshed(&server, &format!("/instances/{id}")).await["valid"], true);
    let live = fresh_token(&server, id).await.expect("a key");
    assert!(server.services.after_refusal(&live, 401, None).await.expect("an answer").is_none());
    assert!(server.sandbox().calls().is_empty());
});

on_both!(a_caller_that_hangs_up_loses_nothing, |server| async move {
    server.sandbox().set(|switches| {
        switches.rotation = true;
        switches.reply_delay_ms.insert("/oauth/*/token".to_owned(), 400);
    });
    let (id, path) = instance(&server).await;
    server.advance(TimeDelta::hours(1));
    let waiting = tokio::time::timeout(Duration::from_millis(100), refreshed(&server, &path)).await;
    assert!(waiting.is_err(), "the caller has gone before the vendor answered");
    server.services.detached.drain().await;
    assert_eq!(token_calls(&server), 1);
    let live = fresh_token(&server, id).await.expect("the token was stored");
    assert_eq!(call(&server, &live).await.0, 200);
    server.sandbox().set(|switches| switches.reply_delay_ms.clear());
    server.advance(TimeDelta::hours(1));
    assert_eq!(refreshed(&server, &path).await["valid"], true, "so was the new refresh token");
});

on_both!(disabled_and_foreign_instances_serve_nobody, |server| async move {
    let (id, path) = instance(&server).await;
    fresh_token(&server, id).await.expect("a token");
    server.caller().delete(&format!("{path}/enabled")).await.ok();
    assert_eq!(fresh_token(&server, id).await.err().expect("none").code.name(), "instance_disabled");
    server.caller().put(&format!("{path}/enabled"), &json!({})).await.ok();
    fresh_token(&server, id).await.expect("a token");
    server.stranger().await.get(&format!("{path}?refresh=true")).await.fails(404, "instance_not_found");
    server.caller().get(&format!("{path}?refresh=maybe")).await.fails(400, "bad_parameter");
    server.caller().delete(&path).await;
    assert_eq!(fresh_token(&server, id).await.err().expect("none").code.name(), "instance_not_found");
});

on_both!(outcomes_are_counted, |server| async move {
    let (_, path) = instance(&server).await;
    server.advance(TimeDelta::hours(1));
    refreshed(&server, &path).await;
    let text = read(server.anonymous().request_at_root("GET", "/metrics")).await.text;
    let line = r#"ligand_refreshes_total{element="hubspotcrm",outcome="refreshed",cause="asked"} 1"#;
    assert!(text.contains(line), "{text}");
});
