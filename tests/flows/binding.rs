//! From seals that know a place to seals that know an owner too: an older database is served as it is, bound beside a running
//! server that goes on writing, and the older form is refused from then on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ligand::store::sealed::{self, CREDENTIAL, DATA_KEY, SEALED, Swap, USER_PASSWORD, USER_SECRET};
use ligand::vault::Form;
use serde_json::json;

use crate::support::caller::Caller;
use crate::support::database::{Database, open, runtime};
use crate::support::key_change::{id, new_key, succeeds};
use crate::support::older_seals::{forms, unbind, unmarked, values};
use crate::support::part::Signal;
use crate::support::program::{ADMIN, Ligand, PROGRAM, with_admin};
use crate::support::server::PASSWORD;

/// For a rotation that waits until every server knows of it.
const LIMIT: Duration = Duration::from_secs(120);
const MATE: &str = "mate@example.com";

/// With an older database of either kind: the ring that it is sealed under, and a header of its administrator.
fn on_each_older(test: impl AsyncFn(Ligand, &Database, &str, &str)) {
    let databases = [Some(Database::sqlite()), Database::empty_postgres()];
    for database in databases.into_iter().flatten() {
        runtime().block_on(async {
            let ring = unmarked(&new_key());
            let ligand = with_admin().set("DATABASE_URL", &database.url).set("LIGAND_MASTER_KEY", &ring);
            let server = ligand.serve(&["--sandbox"]);
            let caller = server.sign_in(ADMIN, PASSWORD).await;
            caller.create_with_key("Old").await;
            let mate = json!({
                "email": MATE, "firstName": "Sam", "lastName": "Roe", "password": "Zx9#battery", "roles": [],
            });
            caller.post("/users", &mate).await.ok();
            assert_eq!(server.stop(Signal::Terminate).0, 0);
            unbind(&database, &ring).await;
            test(ligand, &database, &ring, &caller.authorization.expect("a header")).await;
        });
    }
}

