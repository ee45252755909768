//! An organization's OAuth app speaks on the hosts alone that it was stored for.

use chrono::TimeDelta;
use ligand::store::audit::Trail;
use ligand::store::partner_apps::{self, SealedApp};
use ligand::store::sealed::PARTNER_APP;
use serde_json::{Value, json};

use super::host_change::Hosts;
use super::shares::connect;
use crate::support::browser::{Browser, shown};
use crate::support::copies::owner;
use crate::support::server::run_with;
use crate::support::{Caller, on_both};

const APP: &str = "/elements/desk/app";
const REFUSED: &str = "app_not_for_host";
const CALLBACK: &str = "https://app.example/callback";

fn app(hosts: &[&str]) -> Value {
    json!({ "clientId": "app", "clientSecret": "APP-SECRET", "hosts": hosts })
}

/// Without an app of its own.
fn at(host: &str) -> Value {
    json!({
        "element": { "key": "desk" }, "name": "Desk",
        "configuration": { "desk": host, "oauth.callback.url": CALLBACK },
        "providerData": { "code": "a-code" },
    })
}

fn tokens_at(host: &str, number: usize) -> Value {
    json!({
        "element": { "key": "desk" }, "name": "Desk", "externalAuthentication": "initial",
        "configuration": {
            "desk": host, "oauth.user.token": format!("old-{number}"),
            "oauth.user.refresh_token": format!("refresh-{number}"), "oauth.user.refresh_interval": "600",
        },
    })
}

/// What a host was sent of the organization's app.
fn secrets_sent(vendor: &crate::support::vendor::Vendor) -> usize {
    vendor.requests().iter().filter(|request| request.body.contains("APP-SECRET")).count()
}

async fn link_to(caller: &Caller, configuration: Value) -> Value {
    caller.post("/connect/links", &json!({ "elements": ["desk"], "configuration": configuration })).await.json()
}

on_both!(an_app_speaks_on_its_own_hosts_alone, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |server| async move {
        let (caller, colleague) = (server.caller(), server.colleague().await);
        caller.put(APP, &app(&["127.0.0.1"])).await.ok();
        // Who may name a host may not choose where the secret goes: not by a code, nor by tokens, nor by a link.
        let elsewhere = json!({ "desk": "127.0.0.2" });
        for who in [&caller, &colleague] {
            let said = who.post("/instances", &at("127.0.0.2")).await.fails(409, REFUSED);
            assert!(said.contains("127.0.0.2") && said.contains("administrator"), "{said}");
            who.post("/instances", &tokens_at("127.0.0.2", 1)).await.fails(409, REFUSED);
            let body = json!({ "elements": ["desk"], "configuration": elsewhere });
            who.post("/connect/links", &body).await.fails(409, REFUSED);
        }
        let made = link_to(&colleague, json!({})).await;
        let browser = Browser::new(&server);
        let page = browser.submit(&made, &[("field.desk", "127.0.0.2")]).await;
        page.says(400, "Connect Desk to example.com");
        assert!(page.text().contains("was not stored for 127.0.0.2"), "{page:?}");
        // Nor by what was an app of the person's own until then.
        let own = connect(&colleague, "127.0.0.2", 0).await;
        let path = format!("/instances/{}", own["id"]);
        let none = json!({ "oauth.api.key": null, "oauth.api.secret": null });
        let body = json!({ "configuration": none, "providerData": { "code": "a-code" } });
        colleague.patch(&path, &body).await.fails(409, REFUSED);
        let _ = colleague.patch(&path, &json!({ "configuration": none })).await;
        server.advance(TimeDelta::hours(1));
        let _ = colleague.get(&format!("{path}?refresh=true")).await;
        assert_eq!(colleague.delete(&path).await.status, 200);
        server.services.revoke_due_grants().await.expect("the job runs");
        assert_eq!(secrets_sent(&hosts.other), 0, "{:?}", hosts.other.requests());
        // Where it belongs it works: by a code, by tokens, by a link.
        caller.post("/instances", &at("127.0.0.1")).await.ok();
        let brought = colleague.post("/instances", &tokens_at("127.0.0.1", 2)).await.ok();
        server.advance(TimeDelta::hours(1));
        colleague.get(&format!("/instances/{}?refresh=true", brought["id"])).await.ok();
        let to_vendor = browser.submit(&made, &[("field.desk", "127.0.0.1")]).await;
        let state = to_vendor.parameter("state").expect("a state");
        let end = browser.get(&format!("/connector/callback?code=of-link&state={state}")).await;
        browser.follow(end).await;
        assert_eq!(shown(&caller, &made).await["status"], "authorised");
        assert_eq!(secrets_sent(&hosts.own), 3);
    });
});

on_both!(a_link_that_was_begun_does_not_outlive_the_hosts, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |server| async move {
        let caller = server.caller();
        caller.put(APP, &app(&["127.0.0.1", "127.0.0.2"])).await.ok();
        let made = link_to(&caller, json!({ "desk": "127.0.0.2" })).await;
        let browser = Browser::new(&server);
        let state = browser.submit(&made, &[]).await.parameter("state").expect("a state");
        caller.put(APP, &json!({ "clientId": "app", "hosts": ["127.0.0.1"] })).await.ok();
        let end = browser.get(&format!("/connector/callback?code=a-code&state={state}")).await;
        browser.follow(end).await;
        let after = shown(&caller, &made).await;
        assert_eq!((&after["status"], &after["reason"]), (&json!("failed"), &json!("vendor_configuration")), "{after}");
        assert!(hosts.other.requests().is_empty());
    });
});

