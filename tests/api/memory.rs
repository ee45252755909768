//! What servers remember: a warm call needs no database, and a change on one server reaches the others with the next
//! reading of the feed.

use std::sync::Arc;

use ligand::kernel::error::ApiError;
use ligand::service::change_feed::FeedPosition;
use ligand::service::refresh::warm_instances::LiveInstance;
use serde_json::{Value, json};

use super::hubs::{connected, hubspot};
use crate::support::copies::owner;
use crate::support::server::Setup;
use crate::support::vendor::Vendor;
use crate::support::{Caller, TestServer, on_both};

/// Two servers on one database; the second has read the feed up to now.
async fn two(server: &TestServer) -> (TestServer, FeedPosition) {
    let other = server.start_beside(Setup::default()).await;
    let mut position = FeedPosition::default();
    other.services.follow_changes(&mut position).await;
    (other, position)
}

async fn live(server: &TestServer, id: i64) -> Result<Arc<LiveInstance>, ApiError> {
    server.services.fresh_token(owner(&server.services).await, id).await
}

fn code(outcome: Result<Arc<LiveInstance>, ApiError>) -> &'static str {
    outcome.err().map_or("served", |error| error.code.name())
}

on_both!(a_warm_call_needs_no_database, |server| async move {
    let created = server.caller().create_with_code(server.sandbox(), "Warm").await;
    let (id, path) = (created["id"].as_i64().expect("an id"), format!("/instances/{}", created["id"]));
    let whose = owner(&server.services).await;
    server.services.fresh_token(whose, id).await.expect("a token");
    // Behind everybody's back: nobody who remembers can see it.
    server.database.execute("UPDATE instance SET enabled = FALSE");
    for _ in 0..3 {
        assert_eq!(code(server.services.fresh_token(whose, id).await), "served");
    }
    // When the feed was not read for long enough, nothing that is remembered counts.
    server.advance(chrono::TimeDelta::seconds(8));
    assert_eq!(code(server.services.fresh_token(whose, id).await), "instance_disabled");
    assert_eq!(server.caller().get(&path).await.ok()["disabled"], true);
});

