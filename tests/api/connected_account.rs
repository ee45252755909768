//! Which account at the vendor is connected, and what it granted: from the token reply, or asked for.

use chrono::TimeDelta;
use ligand::sandbox::{Failure, Portal};
use serde_json::{Value, json};

use super::console::person::{Person, assert_says};
use crate::support::browser::{Browser, set_up, shown};
use crate::support::caller::{with_code, with_key};
use crate::support::on_both;
use crate::support::server::{Setup, run_with};
use crate::support::vendor::{Vendor, elements};

const TOKEN: &str = "/oauth/2026-03/token";
const INTROSPECT: &str = "/oauth/2026-03/token/introspect";

on_both!(the_account_and_its_grant_are_shown, |server| async move {
    let created = server.caller().create_with_code(server.sandbox(), "Known").await;
    assert_eq!(created["vendorAccount"], json!({ "id": "62515", "name": Portal::Main.domain() }));
    assert_eq!(created["grantedScopes"], json!(["oauth", "contacts", "timeline", "files"]));
    let path = format!("/instances/{}", created["id"]);
    assert_eq!(server.caller().get(&path).await.ok(), created);
    assert_eq!(server.caller().get("/instances").await.ok()[0]["vendorAccount"], created["vendorAccount"]);
    let call = server.sandbox().calls().into_iter().find(|call| call.path.ends_with("/introspect")).expect("a call");
    let mut fields = call.form;
    fields.sort();
    assert_eq!(fields, ["client_id", "client_secret", "token", "token_type_hint"]);
    // A change that is none of the vendor's leaves it alone.
    let renamed = server.caller().patch(&path, &json!({ "name": "Renamed" })).await.ok();
    assert_eq!(renamed["vendorAccount"], created["vendorAccount"]);
});

on_both!(a_vendor_that_cannot_be_asked_is_no_obstacle, |server| async move {
    for (status, body) in
        [(500, None), (404, None), (400, None), (200, Some(json!({ "active": false }))), (200, Some(json!("?")))]
    {
        let failure = Failure { body, ..Failure::of(INTROSPECT, status, 1) };
        server.sandbox().set(|switches| switches.failure = Some(failure));
        let created = server.caller().create_with_code(server.sandbox(), "Asked in vain").await;
        assert_eq!(created["vendorAccount"], json!({ "id": "62515", "name": null }), "{status}");
        assert_eq!(created["grantedScopes"].as_array().expect("a list").len(), 4);
    }
});

on_both!(what_the_reply_leaves_out_is_asked_for, in |database| {
    // The older token endpoint says nothing of account and scopes.
    let copies = elements(&[("hubspotcrm", &[("2026-03/token\"\nclient", "v1/token\"\nclient")])]);
    let setup = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let created = server.caller().create_with_code(server.sandbox(), "v1").await;
        assert_eq!(created["vendorAccount"], json!({ "id": "62515", "name": Portal::Main.domain() }));
        assert_eq!(created["grantedScopes"], json!(["oauth", "contacts", "timeline", "files"]));
        // A refresh that says nothing changes nothing.
        server.advance(TimeDelta::hours(1));
        let refreshed = server.caller().get(&format!("/instances/{}?refresh=true", created["id"])).await.ok();
        assert_eq!(refreshed["vendorAccount"], created["vendorAccount"]);
        assert_eq!(refreshed["grantedScopes"], created["grantedScopes"]);
    });
});

on_both!(a_key_tells_its_account_and_no_scopes, |server| async move {
    let created = server.caller().create_with_key("Key").await;
    assert_eq!(created["vendorAccount"], json!({ "id": "62515", "name": null }));
    assert!(created["grantedScopes"].is_null());
});

/// hubspotcrm with a vendor of the test's own.
fn own(vendor: &Vendor) -> tempfile::TempDir {
    let origin = format!("http://{}", vendor.address);
    elements(&[(
        "hubspotcrm",
        &[("key = \"hubspotcrm\"", "key = \"own\""), ("id = 168", "id = 10001"), ("https://api.hubapi.com", &origin)],
    )])
}

fn issues(vendor: &Vendor, portal: &Value, scopes: &[&str]) {
    let reply = json!({
        "access_token": "at", "refresh_token": "rt", "expires_in": 1800, "hub_id": portal, "scopes": scopes,
    });
    vendor.answers(TOKEN, 200, reply);
    vendor.answers(
        INTROSPECT,
        200,
        json!({ "active": true, "hub_id": portal, "hub_domain": format!("{portal}.example") }),
    );
}

fn creation(code: &str) -> Value {
    let mut body = with_code("Own", code);
    body["element"] = json!({ "key": "own" });
    body
}