on_both!(a_further_host_of_an_app_wants_its_secret, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |server| async move {
        let caller = server.caller();
        let said = caller.put(APP, &json!({ "clientId": "app", "clientSecret": "s" })).await.fails(400, "bad_body");
        assert!(said.contains("hosts is missing"), "{said}");
        for odd in ["", "example.com", "https://127.0.0.1", "127.0.0.1:80", "127.0.0.1/x", "a b"] {
            caller.put(APP, &app(&[odd])).await.fails(400, "bad_body");
        }
        assert_eq!(caller.get(APP).await.ok()["hosts"], json!([]));
        let shown = caller.put(APP, &app(&[" 127.0.0.1 ", "127.0.0.1"])).await.ok();
        assert_eq!(shown["hosts"], json!(["127.0.0.1"]));
        let both = json!(["127.0.0.1", "127.0.0.2"]);
        for secret in [Value::Null, "".into(), "********".into()] {
            let body = json!({ "clientId": "app", "clientSecret": secret, "hosts": both });
            let said = caller.put(APP, &body).await.fails(409, "secret_needed_for_new_host");
            assert!(said.contains("clientSecret"), "{said}");
        }
        assert_eq!(caller.get(APP).await.ok(), shown);
        // Fewer, and those that there are, need none.
        assert_eq!(caller.put(APP, &app(&["127.0.0.1", "127.0.0.2"])).await.ok()["hosts"], both);
        assert_eq!(caller.put(APP, &json!({ "clientId": "app" })).await.ok()["hosts"], both);
        let used = caller.post("/instances", &tokens_at("127.0.0.2", 0)).await.ok();
        caller.put(APP, &json!({ "clientId": "app", "hosts": ["127.0.0.1"] })).await.ok();
        // What was connected there is not renewed, and nothing of it is lost.
        let path = format!("/instances/{}", used["id"]);
        server.advance(TimeDelta::hours(1));
        caller.get(&format!("{path}?refresh=true")).await.fails(409, REFUSED);
        assert_eq!(caller.patch(&path, &json!({ "name": "Renamed" })).await.ok()["valid"], true);
        assert!(hosts.other.requests().is_empty());
        caller.put(APP, &app(&["127.0.0.1", "127.0.0.2"])).await.ok();
        caller.get(&format!("{path}?refresh=true")).await.ok();
    });
});

on_both!(an_app_from_before_is_bound_to_the_hosts_in_use, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |server| async move {
        let caller = server.caller();
        caller.put(APP, &app(&["127.0.0.1"])).await.ok();
        let used = caller.post("/instances", &tokens_at("127.0.0.1", 0)).await.ok();
        connect(&caller, "127.0.0.2", 0).await;
        // What serves nobody proves nothing.
        caller.put(APP, &app(&["127.0.0.1", "127.0.0.2"])).await.ok();
        let put_out = caller.post("/instances", &tokens_at("127.0.0.2", 1)).await.ok();
        caller.patch(&format!("/instances/{}", put_out["id"]), &json!({ "disabled": true })).await.ok();
        let ended = caller.post("/instances", &tokens_at("127.0.0.2", 2)).await.ok();
        hosts.other.answers("/token", 400, json!({ "error": "invalid_grant" }));
        server.advance(TimeDelta::hours(1));
        let ended = format!("/instances/{}", ended["id"]);
        let _ = caller.get(&format!("{ended}?refresh=true")).await;
        assert_eq!(caller.get(&ended).await.ok()["valid"], false);
        let asked = hosts.other.requests().len();
        // As a version without hosts wrote it.
        let (services, owner) = (&server.services, owner(&server.services).await);
        let before = services.store.read(move |conn| partner_apps::find(conn, owner, 10021)).await.expect("it is there");
        let before = before.expect("an app");
        let place = PARTNER_APP.place(owner.organization, before.id);
        let document = json!({ "clientId": "app", "clientSecret": "APP-SECRET" }).to_string();
        let sealed = SealedApp { id: before.id, sealed: services.vault.seal(place, document.as_bytes()).expect("sealed") };
        let now = services.now();
        let save = move |conn: &mut _| partner_apps::save(conn, owner, 10021, Some(&before), (&sealed, now), &Trail::Not("a test's own row"));
        services.store.write(save).await.expect("it is written");
        caller.post("/instances", &at("127.0.0.2")).await.fails(409, REFUSED);
        assert_eq!(caller.get(APP).await.ok()["hosts"], json!(["127.0.0.1"]));
        server.advance(TimeDelta::hours(1));
        caller.get(&format!("/instances/{}?refresh=true", used["id"])).await.ok();
        caller.post("/instances", &at("127.0.0.1")).await.ok();
        assert_eq!(hosts.other.requests().len(), asked);
    });
});

// What a link brings goes to the host that it names, and not to one that whoever opens it may choose.
on_both!(a_link_with_secrets_leaves_no_host_to_the_customer, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |server| async move {
        let caller = server.caller();
        let own = json!({ "oauth.api.key": "own", "oauth.api.secret": "OWN-SECRET" });
        let body = json!({ "elements": ["desk"], "configuration": own });
        let said = caller.post("/connect/links", &body).await.fails(400, "bad_configuration");
        assert!(said.contains("oauth.api.secret") && said.contains("desk"), "{said}");
        let named = json!({ "oauth.api.key": "own", "oauth.api.secret": "OWN-SECRET", "desk": "127.0.0.1" });
        caller.post("/connect/links", &json!({ "elements": ["desk"], "configuration": named })).await.ok();
        assert!(hosts.other.requests().is_empty());
    });
});
