//! Changing the master key while the server works: nobody notices, an interruption costs nothing, and in the end the old
//! key is not needed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ligand::kernel::entropy::SystemEntropy;
use ligand::kernel::secret::Secret;
use ligand::store::Store;
use ligand::store::sealed::{self, CREDENTIAL, Column, SEALED, Swap};
use ligand::vault::{KeyRing, Place, Vault, seal};
use serde_json::{Value, json};

use crate::support::caller::{Caller, with_key};
use crate::support::database::{Database, open, runtime};
use crate::support::part::Signal;
use crate::support::program::{ADMIN, Ended, Ligand, with_admin};
use crate::support::server::PASSWORD;

/// How long a command may take that goes through many rows.
const LIMIT: Duration = Duration::from_secs(600);

/// Instances to rotate: each has three sealed values. `make test` takes the number that was promised.
fn instances() -> i64 {
    let all = std::env::var_os("LIGAND_TEST_REQUIRE_PARTS").is_some_and(|value| value == "1");
    if all { 100_000 } else { 3_000 }
}

fn new_key() -> String {
    Ligand::new().run(&["keys", "new"]).output.trim().to_owned()
}

fn id(key: &str) -> &str {
    key.split_once(':').expect("an id").0
}

fn header(key: &str) -> Vec<u8> {
    seal::header(id(key)).expect("a header")
}

fn vault(ring: &str) -> Vault {
    Vault::new(KeyRing::parse(&Secret::new(ring)).expect("a ring"), Arc::new(SystemEntropy))
}

/// A program with its own database of either kind, where tests can open it too.
fn on_each(test: impl Fn(Ligand, &Database)) {
    let sqlite = Database::sqlite();
    test(with_admin().set("DATABASE_URL", &sqlite.url), &sqlite);
    if let Some(postgres) = Database::empty_postgres() {
        test(with_admin().set("DATABASE_URL", &postgres.url), &postgres);
    }
}

#[track_caller]
fn succeeds(ended: Ended) -> String {
    assert!(ended.success, "{ended:?}");
    ended.output
}

/// The first number of a line.
fn number(line: &str) -> i64 {
    line.split_whitespace().find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("no number: {line}"))
}

/// Many instances like one that was made through the API, each sealed for its own place.
async fn db_copies(database: &Database, vault: &Vault, pattern: i64, count: i64) {
    let (bytes, first) = (if database.url.starts_with("sqlite") { "BLOB" } else { "BYTEA" }, 10_000_000);
    database.execute(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
         INSERT INTO instance (id, organization_id, account_id, element_id, element_key, name, tags, token_hash,
           token_sealed, authentication_type, external_authentication, configuration_sealed, enabled, created_by,
           version, created_at, updated_at)
         SELECT {first} + i, organization_id, account_id, element_id, element_key, name, '[]',
           CAST('token ' || i AS {bytes}), token_sealed, authentication_type, external_authentication,
           configuration_sealed, enabled, created_by, version, created_at, updated_at
         FROM instance, n WHERE id = {pattern};
         INSERT INTO credential (instance_id, organization_id, account_id, version, sealed, refreshable)
         SELECT i.id, c.organization_id, c.account_id, 1, c.sealed, c.refreshable
         FROM credential c, instance i WHERE c.instance_id = {pattern} AND i.id > {first};"
    ));
    let store = open(&database.url, 2);
    for column in SEALED.into_iter().filter(|column| matches!(column.table, "instance" | "credential")) {
        let old = store.read(move |conn| sealed::first_without(conn, column, &[], pattern - 1)).await;
        let old = old.expect("the pattern is read").expect("the pattern is there").bytes;
        let plain = vault.open(place(column, pattern), &old).expect("the pattern opens");
        for batch in (first + 1..=first + count).collect::<Vec<_>>().chunks(1000) {
            let swaps: Vec<_> = batch
                .iter()
                .map(|id| Swap {
                    id: *id,
                    old: old.clone(),
                    new: vault.seal(place(column, *id), &plain).expect("it is sealed"),
                })
                .collect();
            let set = store.write(move |conn| sealed::swap(conn, column, &swaps)).await.expect("they are set");
            assert_eq!(set, batch.len());
        }
    }
}

