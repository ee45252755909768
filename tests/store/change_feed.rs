//! The change feed: a process that follows it misses nothing, in whatever order others commit.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, SqliteConnection};
use ligand::store::changes::{self, Kind};
use ligand::store::{Store, StoreFault};

use super::on_both_databases;
use super::rows::now;
use crate::support::Database;
use crate::support::database::{open, runtime};
use crate::support::part::{Signal, missing};
use crate::support::postgres::Postgres;

async fn db_change(store: &Store, entity: i64) {
    let recorded = store.write(move |conn| changes::record(conn, Kind::User, entity, now())).await;
    recorded.expect("the change is recorded");
}

/// Reads on from `position`, as a process does once a second.
async fn follow(store: &Store, position: &mut i64) -> Vec<i64> {
    let from = *position;
    let (changed, next) = store.read(move |conn| changes::since(conn, from)).await.expect("the feed is read");
    *position = next;
    changed.iter().map(|change| change.entity_id).collect()
}

/// A process that starts now: the past is none of its business.
async fn start(store: &Store) -> i64 {
    let mut position = i64::MAX;
    assert!(follow(store, &mut position).await.is_empty());
    position
}

on_both_databases!(a_follower_sees_what_was_committed_since, |database| async move {
    let (writer, reader) = (open(&database.url, 4), open(&database.url, 4));
    let mut position = start(&reader).await;
    for entity in [2, 3] {
        db_change(&writer, entity).await;
        assert!(follow(&reader, &mut position).await.contains(&entity));
    }
    let failed: Result<(), _> = writer
        .write(|conn| {
            changes::record(conn, Kind::User, 4, now())?;
            Err(StoreFault::Other("undone".to_owned()))
        })
        .await;
    assert!(failed.is_err());
    assert!(!follow(&reader, &mut position).await.contains(&4), "it was never committed");
});

on_both_databases!(a_purge_makes_nobody_miss_what_comes_after_it, |database| async move {
    let store = open(&database.url, 4);
    let mut position = start(&store).await;
    for entity in 1..5 {
        db_change(&store, entity).await;
    }
    let purged = store.write(|conn| changes::purge(conn, now() + chrono::TimeDelta::seconds(1))).await;
    assert_eq!(purged.unwrap(), 4);
    db_change(&store, 5).await;
    assert!(follow(&store, &mut position).await.contains(&5));
    // The same for one that had read everything before the purge.
    let purged = store.write(|conn| changes::purge(conn, now() + chrono::TimeDelta::seconds(1))).await;
    assert_eq!(purged.unwrap(), 1);
    follow(&store, &mut position).await;
    db_change(&store, 6).await;
    assert!(follow(&store, &mut position).await.contains(&6));
});

/// Ids and transaction numbers are given out when a writer begins, rows become visible when it commits.
#[test]
fn who_commits_late_is_not_missed_on_postgres() {
    let Some(database) = Database::postgres() else { return };
    runtime().block_on(async {
        let store = open(&database.url, 4);
        let mut position = start(&store).await;
        let mut slow = PgConnection::establish(&database.url).expect("a connection");
        slow.batch_execute(
            "BEGIN; INSERT INTO change (kind, entity_id, created_at) VALUES ('user', 1, '2026-03-01T12:00:00Z')",
        )
        .expect("the first writer inserts");
        db_change(&store, 2).await;
        assert_eq!(follow(&store, &mut position).await, [2]);
        // A reading in between must not step over the one that is still under way.
        follow(&store, &mut position).await;
        slow.batch_execute("COMMIT").expect("the first writer commits");
        assert!(follow(&store, &mut position).await.contains(&1));
    });
}

#[test]
fn who_commits_late_is_not_missed_on_sqlite() {
    let database = Database::sqlite();
    runtime().block_on(async {
        let store = open(&database.url, 4);
        store.migrate().await.expect("the schema migrates");
        let mut position = start(&store).await;
        let path = database.url.strip_prefix("sqlite:").expect("a path");
        let mut slow = SqliteConnection::establish(path).expect("a connection");
        slow.batch_execute(
            "BEGIN IMMEDIATE; INSERT INTO change (kind, entity_id, created_at) VALUES ('user', 1, '2026-03-01T12:00:00.000000Z')",
        )
        .expect("the first writer inserts");
        let waiting = tokio::spawn({
            let store = store.clone();
            async move { db_change(&store, 2).await }
        });
        assert!(follow(&store, &mut position).await.is_empty());
        slow.batch_execute("COMMIT").expect("the first writer commits");
        waiting.await.expect("the second writer commits");
        assert_eq!(follow(&store, &mut position).await, [1, 2]);
        assert!(follow(&store, &mut position).await.is_empty());
    });
}

/// Numbers of transactions that left nothing durable are given out again after a crash, or by a promoted standby.
#[test]
fn numbers_that_a_crash_takes_back_hide_no_change_on_postgres() {
    let Some(postgres) = Postgres::start() else { return missing("no PostgreSQL on this machine") };
    let url = postgres.create_database();
    // Nothing is flushed but by who waits for it.
    postgres.execute("postgres", "ALTER SYSTEM SET wal_writer_delay = '10s'");
    postgres.execute("postgres", "SELECT pg_reload_conf()");
    let number = "SELECT pg_current_xact_id()";
    let database = url.rsplit('/').next().expect("a name");
    runtime().block_on(async {
        let store = open(&url, 2);
        store.migrate().await.expect("the schema migrates");
        let mut position = start(&store).await;
        db_change(&store, 1).await;
        assert_eq!(follow(&store, &mut position).await, [1]);
        // On a busy machine the writer of the log may come in between, and the crash takes nothing back: once more, then.
        let mut crashes = 0;
        loop {
            let mut other = PgConnection::establish(&url).expect("a connection");
            // The first one wakes the writer of the log, which then rests.
            other.batch_execute(number).expect("a number");
            tokio::time::sleep(Duration::from_millis(300)).await;
            (0..300).for_each(|_| other.batch_execute(number).expect("a number"));
            let before: i64 = postgres.execute(database, number).parse().expect("a number");
            let again = follow(&open(&url, 1), &mut position).await;
            assert!(crashes > 0 || again.is_empty(), "nothing comes twice for nothing");
            postgres.stop(Signal::Quit);
            postgres.start_again();
            let after: i64 = postgres.execute(database, number).parse().expect("a number");
            crashes += 1;
            if after < before {
                break;
            }
            assert!(crashes < 5, "no crash took any back: {before}, {after}");
        }
        let store = open(&url, 2);
        db_change(&store, 2).await;
        assert!(follow(&store, &mut position).await.contains(&2));
    });
}
