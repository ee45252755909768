//! What a reply leaves out is kept. Vendors that remember a consent give no refresh token with the next one (pennersr/django-allauth
//! PR 308, googleapis/google-api-php-client #1064, scribejava/scribejava #655): whoever connects the same account once more must not
//! lose the one that there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::browser::{Browser, link, set_up, shown};
use crate::support::caller::with_code;
use crate::support::database::runtime;
use crate::support::server::{Setup, run_with};
use crate::support::vendor::{Vendor, elements};
use crate::support::wire::{self, Arrived, Step, WireVendor};
use crate::support::{Caller, Database, TestServer, on_both};

const TOKEN: &str = "/oauth/2026-03/token";
const INTROSPECT: &str = "/oauth/2026-03/token/introspect";

/// hubspotcrm with a vendor of the test's own, and with some text of its file replaced.
fn own(address: std::net::SocketAddr, more: &[(&str, &str)]) -> tempfile::TempDir {
    let origin = format!("http://{address}");
    let changes =
        [("key = \"hubspotcrm\"", "key = \"own\""), ("id = 168", "id = 10001"), ("https://api.hubapi.com", &*origin)];
    elements(&[("hubspotcrm", &[&changes[..], more].concat())])
}

fn setup(directory: &tempfile::TempDir) -> Setup {
    Setup { elements: Some(directory.path().to_owned()), ..Setup::default() }
}

/// What the token endpoint answers from now on.
fn issues(vendor: &Vendor, access_token: &str, refresh_token: Option<&str>, account: Option<u64>) {
    let mut reply = json!({ "access_token": access_token, "expires_in": 1800 });
    if let Some(refresh_token) = refresh_token {
        reply["refresh_token"] = refresh_token.into();
    }
    if let Some(account) = account {
        reply["hub_id"] = account.into();
    }
    vendor.answers(TOKEN, 200, reply);
}

async fn connect(caller: &Caller, code: &str) -> String {
    let mut body = with_code("Connected", code);
    body["element"]["key"] = "own".into();
    let created = caller.post("/instances", &body).await.ok();
    format!("/instances/{}", created["id"])
}

async fn again(caller: &Caller, method: &str, path: &str, code: &str) -> Value {
    caller.send(method, path, &json!({ "providerData": { "code": code } })).await.ok()
}

/// The refresh token that the next refresh sends; none where there is none to be sent.
async fn sent_by_refresh(server: &TestServer, vendor: &Vendor, path: &str) -> Option<String> {
    server.advance(TimeDelta::hours(1));
    let before = vendor.requests().len();
    server.caller().get(&format!("{path}?refresh=true")).await;
    let asked = vendor.requests().split_off(before);
    asked.iter().find_map(|request| request.field("refresh_token"))
}

on_both!(the_same_account_keeps_its_refresh_token, in |database| {
    let vendor = Vendor::start();
    let directory = own(vendor.address, &[]);
    run_with(database, setup(&directory), |server| async move {
        let caller = set_up(&server).await;
        let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
        caller.put("/elements/own/app", &app).await.ok();
        for way in ["PATCH", "PUT", "link"] {
            let kept = format!("rt-{way}");
            issues(&vendor, "at", Some(&kept), Some(7));
            let path = connect(&caller, &format!("first {way}")).await;
            issues(&vendor, "newer", None, Some(7));
            if way == "link" {
                let id: i64 = path.rsplit('/').next().expect("an id").parse().expect("a number");
                let made = link(&caller, json!({ "elements": ["own"], "instanceId": id })).await;
                let browser = Browser::new(&server);
                let to_vendor = browser.submit(&made, &[]).await;
                let state = to_vendor.parameter("state").expect("a state");
                browser.follow(browser.get(&format!("/connector/callback?code=second&state={state}")).await).await;
                assert_eq!(shown(&caller, &made).await["status"], "authorised");
            } else {
                let renewed = again(&caller, way, &path, &format!("second {way}")).await;
                assert_eq!(renewed["configuration"]["oauth.user.refresh_token"], "********", "{way}");
            }
            assert_eq!(sent_by_refresh(&server, &vendor, &path).await.as_deref(), Some(kept.as_str()), "{way}");
            if way == "link" {
                continue;
            }
            // One that comes replaces it.
            issues(&vendor, "newest", Some("rt-new"), Some(7));
            again(&caller, "PATCH", &path, &format!("third {way}")).await;
            assert_eq!(sent_by_refresh(&server, &vendor, &path).await.as_deref(), Some("rt-new"));
        }
    });
});

