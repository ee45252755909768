//! What a caller tells in the place of a vendor's reply is a caller's word.

use chrono::TimeDelta;
use ligand::store::instances;
use ligand::store::sealed::CREDENTIAL;
use serde_json::{Value, json};

use super::host_change::Hosts;
use crate::support::copies::owner;
use crate::support::server::{Setup, run_with};
use crate::support::vendor::Vendor;
use crate::support::{Caller, TestServer, on_both};

const APP: &str = "/elements/desk/app";

/// The vendor's reply says where tokens are renewed and revoked.
fn with_replied_host(hosts: &Hosts) -> Setup {
    hosts.setup_with(|text| {
        let port = hosts.own.address.port();
        let refresh = format!("[authentication.oauth2.refresh]\nurl = \"http://{{api}}:{port}/token\"\n\n");
        text.replace("[variables.desk]", "[variables.api]\nreply = \"/api_host\"\n\n[variables.desk]")
            .replace("[authentication.oauth2.revoke]", &format!("{refresh}[authentication.oauth2.revoke]"))
            .replace(&format!("http://{{desk}}:{port}/revoke"), &format!("http://{{api}}:{port}/revoke"))
    })
}

fn tokens(number: usize) -> Value {
    json!({
        "desk": "127.0.0.1", "oauth.user.token": format!("old-{number}"),
        "oauth.user.refresh_token": format!("refresh-{number}"), "oauth.user.refresh_interval": "600",
    })
}

fn told(host: &str, configuration: Value) -> Value {
    json!({
        "element": { "key": "desk" }, "name": "Desk", "externalAuthentication": "initial",
        "configuration": configuration, "providerData": { "api_host": host },
    })
}

fn with_own_client(number: usize) -> Value {
    let mut configuration = tokens(number);
    configuration["oauth.api.key"] = "own".into();
    configuration["oauth.api.secret"] = "OWN-SECRET".into();
    configuration
}

fn says(vendor: &Vendor, host: Option<&str>) {
    let mut token =
        json!({ "access_token": "new", "token_type": "bearer", "expires_in": 600, "refresh_token": "next" });
    if let Some(host) = host {
        token["api_host"] = host.into();
    }
    vendor.answers("/token", 200, token);
    vendor.answers("/revoke", 200, json!({}));
}

fn sent(vendor: &Vendor, secret: &str) -> usize {
    vendor.requests().iter().filter(|request| request.body.contains(secret)).count()
}

/// As another version would have written it.
pub async fn rewrite_credential(server: &TestServer, instance: &Value, change: impl FnOnce(&mut Value)) {
    let (services, id) = (&server.services, instance["id"].as_i64().expect("an id"));
    let owner = owner(services).await;
    let mut row =
        services.store.read(move |conn| instances::find(conn, owner, id)).await.expect("it is there").credential;
    let place = CREDENTIAL.place(owner.organization, id);
    let document = services.vault.open(place, &row.sealed).expect("it opens");
    let mut document = serde_json::from_slice(&document).expect("JSON");
    change(&mut document);
    row.sealed = services.vault.seal(place, document.to_string().as_bytes()).expect("sealed");
    let now = services.now();
    let write = move |conn: &mut _| instances::update_credential(conn, owner, &row, now);
    services.store.write(write).await.expect("it is written");
}

async fn refresh(server: &TestServer, caller: &Caller, instance: &Value) -> crate::support::Reply {
    server.advance(TimeDelta::hours(1));
    caller.get(&format!("/instances/{}?refresh=true", instance["id"])).await
}

