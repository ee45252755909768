//! How much an organization may have. What goes beyond is refused before anything is spent for it.

use chrono::TimeDelta;
use ligand::service::change_feed::FeedPosition;
use ligand::store::audit::Trail;
use ligand::store::limits::Limit;
use ligand::store::principals;
use ligand::store::sessions::{self, KeptSession};
use serde_json::{Value, json};

use crate::support::browser::{Browser, link, set_up, shown};
use crate::support::caller::{read, with_code, with_key};
use crate::support::{Caller, Reply, TestServer, on_both};

const ME: &str = "/organizations/me";

async fn allow(server: &TestServer, caller: &Caller, limits: &[(Limit, u64)]) {
    let id = caller.get(ME).await.ok()["id"].as_i64().expect("an id");
    let limits = limits.iter().map(|(limit, value)| (*limit, Some(*value))).collect();
    server.services.set_limits(id, limits).await.expect("the limits are set");
}

async fn shown_of(caller: &Caller, limit: Limit) -> Value {
    caller.get(ME).await.ok()["limits"][limit.name()].clone()
}

async fn create_once(caller: &Caller, key: &str, body: &Value) -> Reply {
    let request = caller.request("POST", "/instances").header("content-type", "application/json");
    read(request.header("idempotency-key", key).body(body.to_string())).await
}

on_both!(an_instance_too_many_costs_no_code, |server| async move {
    let caller = server.caller();
    assert_eq!(shown_of(&caller, Limit::Instances).await, json!({ "limit": 1_000_000, "used": 0 }));
    allow(&server, &caller, &[(Limit::Instances, 2)]).await;
    let first = create_once(&caller, "key", &with_key("First")).await;
    caller.create_with_key("Second").await;
    assert_eq!(shown_of(&caller, Limit::Instances).await, json!({ "limit": 2, "used": 2 }));
    let body = with_code("Third", &caller.code(server.sandbox()).await);
    for _ in 0..3 {
        let refused = caller.post("/instances", &body).await.fails(409, "limit_reached");
        assert!(refused.contains("2 instances") && refused.contains("ligand organizations limit"), "{refused}");
    }
    create_once(&caller, "another", &body).await.fails(409, "limit_reached");
    // Who repeats a call that succeeded gets its answer, and what is there can be changed.
    assert_eq!(create_once(&caller, "key", &with_key("First")).await.text, first.text);
    let path = format!("/instances/{}", first.ok()["id"]);
    caller.patch(&path, &json!({ "name": "Renamed" })).await.ok();
    server.stranger().await.create_with_key("Theirs").await;
    // The code is still good, and so is the key.
    caller.delete(&path).await;
    create_once(&caller, "another", &body).await.ok();
    caller.post("/instances", &with_key("Fourth")).await.fails(409, "limit_reached");
});

on_both!(at_once_no_more_are_made_than_may_be, |server| async move {
    let caller = server.caller();
    allow(&server, &caller, &[(Limit::Instances, 10)]).await;
    let body = with_key("At once");
    let replies = futures_util::future::join_all((0..40).map(|_| caller.post("/instances", &body))).await;
    let made = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!((made, server.count().await), (10, 10));
    replies.iter().filter(|reply| reply.status != 200).for_each(|reply| drop(reply.fails(409, "limit_reached")));
});

on_both!(grants_that_wait_to_be_revoked_are_counted, |server| async move {
    let caller = server.caller();
    allow(&server, &caller, &[(Limit::Instances, 1)]).await;
    let made = caller.create_with_code(server.sandbox(), "Made and deleted").await;
    caller.delete(&format!("/instances/{}", made["id"])).await;
    assert_eq!(shown_of(&caller, Limit::Instances).await["used"], 1);
    caller.post("/instances", &with_key("Next")).await.fails(409, "limit_reached");
    server.services.revoke_due_grants().await.expect("the job runs");
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    caller.create_with_key("Next").await;
});

