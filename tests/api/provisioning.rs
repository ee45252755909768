//! What the vendor is asked before an instance exists, and what its answers mean.

use std::time::Duration;

use ligand::kernel::secret::Secret;
use ligand::sandbox::{Failure, PresentedCredential, TOKEN_ROUTES};
use ligand::service::actor::Actor;
use ligand::service::people::authenticate::Presented;
use serde_json::{Value, json};

use crate::support::caller::{CALLBACK, with_code, with_key};
use crate::support::server::{Setup, run_with};
use crate::support::vendor::{Vendor, elements};
use crate::support::{TestServer, on_both};

const TOKEN: &str = "POST /oauth/2026-03/token";
const VERIFY: &str = "GET /account-info/v3/details";

on_both!(a_code_is_exchanged_with_exactly_these_fields, |server| async move {
    server.caller().create_with_code(server.sandbox(), "Fields").await;
    let calls = server.sandbox().calls();
    let exchange = calls.iter().find(|call| call.route == TOKEN).expect("an exchange");
    let mut fields = exchange.form.clone();
    fields.sort();
    assert_eq!(fields, ["client_id", "client_secret", "code", "grant_type", "redirect_uri"]);
    assert!(exchange.query.is_empty() && exchange.authorization.is_none());
    assert_eq!(server.sandbox().counts(TOKEN).total, 1);
});

on_both!(the_older_token_endpoint_is_one_changed_line, in |database| {
    let copies = elements(&[("hubspotcrm", &[("2026-03/token\"\nclient", "v1/token\"\nclient")])]);
    let setup = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let instance = server.caller().create_with_code(server.sandbox(), "v1").await;
        assert_eq!(instance["configuration"]["oauth.user.refresh_interval"], "1800");
        assert_eq!(server.sandbox().counts("POST /oauth/v1/token").total, 1);
        assert_eq!(server.sandbox().counts(TOKEN).total, 0);
    });
});

on_both!(a_private_app_token_travels_as_bearer_and_other_keys_as_hapikey, |server| async move {
    let settings = server.sandbox().settings().clone();
    let mut body = with_key("Key");
    for (key, scheme) in [(&settings.private_app_token, "Bearer"), (&settings.api_key, "hapikey")] {
        server.sandbox().forget_calls();
        body["configuration"]["hubspot.authorization.apikey"] = key.expose().into();
        server.caller().post("/instances", &body).await.ok();
        let calls = server.sandbox().calls();
        let [call] = calls.as_slice() else { panic!("one call proves the key: {calls:?}") };
        assert_eq!(call.route, VERIFY);
        assert_eq!(call.authorization, Some(PresentedCredential::new(scheme, key.expose())));
        let in_query: &[&str] = if scheme == "hapikey" { &["hapikey"] } else { &[] };
        assert_eq!(call.query, in_query);
    }
});

on_both!(a_refused_key_is_not_stored_and_hints_at_private_apps, |server| async move {
    let mut body = with_key("Refused");
    for (key, hint) in [("not-a-key", "begins with `pat-`"), ("pat-na1-wrong", "private app still exists")] {
        body["configuration"]["hubspot.authorization.apikey"] = key.into();
        let reply = server.caller().post("/instances", &body).await;
        let said = reply.fails(400, "vendor_refused");
        assert!(said.starts_with("Hubspot CRM refused the API key: ") && said.contains(hint), "{said}");
        let words = reply.json()["providerMessage"].as_str().expect("the vendor's words").to_owned();
        assert!(said.contains(&words) && !words.contains(hint), "the vendor's own words alone: {words}");
        assert!(!reply.text.contains(key));
    }
    assert_eq!(server.count().await, 0);
});

