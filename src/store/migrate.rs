//! The two migration trees: same numbers, same names. A database that a newer Ligand migrated says itself whether an older
//! one may still run on it.

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::migration::MigrationSource as _;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::AnyConn;
use super::fault::StoreFault;
use super::schema::compatibility;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
/// Any number that no other program takes in the same database ("LIGAND" on a telephone).
const ADVISORY_LOCK: i64 = 544_263;

/// Since then a database tells which programs may run on it.
const TELLS_SINCE: &str = "00000000000008";

/// Runs what is pending, in one transaction, while other processes wait: for as long as it takes, so without the limits
/// that queries have. The names of what was run.
pub(super) fn up(conn: &mut AnyConn) -> Result<Vec<String>, StoreFault> {
    let oldest = compatibility::table.select(compatibility::oldest);
    match conn {
        AnyConn::Sqlite(conn) => {
            conn.batch_execute("PRAGMA busy_timeout = 3600000")?;
            conn.immediate_transaction(|conn| run(conn, SQLITE, |conn| oldest.first(conn)))
        }
        AnyConn::Pg(conn) => conn.transaction(|conn| {
            conn.batch_execute("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")?;
            // Released at the end of the transaction, also behind a transaction-mode pooler.
            diesel::sql_query(format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")).execute(conn)?;
            run(conn, POSTGRES, |conn| oldest.first(conn))
        }),
    }
}

/// `oldest` asks the database which program may still run on it, by the newest migration that it knows.
fn run<C, DB>(
    conn: &mut C,
    source: EmbeddedMigrations,
    oldest: impl FnOnce(&mut C) -> QueryResult<String>,
) -> Result<Vec<String>, StoreFault>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB>,
    EmbeddedMigrations: diesel::migration::MigrationSource<DB>,
{
    let other = |error: &dyn std::fmt::Display| StoreFault::Other(error.to_string());
    let applied = conn.applied_migrations().map_err(|error| other(&error))?;
    let known = source.migrations().map_err(|error| other(&error))?;
    if let Some(newer) = applied.iter().find(|version| !known.iter().any(|known| known.name().version() == **version)) {
        let ours = known.iter().map(|known| known.name().version().to_string()).max();
        let tells = applied.iter().any(|version| version.to_string() == TELLS_SINCE);
        if !tells || ours < Some(oldest(conn)?) {
            return Err(StoreFault::Newer(newer.to_string()));
        }
        tracing::warn!(migration = %newer, "a newer version migrated the database; this one may run beside it");
    }
    let run = conn.run_pending_migrations(source).map_err(|error| other(&error))?;
    Ok(run.iter().map(ToString::to_string).collect())
}