on_both!(a_refresh_and_a_new_code_tell_anew, in |database| {
    let vendor = Vendor::start();
    let copies = own(&vendor);
    let setup = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        issues(&vendor, &json!(1), &["a", "b"]);
        let created = caller.post("/instances", &creation("first")).await.ok();
        let path = format!("/instances/{}", created["id"]);
        assert_eq!(created["vendorAccount"], json!({ "id": "1", "name": "1.example" }));
        assert_eq!(created["grantedScopes"], json!(["a", "b"]));
        // Fewer scopes by now; the account's name is not asked for again.
        issues(&vendor, &json!(1), &["a"]);
        let asked = vendor.requests().len();
        server.advance(TimeDelta::hours(1));
        let refreshed = caller.get(&format!("{path}?refresh=true")).await.ok();
        assert_eq!(vendor.requests().len(), asked + 1);
        assert_eq!(refreshed["grantedScopes"], json!(["a"]));
        assert_eq!(refreshed["vendorAccount"], created["vendorAccount"]);
        assert_eq!(caller.get(&path).await.ok(), refreshed, "it is stored");
        // Another account, by a new code.
        issues(&vendor, &json!(2), &["c"]);
        let moved = caller.patch(&path, &json!({ "providerData": { "code": "second" } })).await.ok();
        assert_eq!(moved["vendorAccount"], json!({ "id": "2", "name": "2.example" }));
        assert_eq!(moved["grantedScopes"], json!(["c"]));
        // A key instead: what the code told is no longer true.
        vendor.answers("/account-info/v3/details", 200, json!({}));
        let key = with_key("Key")["configuration"].clone();
        let keyed = caller.patch(&path, &json!({ "configuration": key })).await.ok();
        assert_eq!((&keyed["vendorAccount"], &keyed["grantedScopes"]), (&Value::Null, &Value::Null));
    });
});

// Close tells nothing of the account: another one cannot be told from the same, so it is said and nothing is refused.
on_both!(an_account_that_is_never_told_is_said_to_be_unknown, in |database| {
    let vendor = Vendor::start();
    let origin = format!("http://{}", vendor.address);
    let copies = elements(&[("closeio", &[("https://api.close.com", &origin)])]);
    let setup = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        let app = json!({ "clientId": "close-client", "clientSecret": "close-secret" });
        caller.put("/elements/closeio/app", &app).await.ok();
        let untold = "Close did not tell which account was connected.";
        let mut token = Value::Null;
        for (grant, anew) in [("first", false), ("second", true)] {
            let reply = json!({
                "access_token": format!("{grant}-access"), "refresh_token": format!("{grant}-refresh"), "expires_in": 3600,
            });
            vendor.answers("/oauth2/token/", 200, reply);
            let instances = caller.get("/instances?emptyList=200").await.ok();
            let body = match anew {
                false => json!({ "elements": ["closeio"] }),
                true => json!({ "instanceId": instances[0]["id"] }),
            };
            let made = caller.post("/connect/links", &body).await.ok();
            let browser = Browser::new(&server);
            let page = browser.get(made["url"].as_str().unwrap()).await;
            assert_eq!(page.text().contains("Close does not tell which one is chosen"), anew, "{page:?}");
            let state = browser.send_form(&page, &[]).await.parameter("state").expect("a state");
            let end = browser.get(&format!("/connector/callback?code={grant}&state={state}")).await;
            let end = browser.follow(end).await;
            end.says(200, "Close is connected");
            assert!(end.text().contains("Close does not tell which account that is."), "{end:?}");
            let after = shown(&caller, &made).await;
            assert_eq!((&after["status"], &after["reason"]), (&json!("authorised"), &Value::Null));
            assert_eq!((&after["vendorAccount"], &after["message"]), (&Value::Null, &json!(untold)));
            let view = caller.get(&format!("/instances/{}", after["instanceId"])).await.ok();
            assert!(view["vendorAccount"].is_null() && view["valid"] == true, "{view}");
            assert!(!anew || view["token"] == token, "the instance stays");
            token = view["token"].clone();
        }
        assert_eq!(server.count().await, 1);
        let mut person = Person::admin(&server).await;
        let id = caller.get("/instances").await.ok()[0]["id"].clone();
        assert_says(&person.shown(&format!("/console/instances/{id}")).await, &["The vendor does not tell."]);
    });
});

on_both!(odd_replies_are_made_harmless, in |database| {
    let vendor = Vendor::start();
    let copies = own(&vendor);
    let setup = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        for (portal, account) in [
            (json!(true), Value::Null),
            (json!(null), Value::Null),
            (json!(""), Value::Null),
            (json!({ "id": 1 }), Value::Null),
            (json!("a\u{0}\nb"), json!("ab")),
            (json!("x".repeat(1000)), json!("x".repeat(500))),
        ] {
            issues(&vendor, &portal, &[]);
            let mut body = creation("odd");
            body["providerData"]["code"] = format!("code {portal:.20}").into();
            let created = server.caller().post("/instances", &body).await.ok();
            assert_eq!(created["vendorAccount"]["id"], account, "{portal}");
            assert_eq!(created["grantedScopes"], json!([]));
        }
    });
});
