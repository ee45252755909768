//! The settings that make a commit survive a power cut, asked on the application's own connections: a page cache that
//! survives a killed process proves nothing.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::Text;
use ligand::store::{AnyConn, Store, StoreFault};

use crate::support::Database;
use crate::support::database::{open, runtime};
use crate::support::postgres::postgres;

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    value: String,
}

const OF_SQLITE: &str = "SELECT 'synchronous' AS name, CAST(synchronous AS TEXT) AS value FROM pragma_synchronous \
     UNION ALL SELECT 'journal_mode', journal_mode FROM pragma_journal_mode \
     UNION ALL SELECT 'foreign_keys', CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys \
     UNION ALL SELECT 'query_only', CAST(query_only AS TEXT) FROM pragma_query_only \
     UNION ALL SELECT 'busy_timeout', CAST(timeout AS TEXT) FROM pragma_busy_timeout";
const OF_POSTGRES: &str = "SELECT name, setting AS value FROM pg_settings \
     WHERE name IN ('synchronous_commit', 'fsync', 'full_page_writes', 'TimeZone', 'statement_timeout', 'lock_timeout')";

fn settings(conn: &mut AnyConn) -> Result<BTreeMap<String, String>, StoreFault> {
    let rows: Vec<Setting> = match conn {
        AnyConn::Sqlite(conn) => diesel::sql_query(OF_SQLITE).load(conn)?,
        AnyConn::Pg(conn) => diesel::sql_query(OF_POSTGRES).load(conn)?,
    };
    Ok(rows.into_iter().map(|row| (row.name, row.value)).collect())
}

fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn sqlite_syncs_every_commit_and_its_readers_only_read() {
    let database = Database::sqlite();
    runtime().block_on(async {
        let store = open(&database.url, 2);
        store.migrate().await.expect("the schema migrates");
        let common = [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1"), ("busy_timeout", "5000")];
        let writer = store.write(settings).await.expect("the writer answers");
        assert_eq!(writer, expected(&[common.as_slice(), &[("query_only", "0")]].concat()));
        let reader = store.read(settings).await.expect("a reader answers");
        assert_eq!(reader, expected(&[common.as_slice(), &[("query_only", "1")]].concat()));
    });
}

fn careless(database: &Database) {
    let url = url::Url::parse(&database.url).expect("a URL");
    let name = url.path().trim_start_matches('/');
    for setting in ["synchronous_commit = off", "timezone = 'Asia/Tokyo'", "statement_timeout = 0", "lock_timeout = 0"]
    {
        postgres().expect("it made the database").execute("postgres", &format!("ALTER DATABASE {name} SET {setting}"));
    }
}

async fn is_durable_all_the_same(store: &Store) {
    let durable = expected(&[
        ("synchronous_commit", "on"),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("TimeZone", "UTC"),
        ("statement_timeout", "10000"),
        ("lock_timeout", "5000"),
    ]);
    assert_eq!(store.write(settings).await.expect("a writer answers"), durable);
    assert_eq!(store.read(settings).await.expect("a reader answers"), durable);
}

#[test]
fn postgres_syncs_every_commit_even_where_the_database_says_otherwise() {
    let Some(database) = Database::postgres() else { return };
    careless(&database);
    runtime().block_on(async { is_durable_all_the_same(&open(&database.url, 2)).await });
}

/// What others leave behind in a session of the server is not what the next transaction runs under.
#[test]
fn behind_a_pooler_every_transaction_is_durable_by_itself() {
    let Some(database) = Database::through_pgbouncer() else { return };
    careless(&database);
    runtime().block_on(async {
        let stores = [open(&database.url, 4), open(&database.url, 4)];
        for _ in 0..4 {
            for store in &stores {
                is_durable_all_the_same(store).await;
            }
            // On whichever connection of the server it hits.
            database.execute("SET synchronous_commit = off; SET statement_timeout = 1");
        }
    });
}
