//! Changing the master key while the server works: nobody notices, an interruption costs nothing, and in the end the old
//! key is not needed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::support::caller::Caller;
use crate::support::database::{Database, runtime};
use crate::support::key_change::{change_key, id, new_key, succeeds};
use crate::support::part::Signal;
use crate::support::program::{ADMIN, Ligand, with_admin};
use crate::support::server::PASSWORD;

/// A program with its own database of either kind, where tests can open it too.
fn on_each(test: impl Fn(Ligand, &Database)) {
    let sqlite = Database::sqlite();
    test(with_admin().set("DATABASE_URL", &sqlite.url), &sqlite);
    if let Some(postgres) = Database::empty_postgres() {
        test(with_admin().set("DATABASE_URL", &postgres.url), &postgres);
    }
}

/// `make bench` does the same with 100,000.
const INSTANCES: i64 = 3000;

#[test]
fn the_key_is_changed_while_calls_go_on_on_sqlite() {
    change("SQLite", &Database::sqlite());
}

#[test]
fn the_key_is_changed_while_calls_go_on_on_postgres() {
    if let Some(database) = Database::empty_postgres() {
        change("PostgreSQL", &database);
    }
}

fn change(name: &str, database: &Database) {
    let ligand = with_admin().set("DATABASE_URL", &database.url);
    let report = runtime().block_on(change_key(ligand, database, INSTANCES));
    let (first, second) = (report.until_killed.as_secs_f64(), report.resumed.as_secs_f64());
    // Not `eprintln!`: the test runner would keep it to itself.
    let _ = writeln!(
        std::io::stderr(),
        "{name}: {INSTANCES} credentials re-sealed in {first:.1} s and, after a kill, {second:.1} s; {} calls meanwhile",
        report.calls
    );
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
        assert_eq!(
            counts["data_key.sealed"],
            [0, 4],
            "look-up, session and audit key, and the sandbox's mark: {status}"
        );
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
        assert!(!ended.success && ended.errors.contains("there is no database of Ligand"), "{ended:?}");
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
                            caller.get("/organizations/me").await.ok();
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
            // Waits for the lines, one after the other.
            let rotate = |which: &str, lines: Vec<&'static str>| {
                let mut rotation = ligand.begin(&["keys", "rotate", which]);
                tokio::task::spawn_blocking(move || {
                    for line in lines {
                        rotation.wait_for(line, Duration::from_secs(60));
                    }
                })
            };
            // Killed while it waits, and run again.
            let mut killed = ligand.begin(&["keys", "rotate", "--lookup"]);
            killed.wait_for("this begins generation 2 of the look-up key", Duration::from_secs(30));
            killed.stop(Signal::Kill);
            let lookup = vec![
                "this goes on with generation 2 of the look-up key",
                "older generations are still accepted until ",
            ];
            rotate("--lookup", lookup).await.expect("it ends");
            rotate("--session", vec!["generation 2 of the session key signs from "]).await.expect("it ends");
            stop.store(true, Ordering::Relaxed);
            for caller in callers {
                caller.await.expect("no call fails");
            }
            assert!(calls.load(Ordering::Relaxed) > 10);
        });
    });
}
