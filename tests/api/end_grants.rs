//! Break glass: every grant of a scope ends at its vendor, whatever is under way.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::FutureExt as _;
use ligand::sandbox::{Failure, TOKEN_ROUTES};
use ligand::service::lifecycle::end_grants::{LivesOn, Living, Progress};
use ligand::store::principals;
use ligand::store::revocation_orders::{Order, Scope};
use serde_json::{Value, json};

use crate::support::caller::with_code;
use crate::support::failing_writes::{FailingWrites, Failure as Refusal};
use crate::support::{TestServer, on_both};

const REVOKE: &str = "POST /oauth/2026-03/token/revoke";

async fn order(server: &TestServer, scope: Scope) -> Order {
    server.services.order_revocation(scope).await.expect("an order").0
}

/// What comes from here on came long after the order.
async fn carry_out(server: &TestServer, order: &Order) -> Progress {
    server.advance(TimeDelta::seconds(30));
    let done = server.services.carry_out(order, |_| {});
    tokio::time::timeout(Duration::from_secs(60), done).await.expect("it ends").expect("it is carried out")
}

async fn organization(server: &TestServer) -> i64 {
    server.services.store.read(principals::list).await.expect("the users")[0].owner.organization
}

async fn living(server: &TestServer, order: &Order) -> Vec<LivesOn> {
    let mut all = Vec::new();
    for page in [server.services.living_on(order, 0).await, server.services.given_up(order, 0).await] {
        all.extend(page.expect("a page").map(|(living, _)| living).unwrap_or_default());
    }
    all
}

fn path(instance: &Value) -> String {
    format!("/instances/{}", instance["id"])
}

on_both!(the_grants_of_an_organization_end_and_callers_are_told_why, |server| async move {
    let (caller, stranger) = (server.caller(), server.stranger().await);
    let (mut made, sandbox) = (Vec::new(), server.sandbox());
    for name in ["One", "Two", "Three"] {
        made.push(caller.create_with_code(sandbox, name).await);
    }
    let key = caller.create_with_key("Key").await;
    let theirs = stranger.create_with_code(sandbox, "Theirs").await;
    let own = caller.with_element(made[0]["token"].as_str().expect("a token"));
    own.get("/ping").await.ok();
    assert_eq!(sandbox.live_grants(), 4);

    let order = order(&server, Scope { organization: Some(organization(&server).await), element: None }).await;
    let done = carry_out(&server, &order).await;
    assert_eq!(done, Progress { ended: 4, left: 0, refreshing: 0 });
    assert_eq!(sandbox.live_grants(), 1, "the stranger's");
    server.services.follow_changes(&mut Default::default()).await;
    for instance in made.iter().chain([&key]) {
        let shown = caller.get(&path(instance)).await.ok();
        assert_eq!(shown["valid"], false, "{shown}");
        let reason = shown["invalidReason"].as_str().expect("a reason");
        assert!(reason.starts_with("The operator of this server ended this connection on 2026-03-01"), "{reason}");
        let own = caller.with_element(instance["token"].as_str().expect("a token"));
        assert_eq!(own.get("/ping").await.fails(401, "reauthorization_required"), reason);
    }
    stranger.with_element(theirs["token"].as_str().expect("a token")).get("/ping").await.ok();
    let named = living(&server, &order).await;
    let named: Vec<_> = named.iter().map(|it| (it.instance, it.why)).collect();
    assert_eq!(named, [(key["id"].as_i64(), Living::Key)]);

    // Who authorises again is connected again, and an order that came to its end ends nothing any more.
    let code = caller.code(sandbox).await;
    let anew = caller.patch(&path(&made[0]), &json!({ "providerData": { "code": code } })).await.ok();
    assert_eq!(anew["valid"], true, "{anew}");
    own.get("/ping").await.ok();
    assert_eq!(sandbox.live_grants(), 2);
});