on_both!(every_refused_exchange_has_its_own_error, |server| async move {
    let caller = server.caller();
    caller.create_with_code(server.sandbox(), "First").await;
    let old = caller.code(server.sandbox()).await;
    server.advance(chrono::TimeDelta::hours(1));
    let fresh = caller.code(server.sandbox()).await;
    let change = |pointer: &str, value: &str| {
        let mut body = with_code("Refused", &fresh);
        *body.pointer_mut(pointer).expect("a member") = value.into();
        body
    };
    for (body, code, words) in [
        (with_code("Refused", "na1-unknown"), "vendor_refused", "missing or unknown auth code"),
        (with_code("Refused", &old), "vendor_refused", "the auth code has expired"),
        (
            change("/configuration/oauth.callback.url", "http://localhost:9090/other"),
            "vendor_configuration",
            "redirect URI does not match the one that was used to get the auth code",
        ),
        (
            change("/configuration/oauth.api.secret", "wrong-secret"),
            "vendor_configuration",
            "missing or invalid client secret",
        ),
        (
            change("/configuration/oauth.api.key", "wrong-client"),
            "vendor_configuration",
            "missing or unknown client id",
        ),
    ] {
        let reply = caller.post("/instances", &body).await;
        let said = reply.fails(400, code);
        assert!(said.contains(words) && said.starts_with("Hubspot CRM refused "), "{said}");
        assert_eq!(reply.json()["providerMessage"], words);
        for secret in ["sandbox-secret", "wrong-secret", &fresh] {
            assert!(!reply.text.contains(secret), "{}", reply.text);
        }
    }
    assert_eq!(server.count().await, 1, "nothing but the first");
    caller.post("/instances", &with_code("Now", &fresh)).await.ok();
});

on_both!(a_vendor_that_fails_leaves_nothing_behind, |server| async move {
    let caller = server.caller();
    let code = caller.code(server.sandbox()).await;
    for (route, body) in [(TOKEN_ROUTES, with_code("Down", &code)), ("/account-info/*", with_key("Down"))] {
        for status in [500, 503, 429, 477] {
            let mut failure = Failure::of(route, status, 1);
            failure.headers.insert("retry-after".to_owned(), "17".to_owned());
            server.sandbox().set(|switches| switches.failure = Some(failure));
            let reply = caller.post("/instances", &body).await;
            let said = reply.fails(502, "vendor_unreachable");
            assert!(said.contains("not available"), "{said}");
            assert_eq!(reply.header("retry-after"), Some("17"));
        }
    }
    assert_eq!(server.count().await, 0);
    caller.post("/instances", &with_code("Up again", &code)).await.ok();
    caller.post("/instances", &with_key("Up again")).await.ok();
});

on_both!(garbage_and_strange_statuses_are_a_bad_gateway, |server| async move {
    let caller = server.caller();
    let code = caller.code(server.sandbox()).await;
    server.sandbox().set(|switches| switches.garbage = true);
    caller.post("/instances", &with_code("Garbage", &code)).await.fails(502, "vendor_answer");
    server.sandbox().set(|switches| switches.garbage = false);
    for (status, body) in [(200, json!({})), (200, json!([])), (200, json!({ "access_token": 7 })), (200, json!(null))]
    {
        let code = caller.code(server.sandbox()).await;
        let failure = Failure { body: Some(body), ..Failure::of(TOKEN_ROUTES, status, 1) };
        server.sandbox().set(|switches| switches.failure = Some(failure));
        caller.post("/instances", &with_code("Garbage", &code)).await.fails(502, "vendor_answer");
    }
    for status in [302, 404, 418] {
        server.sandbox().set(|switches| switches.failure = Some(Failure::of("/account-info/*", status, 1)));
        caller.post("/instances", &with_key("Strange")).await.fails(502, "vendor_answer");
    }
    assert_eq!(server.count().await, 0);
});

on_both!(a_slow_vendor_is_a_timeout, in |database| {
    let copies = elements(&[("hubspotcrm", &[("hub = \"crm\"", "hub = \"crm\"\ntimeout = 1")])]);
    let setup = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        let code = caller.code(server.sandbox()).await;
        server.sandbox().patch(&json!({ "delayMs": { "*": 20_000 } })).expect("a switch");
        let (by_code, by_key) = (with_code("Slow", &code), with_key("Slow"));
        let (by_code, by_key) = tokio::join!(caller.post("/instances", &by_code), caller.post("/instances", &by_key));
        for reply in [&by_code, &by_key] {
            let message = reply.fails(504, "vendor_timeout");
            assert!(message.starts_with("Hubspot CRM did not answer in time."), "{message}");
        }
        // The code is used, so its answer is awaited all the same; a key can be sent again.
        let awaited = &by_code.json()["instanceId"];
        let path = format!("/instances/{awaited}");
        let message = caller.get(&path).await.fails(404, "instance_not_found");
        assert!(by_code.json()["message"].as_str().is_some_and(|text| text.contains(&path)), "{by_code:?}");
        assert!(message.contains("still being made") && by_key.json().get("instanceId").is_none(), "{message}");
        assert_eq!(server.count().await, 0);
    });
});

