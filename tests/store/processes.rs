//! Whether a process has sessions with the database, and what becomes of what it held.

use std::time::{Duration, Instant};

use ligand::store::leases::{self, Lease};
use ligand::store::processes::{self, Presence};
use ligand::store::{Store, StoreFault};

use super::on_both_databases;
use super::rows::now;
use crate::support::Database;
use crate::support::database::{open, runtime};

const PROCESS: i64 = 4_611_686_018_427_387_911;

async fn begin(database: &Database) -> Store {
    let (url, process) = (database.url.clone(), PROCESS);
    let store = tokio::task::spawn_blocking(move || open(&url, 4)).await.expect("the store opens");
    // As at the start of the program: a connection is open before anybody knows whose it is.
    store.read(|conn| leases::find(conn, "none")).await.expect("the database answers");
    store.belongs_to(process);
    let locks = store.has_sessions();
    store.write(move |conn| processes::note(conn, process, locks, now())).await.expect("it is noted");
    store
}

async fn presence(observer: &Store) -> Presence {
    observer.read(|conn| processes::presence(conn, PROCESS)).await.expect("the database answers")
}

async fn until_it_is(observer: &Store, wanted: Presence) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while presence(observer).await != wanted {
        assert!(Instant::now() < deadline, "{wanted:?} never came");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn a_process_is_there_as_long_as_it_has_a_session() {
    let Some(database) = Database::postgres() else { return };
    runtime().block_on(async {
        let observer = open(&database.url, 2);
        assert_eq!(presence(&observer).await, Presence::Unknown, "nobody noted it");
        let store = begin(&database).await;
        assert_eq!(presence(&observer).await, Presence::There);
        let busy = store.clone();
        let at_work = tokio::spawn(async move {
            busy.read(|conn| {
                std::thread::sleep(Duration::from_millis(600));
                leases::find(conn, "none")
            })
            .await
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(store);
        assert_eq!(presence(&observer).await, Presence::There, "a session is at work");
        at_work.await.expect("no panic").expect("it reads");
        until_it_is(&observer, Presence::Gone).await;
        observer.write(|conn| processes::leave(conn, PROCESS)).await.expect("it is noted");
        assert_eq!(presence(&observer).await, Presence::Unknown);
    });
}

#[test]
fn nothing_follows_from_locks_that_another_run_of_the_server_had() {
    let Some(database) = Database::postgres() else { return };
    runtime().block_on(async {
        let observer = open(&database.url, 2);
        let store = begin(&database).await;
        database.execute("UPDATE process SET server_run = server_run - 1");
        assert_eq!(presence(&observer).await, Presence::There);
        drop(store);
        until_it_is(&observer, Presence::Unknown).await;
        // A further session says on which run it is.
        database.execute("UPDATE process SET server_run = server_run - 1");
        let again = open(&database.url, 1);
        again.belongs_to(PROCESS);
        again.read(|conn| leases::find(conn, "none")).await.expect("the database answers");
        drop(again);
        until_it_is(&observer, Presence::Gone).await;
    });
}

#[test]
fn where_sessions_tell_nothing_nothing_is_believed() {
    runtime().block_on(async {
        for database in [Some(Database::sqlite()), Database::through_pgbouncer()].into_iter().flatten() {
            let observer = open(&database.url, 2);
            observer.migrate().await.expect("the schema migrates");
            let store = begin(&database).await;
            assert_eq!(presence(&observer).await, Presence::Unknown);
            drop(store);
            assert_eq!(presence(&observer).await, Presence::Unknown);
        }
    });
}

on_both_databases!(who_begins_alone_finds_everything_free_and_unsettled, |database| async move {
    let store = open(&database.url, 2);
    let found = |name: &'static str| store.read(move |conn| leases::find(conn, name));
    let held = store.write(|conn| leases::take(conn, "held", 7)).await.expect("it is taken").mine().expect("mine");
    store.write(|conn| leases::take(conn, "left", 7)).await.expect("it is taken");
    store.write(|conn| leases::leave_unsettled(conn, "left", 7)).await.expect("it is left");
    let left = found("left").await.expect("a lease").expect("it is there");
    assert_eq!(store.write(|conn| processes::begin_alone(conn, now())).await.expect("it begins"), 1);
    let free = found("held").await.expect("a lease").expect("it is there");
    assert_eq!(free, Lease { holder: 0, beat: held.beat + 1, unsettled: true });
    assert_eq!(found("left").await.expect("a lease"), Some(left), "who let go said how it ended");
    assert!(!store.write(|conn| leases::beat(conn, "held", 7)).await.expect("an answer"), "a lease of the past");
});

on_both_databases!(processes_that_say_no_more_are_forgotten, |database| async move {
    let store = open(&database.url, 2);
    let counted = || store.write(|conn| processes::purge(conn, now()));
    let noted = |at| store.write(move |conn| processes::note(conn, PROCESS, false, at));
    noted(now() - chrono::TimeDelta::days(2)).await.expect("it is noted");
    noted(now()).await.expect("it goes on");
    assert!(matches!(counted().await, Ok::<_, StoreFault>(0)));
    noted(now() - chrono::TimeDelta::days(2)).await.expect("it is noted");
    assert!(matches!(counted().await, Ok(1)));
});