on_both!(an_interrupted_order_goes_on_and_an_ended_one_does_not, |server| async move {
    let scope = Scope { organization: None, element: Some(168) };
    let caller = server.caller();
    caller.create_with_code(server.sandbox(), "One").await;
    let first = order(&server, scope).await;
    let (again, resumed) = server.services.order_revocation(scope).await.expect("an order");
    assert_eq!((again.id, resumed), (first.id, true));
    let (other, resumed) = server.services.order_revocation(Scope::default()).await.expect("an order");
    assert!(other.id != first.id && !resumed, "another scope is another order");
    carry_out(&server, &again).await;
    assert_ne!(order(&server, scope).await.id, first.id);
});

// The vendor has given a new token, and it is on its way when the old one is ended.
on_both!(what_a_refresh_under_way_brings_is_ended_too, |server| async move {
    let (caller, sandbox) = (server.caller(), server.sandbox());
    sandbox.set(|switches| switches.rotation = true);
    let instance = caller.create_with_code(sandbox, "Renewed").await;
    sandbox.forget_calls();
    sandbox.patch(&json!({ "replyDelayMs": { TOKEN_ROUTES: 1500 } })).expect("a switch");
    server.advance(TimeDelta::minutes(31));
    let refreshing = tokio::spawn({
        let (caller, path) = (caller.clone(), format!("{}?refresh=true", path(&instance)));
        async move { caller.get(&path).await }
    });
    while sandbox.counts("POST /oauth/2026-03/token").running == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let order = order(&server, Scope::default()).await;
    let done = carry_out(&server, &order).await;
    assert_eq!((done.ended, done.left, done.refreshing), (1, 0, 0));
    assert_eq!(sandbox.live_grants(), 0);
    let shown = refreshing.await.expect("no panic").ok();
    assert_eq!(shown["valid"], false, "{shown}");
    assert_eq!(sandbox.counts(REVOKE).total, 2, "the old token's, and that of the new one");
    assert_eq!(caller.get(&path(&instance)).await.ok()["valid"], false, "it did not come back");
});

