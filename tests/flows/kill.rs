//! `kill -9` in the middle of creations: what was acknowledged is there afterwards, and opens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;

use crate::support::Database;
use crate::support::caller::{Caller, with_key};
use crate::support::database::runtime;
use crate::support::part::Signal;
use crate::support::program::{ADMIN, Ligand, Serving, with_admin};
use crate::support::server::PASSWORD;

const ROUNDS: usize = 20;
/// Creations that run at once.
const CALLERS: usize = 8;

#[test]
fn every_acknowledged_instance_survives_on_sqlite() {
    runtime().block_on(rounds(with_admin()));
}

#[test]
fn every_acknowledged_instance_survives_on_postgres() {
    if let Some(database) = Database::empty_postgres() {
        let ligand = with_admin().set("DATABASE_URL", &database.url);
        let key = ligand.run(&["keys", "new"]).output;
        runtime().block_on(rounds(ligand.set("LIGAND_MASTER_KEY", key.trim())));
    }
}

async fn rounds(ligand: Ligand) {
    let mut authorization: Option<String> = None;
    let mut acknowledged: Vec<Value> = Vec::new();
    for round in 0..ROUNDS {
        let server = ligand.serve(&["--sandbox"]);
        let caller = match &authorization {
            None => server.sign_in(ADMIN, PASSWORD).await,
            Some(known) => Caller::anonymous(&server.url).with(known),
        };
        authorization = caller.authorization.clone();
        // After every kill those of the round before, in the end all.
        let fresh = if round + 1 == ROUNDS { 0 } else { acknowledged.len().saturating_sub(25) };
        check(&caller, &acknowledged[fresh..]).await;
        // At another moment in every round: after so many acknowledgements, or so many milliseconds later.
        acknowledged.extend(create_until_killed(server, &caller, 1 + round * 3 % 17, round as u64 % 5).await);
    }
    let server = ligand.serve(&["--sandbox"]);
    let caller = Caller::anonymous(&server.url).with(&authorization.expect("a caller"));
    check(&caller, &acknowledged).await;
    assert!(acknowledged.len() >= ROUNDS, "only {} creations were acknowledged", acknowledged.len());
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// Creates from several callers at once and kills the server after `count` answers and `delay` milliseconds, while
/// others are under way. Gives what was acknowledged.
async fn create_until_killed(server: Serving, caller: &Caller, count: usize, delay: u64) -> Vec<Value> {
    let (answers, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (caller, answers, enough) = (caller.clone(), Arc::clone(&answers), Arc::clone(&enough));
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                loop {
                    let request = caller.request("POST", "/instances").header("content-type", "application/json");
                    let Ok(response) = request.body(with_key("Acknowledged").to_string()).send().await else { break };
                    let status = response.status();
                    let Ok(text) = response.text().await else { break };
                    assert_eq!(status, 200, "{text}");
                    acknowledged.push(serde_json::from_str(&text).expect("an instance"));
                    if answers.fetch_add(1, Ordering::SeqCst) + 1 >= count {
                        enough.notify_one();
                    }
                }
                acknowledged
            })
        })
        .collect();
    let deadline = tokio::time::timeout(Duration::from_secs(20), enough.notified());
    deadline.await.expect("the server answers");
    tokio::time::sleep(Duration::from_millis(delay)).await;
    let killed = tokio::task::spawn_blocking(move || server.stop(Signal::Kill));
    let (status, _) = killed.await.expect("no panic");
    assert_eq!(status, 128 + 9);
    let mut acknowledged = Vec::new();
    for caller in callers {
        acknowledged.extend(caller.await.expect("the caller ends with the server"));
    }
    acknowledged
}

/// Every one is there with its token, and its secrets open.
async fn check(caller: &Caller, acknowledged: &[Value]) {
    for instance in acknowledged {
        let id = &instance["id"];
        let found = caller.get(&format!("/instances/{id}")).await.ok();
        assert_eq!((&found["id"], &found["token"]), (id, &instance["token"]));
        let own =
            caller.with_element(found["token"].as_str().expect("a token")).get("/instances/configuration").await.ok();
        assert!(own.to_string().contains("hubspot.authorization.apikey"), "{own}");
    }
}
