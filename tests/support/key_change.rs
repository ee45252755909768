//! The whole story of changing the master key, with as many instances as wanted: callers go on working, the re-sealing is
//! killed in the middle, and in the end the old key is not needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ligand::kernel::entropy::SystemEntropy;
use ligand::kernel::secret::Secret;
use ligand::store::Store;
use ligand::store::sealed::{self, CREDENTIAL, Column, INSTANCE_TOKEN, SEALED, Swap};
use ligand::vault::{Form, KeyRing, Vault, seal};
use serde_json::{Value, json};

use super::caller::{Caller, with_key};
use super::copies::FIRST;
use super::database::{Database, open};
use super::part::Signal;
use super::program::{ADMIN, Ended, Ligand};
use super::server::PASSWORD;

/// How long a command may take that goes through many rows.
const LIMIT: Duration = Duration::from_secs(600);

pub fn new_key() -> String {
    Ligand::new().run(&["keys", "new"]).output.trim().to_owned()
}

pub fn id(key: &str) -> &str {
    key.split_once(':').expect("an id").0
}

fn header(key: &str) -> Vec<u8> {
    seal::header(Form::Bound, id(key)).expect("a header")
}

fn vault(ring: &str) -> Vault {
    Vault::new(KeyRing::parse(&Secret::new(ring)).expect("a ring"), Arc::new(SystemEntropy))
}

#[track_caller]
pub fn succeeds(ended: Ended) -> String {
    assert!(ended.success, "{ended:?}");
    ended.output
}

/// The first number of a line.
fn number(line: &str) -> i64 {
    line.split_whitespace().find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("no number: {line}"))
}

/// Many instances like one that was made through the API, each sealed for its own place.
async fn db_copies(database: &Database, vault: &Vault, pattern: i64, count: i64) {
    let bytes = if database.url.starts_with("sqlite") { "BLOB" } else { "BYTEA" };
    database.execute(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
         INSERT INTO instance (id, organization_id, account_id, element_id, element_key, name, tags, token_hash,
           token_sealed, authentication_type, external_authentication, configuration_sealed, enabled, created_by,
           version, created_at, updated_at)
         SELECT {FIRST} + i, organization_id, account_id, element_id, element_key, name, '[]',
           CAST('token ' || i AS {bytes}), token_sealed, authentication_type, external_authentication,
           configuration_sealed, enabled, created_by, version, created_at, updated_at
         FROM instance, n WHERE id = {pattern};
         INSERT INTO credential (instance_id, organization_id, account_id, version, sealed, refreshable)
         SELECT i.id, c.organization_id, c.account_id, 1, c.sealed, c.refreshable
         FROM credential c, instance i WHERE c.instance_id = {pattern} AND i.id > {FIRST};"
    ));
    let store = open(&database.url, 2);
    for column in SEALED.into_iter().filter(|column| matches!(column.table, "instance" | "credential")) {
        let old = store.read(move |conn| sealed::first_without(conn, column, &[], pattern - 1)).await;
        let old = old.expect("the pattern is read").expect("the pattern is there");
        let (owner, old) = (old.owner, old.bytes);
        let plain = vault.open(column.place(owner, pattern), &old).expect("the pattern opens");
        for batch in (FIRST + 1..=FIRST + count).collect::<Vec<_>>().chunks(1000) {
            let swaps: Vec<_> = batch
                .iter()
                .map(|id| Swap {
                    id: *id,
                    old: old.clone(),
                    new: vault.seal(column.place(owner, *id), &plain).expect("it is sealed"),
                })
                .collect();
            let set = store.write(move |conn| sealed::swap(conn, column, &swaps)).await.expect("they are set");
            assert_eq!(set, batch.len());
        }
    }
}

async fn count(store: &Store, column: Column, key: &str) -> i64 {
    let prefix = header(key);
    store.read(move |conn| sealed::count(conn, column, &prefix)).await.expect("they are counted")
}

/// Callers who work all the time with instances of all ages; every call must succeed.
struct Traffic {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    callers: Vec<tokio::task::JoinHandle<()>>,
}

impl Traffic {
    fn start(caller: &Caller, instances: i64) -> Self {
        let (stop, calls) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let callers = (0..4_i64).map(|number| {
            let (caller, stop, calls) = (caller.clone(), Arc::clone(&stop), Arc::clone(&calls));
            tokio::spawn(async move {
                for round in 0.. {
                    let path = format!("/instances/{}", FIRST + 1 + (number * 7919 + round * 104_729) % instances);
                    let seen = caller.get(&path).await.ok();
                    let name = format!("Renamed {round}");
                    assert_eq!(caller.patch(&path, &json!({ "name": name })).await.ok()["token"], seen["token"]);
                    let reset = caller.post(&format!("{path}/token-reset"), &Value::Null).await.ok();
                    assert_ne!(reset["token"], seen["token"]);
                    let created = caller.post("/instances", &with_key("Short-lived")).await.ok();
                    let own = caller.with_element(created["token"].as_str().expect("a token"));
                    assert_eq!(own.patch("/instances", &json!({ "name": "Found" })).await.ok()["id"], created["id"]);
                    assert_eq!(caller.delete(&format!("/instances/{}", created["id"])).await.status, 200);
                    caller.get("/organizations/me").await.ok();
                    calls.fetch_add(7, Ordering::Relaxed);
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            })
        });
        let callers = callers.collect();
        Self { stop, calls, callers }
    }

    /// How many calls there were.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for caller in self.callers {
            caller.await.expect("no call fails");
        }
        self.calls.load(Ordering::Relaxed)
    }
}

