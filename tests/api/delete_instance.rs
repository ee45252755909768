//! `DELETE`: the instance goes at once, its grant at the vendor soon after.

use chrono::TimeDelta;
use ligand::sandbox::Failure;
use serde_json::{Value, json};

use super::external_tokens::{external, own_tokens};
use crate::support::{Caller, TestServer, on_both};

const REVOKE: &str = "POST /oauth/2026-03/token/revoke";

async fn delete(caller: &Caller, instance: &Value) {
    let path = format!("/instances/{}", instance["id"]);
    let reply = caller.delete(&path).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, ""));
    caller.get(&path).await.fails(404, "instance_not_found");
    caller.delete(&path).await.fails(404, "instance_not_found");
}

/// How many grants the job dealt with.
async fn revoke(server: &TestServer) -> usize {
    server.services.revoke_due_grants().await.expect("the job runs")
}

on_both!(it_is_gone_and_its_grant_is_revoked, |server| async move {
    let caller = server.caller();
    let instance = caller.create_with_code(server.sandbox(), "Gone").await;
    let other = caller.create_with_code(server.sandbox(), "Stays").await;
    delete(&caller, &instance).await;
    let token = instance["token"].as_str().expect("a token");
    caller.with_element(token).get("/instances/configuration").await.fails(401, "bad_credentials");
    assert_eq!(server.sandbox().counts(REVOKE).total, 0, "the caller does not wait for the vendor");
    assert_eq!(revoke(&server).await, 1);
    assert_eq!(server.sandbox().live_grants(), 1);
    let call = server.sandbox().calls().pop().expect("a revocation");
    let mut fields = call.form.clone();
    fields.sort();
    assert_eq!(fields, ["client_id", "client_secret", "token", "token_type_hint"]);
    server.advance(TimeDelta::days(3));
    assert_eq!(revoke(&server).await, 0, "once is enough");
    assert_eq!(server.count().await, 1);
    caller.delete(&format!("/elements/hubspotcrm/instances/{}", other["id"])).await;
    assert_eq!(server.count().await, 0);
});

on_both!(a_key_is_not_revoked, |server| async move {
    let caller = server.caller();
    let instance = caller.create_with_key("Key").await;
    server.sandbox().forget_calls();
    delete(&caller, &instance).await;
    assert_eq!(revoke(&server).await, 0);
    assert!(server.sandbox().calls().is_empty());
});

on_both!(a_grant_lives_as_long_as_anybody_holds_it, |server| async move {
    let (_, refresh_token) = own_tokens(&server).await;
    let body = external(json!({ "oauth.user.refresh_token": refresh_token }));
    let (caller, stranger) = (server.caller(), server.stranger().await);
    let one = caller.post("/instances", &body).await.ok();
    let two = caller.post("/instances", &body).await.ok();
    let theirs = stranger.post("/instances", &body).await.ok();
    delete(&caller, &one).await;
    delete(&stranger, &theirs).await;
    assert_eq!(revoke(&server).await, 0);
    assert_eq!(server.sandbox().live_grants(), 1);
    delete(&caller, &two).await;
    assert_eq!(revoke(&server).await, 1);
    assert_eq!(server.sandbox().live_grants(), 0);
});

on_both!(a_vendor_that_fails_is_asked_again_later, |server| async move {
    let caller = server.caller();
    let instance = caller.create_with_code(server.sandbox(), "Later").await;
    server.sandbox().set(|switches| switches.failure = Some(Failure::of("*/revoke", 503, 2)));
    delete(&caller, &instance).await;
    assert_eq!(revoke(&server).await, 1);
    assert_eq!(revoke(&server).await, 0, "not at once");
    server.advance(TimeDelta::minutes(2));
    assert_eq!(revoke(&server).await, 1);
    server.advance(TimeDelta::minutes(2));
    assert_eq!(revoke(&server).await, 0, "the second pause is longer");
    server.advance(TimeDelta::minutes(2));
    assert_eq!(server.sandbox().live_grants(), 1);
    assert_eq!(revoke(&server).await, 1);
    assert_eq!(server.sandbox().live_grants(), 0);
    assert_eq!(server.sandbox().counts(REVOKE).total, 3);
});

