//! `ligand forget`: of one customer nothing is left, beside a running server and in the file, and of others everything.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::caller::{Caller, with_code};
use crate::support::database::runtime;
use crate::support::fleet::Fleet;
use crate::support::{Database, on_both};

const CUSTOMER: &str = "erase-this-customer-7";
const NAME: &str = "Forgettable Ltd";
/// Whoever erases too much erases these.
const OTHERS: [&str; 3] = ["erase-this-customer-70", "ERASE-THIS-CUSTOMER-7", "erase%"];

async fn instance(fleet: &Fleet, caller: &Caller, customer: &str, name: &str) -> Value {
    let mut body = with_code(name, &caller.code(fleet.sandbox()).await);
    body["externalId"] = customer.into();
    let made = Fleet::create_once(caller, &format!("key of {name}"), &body).await.ok();
    assert_eq!(made["externalId"], customer);
    caller.post("/connect/links", &json!({ "externalId": customer, "name": name })).await.ok();
    made
}

/// Of the file with its log: how many of these texts are in there.
fn found(database: &Database, texts: &[&str]) -> Option<usize> {
    let path = database.url.strip_prefix("sqlite:")?;
    let mut bytes = Vec::new();
    for path in [path.to_owned(), format!("{path}-wal")] {
        bytes.extend(fs::read(Path::new(&path)).unwrap_or_default());
    }
    let holds = |text: &&&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    Some(texts.iter().filter(holds).count())
}

on_both!(of_a_forgotten_customer_nothing_is_left, in |database| {
    runtime().block_on(forgotten(database));
});

async fn forgotten(database: Database) {
    let mut fleet = Fleet::start(database, 1).await;
    let caller = fleet.callers[0].clone();
    caller.put("/notifications/webhook", &json!({ "url": "http://127.0.0.1:9/" })).await.ok();
    let theirs = instance(&fleet, &caller, CUSTOMER, NAME).await;
    let mut others = Vec::new();
    for (number, customer) in OTHERS.iter().enumerate() {
        others.push(instance(&fleet, &caller, customer, &format!("Lasting {number}")).await);
    }
    let own = caller.with_element(theirs["token"].as_str().expect("a token"));
    own.get("/ping").await.ok();
    assert_eq!(fleet.sandbox().live_grants(), 4);
    assert_ne!(found(&fleet.database, &[NAME, CUSTOMER]), Some(0), "else the search below finds nothing either");

    let refused = fleet.ligand.run(&["forget", "--external-id", CUSTOMER]);
    assert!(!refused.success && refused.errors.contains("Say so with --yes"), "{refused:?}");
    let forget = ["forget", "--external-id", CUSTOMER, "--yes"];
    let ended = fleet.ligand.run(&forget);
    assert!(ended.success, "{ended:?}");
    let erased = "erased: 1 instances, 1 links with 0 authorizations, 1 notices, 1 kept answers, 0 revocations";
    assert!(ended.output.contains(erased), "{ended:?}");
    assert!(!ended.output.contains("live on"), "{ended:?}");

    assert_eq!(fleet.sandbox().live_grants(), 3, "theirs ended at its vendor");
    caller.get(&format!("/instances/{}", theirs["id"])).await.fails(404, "instance_not_found");
    let of_customer = |path: &str| format!("{path}?externalId={CUSTOMER}&emptyList=200");
    for path in ["/instances", "/connect/links"] {
        assert_eq!(caller.get(&of_customer(path)).await.ok(), json!([]), "{path}");
    }
    let deliveries = caller.get("/notifications/deliveries?pageSize=200").await;
    assert!(deliveries.text.contains(OTHERS[0]) && !deliveries.text.contains(&format!("\"{CUSTOMER}\"")));
    for other in &others {
        let shown = caller.get(&format!("/instances/{}", other["id"])).await.ok();
        assert_eq!((&shown["valid"], &shown["name"]), (&json!(true), &other["name"]));
    }
    let links = caller.get("/connect/links").await.ok();
    assert_eq!(links.as_array().expect("a list").len(), 3);
    // Names of others begin as theirs does: that one may be found.
    for text in [NAME, &format!("{CUSTOMER}\"")] {
        assert!(matches!(found(&fleet.database, &[text]), None | Some(0)), "{text} is in the file");
    }

    // Within two seconds no server knows them any more, and without a server there is nothing left to do.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    own.get("/ping").await.fails(401, "bad_credentials");
    fleet.terminate().await;
    let again = fleet.ligand.run(&forget);
    assert!(again.success && again.output.contains("erased: 0 instances, 0 links"), "{again:?}");
    assert!(matches!(found(&fleet.database, &[NAME]), None | Some(0)));
}