on_both!(a_link_is_refused_where_it_begins_and_never_where_it_ends, |server| async move {
    let caller = set_up(&server).await;
    let (early, late) = (link(&caller, json!({})).await, link(&caller, json!({})).await);
    let (browser, other) = (Browser::new(&server), Browser::new(&server));
    browser.get(early["url"].as_str().unwrap()).await;
    let to_vendor = browser.submit(&early, &[]).await;
    // Who is at the vendor has a place.
    allow(&server, &caller, &[(Limit::Instances, 2)]).await;
    caller.create_with_key("The last one").await;
    assert_eq!(shown_of(&caller, Limit::Instances).await["used"], 2);
    caller.post("/instances", &with_key("One too many")).await.fails(409, "limit_reached");
    other.get(late["url"].as_str().unwrap()).await;
    other.submit(&late, &[]).await.says(409, "This connection is not set up yet");
    assert_eq!(shown(&caller, &late).await["status"], "opened");
    // Whoever goes there once more does not need another one.
    assert!(browser.submit(&early, &[]).await.parameter("state").is_some());
    browser.follow(to_vendor).await;
    assert_eq!(shown(&caller, &early).await["status"], "authorised", "the code was spent");
    assert_eq!(shown_of(&caller, Limit::Instances).await["used"], 2);
});

on_both!(of_links_those_that_ended_make_room, |server| async move {
    let caller = set_up(&server).await;
    allow(&server, &caller, &[(Limit::Links, 2)]).await;
    let body = json!({ "elements": ["hubspotcrm"] });
    let first = caller.post("/connect/links", &body).await.ok();
    caller.post("/connect/links", &body).await.ok();
    caller.post("/connect/links", &body).await.fails(409, "limit_reached");
    let path = format!("/connect/links/{}", first["id"]);
    caller.delete(&path).await;
    caller.post("/connect/links", &body).await.ok();
    caller.get(&path).await.fails(404, "link_not_found");
    caller.post("/connect/links", &body).await.fails(409, "limit_reached");
    assert_eq!(shown_of(&caller, Limit::Links).await, json!({ "limit": 2, "used": 2 }));
});

on_both!(keys_authorizations_and_bytes_have_limits_too, |server| async move {
    let caller = set_up(&server).await;
    let limits = [(Limit::IdempotencyKeys, 1), (Limit::Authorizations, 1)];
    allow(&server, &caller, &limits).await;
    let body = with_key("Once");
    let first = create_once(&caller, "one", &body).await;
    create_once(&caller, "two", &body).await.fails(409, "limit_reached");
    assert_eq!(create_once(&caller, "one", &body).await.text, first.text);
    caller.create_with_key("Without one").await;
    let begin = [("callbackUrl", "http://localhost:3000/done")];
    caller.get_with("/elements/hubspotcrm/oauth/url/default", &begin).await.ok();
    caller.get_with("/elements/hubspotcrm/oauth/url/default", &begin).await.fails(409, "limit_reached");
    server.advance(TimeDelta::hours(25));
    ligand::jobs::purge(&server.services).await.expect("the job runs");
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    create_once(&caller, "two", &body).await.ok();
    // A growing row needs room, and one that stays or shrinks does not.
    let used = shown_of(&caller, Limit::Bytes).await["used"].as_u64().expect("a number");
    assert!((1000..100_000).contains(&used), "{used}");
    allow(&server, &caller, &[(Limit::Bytes, used)]).await;
    let path = format!("/instances/{}", first.ok()["id"]);
    caller.post("/instances", &body).await.fails(409, "limit_reached");
    caller.patch(&path, &json!({ "name": "Few" })).await.ok();
    for grown in [json!({ "name": "x".repeat(255) }), json!({ "tags": ["y".repeat(255), "z".repeat(255)] })] {
        caller.patch(&path, &grown).await.fails(409, "limit_reached");
    }
    let grown = json!({ "configuration": { "oauth.callback.url": "x".repeat(900) } });
    caller.patch(&path, &grown).await.fails(409, "limit_reached");
    let link = caller.post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await;
    assert!(link.fails(409, "limit_reached").contains("bytes"));
});

on_both!(requests_are_counted_by_organization, |server| async move {
    let (caller, other) = (server.caller(), server.stranger().await);
    let made = caller.create_with_key("Mine").await;
    let token = made["token"].as_str().expect("a token");
    allow(&server, &caller, &[(Limit::Requests, 3)]).await;
    let through = caller.with(&format!("Element {token}"));
    assert_eq!(read(through.request_at_root("GET", "/vendor/account-info/v3/details")).await.status, 200);
    caller.get("/instances").await.ok();
    caller.get("/instances").await.ok();
    let refused = caller.get("/instances").await;
    assert!(refused.fails(429, "request_limit").contains("3 requests a minute"));
    let after: i64 = refused.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=21).contains(&after), "{after}");
    let refused = read(through.request_at_root("GET", "/vendor/account-info/v3/details")).await;
    assert_eq!(refused.header("elements-error"), Some("request_limit"));
    other.get("/instances").await.fails(404, "nothing_found");
    server.advance(TimeDelta::seconds(after));
    caller.get("/instances").await.ok();
    caller.get("/instances").await.fails(429, "request_limit");
});

