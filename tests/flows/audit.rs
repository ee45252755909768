//! The audit log beside real processes: killed ones, the commands, a ring that changes, and a customer who is forgotten.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::caller::{Caller, with_code, with_key};
use crate::support::database::runtime;
use crate::support::fleet::{Fleet, until};
use crate::support::part::Signal;
use crate::support::program::{ADMIN, Ligand, with_admin};
use crate::support::server::PASSWORD;
use crate::support::{Database, on_both};

const KILLS: u64 = 5;
const CALLERS: usize = 6;

/// What the program says of its audit log.
fn verify(ligand: &Ligand, arguments: &[&str]) -> String {
    let ended = ligand.run(&[["audit", "verify"].as_slice(), arguments].concat());
    assert!(ended.success, "{ended:?}");
    ended.output
}

/// Until the running server has chained everything.
async fn chained(ligand: &Ligand) {
    until("every row is chained", async || !verify(ligand, &[]).contains("younger")).await;
}

/// The ids that rows with this action are about, each once.
async fn subjects(caller: &Caller, action: &str) -> BTreeSet<i64> {
    let (mut ids, mut next, mut count) = (BTreeSet::new(), String::new(), 0);
    loop {
        let reply = caller.get(&format!("/audit-logs?action={action}&nextPage={next}")).await;
        let rows = reply.ok();
        let rows = rows.as_array().expect("a list");
        count += rows.len();
        ids.extend(rows.iter().map(|row| row["entity_id"].as_i64().expect("an id")));
        match reply.header("elements-next-page-token") {
            Some(token) => next = token.to_owned(),
            None => break,
        }
    }
    assert_eq!(ids.len(), count, "{action}: a change has two rows");
    ids
}

async fn instances(caller: &Caller) -> BTreeSet<i64> {
    let (mut ids, mut next) = (BTreeSet::new(), String::new());
    loop {
        let reply = caller.get(&format!("/instances?hydrate=false&emptyList=200&nextPage={next}")).await;
        let page: Value = reply.ok();
        ids.extend(page.as_array().expect("a list").iter().map(|it| it["id"].as_i64().expect("an id")));
        match reply.header("elements-next-page-token") {
            Some(token) => next = token.to_owned(),
            None => return ids,
        }
    }
}

/// Makes instances, and deletes every other one, until the server is gone. Counts what is acknowledged.
async fn change(caller: Caller, deleted: Arc<AtomicUsize>) {
    for number in 0_u64.. {
        let create = caller.request("POST", "/instances").header("content-type", "application/json");
        let Ok(reply) = create.body(with_key("Killed").to_string()).send().await else { return };
        let Ok(text) = reply.text().await else { return };
        let made: Value = serde_json::from_str(&text).expect("an instance");
        if number % 2 == 0 {
            continue;
        }
        let Ok(_) = caller.request("DELETE", &format!("/instances/{}", made["id"])).send().await else { return };
        deleted.fetch_add(1, Ordering::SeqCst);
    }
}

async fn killed(ligand: Ligand) {
    let mut authorization: Option<String> = None;
    for round in 0..KILLS {
        let server = ligand.serve(&["--sandbox"]);
        let caller = match &authorization {
            None => server.sign_in(ADMIN, PASSWORD).await,
            Some(known) => Caller::anonymous(&server.url).with(known),
        };
        authorization = caller.authorization.clone();
        let deleted = Arc::<AtomicUsize>::default();
        let changing: Vec<_> =
            (0..CALLERS).map(|_| tokio::spawn(change(caller.clone(), Arc::clone(&deleted)))).collect();
        until("some are deleted", async || deleted.load(Ordering::SeqCst) >= 6).await;
        // At another moment in every round.
        tokio::time::sleep(Duration::from_millis(3 * round)).await;
        let killed = tokio::task::spawn_blocking(move || server.stop(Signal::Kill));
        assert_eq!(killed.await.expect("no panic").0, 128 + 9);
        for task in changing {
            task.await.expect("it ends with the server");
        }
    }
    let server = ligand.serve(&["--sandbox"]);
    let caller = Caller::anonymous(&server.url).with(&authorization.expect("a caller"));
    chained(&ligand).await;
    let (made, deleted) = (subjects(&caller, "instance.created").await, subjects(&caller, "instance.deleted").await);
    assert!(made.len() > 10 && !deleted.is_empty(), "{} made, {} deleted", made.len(), deleted.len());
    let left: BTreeSet<i64> = made.difference(&deleted).copied().collect();
    assert_eq!(left, instances(&caller).await, "no change without its row, and no row without its change");
    assert!(deleted.is_subset(&made));
    assert!(verify(&ligand, &[]).contains("nothing is missing, altered or cut off"));
    // Each server says at its start where the log ends.
    let log = server.log();
    let head = log.split("head=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a head").to_owned();
    let head = head.trim_matches('"').to_owned();
    assert!(verify(&ligand, &["--head", &head]).contains("nothing is missing"), "{head}");
    drop(server);
}

