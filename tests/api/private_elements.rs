//! Vendors without an element: `privateapi` and `privateoauth`.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::imports::{answers, sent, text_of};
use crate::support::browser::{Browser, set_up, shown};
use crate::support::caller::{fresh_code, read};
use crate::support::server::run_with;
use crate::support::vendor::{Request, Vendor};
use crate::support::{Caller, on_both};

const APP: &str = "/elements/privateoauth/app";
const CALLBACK: &str = "https://app.example/callback";

fn private_api(vendor: &Vendor, more: Value) -> Value {
    let mut configuration =
        json!({ "vendor.address": format!("http://{}/v2/", vendor.address), "vendor.key": "the-key" });
    configuration.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
    json!({ "element": { "key": "privateapi" }, "name": "Warehouse", "configuration": configuration })
}

fn header(request: &Request, name: &str) -> Option<String> {
    let mut lines = request.head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

fn query_of(request: &Request) -> &str {
    let target = request.head.split(' ').nth(1).unwrap_or_default();
    target.split_once('?').map_or("", |(_, query)| query)
}

/// What a call through an instance brings to the vendor.
async fn called(caller: &Caller, vendor: &Vendor, instance: &Value, query: &str) -> Request {
    vendor.answers("/v2/stock", 200, json!({}));
    let own = caller.with_element(instance["token"].as_str().expect("a token"));
    let reply = read(own.request_at_root("GET", &format!("/vendor/stock{query}"))).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    vendor.requests().into_iter().rev().find(|request| request.path == "/v2/stock").expect("a call")
}

// How other brokers' elements for any API send a key, each of another kind: NangoHQ/nango `packages/providers/providers.yaml`,
// `private-api-bearer` and `private-api-basic`; a header as Close Loop's `x-api-key` (RFC 9110 section 5.1 has names in any case); a
// query parameter as OpenWeather's `appid`.
on_both!(a_key_travels_as_the_configuration_says, |server| async move {
    let (caller, vendor) = (server.caller(), Vendor::start());
    let bearer = caller.post("/instances", &private_api(&vendor, json!({ "vendor.key.in": "bearer" }))).await.ok();
    let request = called(&caller, &vendor, &bearer, "").await;
    assert_eq!(header(&request, "authorization").as_deref(), Some("Bearer the-key"));
    let basic = json!({ "vendor.key.in": "basic", "vendor.username": "jo" });
    let basic = caller.post("/instances", &private_api(&vendor, basic)).await.ok();
    let request = called(&caller, &vendor, &basic, "").await;
    assert_eq!(header(&request, "authorization").as_deref(), Some("Basic am86dGhlLWtleQ=="));
    let named = json!({ "vendor.key.in": "header", "vendor.key.name": "X-Stock-Key" });
    let named = caller.post("/instances", &private_api(&vendor, named)).await.ok();
    let request = called(&caller, &vendor, &named, "").await;
    assert_eq!(header(&request, "x-stock-key").as_deref(), Some("the-key"));
    assert_eq!(header(&request, "authorization"), None);
    let query = json!({ "vendor.key.in": "query", "vendor.key.name": "appid" });
    let query = caller.post("/instances", &private_api(&vendor, query)).await.ok();
    // What stood in its place is the caller's, and does not travel beside it.
    let request = called(&caller, &vendor, &query, "?appid=mine&a=1").await;
    assert_eq!((query_of(&request), header(&request, "authorization")), ("a=1&appid=the-key", None));
    // Another way, with the same key.
    let path = format!("/instances/{}", bearer["id"]);
    caller.patch(&path, &json!({ "configuration": { "vendor.key.in": "basic", "vendor.username": "sam" } })).await.ok();
    let request = called(&caller, &vendor, &bearer, "").await;
    assert_eq!(header(&request, "authorization").as_deref(), Some("Basic c2FtOnRoZS1rZXk="));
    assert_eq!(caller.get(&path).await.ok()["configuration"]["vendor.key"], "********");
});

on_both!(what_a_choice_needs_is_asked_for_and_no_more, |server| async move {
    let (caller, vendor) = (server.caller(), Vendor::start());
    for (chosen, missing) in [
        (json!({}), "vendor.key.in"),
        (json!({ "vendor.key.in": "basic" }), "vendor.username"),
        (json!({ "vendor.key.in": "query" }), "vendor.key.name"),
    ] {
        let said = caller.post("/instances", &private_api(&vendor, chosen)).await.fails(400, "missing_configuration");
        assert_eq!(said, format!("Required configuration is missing for apiKey: {missing}."));
    }
    let refused = |name: &str| private_api(&vendor, json!({ "vendor.key.in": "header", "vendor.key.name": name }));
    for name in ["Content-Length", "a b", "Transfer-Encoding", "x\r\ny", "Cookie"] {
        caller.post("/instances", &refused(name)).await.fails(400, "bad_configuration");
    }
    let elsewhere = json!({ "vendor.key.in": "bearer", "vendor.address": "http://private.example/v2" });
    caller.post("/instances", &private_api(&vendor, elsewhere)).await.fails(400, "bad_configuration");
    // Pasted with what stands before it in documentation.
    let pasted = json!({ "vendor.key.in": "bearer", "vendor.key": "Bearer the-key\n" });
    let pasted = caller.post("/instances", &private_api(&vendor, pasted)).await.ok();
    let request = called(&caller, &vendor, &pasted, "").await;
    assert_eq!(header(&request, "authorization").as_deref(), Some("Bearer the-key"));
    // The key does not follow the address.
    let path = format!("/instances/{}", pasted["id"]);
    let body = json!({ "configuration": { "vendor.address": "https://private.example" } });
    caller.patch(&path, &body).await.fails(409, "secret_needed_for_new_host");
});

on_both!(an_inner_address_is_the_guards_to_refuse, in |database| {
    let setup = crate::support::server::Setup { allow_loopback: false, ..Default::default() };
    run_with(database, setup, |server| async move {
        let (caller, vendor) = (server.caller(), Vendor::start());
        let made = caller.post("/instances", &private_api(&vendor, json!({ "vendor.key.in": "bearer" }))).await.ok();
        let own = caller.with_element(made["token"].as_str().expect("a token"));
        let reply = read(own.request_at_root("GET", "/vendor/stock")).await;
        assert_eq!(reply.header("elements-error"), Some("vendor_address_refused"), "{reply:?}");
        assert!(vendor.requests().is_empty());
    });
});

on_both!(a_customer_connects_an_api_of_its_own, |server| async move {
    let (caller, vendor) = (set_up(&server).await, Vendor::start());
    let made = caller.post("/connect/links", &json!({ "elements": ["privateapi"] })).await.ok();
    let browser = Browser::new(&server);
    let page = browser.get(made["url"].as_str().expect("an address")).await;
    assert!(page.text().contains("Only for user name and password."), "{page:?}");
    let address = format!("http://{}/v2", vendor.address);
    let fields =
        [("field.vendor.address", address.as_str()), ("field.vendor.key", "k"), ("field.vendor.key.in", "basic")];
    let page = browser.submit(&made, &fields).await;
    page.says(400, "Connect Private API to example.com");
    assert!(page.text().contains("Please enter: User Name."), "{page:?}");
    let end = browser.submit(&made, &[&fields[..], &[("field.vendor.username", "jo")]].concat()).await;
    browser.follow(end).await;
    let link = shown(&caller, &made).await;
    assert_eq!(link["status"], "authorised", "{link}");
    let instance = caller.get(&format!("/instances/{}", link["instanceId"])).await.ok();
    let request = called(&caller, &vendor, &instance, "").await;
    assert_eq!(header(&request, "authorization").as_deref(), Some("Basic am86aw=="));
    // The integrator may have chosen already.
    let body = json!({ "elements": ["privateapi"], "configuration": { "vendor.address": address, "vendor.key.in": "bearer" } });
    let chosen = caller.post("/connect/links", &body).await.ok();
    let page = Browser::new(&server).get(chosen["url"].as_str().expect("an address")).await;
    assert!(page.text().contains("field.vendor.key") && !page.text().contains("vendor.username"), "{page:?}");
    // Who names nothing does not mean any API there is.
    let any = caller.post("/connect/links", &json!({})).await.ok();
    let page = Browser::new(&server).get(any["url"].as_str().expect("an address")).await;
    assert!(page.text().contains("Freshdesk") && !page.text().contains("Private"), "{page:?}");
});

fn at(vendor: &Vendor, path: &str) -> String {
    format!("http://{}{path}", vendor.address)
}

fn app(vendor: &Vendor, more: Value) -> Value {
    let mut said = json!({
        "vendor.authorization.url": at(vendor, "/authorize"), "vendor.token.url": at(vendor, "/token/"),
        "vendor.address": at(vendor, "/v2"),
    });
    said.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
    json!({ "clientId": "app", "clientSecret": "APP-SECRET", "scopes": "stock.read offline", "configuration": said })
}

fn grants(vendor: &Vendor) {
    vendor.answers("/token/", 200, json!({ "access_token": "at", "refresh_token": "rt", "expires_in": 600 }));
}

/// A link's way to the vendor and back. The instance, and where the browser was sent.
async fn connected(server: &crate::support::TestServer, caller: &Caller, fields: &[(&str, &str)]) -> (Value, String) {
    let made = caller.post("/connect/links", &json!({ "elements": ["privateoauth"] })).await.ok();
    let browser = Browser::new(server);
    let away = browser.submit(&made, fields).await;
    let (state, address) = (away.parameter("state").expect("a state"), away.location().expect("an address").to_owned());
    let end = browser.get(&format!("/connector/callback?code={}&state={state}", fresh_code())).await;
    browser.follow(end).await;
    let link = shown(caller, &made).await;
    assert_eq!(link["status"], "authorised", "{link}");
    (caller.get(&format!("/instances/{}", link["instanceId"])).await.ok(), address)
}

// What differs between plain OAuth servers, each said by the app: Basic (RFC 6749 section 2.3.1), the client in the query (NangoHQ/nango
// `packages/providers/providers.yaml`, `token_request_auth_method`), a token endpoint behind a slash (Close, "OAuth": `/oauth2/token/`), a
// revocation endpoint or none (RFC 7009).
on_both!(an_app_says_where_its_vendor_is, |server| async move {
    let (caller, vendor) = (set_up(&server).await, Vendor::start());
    grants(&vendor);
    vendor.answers("/revoke", 200, json!({}));
    let more = json!({ "vendor.client.authentication": "basic", "vendor.revocation.url": at(&vendor, "/revoke") });
    let view = caller.put(APP, &app(&vendor, more)).await.ok();
    assert_eq!(view["configuration"]["vendor.token.url"], at(&vendor, "/token/"));
    assert_eq!(view["hosts"], json!([vendor.address.to_string()]));
    let (instance, address) = connected(&server, &caller, &[]).await;
    assert!(
        address.starts_with(&at(&vendor, "/authorize?")) && address.contains("scope=stock.read%20offline"),
        "{address}"
    );
    let request = called(&caller, &vendor, &instance, "").await;
    assert_eq!(header(&request, "authorization").as_deref(), Some("Bearer at"));
    server.advance(TimeDelta::hours(1));
    called(&caller, &vendor, &instance, "").await;
    let asked: Vec<_> = vendor.requests().into_iter().filter(|request| request.path == "/token/").collect();
    assert_eq!(asked.len(), 2);
    assert!(
        asked.iter().all(|request| header(request, "authorization").as_deref() == Some("Basic YXBwOkFQUC1TRUNSRVQ="))
    );
    assert!(asked[1].body.contains("grant_type=refresh_token"), "{asked:?}");
    // Ended where the app says.
    assert_eq!(caller.delete(&format!("/instances/{}", instance["id"])).await.status, 200);
    server.services.revoke_due_grants().await.expect("the job runs");
    assert_eq!(vendor.requests().iter().filter(|request| request.path == "/revoke").count(), 1);
    // Without such an address there is nothing to do; and client id and secret may travel otherwise.
    caller.put(APP, &app(&vendor, json!({ "vendor.client.authentication": "query" }))).await.ok();
    let (instance, _) = connected(&server, &caller, &[]).await;
    let last = vendor.requests().into_iter().rev().find(|request| request.path == "/token/").expect("a call");
    assert!(query_of(&last).contains("client_id=app&client_secret=APP-SECRET"), "{last:?}");
    assert_eq!(caller.delete(&format!("/instances/{}", instance["id"])).await.status, 200);
    assert_eq!(server.services.revoke_due_grants().await.expect("the job runs"), 0);
});

on_both!(an_import_takes_what_the_app_says, |server| async move {
    let (caller, vendor) = (set_up(&server).await, Vendor::start());
    grants(&vendor);
    caller.put(APP, &app(&vendor, json!({ "vendor.client.authentication": "basic" }))).await.ok();
    let tokens = json!({ "access_token": "old", "refresh_token": "rt", "expires_in": 60 });
    let line = json!({ "importId": "a", "name": "A", "element": { "key": "privateoauth" }, "providerData": tokens });
    let made = answers(&sent(&caller, "", text_of(&[line])).await);
    assert_eq!(made[0]["status"], "created", "{made:?}");
    let instance = caller.get(&format!("/instances/{}", made[0]["id"])).await.ok();
    server.advance(TimeDelta::hours(1));
    let request = called(&caller, &vendor, &instance, "").await;
    assert_eq!(header(&request, "authorization").as_deref(), Some("Bearer at"));
    let refresh = vendor.requests().into_iter().find(|request| request.path == "/token/").expect("a refresh");
    assert_eq!(header(&refresh, "authorization").as_deref(), Some("Basic YXBwOkFQUC1TRUNSRVQ="));
});

on_both!(what_the_app_leaves_open_the_customer_says, |server| async move {
    let (caller, vendor) = (set_up(&server).await, Vendor::start());
    grants(&vendor);
    let mut body = app(&vendor, json!({}));
    body["configuration"].as_object_mut().expect("members").remove("vendor.address");
    caller.put(APP, &body).await.ok();
    let (instance, _) = connected(&server, &caller, &[("field.vendor.address", &at(&vendor, "/v2"))]).await;
    called(&caller, &vendor, &instance, "").await;
    // What is the app's to say nobody else bends: not by a creation, nor by a change.
    let elsewhere = Vendor::start();
    let bent = json!({
        "element": { "key": "privateoauth" }, "name": "Own", "providerData": { "code": fresh_code() },
        "configuration": {
            "vendor.token.url": at(&elsewhere, "/token/"), "vendor.address": at(&vendor, "/v2"), "oauth.callback.url": CALLBACK,
        },
    });
    let made = caller.post("/instances", &bent).await.ok();
    let path = format!("/instances/{}", made["id"]);
    let patch = json!({ "configuration": { "vendor.token.url": at(&elsewhere, "/token/") } });
    caller.patch(&path, &patch).await.fails(409, "secret_needed_for_new_host");
    assert!(elsewhere.requests().is_empty(), "{:?}", elsewhere.requests());
    // With a client of one's own all of it is one's own.
    let own = json!({
        "element": { "key": "privateoauth" }, "name": "Own", "providerData": { "code": fresh_code() },
        "configuration": {
            "vendor.token.url": at(&vendor, "/token/"), "vendor.address": at(&vendor, "/v2"), "oauth.callback.url": CALLBACK,
            "vendor.authorization.url": at(&vendor, "/authorize"), "oauth.api.key": "mine", "oauth.api.secret": "my-secret",
        },
    });
    caller.post("/instances", &own).await.ok();
    let last = vendor.requests().into_iter().rev().find(|request| request.path == "/token/").expect("a call");
    assert!(last.body.contains("client_id=mine&client_secret=my-secret"), "{last:?}");
});

on_both!(an_apps_secret_does_not_follow_its_addresses, |server| async move {
    let (caller, vendor, other) = (server.caller(), Vendor::start(), Vendor::start());
    let said = caller.put(APP, &json!({ "clientId": "a", "clientSecret": "s" })).await.fails(400, "bad_body");
    assert!(said.contains("configuration lacks vendor.authorization.url, vendor.token.url"), "{said}");
    for (key, value, code) in [
        ("vendor.token.url", "http://login.example/token", "bad_configuration"),
        ("vendor.token.url", "https://login.example/token?x=1", "bad_configuration"),
        ("vendor.client.authentication", "none", "bad_configuration"),
        ("oauth.scope", "x", "bad_body"),
    ] {
        caller.put(APP, &app(&vendor, json!({ key: value }))).await.fails(400, code);
    }
    caller.put("/elements/hubspotcrm/app", &app(&vendor, json!({}))).await.fails(400, "bad_body");
    caller.put(APP, &app(&vendor, json!({}))).await.ok();
    let mut moved = app(&vendor, json!({ "vendor.token.url": at(&other, "/token/") }));
    moved["clientSecret"] = json!("********");
    caller.put(APP, &moved).await.fails(409, "secret_needed_for_new_host");
    moved["clientSecret"] = json!("another");
    let view = caller.put(APP, &moved).await.ok();
    assert_eq!(view["hosts"], json!([other.address.to_string()]), "the old one is none of the app's any more");
    // What is not said stays.
    let view = caller.put(APP, &json!({ "clientId": "app" })).await.ok();
    assert_eq!(view["configuration"], moved["configuration"]);
    assert_eq!(view["hosts"], json!([other.address.to_string()]));
});