on_both!(an_apps_secret_follows_no_host_that_a_caller_told, in |database| {
    let hosts = Hosts::start();
    let setup = with_replied_host(&hosts);
    says(&hosts.own, None);
    says(&hosts.other, None);
    run_with(database, setup, |server| async move {
        let (caller, colleague) = (server.caller(), server.colleague().await);
        // With a client of one's own one may say what one likes, and then let the organization's app take its place.
        let made = colleague.post("/instances", &told("127.0.0.2", with_own_client(1))).await.ok();
        caller.put(APP, &json!({ "clientId": "app", "clientSecret": "APP-SECRET", "hosts": ["127.0.0.1"] })).await.ok();
        colleague.post("/instances", &told("127.0.0.2", tokens(2))).await.fails(409, "app_not_for_host");
        let path = format!("/instances/{}", made["id"]);
        let none = json!({ "configuration": { "oauth.api.key": null, "oauth.api.secret": null } });
        colleague.patch(&path, &none).await.ok();
        refresh(&server, &colleague, &made).await.fails(409, "app_not_for_host");
        colleague.delete(&path).await.ok_empty();
        server.services.revoke_due_grants().await.expect("the job runs");
        assert!(hosts.other.requests().is_empty(), "{:?}", hosts.other.requests());
        // Where it was stored for, the app speaks.
        let good = colleague.post("/instances", &told("127.0.0.1", tokens(3))).await.ok();
        refresh(&server, &colleague, &good).await.ok();
        assert_eq!(sent(&hosts.own, "APP-SECRET"), 1);
    });
});

on_both!(what_the_vendor_tells_takes_the_place_of_a_callers_word, in |database| {
    let hosts = Hosts::start();
    let setup = with_replied_host(&hosts);
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        let both = json!({ "clientId": "app", "clientSecret": "APP-SECRET", "hosts": ["127.0.0.1"] });
        caller.put(APP, &both).await.ok();
        let made = caller.post("/instances", &told("127.0.0.1", tokens(1))).await.ok();
        // A reply that does not repeat it changes nothing of whose word it is.
        says(&hosts.own, None);
        refresh(&server, &caller, &made).await.ok();
        says(&hosts.own, Some("127.0.0.2"));
        says(&hosts.other, None);
        refresh(&server, &caller, &made).await.ok();
        assert_eq!(hosts.other.requests().len(), 0);
        refresh(&server, &caller, &made).await.ok();
        assert_eq!(sent(&hosts.other, "APP-SECRET"), 1, "the vendor itself named it");
    });
});

on_both!(another_word_of_a_caller_is_another_host, in |database| {
    let hosts = Hosts::start();
    let setup = with_replied_host(&hosts);
    says(&hosts.own, None);
    says(&hosts.other, None);
    run_with(database, setup, |server| async move {
        let (caller, colleague) = (server.caller(), server.colleague().await);
        let refused = told("127.0.0.3", with_own_client(1));
        caller.post("/instances", &refused).await.fails(400, "vendor_host");
        let made = caller.post("/instances", &told("127.0.0.1", with_own_client(1))).await.ok();
        let path = format!("/instances/{}", made["id"]);
        let renewed = |host: &str| {
            json!({ "externalAuthentication": "initial", "configuration": tokens(2), "providerData": { "api_host": host } })
        };
        for method in ["PUT", "PATCH"] {
            let said = colleague.send(method, &path, &renewed("127.0.0.2")).await.fails(409, "secret_needed_for_new_host");
            assert!(said.contains("oauth.api.secret"), "{said}");
        }
        // The same one is no change, and who brings the secret anew may name another.
        colleague.patch(&path, &renewed("127.0.0.1")).await.ok();
        let mut anew = renewed("127.0.0.2");
        anew["configuration"]["oauth.api.secret"] = "ANOTHER".into();
        colleague.patch(&path, &anew).await.ok();
        refresh(&server, &colleague, &made).await.ok();
        assert_eq!((sent(&hosts.other, "OWN-SECRET"), sent(&hosts.other, "ANOTHER")), (0, 1));
    });
});

// Documents of a version that did not write down who told.
on_both!(of_tokens_that_were_brought_before_the_caller_told_everything, in |database| {
    let hosts = Hosts::start();
    let setup = with_replied_host(&hosts);
    says(&hosts.own, None);
    says(&hosts.other, None);
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        caller.put(APP, &json!({ "clientId": "app", "clientSecret": "APP-SECRET", "hosts": ["127.0.0.1"] })).await.ok();
        let made = caller.post("/instances", &told("127.0.0.1", tokens(1))).await.ok();
        rewrite_credential(&server, &made, |document| {
            document.as_object_mut().expect("an object").remove("toldByCaller").expect("it says who told");
            document["variables"]["api"] = "127.0.0.2".into();
        })
        .await;
        refresh(&server, &caller, &made).await.fails(409, "app_not_for_host");
        assert!(hosts.other.requests().is_empty());
    });
});