// The code is spent, the database does not take what came of it, and meanwhile everything is ended.
on_both!(what_waited_for_the_database_does_not_come_behind_the_order, |server| async move {
    let (caller, sandbox) = (server.caller(), server.sandbox());
    let failing = FailingWrites::before(&server.database);
    failing.strike([("Held".to_owned(), Refusal { state: state(&server), words: "full" })]);
    let body = with_code("Held", &caller.code(sandbox).await);
    let creating = caller.post("/instances", &body);
    let mut creating = Box::pin(creating);
    while server.services.unstored.oldest().is_none() {
        assert!(creating.as_mut().now_or_never().is_none());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let order = order(&server, Scope::default()).await;
    let done = carry_out(&server, &order).await;
    assert_eq!((done.ended, done.left), (0, 0));
    failing.lift();
    let reply = creating.await;
    assert!(reply.status == 401 || reply.status == 503, "{reply:?}");
    for _ in 0..200 {
        server.services.revoke_due_grants().await.expect("the job runs");
        if sandbox.live_grants() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((sandbox.live_grants(), server.count().await), (0, 0));
});

// A command that was started without the server's directory of elements must not take its revocations for done.
on_both!(a_process_that_does_not_know_the_element_leaves_its_revocations, |server| async move {
    let caller = server.caller();
    let instance = caller.create_with_code(server.sandbox(), "Elsewhere").await;
    assert_eq!(caller.delete(&path(&instance)).await.status, 200);
    server.database.execute("UPDATE revocation SET element_id = 99999");
    server.services.revoke_due_grants().await.expect("the job runs");
    server.database.execute("UPDATE revocation SET element_id = 168");
    assert_eq!(server.sandbox().live_grants(), 1);
    server.advance(TimeDelta::minutes(2));
    assert_eq!(server.services.revoke_due_grants().await.expect("the job runs"), 1);
    assert_eq!(server.sandbox().live_grants(), 0);
});

fn state(server: &TestServer) -> &'static str {
    if server.database.url.starts_with("sqlite:") { "ABORT" } else { "53100" }
}

on_both!(what_a_vendor_never_takes_is_named_and_tried_again_by_the_next_order, |server| async move {
    let (caller, sandbox) = (server.caller(), server.sandbox());
    let instance = caller.create_with_code(sandbox, "Never").await;
    sandbox.set(|switches| switches.failure = Some(Failure::of("*/revoke", 503, u32::MAX)));
    let first = order(&server, Scope::default()).await;
    server.advance(TimeDelta::seconds(30));
    // Interrupted while the vendor is down.
    let carrying = server.services.carry_out(&first, |_| {});
    assert!(tokio::time::timeout(Duration::from_millis(300), carrying).await.is_err(), "it waits for the vendor");
    for _ in 0..100 {
        server.services.revoke_due_grants().await.expect("the job runs");
        server.advance(TimeDelta::hours(1));
    }
    assert_eq!(sandbox.counts(REVOKE).total, 12);
    let named = living(&server, &first).await;
    let [named] = named.as_slice() else { panic!("one: {named:?}") };
    assert_eq!(
        (named.instance, named.why, named.element.as_str()),
        (instance["id"].as_i64(), Living::GivenUp, "hubspotcrm")
    );
    sandbox.set(|switches| switches.failure = None);
    let done = carry_out(&server, &first).await;
    assert_eq!((done.ended, done.left, sandbox.live_grants()), (0, 0, 0));
    assert!(living(&server, &first).await.is_empty());
});

// An app whose secret was changed at the vendor, say, ends nothing: the answer is no verdict on the token.
on_both!(a_vendor_that_refuses_to_revoke_is_named_and_asked_again, |server| async move {
    let (caller, sandbox) = (server.caller(), server.sandbox());
    caller.create_with_code(sandbox, "Refused").await;
    sandbox.set(|switches| switches.failure = Some(Failure::of("*/revoke", 401, 1)));
    let scope = Scope::default();
    let first = order(&server, scope).await;
    assert_eq!(carry_out(&server, &first).await.left, 0);
    assert_eq!(sandbox.live_grants(), 1);
    let why: Vec<_> = living(&server, &first).await.iter().map(|it| it.why).collect();
    assert_eq!(why, [Living::GivenUp]);
    let second = order(&server, scope).await;
    carry_out(&server, &second).await;
    assert_eq!((sandbox.live_grants(), living(&server, &second).await.len()), (0, 0));
});

// Vendors may be waited for for days, and people connect again meanwhile.
on_both!(who_connects_again_while_a_vendor_is_waited_for_stays_connected, |server| async move {
    let (caller, sandbox) = (server.caller(), server.sandbox());
    let instance = caller.create_with_code(sandbox, "Again").await;
    sandbox.set(|switches| switches.failure = Some(Failure::of("*/revoke", 503, 1)));
    let scope = Scope::default();
    let order = order(&server, scope).await;
    server.advance(TimeDelta::seconds(30));
    let (services, of_run) = (server.services.clone(), order.clone());
    let run = tokio::spawn(async move { services.carry_out(&of_run, |_| {}).await });
    let passed = async {
        while server.services.order_revocation(scope).await.expect("the order").0.passed_at.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), passed).await.expect("all instances are invalid");
    let code = caller.code(sandbox).await;
    caller.patch(&path(&instance), &json!({ "providerData": { "code": code } })).await.ok();
    assert_eq!(sandbox.live_grants(), 2);
    server.advance(TimeDelta::minutes(3));
    let done = tokio::time::timeout(Duration::from_secs(60), run).await.expect("it ends").expect("no panic");
    assert_eq!(done.expect("it is carried out").left, 0);
    assert_eq!(sandbox.live_grants(), 1);
    assert_eq!(caller.get(&path(&instance)).await.ok()["valid"], true);
});