on_both!(every_lifetime_that_vendors_have_been_seen_to_send, |server| async move {
    let caller = server.caller();
    let an_hour_later = json!("2026-03-01T13:00:00Z");
    let by_default = json!("2026-03-01T12:30:00Z");
    for (sent, interval, expires_at) in [
        (json!(3600), json!("3600"), &an_hour_later),
        (json!("3600"), json!("3600"), &an_hour_later),
        (json!(3600.7), json!("3600"), &an_hour_later),
        (json!(null), json!("1800"), &by_default),
        (json!("soon"), json!("1800"), &by_default),
        (json!(0), json!("1800"), &by_default),
        (json!(-5), json!("1800"), &by_default),
        (json!([1]), json!("1800"), &by_default),
        // A time, and one that is over.
        (json!(1e12), json!("1800"), &by_default),
        (json!(1e18), json!("1000000000000000000"), &Value::Null),
        (json!(1e300), json!(i64::MAX.to_string()), &Value::Null),
    ] {
        server.sandbox().set(|switches| switches.expires_in = sent.clone());
        let created = caller.create_with_code(server.sandbox(), "Lifetime").await;
        assert_eq!(created["expiresAt"], *expires_at, "expires_in {sent}");
        assert_eq!(created["configuration"]["oauth.user.refresh_interval"], interval, "expires_in {sent}");
        let read = caller.get(&format!("/instances/{}", created["id"])).await.ok();
        assert_eq!(read, created, "expires_in {sent}");
    }
});

on_both!(a_denial_posted_back_is_answered_in_the_vendors_words, |server| async move {
    let denied = |data: Value| {
        let mut body = with_code("Denied", "x");
        body["providerData"] = data;
        body
    };
    let words = "The user did not grant access";
    let both = json!({ "error": "access_denied", "error_description": words });
    let reply = server.caller().post("/instances", &denied(both)).await;
    assert!(reply.fails(400, "authorization_denied").contains(words));
    assert_eq!(reply.json()["providerMessage"], words);
    let reply = server.caller().post("/instances", &denied(json!({ "error": "access_denied" }))).await;
    reply.fails(400, "authorization_denied");
    assert_eq!(reply.json()["providerMessage"], "access_denied");
    assert!(server.sandbox().calls().is_empty());
    assert_eq!(server.count().await, 0);
});

/// Salesforce's file with a vendor of the test's own behind its token URL.
fn like_salesforce(vendor: &Vendor) -> tempfile::TempDir {
    let token = format!("http://{}/token", vendor.address);
    elements(&[("sfdc", &[("https://{site_address}/services/oauth2/token", &token)])])
}

fn salesforce(code: &str) -> Value {
    let mut body = with_code("Sales", code);
    body["element"]["key"] = "sfdc".into();
    body
}

on_both!(a_vendor_may_only_name_a_host_of_its_own, in |database| {
    let vendor = Vendor::start();
    let copies = like_salesforce(&vendor);
    let setup = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        for foreign in [
            "https://evil.example",
            "https://salesforce.com.evil.example",
            "https://evilsalesforce.com",
            "http://127.0.0.1",
            "https://169.254.169.254",
            "https://x@evil.example#.salesforce.com",
            "not an address",
        ] {
            vendor.answers("/token", 200, json!({ "access_token": "at", "instance_url": foreign }));
            let reply = server.caller().post("/instances", &salesforce(foreign)).await;
            let said = reply.fails(400, "vendor_host");
            assert!(said.contains("instance_url"), "{said}");
        }
        vendor.answers("/token", 200, json!({ "access_token": "at" }));
        server.caller().post("/instances", &salesforce("untold")).await.fails(400, "missing_configuration");
        assert_eq!(server.count().await, 0);
        let own = json!({ "access_token": "at", "instance_url": "https://acme.my.salesforce.com" });
        vendor.answers("/token", 200, own);
        let instance = server.caller().post("/instances", &salesforce("code")).await.ok();
        assert_eq!(instance["expiresAt"], Value::Null, "no expires_in, no default");
        let exchange = vendor.requests().pop().expect("an exchange");
        assert_eq!(exchange.field("code").as_deref(), Some("code"));
        assert_eq!(exchange.field("redirect_uri").as_deref(), Some(CALLBACK));
    });
});