on_both!(every_change_reaches_the_other_server, |server| async move {
    let (other, mut position) = two(&server).await;
    let caller = server.caller();
    type Change = fn(&str) -> (&'static str, String, Value);
    let changes: [(Change, &str); 3] = [
        (|path| ("DELETE", format!("{path}/enabled"), Value::Null), "instance_disabled"),
        (|path| ("DELETE", path.to_owned(), Value::Null), "instance_not_found"),
        (|path| ("PATCH", path.to_owned(), json!({ "disabled": true })), "instance_disabled"),
    ];
    for (change, seen) in changes {
        let created = caller.create_with_code(server.sandbox(), "Changes").await;
        let id = created["id"].as_i64().expect("an id");
        assert_eq!(code(live(&other, id).await), "served");
        let (method, path, body) = change(&format!("/instances/{id}"));
        assert_eq!(caller.send(method, &path, &body).await.status, 200);
        assert_eq!(code(live(&server, id).await), seen, "at once where it was made");
        other.services.follow_changes(&mut position).await;
        assert_eq!(code(live(&other, id).await), seen);
    }
});

on_both!(an_old_token_is_refused_everywhere, |server| async move {
    let (other, mut position) = two(&server).await;
    let created = server.caller().create_with_code(server.sandbox(), "Token").await;
    let token = created["token"].as_str().expect("a token");
    let beside = other.caller().with_element(token);
    beside.get("/instances/configuration").await.ok();
    server.caller().post(&format!("/instances/{}/token-reset", created["id"]), &Value::Null).await.ok();
    server.caller().with_element(token).get("/instances/configuration").await.fails(401, "bad_credentials");
    other.services.follow_changes(&mut position).await;
    beside.get("/instances/configuration").await.fails(401, "bad_credentials");
    // Nobody else's token opens it, whether it is warm or not.
    let fresh = server.caller().get(&format!("/instances/{}", created["id"])).await.ok();
    let token = fresh["token"].as_str().expect("a token");
    other.caller().with_element(token).get("/instances/configuration").await.ok();
    other.stranger().await.with_element(token).get("/instances/configuration").await.fails(401, "bad_credentials");
});

on_both!(a_refresh_on_one_server_is_used_on_the_other, |server| async move {
    server.sandbox().set(|switches| switches.rotation = true);
    let (other, mut position) = two(&server).await;
    let created = server.caller().create_with_code(server.sandbox(), "Shared").await;
    let id = created["id"].as_i64().expect("an id");
    let before = live(&other, id).await.expect("a token").version;
    server.advance(chrono::TimeDelta::hours(1));
    let renewed = live(&server, id).await.expect("a token").version;
    assert!(renewed > before);
    // It has no vendor of its own that knows the grant: a call of its own would fail.
    assert_eq!(live(&other, id).await.expect("the token of the other").version, renewed);
    other.services.follow_changes(&mut position).await;
    assert_eq!(live(&other, id).await.expect("a token").version, renewed);
});

on_both!(the_hub_of_one_server_follows_what_another_changed, in |database| {
    let runtime = crate::support::database::runtime();
    runtime.block_on(async {
        let vendor = Vendor::start();
        let (server, caller, id) = connected(database, &vendor).await;
        let directory = hubspot(&vendor);
        let setup = Setup { elements: Some(directory.path().to_owned()), ..Setup::default() };
        let other = server.start_beside(setup).await;
        let mut position = FeedPosition::default();
        other.services.follow_changes(&mut position).await;
        let beside = Caller::anonymous(&other.url).with(caller.authorization.as_deref().expect("a header"));
        let contact = json!({ "id": "1", "properties": { "email": "a@b.example", "lastname": null } });
        vendor.answers("/crm/v3/objects/contacts/1", 200, contact);
        let hub = async || beside.get("/hubs/crm/contacts/1").await;
        let path = format!("/instances/{id}");
        let kept = beside.get(&path).await.ok();
        assert!(!hub().await.text.contains("null"));

        let shown = json!({ "name": "Moved", "configuration": { "filter.response.nulls": "false" } });
        let changed = server.caller().patch(&path, &shown).await.ok();
        // An instance is shown as it is, at once; the hub follows with the next reading of the feed.
        assert_eq!(beside.get(&path).await.ok(), changed);
        assert_ne!(kept, changed);
        other.services.follow_changes(&mut position).await;
        assert!(hub().await.text.contains("\"lastname\":null"));
        server.caller().delete(&format!("{path}/enabled")).await.ok();
        other.services.follow_changes(&mut position).await;
        hub().await.fails(403, "instance_disabled");
    });
    runtime.shutdown_background();
});

on_both!(every_memory_forgets_what_is_deleted, |server| async move {
    let (other, mut position) = two(&server).await;
    let caller = server.caller();
    let counts = async |position: &mut FeedPosition| {
        server.services.follow_changes(&mut FeedPosition::default()).await;
        other.services.follow_changes(position).await;
        for services in [&server.services, &other.services] {
            services.write_all_usage().await.expect("written");
        }
        (server.services.remembered(), other.services.remembered())
    };
    // What is remembered of callers and organizations stays.
    let use_one = async |name: &str| {
        let created = caller.create_with_code(server.sandbox(), name).await;
        let (id, path) = (created["id"].as_i64().expect("an id"), format!("/instances/{}", created["id"]));
        let token = created["token"].as_str().expect("a token").to_owned();
        for at in [&server, &other] {
            let beside = at.caller().with_element(&token);
            beside.get("/instances/configuration").await.ok();
            beside.get("/instances/configuration").await.ok();
            at.caller().get(&path).await.ok();
            live(at, id).await.expect("a token");
        }
        path
    };
    let kept = use_one("Kept").await;
    let noted: u64 = other.services.remembered().iter().map(|(_, count)| count).sum();
    assert!(noted >= 4, "{:?}", other.services.remembered());
    caller.delete(&kept).await;
    other.services.follow_changes(&mut position).await;
    for (name, count) in other.services.remembered() {
        if name.contains("instances") || name == "tokens" {
            assert_eq!(count, 0, "{name}: {:?}", other.services.remembered());
        }
    }
    let before = counts(&mut position).await.1;
    for number in 0..10 {
        let path = use_one(&format!("Gone {number}")).await;
        if number % 2 == 0 {
            // A token that was exchanged leaves nothing either.
            caller.post(&format!("{path}/token-reset"), &Value::Null).await.ok();
            other.services.follow_changes(&mut position).await;
        }
        assert_eq!(caller.delete(&path).await.status, 200);
    }
    let after = counts(&mut position).await;
    for (name, count) in after.1 {
        let known = before.iter().find(|(known, _)| *known == name).expect("the same memories").1;
        assert!(count <= known.max(1), "{name}: {known}, then {count}");
    }
    for (name, count) in after.0 {
        assert!(count <= 2, "{name}: {count} where they were deleted");
    }
});

// Whoever changes their own people as fast as they can takes the memory of nobody else.
on_both!(a_change_of_one_organization_forgets_no_other, |server| async move {
    let stranger = server.stranger().await.authorization.expect("secrets");
    let (other, mut position) = two(&server).await;
    let (mine, stranger) = (other.caller(), other.caller().with(&stranger));
    // On PostgreSQL transactions of others hold the position up: until what was written at the start is behind it.
    loop {
        for caller in [&mine, &stranger] {
            caller.get("/organizations/me").await.ok();
        }
        other.services.follow_changes(&mut position).await;
        if other.services.remembered().contains(&("principals by secrets", 2)) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    server.caller().patch("/organizations/me", &json!({ "vendorBearer": false })).await.ok();
    server.caller().patch("/users/admin@example.com", &json!({ "firstName": "Another" })).await.ok();
    // Behind everybody's back: only who is remembered goes on.
    server.database.execute("UPDATE app_user SET active = FALSE");
    other.services.follow_changes(&mut position).await;
    stranger.get("/organizations/me").await.ok();
    mine.get("/organizations/me").await.fails(401, "bad_credentials");
});
