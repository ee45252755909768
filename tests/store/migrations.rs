//! Migrations: up, down, up; by several at once; and never over what a newer Ligand wrote.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, RunQueryDsl as _, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use futures_util::future::join_all;
use ligand::store::StoreFault;

use super::rows::db_organization;
use super::schemas::{lines_of_postgres, lines_of_sqlite};
use crate::support::Database;
use crate::support::database::{open, runtime};
use crate::support::pgbouncer::pgbouncer;

const OF_SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const OF_POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

fn sqlite(database: &Database) -> SqliteConnection {
    let path = database.url.strip_prefix("sqlite:").expect("a path");
    let mut conn = SqliteConnection::establish(path).expect("a connection");
    // A store that went a moment ago may still be writing its `-wal` back.
    conn.batch_execute("PRAGMA busy_timeout = 5000").expect("a setting");
    conn
}

fn postgres(database: &Database) -> PgConnection {
    PgConnection::establish(&database.url).expect("a connection")
}

async fn migrate(database: &Database) -> usize {
    open(&database.url, 2).migrate().await.expect("the schema migrates").len()
}

#[test]
fn up_down_and_up_gives_the_same_schema_on_sqlite() {
    let database = Database::sqlite();
    runtime().block_on(async {
        assert!(migrate(&database).await > 0);
        let mut conn = sqlite(&database);
        let first = lines_of_sqlite(&mut conn);
        conn.revert_all_migrations(OF_SQLITE).expect("the migrations are undone");
        assert_eq!(lines_of_sqlite(&mut conn), BTreeSet::new());
        assert!(migrate(&database).await > 0);
        assert_eq!(lines_of_sqlite(&mut conn), first);
        assert_eq!(migrate(&database).await, 0, "nothing is left to do");
        db_organization(&open(&database.url, 2)).await;
    });
}

#[test]
fn up_down_and_up_gives_the_same_schema_on_postgres() {
    let Some(database) = Database::empty_postgres() else { return };
    runtime().block_on(async {
        assert!(migrate(&database).await > 0);
        let mut conn = postgres(&database);
        let first = lines_of_postgres(&mut conn);
        conn.revert_all_migrations(OF_POSTGRES).expect("the migrations are undone");
        assert_eq!(lines_of_postgres(&mut conn), BTreeSet::new());
        assert!(migrate(&database).await > 0);
        assert_eq!(lines_of_postgres(&mut conn), first);
        assert_eq!(migrate(&database).await, 0, "nothing is left to do");
        db_organization(&open(&database.url, 2)).await;
    });
}

/// Each store is opened by a process that starts on the empty database.
async fn four_at_once(database: &Database) {
    let migrations = (0..4).map(|_| {
        let url = database.url.clone();
        tokio::spawn(async move {
            let store = tokio::task::spawn_blocking(move || open(&url, 2)).await.expect("the store opens");
            store.migrate().await
        })
    });
    let results: Vec<_> = join_all(migrations).await.into_iter().map(|result| result.expect("no panic")).collect();
    let worked = results.iter().filter(|result| result.as_ref().is_ok_and(|names| !names.is_empty())).count();
    assert!(worked == 1 && results.iter().all(Result::is_ok), "{results:?}");
}

#[test]
fn of_four_at_once_one_migrates_sqlite_and_all_succeed() {
    for _ in 0..5 {
        runtime().block_on(four_at_once(&Database::sqlite()));
    }
}

#[test]
fn of_four_at_once_one_migrates_postgres_and_all_succeed() {
    let Some(database) = Database::empty_postgres() else { return };
    runtime().block_on(four_at_once(&database));
}

#[test]
fn of_four_at_once_one_migrates_postgres_behind_a_pooler_and_all_succeed() {
    let Some(pooler) = pgbouncer() else { return };
    let Some(database) = Database::empty_postgres() else { return };
    runtime().block_on(four_at_once(&Database::behind(pooler, &database.url)));
}

/// A replica that starts while another one migrates a large table waits longer than a query may.
#[test]
fn a_replica_waits_for_another_ones_long_migration() {
    let Some(database) = Database::postgres() else { return };
    runtime().block_on(async {
        let mut other = postgres(&database);
        other.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(544263)").expect("the other one migrates");
        let store = open(&database.url, 2);
        let waiting = tokio::spawn(async move { store.migrate().await });
        // Longer than lock_timeout.
        tokio::time::sleep(Duration::from_millis(5_500)).await;
        assert!(!waiting.is_finished());
        other.batch_execute("COMMIT").expect("the other one is done");
        waiting.await.expect("no panic").expect("it waited");
    });
}

async fn refuses_to_go_on(database: &Database) {
    let store = open(&database.url, 2);
    let refused = store.migrate().await;
    assert!(matches!(refused, Err(StoreFault::Newer(_))), "{refused:?}");
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("99999999999999") && text.contains("start the newer version"), "{text}");
}

const OF_TOMORROW: &str = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999')";
/// As a migration does that programs before it cannot live with.
const STOP_ALL_FIRST: &str = "UPDATE compatibility SET oldest = '99999999999999'";

#[test]
fn the_database_of_a_newer_ligand_is_refused_on_sqlite() {
    let database = Database::sqlite();
    runtime().block_on(async {
        migrate(&database).await;
        sqlite(&database).batch_execute(OF_TOMORROW).expect("a newer version was here");
        assert_eq!(migrate(&database).await, 0, "what only adds is no reason to refuse");
        db_organization(&open(&database.url, 2)).await;
        sqlite(&database).batch_execute(STOP_ALL_FIRST).expect("it said so");
        refuses_to_go_on(&database).await;
    });
}

#[test]
fn the_database_of_a_newer_ligand_is_refused_on_postgres() {
    let Some(database) = Database::postgres() else { return };
    runtime().block_on(async {
        postgres(&database).batch_execute(OF_TOMORROW).expect("a newer version was here");
        assert_eq!(migrate(&database).await, 0, "what only adds is no reason to refuse");
        db_organization(&open(&database.url, 2)).await;
        postgres(&database).batch_execute(STOP_ALL_FIRST).expect("it said so");
        refuses_to_go_on(&database).await;
    });
}

/// A migration that raises what is needed raises it to itself: otherwise programs that know it would be refused too.
#[test]
fn what_a_database_needs_is_a_migration_that_exists() {
    let database = Database::sqlite();
    runtime().block_on(async { assert!(migrate(&database).await > 0) });
    let needed: String = diesel::dsl::sql::<diesel::sql_types::Text>("SELECT oldest FROM compatibility")
        .get_result(&mut sqlite(&database))
        .expect("one row");
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let mut names = std::fs::read_dir(tree).expect("the tree").map(|entry| entry.expect("an entry").file_name());
    assert!(names.any(|name| name.to_string_lossy().starts_with(&format!("{needed}_"))), "{needed}");
}

#[test]
fn both_trees_have_the_same_migrations_and_every_one_has_a_way_back() {
    let names = |tree: &str| -> BTreeSet<String> {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(tree);
        let entries = std::fs::read_dir(tree).expect("the tree");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths
            .inspect(|path| {
                for file in ["up.sql", "down.sql"] {
                    assert!(path.join(file).is_file(), "{} lacks {file}", path.display());
                }
            })
            .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
            .collect()
    };
    assert_eq!(names("sqlite"), names("postgres"));
}