on_both!(another_process_hears_of_a_limit, |server| async move {
    let caller = server.caller();
    caller.create_with_key("First").await;
    let mut position = FeedPosition::default();
    server.services.follow_changes(&mut position).await;
    caller.create_with_key("In its memory").await;
    let id = server.services.store.read(principals::list).await.expect("the users")[0].owner.organization;
    let beside = server.start_beside(Default::default()).await;
    beside.services.set_limits(id, vec![(Limit::Instances, Some(1))]).await.expect("the limit is set");
    caller.create_with_key("Before it hears").await;
    server.services.follow_changes(&mut position).await;
    caller.post("/instances", &with_key("After")).await.fails(409, "limit_reached");
});

on_both!(a_link_whose_end_is_still_to_be_told_makes_no_room, |server| async move {
    let caller = set_up(&server).await;
    allow(&server, &caller, &[(Limit::Links, 1)]).await;
    let made = link(&caller, json!({ "notifyUrl": "https://app.example/told" })).await;
    let path = format!("/connect/links/{}", made["id"]);
    caller.delete(&path).await;
    caller.post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await.fails(409, "limit_reached");
    assert_eq!(caller.get(&path).await.ok()["status"], "revoked");
});

on_both!(people_are_counted_with_those_who_were_removed, |server| async move {
    let caller = server.caller();
    let used = shown_of(&caller, Limit::Users).await["used"].as_u64().expect("a number");
    allow(&server, &caller, &[(Limit::Users, used + 1)]).await;
    let person = |name: &str| json!({ "email": format!("{name}@example.com"), "firstName": "A", "lastName": "B", "password": "Quiet-0wl-7" });
    caller.post("/users", &person("one")).await.ok();
    caller.delete("/users/one@example.com").await.ok_empty();
    caller.post("/users", &person("two")).await.fails(409, "limit_reached");
});

on_both!(of_a_person_so_many_sessions_are_known_and_no_more, |server| async move {
    let store = &server.services.store;
    let user = store.read(principals::list).await.expect("the users")[0].user;
    let now = server.services.now();
    let session = move |number: i64| KeptSession {
        id: format!("{number:05}"),
        audience: "api".to_owned(),
        address: None,
        began_at: now + TimeDelta::seconds(number),
        expires_at: now + TimeDelta::hours(12),
    };
    let (begun, ended) = (sessions::MOST_KNOWN + 2, sessions::MOST_ENDED);
    let begin = move |conn: &mut _| (0..begun).try_for_each(|number| sessions::begin(conn, user, &session(number)));
    store.write(begin).await.expect("they begin");
    let known = store.read(move |conn| sessions::list(conn, user, begun, now)).await.expect("the sessions");
    assert_eq!(known.len(), 1000);
    assert_eq!(known.last().map(|session| session.id.as_str()), Some("00002"), "the oldest went");
    // One that is ended too many ends them all, and nothing is left to be remembered.
    let generation = store.read(move |conn| principals::session_generation(conn, user)).await.expect("a user");
    let until = now + TimeDelta::hours(12);
    let end = move |conn: &mut _| {
        (0..ended).try_for_each(|number| {
            sessions::end(conn, user, (&number.to_string(), until), now, &Trail::Not("a test's own row"))
        })
    };
    store.write(end).await.expect("they end");
    assert_eq!(store.read(move |conn| sessions::ended(conn, user)).await.expect("sessions").len(), 10_000);
    store
        .write(move |conn| sessions::end(conn, user, ("one more", until), now, &Trail::Not("a test's own row")))
        .await
        .expect("it ends");
    assert!(store.read(move |conn| sessions::ended(conn, user)).await.expect("sessions").is_empty());
    let after = store.read(move |conn| principals::session_generation(conn, user)).await.expect("a user");
    assert_eq!(after, generation + 1);
});