#[test]
fn an_older_database_is_served_as_it_is_and_bound_beside_a_running_server() {
    on_each_older(async |ligand, database, ring, authorization| {
        let (store, marked) = (open(&database.url, 2), format!("{ring}:bound"));
        let early = ligand.like(PROGRAM.as_ref()).set("LIGAND_MASTER_KEY", &marked);
        early
            .run(&["serve", "--sandbox"])
            .fails("take the mark away, run `ligand keys rotate`, then mark the key again");
        let mut server = ligand.serve(&["--sandbox"]);
        let caller = Caller::anonymous(&server.url).with(authorization);
        caller.create_with_key("Written beside older programs").await;
        server.sign_in(ADMIN, PASSWORD).await;
        caller.patch(&format!("/users/{MATE}"), &json!({ "password": "Zx9#battery" })).await.ok();
        for column in SEALED {
            assert!(!forms(&store, column).await.contains(&Form::Bound), "{column:?}");
        }
        let status = succeeds(ligand.run(&["keys", "status"]));
        assert!(status.contains("2 password hashes stand in the clear\n"), "{status}");
        assert!(
            status.ends_with(
                "values are not bound to their owners yet: run `ligand keys rotate` once every server runs this version.\n"
            ),
            "{status}"
        );
        // Somebody works all the time, and somebody signs in and changes a password.
        let (stop, caller) = (Arc::<AtomicBool>::default(), caller.clone());
        let work = tokio::spawn({
            let (stop, caller, url) = (Arc::clone(&stop), caller.clone(), server.url.clone());
            async move {
                let mut rounds = 0_u32;
                while !stop.load(Ordering::Relaxed) {
                    rounds += 1;
                    let password = format!("Zx9#battery{rounds}");
                    caller.create_with_key("Meanwhile").await;
                    caller.patch(&format!("/users/{MATE}"), &json!({ "password": password })).await.ok();
                    let body = json!({ "username": MATE, "password": password });
                    let signed_in = Caller::anonymous(&url).post("/authentication", &body).await;
                    assert!(signed_in.status == 200, "round {rounds}: {signed_in:?}");
                }
                rounds
            }
        });
        let before = values(&store, CREDENTIAL).await.remove(0);
        succeeds(ligand.run_within(LIMIT, &["keys", "rotate"]));
        for column in SEALED {
            assert!(!forms(&store, column).await.contains(&Form::Unbound), "{column:?}");
        }
        stop.store(true, Ordering::Relaxed);
        assert!(work.await.expect("no call fails") > 2);
        caller.create_with_key("Afterwards").await;
        for column in [DATA_KEY, USER_SECRET, USER_PASSWORD, CREDENTIAL] {
            assert_eq!(forms(&store, column).await, [Form::Bound], "{column:?}");
        }
        let status = succeeds(ligand.run(&["keys", "status"]));
        let advice =
            format!("the only key of the ring. Put `:bound` behind {}, so that it opens nothing older.\n", id(ring));
        assert!(status.ends_with(&advice), "{status}");
        assert!(succeeds(ligand.run(&["keys", "rotate"])).contains("0 values were sealed anew"));
        assert_eq!(server.stop_in_place(Signal::Terminate), 0);

        // With the mark an old value from an old backup is worth nothing.
        let ligand = ligand.set("LIGAND_MASTER_KEY", &marked);
        let server = ligand.serve(&["--sandbox"]);
        let caller = Caller::anonymous(&server.url).with(authorization);
        server.sign_in(ADMIN, PASSWORD).await;
        let path = format!("/instances/{}", before.id);
        caller.get(&path).await.ok();
        let now = values(&store, CREDENTIAL).await.into_iter().find(|value| value.id == before.id).expect("the row");
        let swaps = vec![Swap { id: before.id, old: now.bytes, new: before.bytes.clone() }];
        store.write(move |conn| sealed::swap(conn, CREDENTIAL, &swaps)).await.expect("it is put back");
        let refused = caller.delete(&path).await.fails(500, "secret_unopened");
        assert!(refused.contains("older than the mark"), "{refused}");
        let rotated = ligand.run(&["keys", "rotate"]);
        rotated.fails(&format!("credential.sealed, row {}: it is older than the mark on {}", before.id, id(ring)));
    });
}

#[test]
fn a_hash_that_a_stranger_wrote_is_not_sealed_by_a_rotation() {
    on_each_older(async |ligand, database, _, _| {
        succeeds(ligand.run_within(LIMIT, &["keys", "rotate"]));
        database.execute(&format!("UPDATE app_user SET password_hash = '$argon2id$written' WHERE email = '{MATE}'"));
        let rotated = ligand.run_within(LIMIT, &["keys", "rotate"]);
        rotated.fails("1 password hashes were written in the clear into a database that seals them");
        let store = open(&database.url, 2);
        assert_eq!(values(&store, USER_PASSWORD).await.len(), 2, "the sealed one stays");
        succeeds(ligand.run(&["users", "reset", MATE]));
        assert!(succeeds(ligand.run(&["keys", "rotate"])).contains("0 values were sealed anew"));
    });
}

#[test]
fn a_fresh_database_is_bound_from_its_first_byte_whatever_its_key() {
    for ring in [new_key(), unmarked(&new_key())] {
        let database = Database::sqlite();
        let ligand = with_admin().set("DATABASE_URL", &database.url).set("LIGAND_MASTER_KEY", &ring);
        let server = ligand.serve(&["--sandbox"]);
        let store = open(&database.url, 2);
        runtime().block_on(async {
            server.sign_in(ADMIN, PASSWORD).await.create_with_key("Fresh").await;
            for column in [DATA_KEY, USER_SECRET, USER_PASSWORD, CREDENTIAL] {
                assert_eq!(forms(&store, column).await, [Form::Bound], "{column:?}");
            }
        });
        let (_, log) = server.stop(Signal::Terminate);
        assert!(!log.contains("not bound to its owner yet"), "{log}");
    }
}