on_both!(a_vendor_that_asks_for_a_pause_gets_it_for_all_of_an_organization, |server| async move {
    let caller = server.caller();
    let mut made = Vec::new();
    for number in 0..10 {
        made.push(caller.create_with_code(server.sandbox(), &format!("Number {number}")).await);
    }
    // As many as are sent at once.
    let mut overload = Failure::of("*/revoke", 429, 8);
    overload.headers.insert("retry-after".to_owned(), "600".to_owned());
    server.sandbox().set(|switches| switches.failure = Some(overload));
    for instance in &made {
        delete(&caller, instance).await;
    }
    assert_eq!(revoke(&server).await, 8);
    server.advance(TimeDelta::minutes(9));
    assert_eq!(revoke(&server).await, 0);
    server.advance(TimeDelta::minutes(1));
    assert_eq!(revoke(&server).await, 10);
    assert_eq!((server.sandbox().counts(REVOKE).total, server.sandbox().live_grants()), (18, 0));
});

on_both!(a_pause_of_a_vendors_choice_has_an_end, |server| async move {
    let caller = server.caller();
    let instance = caller.create_with_code(server.sandbox(), "A year").await;
    let mut overload = Failure::of("*/revoke", 503, 1);
    overload.headers.insert("retry-after".to_owned(), "31536000".to_owned());
    server.sandbox().set(|switches| switches.failure = Some(overload));
    delete(&caller, &instance).await;
    assert_eq!(revoke(&server).await, 1);
    server.advance(TimeDelta::hours(1));
    assert_eq!(revoke(&server).await, 1);
    assert_eq!(server.sandbox().live_grants(), 0);
});

on_both!(a_vendor_that_never_recovers_is_given_up, |server| async move {
    let caller = server.caller();
    let instance = caller.create_with_code(server.sandbox(), "Never").await;
    server.sandbox().set(|switches| switches.failure = Some(Failure::of("*/revoke", 503, u32::MAX)));
    delete(&caller, &instance).await;
    for _ in 0..100 {
        revoke(&server).await;
        server.advance(TimeDelta::hours(1));
    }
    assert_eq!(server.sandbox().counts(REVOKE).total, 12);
});

on_both!(a_grant_that_the_vendor_no_longer_knows_is_done_with, |server| async move {
    let caller = server.caller();
    let instance = caller.create_with_code(server.sandbox(), "Unknown").await;
    server.sandbox().set(|switches| switches.failure = Some(Failure::of("*/revoke", 400, 1)));
    delete(&caller, &instance).await;
    assert_eq!(revoke(&server).await, 1);
    server.advance(TimeDelta::days(3));
    assert_eq!(revoke(&server).await, 0);
});

/// Deletes an instance while the vendor takes its time for the refresh of its token.
async fn delete_during_a_refresh(server: &TestServer, instance: &Value) {
    server.advance(TimeDelta::hours(1));
    server.sandbox().set(|switches| _ = switches.reply_delay_ms.insert("/oauth/*/token".to_owned(), 300));
    let (caller, path) = (server.caller(), format!("/instances/{}", instance["id"]));
    let refresh = async { caller.get(&format!("{path}?refresh=true")).await };
    let deletion = async {
        while server.sandbox().counts("POST /oauth/2026-03/token").running == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        delete(&caller, instance).await;
    };
    let (refreshed, ()) = tokio::join!(refresh, deletion);
    refreshed.fails(404, "instance_not_found");
    server.services.detached.drain().await;
    server.sandbox().set(|switches| switches.reply_delay_ms.clear());
    revoke(server).await;
}

on_both!(a_token_that_was_renewed_meanwhile_is_revoked, |server| async move {
    server.sandbox().set(|switches| switches.rotation = true);
    let instance = server.caller().create_with_code(server.sandbox(), "Overtaken").await;
    delete_during_a_refresh(&server, &instance).await;
    assert_eq!(server.sandbox().live_grants(), 0);
});

on_both!(a_token_that_was_renewed_meanwhile_lives_on_with_others_of_its_grant, |server| async move {
    let (_, refresh_token) = own_tokens(&server).await;
    let body = external(json!({ "oauth.user.refresh_token": refresh_token }));
    let one = server.caller().post("/instances", &body).await.ok();
    server.stranger().await.post("/instances", &body).await.ok();
    delete_during_a_refresh(&server, &one).await;
    assert_eq!(server.sandbox().live_grants(), 1);
});