// The reply does not tell the account, and who is asked does (RFC 7662).
on_both!(an_account_that_is_asked_for_is_known, in |database| {
    let vendor = Vendor::start();
    let directory = own(vendor.address, &[]);
    run_with(database, setup(&directory), |server| async move {
        let caller = server.caller();
        vendor.answers(INTROSPECT, 200, json!({ "active": true, "hub_id": 7, "hub_domain": "acme.example" }));
        issues(&vendor, "at", Some("rt"), None);
        let path = connect(&caller, "introspected").await;
        issues(&vendor, "newer", None, None);
        again(&caller, "PATCH", &path, "again").await;
        assert_eq!(sent_by_refresh(&server, &vendor, &path).await.as_deref(), Some("rt"));
        // Nobody tells, so nobody knows.
        vendor.answers(INTROSPECT, 500, json!({}));
        again(&caller, "PATCH", &path, "untold").await;
        assert_eq!(sent_by_refresh(&server, &vendor, &path).await, None);
    });
});

// Salesforce tells the organization in the identity URL (Salesforce Help, "Identity URLs"), and gives no refresh token where the app's policy
// holds it back. An organization that was renamed is the same one (tprouvot/Salesforce-Inspector-reloaded #167).
on_both!(a_renamed_organization_is_the_same_account, in |database| {
    let vendor = Vendor::start();
    let token = format!("http://{}{TOKEN}", vendor.address);
    let directory = elements(&[("sfdc", &[("https://{site_address}/services/oauth2/token", &token)])]);
    run_with(database, setup(&directory), |server| async move {
        let caller = server.caller();
        let [host, other] = ["acme", "other"].map(|name| format!("https://{name}.my.salesforce.com"));
        let id = |org: &str| format!("https://login.salesforce.com/id/{org}/005x00000012Q9PAAU");
        let [org, foreign] = ["00Dx0000000BV7zEAG", "00Dx0000000FOREIGN"];
        // Stored by the version before, which knew an organization by its address.
        let old = format!("{{\"account\": {{\"id\": \"{host}\", \"name\": \"{host}\"}}, \"grantedScopes\": null}}");
        let database = Database::at(server.database.url.clone());
        for (code, was, instance_url, now, kept) in [
            ("same", None, &host, org, Some("rt")),
            ("renamed", None, &other, org, Some("rt")),
            ("another", None, &host, foreign, None),
            ("old", Some(&old), &host, org, Some("rt")),
            ("old and another", Some(&old), &other, foreign, None),
        ] {
            let reply = json!({ "access_token": "at", "refresh_token": "rt", "instance_url": host, "id": id(org) });
            vendor.answers(TOKEN, 200, reply);
            let mut body = with_code("Sales", code);
            body["element"]["key"] = "sfdc".into();
            let created = caller.post("/instances", &body).await.ok();
            assert_eq!(created["vendorAccount"], json!({ "id": org, "name": host }));
            let path = format!("/instances/{}", created["id"]);
            if let Some(was) = was {
                database.execute(&format!("UPDATE instance SET connected = '{was}' WHERE id = {}", created["id"]));
            }
            let reply = json!({ "access_token": "newer", "instance_url": instance_url, "id": id(now) });
            vendor.answers(TOKEN, 200, reply);
            let renewed = again(&caller, "PATCH", &path, &format!("again {code}")).await;
            assert_eq!(renewed["vendorAccount"], json!({ "id": now, "name": instance_url }), "{code}");
            assert_eq!(sent_by_refresh(&server, &vendor, &path).await.as_deref(), kept, "{code}");
        }
    });
});

on_both!(what_is_not_certainly_the_same_is_not_kept, in |database| {
    let vendor = Vendor::start();
    let directory = own(vendor.address, &[]);
    run_with(database, setup(&directory), |server| async move {
        let caller = server.caller();
        vendor.answers(INTROSPECT, 404, json!({}));
        for (what, account) in [("another account", Some(8)), ("no account", None)] {
            issues(&vendor, "at", Some("rt"), Some(7));
            let path = connect(&caller, what).await;
            issues(&vendor, "newer", None, account);
            let renewed = again(&caller, "PATCH", &path, &format!("again {what}")).await;
            assert!(renewed["configuration"]["oauth.user.refresh_token"].is_null(), "{what}");
            assert_eq!(renewed["expiresAt"].as_str().map(str::len), Some(20), "{what}: {renewed}");
            assert_eq!(sent_by_refresh(&server, &vendor, &path).await, None, "{what}");
        }
        // A refresh token belongs to its client (RFC 6749 section 6).
        issues(&vendor, "at", Some("rt"), Some(7));
        let path = connect(&caller, "client").await;
        issues(&vendor, "newer", None, Some(7));
        let change = json!({ "providerData": { "code": "other client" }, "configuration": { "oauth.api.key": "other" } });
        caller.patch(&path, &change).await.ok();
        assert_eq!(sent_by_refresh(&server, &vendor, &path).await, None);
        // A refused one is dead, whoever it is of.
        issues(&vendor, "at", Some("dead"), Some(7));
        let path = connect(&caller, "dead").await;
        vendor.answers(TOKEN, 400, json!({ "status": "BAD_REFRESH_TOKEN", "error": "invalid_grant" }));
        assert_eq!(sent_by_refresh(&server, &vendor, &path).await.as_deref(), Some("dead"));
        assert_eq!(caller.get(&path).await.ok()["valid"], false);
        issues(&vendor, "newer", None, Some(7));
        assert_eq!(again(&caller, "PATCH", &path, "after its end").await["valid"], true);
        assert_eq!(sent_by_refresh(&server, &vendor, &path).await, None);
    });
});