/// How long it took.
pub struct Report {
    pub until_killed: Duration,
    pub resumed: Duration,
    /// That were made meanwhile; none failed.
    pub calls: usize,
}

/// From the old key to the new one, with a `kill -9` in the middle of the re-sealing.
pub async fn change_key(ligand: Ligand, database: &Database, instances: i64) -> Report {
    let (old, new) = (new_key(), new_key());
    let ligand = ligand.set("LIGAND_MASTER_KEY", &old);
    let server = ligand.serve(&["--sandbox"]);
    let authorization = server.sign_in(ADMIN, PASSWORD).await.authorization.expect("a header");
    let caller = Caller::anonymous(&server.url).with(&authorization);
    let pattern = caller.create_with_key("Pattern").await;
    db_copies(database, &vault(&old), pattern["id"].as_i64().expect("an id"), instances).await;
    assert_eq!(server.stop(Signal::Terminate).0, 0);
    let status = succeeds(ligand.run_within(LIMIT, &["keys", "status"]));
    assert!(
        status.ends_with(&format!("Everything is sealed under {}, the only key of the ring.\n", id(&old))),
        "{status}"
    );

    // With the new key in front, and everybody at work.
    let ligand = ligand.set("LIGAND_MASTER_KEY", &format!("{new},{old}"));
    let server = ligand.serve(&["--sandbox"]);
    let caller = Caller::anonymous(&server.url).with(&authorization);
    let traffic = Traffic::start(&caller, instances);
    let store = open(&database.url, 2);
    let started = Instant::now();
    let mut killed = ligand.begin(&["keys", "rotate"]);
    while count(&store, INSTANCE_TOKEN, &new).await < instances / 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    killed.stop(Signal::Kill);
    let first = started.elapsed();
    let left = count(&store, CREDENTIAL, &old).await;
    assert!(left > 0, "it was killed in the middle: {}", killed.log());
    let status = succeeds(ligand.run_within(LIMIT, &["keys", "status"]));
    assert!(status.contains(&format!("{} is still needed", id(&old))), "{status}");

    let started = Instant::now();
    let again = succeeds(ligand.run_within(LIMIT, &["keys", "rotate"]));
    let second = started.elapsed();
    let resumed = number(again.lines().find(|line| line.contains("sealed anew under")).expect("a summary"));
    assert!(resumed >= left && resumed < 3 * instances - instances / 4, "what was done is not done again: {again}");
    let calls = traffic.end().await;
    assert!(calls > 20, "only {calls} calls");

    // Nothing needs the old key any more, and it opens nothing.
    for column in SEALED {
        assert_eq!(count(&store, column, &old).await, 0, "{column:?}");
    }
    let status = succeeds(ligand.run_within(LIMIT, &["keys", "status"]));
    assert!(
        status.ends_with(&format!(
            "Everything is sealed under {}: {} can be dropped from the ring.\n",
            id(&new),
            id(&old)
        )),
        "{status}"
    );
    let done = ligand.run_within(LIMIT, &["keys", "rotate"]);
    assert!(succeeds(done).contains("0 values were sealed anew"));
    opens_under(&store, &new, &old).await;
    assert_eq!(server.stop(Signal::Terminate).0, 0);
    let wrong = ligand.set("LIGAND_MASTER_KEY", &old);
    let refused = wrong.run(&["serve", "--sandbox"]);
    assert!(!refused.success && refused.errors.contains(&format!("`{}`", id(&new))), "{refused:?}");
    let server = wrong.set("LIGAND_MASTER_KEY", &new).serve(&["--sandbox"]);
    let caller = Caller::anonymous(&server.url).with(&authorization);
    assert_eq!(caller.get(&format!("/instances/{}", pattern["id"])).await.ok()["token"], pattern["token"]);
    Report { until_killed: first, resumed: second, calls }
}

/// Every value opens in its place under the new key alone.
async fn opens_under(store: &Store, new: &str, old: &str) {
    let (new, old) = (vault(new), vault(old));
    for column in SEALED {
        let mut after = 0;
        loop {
            let values = store.read(move |conn| sealed::without_prefix(conn, column, b"none", after)).await;
            let values = values.expect("they are read");
            let Some(last) = values.last() else { break };
            after = last.id;
            for value in values {
                let place = column.place(value.owner, value.id);
                assert!(new.open(place, &value.bytes).is_ok() && old.open(place, &value.bytes).is_err(), "{place:?}");
            }
        }
    }
}