#[test]
fn a_kill_leaves_no_change_without_its_row_on_sqlite() {
    let database = Database::sqlite();
    runtime().block_on(killed(on(&database)));
}

fn on(database: &Database) -> Ligand {
    let ligand = with_admin().set("DATABASE_URL", &database.url);
    let key = ligand.run(&["keys", "new"]).output;
    ligand.set("LIGAND_MASTER_KEY", key.trim())
}

#[test]
fn a_kill_leaves_no_change_without_its_row_on_postgres() {
    if let Some(database) = Database::empty_postgres() {
        runtime().block_on(killed(on(&database)));
    }
}

on_both!(of_a_forgotten_customer_the_rows_stay_and_the_chain_is_whole, in |database| {
    runtime().block_on(forgotten(database));
});

async fn forgotten(database: Database) {
    const CUSTOMER: &str = "forget-this-customer";
    let mut fleet = Fleet::start(database, 1).await;
    let caller = fleet.callers[0].clone();
    for customer in [CUSTOMER, "another-customer"] {
        let mut body = with_code(customer, &caller.code(fleet.sandbox()).await);
        body["externalId"] = customer.into();
        caller.post("/instances", &body).await.ok();
        caller.post("/connect/links", &json!({ "externalId": customer })).await.ok();
    }
    chained(&fleet.ligand).await;
    let of = async |customer: &str| {
        let rows = caller.get(&format!("/audit-logs?externalId={customer}")).await.ok();
        rows.as_array().expect("a list").clone()
    };
    let before = of(CUSTOMER).await;
    assert_eq!(before.len(), 2);
    assert!(before.iter().all(|row| row["external_id"] == CUSTOMER && row["ip_address"] == "127.0.0.1"), "{before:?}");

    let forgot = fleet.ligand.run(&["forget", "--external-id", CUSTOMER, "--yes"]);
    assert!(forgot.succeeds().contains("names in 2 rows of the audit log"), "{forgot:?}");
    chained(&fleet.ligand).await;
    let after = of(CUSTOMER).await;
    let actions: Vec<_> = after.iter().map(|row| row["action"].as_str().expect("a name")).collect();
    assert!(actions.ends_with(&["link.created", "instance.created"]), "{actions:?}");
    assert!(after.iter().all(|row| row["external_id"].is_null() && row["ip_address"].is_null()), "{after:?}");
    assert!(of("another-customer").await.iter().all(|row| row["external_id"] == "another-customer"));
    assert!(verify(&fleet.ligand, &[]).contains("nothing is missing"));
    let dump = fleet.database.dump();
    assert!(!dump.windows(CUSTOMER.len()).any(|window| window == CUSTOMER.as_bytes()), "it is in the file");

    // Who removes names by hand is found.
    let row = after[0]["id"].as_i64().expect("an id");
    let others = "UPDATE audit_log SET names_sealed = NULL WHERE action = 'session.begun' OR id = ";
    fleet.database.execute(&format!("{others}{row}"));
    let another = of("another-customer").await[0]["id"].as_i64().expect("an id");
    fleet.database.execute(&format!("UPDATE audit_log SET names_sealed = NULL WHERE id = {another}"));
    let found = fleet.ligand.run(&["audit", "verify"]);
    found.fails("were removed, and nobody forgot the customer");
    assert!(found.errors.contains(&format!("(id {another})")) && !found.errors.contains(&format!("(id {row})")));
    fleet.terminate().await;
}

#[test]
fn names_are_sealed_anew_and_the_chain_stays() {
    let database = Database::sqlite();
    let ligand = with_admin().set("DATABASE_URL", &database.url);
    let old = ligand.run(&["keys", "new"]).output.trim().to_owned();
    let ligand = ligand.set("LIGAND_MASTER_KEY", &old);
    let server = ligand.serve(&["--sandbox"]);
    runtime().block_on(async {
        server.sign_in(ADMIN, PASSWORD).await.create_with_key("One").await;
        chained(&ligand).await;
    });
    drop(server);
    let new = ligand.run(&["keys", "new"]).output.trim().to_owned();
    let ligand = ligand.set("LIGAND_MASTER_KEY", &format!("{new},{old}"));
    assert!(ligand.run(&["keys", "rotate"]).succeeds().contains("audit_log.names_sealed"));
    let ligand = ligand.set("LIGAND_MASTER_KEY", &new);
    assert!(verify(&ligand, &[]).contains("nothing is missing, altered or cut off"));
}