fn place(column: Column, row: i64) -> Place {
    Place { table: column.table, column: column.name, row }
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
                    let path = format!("/instances/{}", 10_000_001 + (number * 7919 + round * 104_729) % instances);
                    let seen = caller.get(&path).await.ok();
                    let name = format!("Renamed {round}");
                    assert_eq!(caller.patch(&path, &json!({ "name": name })).await.ok()["token"], seen["token"]);
                    let reset = caller.post(&format!("{path}/token-reset"), &Value::Null).await.ok();
                    assert_ne!(reset["token"], seen["token"]);
                    let created = caller.post("/instances", &with_key("Short-lived")).await.ok();
                    let own = caller.with_element(created["token"].as_str().expect("a token"));
                    assert_eq!(own.patch("/instances", &json!({ "name": "Found" })).await.ok()["id"], created["id"]);
                    assert_eq!(caller.delete(&format!("/instances/{}", created["id"])).await.status, 200);
                    caller.get("/authentication/secrets").await.ok();
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

/// From the old key to the new one, with a `kill -9` in the middle of the re-sealing.
async fn change_key(ligand: Ligand, database: &Database) {
    let (old, new, instances) = (new_key(), new_key(), instances());
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
    let mut killed = ligand.begin(&["keys", "rotate"]);
    while count(&store, CREDENTIAL, &new).await < instances / 3 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    killed.stop(Signal::Kill);
    let left = count(&store, CREDENTIAL, &old).await;
    assert!(left > 0, "it was killed in the middle: {}", killed.log());
    let status = succeeds(ligand.run_within(LIMIT, &["keys", "status"]));
    assert!(status.contains(&format!("{} is still needed", id(&old))), "{status}");

    let started = Instant::now();
    let again = succeeds(ligand.run_within(LIMIT, &["keys", "rotate"]));
    let took = started.elapsed();
    let resumed = number(&again.lines().find(|line| line.contains("sealed anew under")).expect("a summary").to_owned());
    assert!(resumed >= left && resumed < 2 * instances, "what was done is not done again: {again}");
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
    let kind = if database.url.starts_with("sqlite") { "SQLite" } else { "PostgreSQL" };
    // Not `eprintln!`: the test runner would keep it to itself.
    let _ = writeln!(
        std::io::stderr(),
        "{kind}: {resumed} of {} values re-sealed in {:.1} s after a kill, {calls} calls meanwhile, none failed",
        3 * instances,
        took.as_secs_f64()
    );
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
                let place = place(column, value.id);
                assert!(new.open(place, &value.bytes).is_ok() && old.open(place, &value.bytes).is_err(), "{place:?}");
            }
        }
    }
}

#[test]
fn the_key_is_changed_while_calls_go_on_on_sqlite() {
    let database = Database::sqlite();
    let ligand = with_admin().set("DATABASE_URL", &database.url);
    runtime().block_on(change_key(ligand, &database));
}

#[test]
fn the_key_is_changed_while_calls_go_on_on_postgres() {
    if let Some(database) = Database::empty_postgres() {
        let ligand = with_admin().set("DATABASE_URL", &database.url);
        runtime().block_on(change_key(ligand, &database));
    }
}

/// The lines of the table of `keys status`: by place, a count for each key.
fn counts(status: &str) -> BTreeMap<String, Vec<i64>> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        let counts: Option<Vec<i64>> = words.map(|word| word.parse().ok()).collect();
        Some((name, counts.filter(|counts| !counts.is_empty())?))
    };
    status.lines().filter_map(line).collect()
}

#[test]
fn a_missing_key_is_named_with_what_it_seals() {
    on_each(|ligand, database| {
        let (old, new) = (new_key(), new_key());
        let ligand = ligand.set("LIGAND_MASTER_KEY", &old);
        let server = ligand.serve(&["--sandbox"]);
        let instance = runtime().block_on(async {
            server.sign_in(ADMIN, PASSWORD).await.create_with_key("Sealed").await["id"].as_i64().expect("an id")
        });
        drop(server);
        let ligand = ligand.set("LIGAND_MASTER_KEY", &new);
        let status = succeeds(ligand.run(&["keys", "status"]));
        let counts = counts(&status);
        for place in ["instance.token_sealed", "instance.configuration_sealed", "credential.sealed"] {
            assert_eq!(counts[place], [0, 1], "{status}");
        }
        assert_eq!(counts["data_key.sealed"], [0, 3], "look-up key, session key and the sandbox's mark: {status}");
        assert_eq!(counts["total"][0], 0);
        assert!(status.contains("not in the ring"), "{status}");
        let advice = format!("The key {} is needed and not in the ring: add it behind the first one.\n", id(&old));
        assert!(status.ends_with(&advice), "{status}");

        let refused = ligand.run(&["keys", "rotate"]);
        let reason = format!("credential.sealed, row {instance}: its key {} is not in the ring", id(&old));
        assert!(!refused.success && refused.errors.contains(&reason), "{refused:?}");
        // What is altered, or of another key under the same id, is left and named; the rest is re-sealed.
        let ligand = ligand.set("LIGAND_MASTER_KEY", &format!("{new},{old}"));
        let zero = if database.url.starts_with("sqlite") { "X'00'" } else { "'\\x00'" };
        database.execute(&format!("UPDATE credential SET sealed = {zero}"));
        let refused = ligand.run(&["keys", "rotate"]);
        let reason = format!(
            "1 values do not open and were left as they are:\n  credential.sealed, row {instance}: it is no sealed value\n"
        );
        assert!(!refused.success && refused.errors.contains(&reason), "{refused:?}");
        let status = succeeds(ligand.run(&["keys", "status"]));
        assert!(
            status.contains(&format!("1 values were not sealed by any key:\n  credential.sealed, row {instance}\n")),
            "{status}"
        );
        assert!(status.contains(&format!("{} can be dropped", id(&old))), "{status}");
        for ended in [&refused.errors, &refused.output, &status] {
            assert!(!ended.contains(&old[id(&old).len() + 1..]), "no key is told: {ended}");
        }
    });
}

