//! `Idempotency-Key` on creation: a lost reply means a spent code.

use chrono::TimeDelta;
use ligand::sandbox::{Failure, TOKEN_ROUTES};
use serde_json::{Value, json};

use crate::support::caller::{read, with_code, with_key};
use crate::support::server::Setup;
use crate::support::{Caller, Reply, on_both};

const VERIFY: &str = "GET /account-info/v3/details";

async fn create(caller: &Caller, path: &str, key: &str, body: &Value) -> Reply {
    let request = caller.request("POST", path).header("content-type", "application/json");
    read(request.header("idempotency-key", key).body(body.to_string())).await
}

on_both!(a_repeated_call_gets_the_first_answer, |server| async move {
    let caller = server.caller();
    let mut body = with_code("Once", &caller.code(server.sandbox()).await);
    body["providerData"]["debug"] = true.into();
    body["configuration"]["create.bulk.properties"] = true.into();
    let first = create(&caller, "/instances", "key-1", &body).await;
    let id = first.ok()["id"].clone();
    caller.patch(&format!("/instances/{id}"), &json!({ "name": "Renamed" })).await.ok();
    server.advance(TimeDelta::hours(23));
    let again = create(&caller, "/instances", "key-1", &body).await;
    assert_eq!(again.text, first.text, "byte for byte");
    for header in ["elements-error", "elements-trace-id", "content-type"] {
        assert!(first.header(header).is_some());
        assert_eq!(again.header(header), first.header(header));
    }
    assert_eq!(server.count().await, 1);
    // Another key is another call, and the same code is the same instance, as it is by now.
    let other = create(&caller, "/instances", "key-2", &body).await;
    assert_eq!((&other.ok()["id"], &other.ok()["name"]), (&id, &"Renamed".into()));
    assert_eq!(create(&caller, "/instances", "key-2", &body).await.text, other.text);
    assert_eq!(server.count().await, 1);
});

on_both!(the_answer_of_a_deleted_instance_is_gone, |server| async move {
    let caller = server.caller();
    let body = with_code("Deleted", &caller.code(server.sandbox()).await);
    let first = create(&caller, "/instances", "key", &body).await.ok();
    assert_eq!(caller.delete(&format!("/instances/{}", first["id"])).await.status, 200);
    let spent = server.sandbox().calls().len();
    for _ in 0..2 {
        let again = create(&caller, "/instances", "key", &body).await;
        let message = again.fails(410, "instance_deleted");
        assert!(message.contains("send a new key"), "{message}");
        assert!(!again.text.contains(first["token"].as_str().expect("a token")), "{again:?}");
    }
    assert_eq!(server.sandbox().calls().len(), spent, "nothing is sent");
    create(&caller, "/instances", "key", &with_key("Other")).await.fails(409, "idempotency_conflict");
    create(&caller, "/instances", "another", &with_key("Deleted")).await.ok();
});

on_both!(another_request_with_the_same_key_is_a_conflict, |server| async move {
    let caller = server.caller();
    create(&caller, "/instances", "key", &with_key("One")).await.ok();
    create(&caller, "/instances", "key", &with_key("Two")).await.fails(409, "idempotency_conflict");
    let elsewhere = create(&caller, "/elements/hubspotcrm/instances", "key", &with_key("One")).await;
    elsewhere.fails(409, "idempotency_conflict");
    assert_eq!(server.count().await, 1);
    // Keys are the caller's own: another organization has others.
    let stranger = server.stranger().await;
    let theirs = create(&stranger, "/instances", "key", &with_key("Two")).await.ok();
    assert_eq!(theirs["name"], "Two");
});

on_both!(a_failed_call_frees_the_key, |server| async move {
    let caller = server.caller();
    let code = caller.code(server.sandbox()).await;
    let body = with_code("Retried", &code);
    server.sandbox().set(|switches| switches.failure = Some(Failure::of(TOKEN_ROUTES, 503, 1)));
    create(&caller, "/instances", "key", &body).await.fails(502, "vendor_unreachable");
    create(&caller, "/instances", "key", &with_code("Wrong", "unknown")).await.fails(400, "vendor_refused");
    create(&caller, "/instances", "key", &json!({})).await.fails(400, "missing_element");
    create(&caller, "/instances", "key", &body).await.ok();
    assert_eq!(server.count().await, 1);
});

on_both!(calls_at_once_create_one_instance, |server| async move {
    let caller = server.caller();
    let body = with_key("Once");
    server.sandbox().patch(&json!({ "delayMs": { "*": 200 } })).expect("a switch");
    let calls = (0..8).map(|_| create(&caller, "/instances", "key", &body));
    let replies = futures_util::future::join_all(calls).await;
    let done: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
    assert!(!done.is_empty());
    for reply in &replies {
        if reply.status != 200 {
            reply.fails(409, "idempotency_conflict");
            assert!(reply.header("retry-after").is_some(), "the same call succeeds in a moment");
        }
    }
    let again = create(&caller, "/instances", "key", &body).await;
    assert!(done.iter().all(|reply| reply.text == again.text));
    assert_eq!(server.count().await, 1);
    assert_eq!(server.sandbox().calls().len(), 1);
});

// A process of an older version has no lease: only the claim's age tells, and callers are told how long that takes.
on_both!(a_claim_without_a_lease_says_how_long_it_may_stand, |server| async move {
    let caller = server.caller();
    let body = with_key("Once");
    server.sandbox().patch(&json!({ "delayMs": { "*": 60_000 } })).expect("a switch");
    let first = tokio::spawn({
        let (caller, body) = (caller.clone(), body.clone());
        async move { create(&caller, "/instances", "key", &body).await }
    });
    while server.sandbox().counts(VERIFY).running == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // Within a process a repetition waits for the first call.
    let other = server.start_beside(Setup::default()).await;
    let elsewhere = other.caller();
    let again_after = async || {
        let reply = create(&elsewhere, "/instances", "key", &body).await;
        reply.fails(409, "idempotency_conflict");
        reply.header("retry-after").and_then(|text| text.parse::<u64>().ok()).expect("a time")
    };
    assert_eq!(again_after().await, 1, "it shows life");
    server.database.execute("DELETE FROM lease WHERE name LIKE 'claim/%'");
    assert_eq!(again_after().await, 301);
    server.advance(TimeDelta::minutes(4));
    assert_eq!(again_after().await, 61);
    server.advance(TimeDelta::seconds(61));
    create(&elsewhere, "/instances", "key", &body).await.ok();
    first.abort();
});

on_both!(answers_are_kept_for_a_day, |server| async move {
    let caller = server.caller();
    let first = create(&caller, "/instances", "key", &with_key("Once")).await.ok();
    server.advance(TimeDelta::hours(25));
    ligand::jobs::purge(&server.services).await.expect("the job runs");
    let later = create(&caller, "/instances", "key", &with_key("Once")).await.ok();
    assert_ne!(first["id"], later["id"]);
});

on_both!(a_key_is_visible_ascii, |server| async move {
    for key in ["", "tab\there", "\u{e4}", &"x".repeat(256)] {
        let reply = create(&server.caller(), "/instances", key, &with_key("Key")).await;
        assert!(reply.fails(400, "bad_idempotency_key").contains("1 to 255"));
    }
    assert_eq!(server.count().await, 0);
    create(&server.caller(), "/instances", &"x".repeat(255), &with_key("Key")).await.ok();
});