on_both!(what_the_vendor_says_never_repeats_our_secrets, in |database| {
    let vendor = Vendor::start();
    let copies = like_salesforce(&vendor);
    let setup = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let words = "no client sandbox-secret with na1-code\nis known";
        vendor.answers("/token", 400, json!({ "error": "invalid_grant", "error_description": words }));
        let mut body = salesforce("code");
        body["providerData"]["code"] = "na1-code".into();
        let reply = server.caller().post("/instances", &body).await;
        reply.fails(400, "vendor_refused");
        assert_eq!(reply.json()["providerMessage"], "no client *** with ***is known");
    });
});

on_both!(nothing_listens_where_the_vendor_should_be, in |database| {
    // The discard port of loopback: nobody is there.
    let copies = elements(&[("sfdc", &[("https://{site_address}/services/oauth2/token", "http://127.0.0.1:9/token")])]);
    let at_home = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
    run_with(database, at_home, |server| async move {
        let reply = server.caller().post("/instances", &salesforce("code")).await;
        assert!(reply.fails(502, "vendor_unreachable").contains("could not be reached"));
        assert!(!reply.text.contains("127.0.0.1"), "{}", reply.text);
        assert_eq!(server.count().await, 0);
    });
});

on_both!(an_inner_address_is_not_called, in |database| {
    let vendor = Vendor::start();
    let copies = like_salesforce(&vendor);
    let setup = Setup { elements: Some(copies.path().to_owned()), allow_loopback: false, ..Setup::default() };
    run_with(database, setup, |server| async move {
        server.caller().post("/instances", &salesforce("code")).await.fails(502, "vendor_address_refused");
        assert!(vendor.requests().is_empty());
        server.caller().create_with_key("The sandbox's own socket is let through").await;
    });
});

/// The first instance, as soon as there is one.
async fn first_instance(server: &TestServer) -> Value {
    for _ in 0..500 {
        let list = server.caller().get("/instances?emptyList=200").await.ok();
        if let Some(instance) = list.get(0) {
            return instance.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no instance within 10 s");
}

on_both!(a_caller_who_hangs_up_still_gets_the_instance, |server| async move {
    let caller = server.caller();
    let code = caller.code(server.sandbox()).await;
    server.sandbox().patch(&json!({ "delayMs": 500 })).expect("a switch");
    let request = caller.request("POST", "/instances").header("content-type", "application/json");
    let request = request.body(with_code("Hung up", &code).to_string());
    let gone = request.timeout(Duration::from_millis(100)).send().await;
    assert!(gone.expect_err("the caller is gone").is_timeout());
    let instance = first_instance(&server).await;
    assert_eq!(instance["name"], "Hung up");
    assert_eq!(instance["configuration"]["oauth.user.token"], "********");
});

// Some servers drop a handler when its caller is gone: then only work of its own task goes on.
on_both!(a_dropped_handler_still_stores_the_instance, |server| async move {
    let code = server.caller().code(server.sandbox()).await;
    server.sandbox().patch(&json!({ "delayMs": 500 })).expect("a switch");
    let presented = Presented {
        user: Some(Secret::new(server.admin.user_secret.expose())),
        organization: Some(Secret::new(server.admin.organization_secret.expose())),
        ..Presented::default()
    };
    let (principal, proof) = server.services.prove(&presented).await.expect("the first administrator");
    let actor = Actor::user(principal, proof, server.services.request_id(), None);
    let input = serde_json::from_value(with_code("Dropped", &code)).expect("an input");
    let handler = server.services.create_instance(&actor, None, input, None);
    let answered = tokio::time::timeout(Duration::from_millis(100), handler).await;
    assert!(answered.is_err(), "it takes half a second");
    assert_eq!(first_instance(&server).await["name"], "Dropped");
});