#[test]
fn the_key_file_takes_a_line_for_each_key() {
    let ligand = with_admin();
    drop(ligand.serve(&[]));
    let path = ligand.path("ligand-data/master.key");
    let old = fs::read_to_string(&path).expect("the key").trim().to_owned();
    let new = new_key();
    fs::write(&path, format!("{new}\n{old}\n")).expect("both keys");
    let server = ligand.serve(&[]);
    let rotated = succeeds(ligand.run(&["keys", "rotate"]));
    assert!(rotated.contains(&format!("under {}", id(&new))), "{rotated}");
    assert!(succeeds(ligand.run(&["keys", "status"])).contains(&format!("{} can be dropped", id(&old))));
    drop(server);
    fs::write(&path, format!("{new}\n")).expect("the new key alone");
    let server = ligand.serve(&[]);
    runtime().block_on(server.sign_in(ADMIN, PASSWORD));
}

#[test]
fn status_and_rotate_make_no_key_where_there_is_none() {
    for command in ["status", "rotate"] {
        let ligand = Ligand::new();
        let ended = ligand.run(&["keys", command]);
        assert!(!ended.success && ended.errors.contains("master.key"), "{ended:?}");
        assert_eq!(ligand.files(), Vec::<String>::new());
    }
}

/// Beside two servers on PostgreSQL, and beside one on SQLite.
#[test]
fn data_keys_are_rotated_beside_running_servers() {
    on_each(|ligand, database| {
        let ligand = ligand.set("LIGAND_MASTER_KEY", &new_key());
        let mut servers = vec![ligand.serve(&["--sandbox"])];
        if !database.url.starts_with("sqlite") {
            servers.push(ligand.serve(&["--sandbox"]));
        }
        runtime().block_on(async {
            let caller = servers[0].sign_in(ADMIN, PASSWORD).await;
            let authorization = caller.authorization.clone().expect("a header");
            let session = servers[0].try_to_sign_in(ADMIN, PASSWORD).await.ok();
            let bearer = format!("Bearer {}", session["token"].as_str().expect("a token"));
            caller.create_with_key("Found").await;
            let (stop, calls) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
            let callers: Vec<_> = servers
                .iter()
                .flat_map(|server| [&authorization, &bearer].map(|header| Caller::anonymous(&server.url).with(header)))
                .map(|caller| {
                    let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
                    tokio::spawn(async move {
                        while !stop.load(Ordering::Relaxed) {
                            caller.get("/authentication/secrets").await.ok();
                            calls.fetch_add(1, Ordering::Relaxed);
                            let created = caller.create_with_key("Found").await;
                            if caller.authorization.as_deref().is_some_and(|header| header.starts_with("User")) {
                                let own = caller.with_element(created["token"].as_str().expect("a token"));
                                assert_eq!(
                                    own.patch("/instances", &json!({ "name": "Found" })).await.ok()["id"],
                                    created["id"]
                                );
                            }
                        }
                    })
                })
                .collect();
            let rotate = |arguments: &'static [&'static str]| {
                let mut rotation = ligand.begin(arguments);
                move || {
                    let line = rotation.wait_for("generation 2 of the ", Duration::from_secs(30));
                    if line.starts_with("look-up") {
                        rotation.wait_for("older generations are still accepted until ", Duration::from_secs(60));
                    }
                    line
                }
            };
            // Killed while it waits, and run again.
            let mut killed = ligand.begin(&["keys", "rotate", "--lookup"]);
            killed.wait_for("this begins generation 2 of the look-up key", Duration::from_secs(30));
            killed.stop(Signal::Kill);
            let mut lookup = rotate(&["keys", "rotate", "--lookup"]);
            let lookup = tokio::task::spawn_blocking(move || lookup()).await.expect("no panic");
            assert!(lookup.starts_with("look-up key"), "{lookup}");
            let mut session = rotate(&["keys", "rotate", "--session"]);
            let session = tokio::task::spawn_blocking(move || session()).await.expect("no panic");
            assert!(session.starts_with("session key signs from"), "{session}");
            stop.store(true, Ordering::Relaxed);
            for caller in callers {
                caller.await.expect("no call fails");
            }
            assert!(calls.load(Ordering::Relaxed) > 10);
        });
    });
}
