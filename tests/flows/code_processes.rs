//! One code, brought to two processes at once, and to the one that is left when the other dies with it.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::caller::{Caller, Reply, with_code};
use crate::support::database::runtime;
use crate::support::fleet::{Fleet, until};
use crate::support::{Database, on_both};

const FOR_EVER: Duration = Duration::from_secs(120);
const SOON: Duration = Duration::from_millis(700);

fn post(caller: &Caller, body: &Value) -> tokio::task::JoinHandle<Reply> {
    let (caller, body) = (caller.clone(), body.clone());
    tokio::spawn(async move { caller.post("/instances", &body).await })
}

#[test]
fn twenty_posts_at_once_to_each_of_two_processes_are_one_token_call() {
    let Some(database) = Database::postgres() else { return };
    runtime().block_on(twenty_at_once(database));
}

async fn twenty_at_once(database: Database) {
    let fleet = Fleet::start(database, 2).await;
    let code = fleet.callers[0].code(fleet.sandbox()).await;
    let body = with_code("Once", &code);
    let path = format!("/instances/{}", fleet.callers[0].create_with_code(fleet.sandbox(), "Other").await["id"]);
    fleet.sandbox().forget_calls();
    fleet.token_calls_take(Duration::ZERO, SOON);
    let posted: Vec<_> = (0..20).flat_map(|_| fleet.callers.iter().map(|caller| post(caller, &body))).collect();
    until("the token call runs", async || fleet.running_token_calls() == 1).await;
    // By another way meanwhile.
    let change = json!({ "providerData": { "code": code } });
    let elsewhere = join_all(fleet.callers.iter().map(|caller| caller.patch(&path, &change))).await;
    let replies: Vec<Reply> = join_all(posted).await.into_iter().map(|reply| reply.expect("no panic")).collect();
    let first = replies[0].ok();
    for reply in &replies {
        let made = reply.ok();
        assert_eq!((&made["id"], &made["token"]), (&first["id"], &first["token"]));
    }
    for reply in elsewhere {
        let said = reply.fails(409, "code_used");
        assert!(said.contains(&format!("the instance {}", first["id"])), "{said}");
    }
    assert_eq!(fleet.token_calls(), 1);
    assert_eq!(fleet.callers[0].get("/instances/count").await.ok()["totalInstances"], 2);
}

/// Kills the process that has the code while `callers` wait with the same one; gives what they are answered. On SQLite they come
/// after a restart.
async fn after_a_kill(fleet: &mut Fleet, body: &Value, reached: impl AsyncFn(&Fleet) -> bool) -> Vec<Reply> {
    let lost = post(&fleet.callers[0], body);
    until("the vendor is at it", async || reached(fleet).await).await;
    let waiting: Vec<_> = fleet.callers.iter().skip(1).flat_map(|caller| (0..3).map(|_| post(caller, body))).collect();
    // So that they wait already.
    tokio::time::sleep(Duration::from_millis(200)).await;
    fleet.kill();
    assert!(lost.await.expect_err("its process is dead").is_panic());
    until("the vendor notices", async || fleet.running_token_calls() == 0).await;
    fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
    if fleet.callers.is_empty() {
        fleet.join().await;
    }
    let mut replies: Vec<Reply> = join_all(waiting).await.into_iter().map(|reply| reply.expect("no panic")).collect();
    replies.push(fleet.callers[0].post("/instances", body).await);
    replies
}

on_both!(who_dies_before_the_vendor_took_the_code_is_replaced_once, in |database| {
    runtime().block_on(dies_before(database));
});

async fn dies_before(database: Database) {
    let processes = if database.url.starts_with("sqlite:") { 1 } else { 2 };
    let mut fleet = Fleet::start(database, processes).await;
    let body = with_code("Once", &fleet.callers[0].code(fleet.sandbox()).await);
    fleet.token_calls_take(FOR_EVER, Duration::ZERO);
    let replies = after_a_kill(&mut fleet, &body, async |fleet| fleet.running_token_calls() == 1).await;
    let made = replies.last().expect("an answer").ok();
    for reply in &replies {
        assert_eq!(reply.ok()["id"], made["id"]);
    }
    assert_eq!(fleet.token_calls(), 2, "one more, whoever waits");
    fleet.still_refreshes(&format!("/instances/{}", made["id"])).await;
}

on_both!(who_dies_after_the_vendor_took_the_code_leaves_a_clear_answer, in |database| {
    runtime().block_on(dies_after(database));
});

async fn dies_after(database: Database) {
    let processes = if database.url.starts_with("sqlite:") { 1 } else { 2 };
    let mut fleet = Fleet::start(database, processes).await;
    let body = with_code("Once", &fleet.callers[0].code(fleet.sandbox()).await);
    fleet.token_calls_take(Duration::ZERO, FOR_EVER);
    let replies = after_a_kill(&mut fleet, &body, async |fleet| fleet.sandbox().live_grants() == 1).await;
    let (refused, others): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 400);
    assert_eq!(refused.len(), 1, "{replies:?}");
    let said = refused[0].fails(400, "vendor_refused");
    assert!(said.contains("ended before the answer was stored") && said.contains("to the vendor again"), "{said}");
    for reply in others {
        reply.fails(409, "code_used");
    }
    assert_eq!(fleet.token_calls(), 2, "one more, whoever waits");
    fleet.callers[0].get("/instances").await.fails(404, "nothing_found");
}
