//! Callers that hang up while a process spends something at the vendor that cannot be had again.

use std::future::Future;
use std::time::Duration;

use crate::support::caller::with_code;
use crate::support::database::runtime;
use crate::support::fleet::{Fleet, until};
use crate::support::{Database, on_both};

/// When callers lose patience, and how long the vendor takes.
const PATIENCE: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_secs(2);

on_both!(a_caller_that_hangs_up_loses_neither_instance_nor_token, in |database| {
    runtime().block_on(stored_all_the_same(database));
});

async fn stored_all_the_same(database: Database) {
    let fleet = Fleet::start(database, 1).await;
    let caller = fleet.callers[0].clone();
    let body = with_code("Late", &caller.code(fleet.sandbox()).await);
    fleet.token_calls_take(Duration::ZERO, SLOW);
    hang_up(&fleet, {
        let caller = caller.clone();
        async move { caller.post("/instances", &body).await }
    })
    .await;
    until("the instance is stored", async || caller.get("/instances").await.status == 200).await;
    let listed = caller.get("/instances").await.ok();
    assert_eq!((&listed[0]["name"], &listed[0]["valid"]), (&"Late".into(), &true.into()), "{listed}");
    let path = format!("/instances/{}", listed[0]["id"]);
    fleet.still_refreshes(&path).await;

    let stored = caller.get(&path).await.ok()["lastRefreshAt"].clone();
    fleet.db_expire();
    fleet.token_calls_take(Duration::ZERO, SLOW);
    let calls = fleet.token_calls();
    hang_up(&fleet, {
        let (caller, path) = (caller.clone(), format!("{path}?refresh=true"));
        async move { caller.get(&path).await }
    })
    .await;
    until("the token is stored", async || caller.get(&path).await.ok()["lastRefreshAt"] != stored).await;
    assert_eq!(fleet.token_calls(), calls + 1);
    fleet.still_refreshes(&path).await;
}

/// Sends a request, and goes when the vendor is at it.
async fn hang_up<T: Send + 'static>(fleet: &Fleet, request: impl Future<Output = T> + Send + 'static) {
    let request = tokio::spawn(request);
    tokio::time::sleep(PATIENCE).await;
    until("the vendor is at it", async || fleet.running_token_calls() == 1).await;
    assert!(!request.is_finished());
    request.abort();
}