/// A link's whole way; what became of the link.
async fn by_link(server: &TestServer, caller: &Caller, wanted: Value, code: &str) -> Value {
    let made = link(caller, wanted).await;
    let browser = Browser::new(server);
    let state = browser.submit(&made, &[]).await.parameter("state").expect("a state");
    browser.follow(browser.get(&format!("/connector/callback?code={code}&state={state}")).await).await;
    let after = shown(caller, &made).await;
    assert_eq!(after["status"], "authorised", "{after}");
    after
}

// A refresh token belongs to its client (RFC 6749 section 6), also where that is the organization's app and is exchanged.
on_both!(a_token_of_an_app_that_was_exchanged_is_not_kept, in |database| {
    let vendor = Vendor::start();
    let directory = own(vendor.address, &[]);
    run_with(database, setup(&directory), |server| async move {
        let caller = set_up(&server).await;
        let app = |id: &str, secret: &str| json!({ "clientId": id, "clientSecret": secret });
        caller.put("/elements/own/app", &app("one", "first")).await.ok();
        for (number, (id, kept)) in [("one", Some("rt")), ("another", None), ("another", Some("rt"))].into_iter().enumerate() {
            issues(&vendor, "at", Some("rt"), Some(7));
            let made = by_link(&server, &caller, json!({ "elements": ["own"] }), &format!("first-{number}")).await;
            let path = format!("/instances/{}", made["instanceId"]);
            server.advance(TimeDelta::minutes(1));
            caller.put("/elements/own/app", &app(id, "second")).await.ok();
            server.advance(TimeDelta::minutes(1));
            issues(&vendor, "newer", None, Some(7));
            let wanted = json!({ "elements": ["own"], "instanceId": made["instanceId"] });
            by_link(&server, &caller, wanted, &format!("second-{number}")).await;
            assert_eq!(sent_by_refresh(&server, &vendor, &path).await.as_deref(), kept, "{number}");
        }
    });
});

on_both!(a_refresh_that_rotates_meanwhile_gives_its_token_to_the_new_grant, in |database| {
    runtime().block_on(rotates_meanwhile(database));
});

async fn rotates_meanwhile(database: crate::support::Database) {
    let refreshes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refreshes);
    let vendor = WireVendor::start(move |arrived: &Arrived, _| {
        let body = String::from_utf8_lossy(&arrived.body).into_owned();
        let token = |access: &str, refresh: Option<&str>| {
            wire::json(
                &json!({ "access_token": access, "refresh_token": refresh, "expires_in": 1800, "hub_id": 7 })
                    .to_string(),
            )
        };
        if body.contains("grant_type=refresh_token") {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let answer = token("refreshed", Some(&format!("rotated-{number}")));
            return [vec![Step::Wait(Duration::from_millis(1_500))], answer].concat();
        }
        token("at", (!body.contains("again")).then_some("first"))
    })
    .await;
    let directory = own(vendor.address, &[("rotates = false", "rotates = true")]);
    let server = TestServer::start(database, setup(&directory)).await;
    let caller = server.caller();
    let path = connect(&caller, "first").await;
    server.advance(TimeDelta::hours(1));
    let refreshing = tokio::spawn({
        let (caller, path) = (caller.clone(), path.clone());
        async move { caller.get(&format!("{path}?refresh=true")).await }
    });
    crate::support::fleet::until("the vendor rotates", async || refreshes.load(Ordering::SeqCst) == 1).await;
    again(&caller, "PATCH", &path, "again").await;
    refreshing.await.expect("no panic").ok();
    server.advance(TimeDelta::hours(1));
    caller.get(&format!("{path}?refresh=true")).await.ok();
    let last = String::from_utf8(vendor.last().body).expect("a form");
    let sent = vendor
        .requests()
        .iter()
        .rev()
        .map(|arrived| String::from_utf8_lossy(&arrived.body).into_owned())
        .find(|body| body.contains("grant_type=refresh_token"));
    assert!(sent.as_deref().is_some_and(|body| body.contains("refresh_token=rotated-0")), "{sent:?} {last}");
}
