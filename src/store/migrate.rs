//! The two migration trees: same numbers, same names. A database that a newer Ligand migrated says itself whether an older
//! one may still run on it.

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::migration::MigrationSource as _;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::{AnyConn, on_each};
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

/// How a database's schema stands to this program's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schema {
    /// There is none: no Ligand was here.
    Missing,
    /// So many migrations are to be run.
    Behind(usize),
    Current,
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Looks without making anything: asked by diesel itself, it would make its table.
pub(super) fn schema(conn: &mut AnyConn) -> Result<Schema, StoreFault> {
    const VERSIONS: &str = "SELECT version FROM __diesel_schema_migrations";
    let (there, known) = match conn {
        AnyConn::Sqlite(conn) => {
            let there = "SELECT name AS version FROM sqlite_schema WHERE name = '__diesel_schema_migrations'";
            (diesel::sql_query(there).load::<Applied>(conn)?, numbers::<Sqlite>(&SQLITE)?)
        }
        AnyConn::Pg(conn) => {
            let there = "SELECT to_regclass('__diesel_schema_migrations')::text AS version \
                         WHERE to_regclass('__diesel_schema_migrations') IS NOT NULL";
            (diesel::sql_query(there).load::<Applied>(conn)?, numbers::<Pg>(&POSTGRES)?)
        }
    };
    if there.is_empty() {
        return Ok(Schema::Missing);
    }
    let applied: Vec<Applied> = on_each!(conn, inner => diesel::sql_query(VERSIONS).load(inner))?;
    let applied: Vec<String> = applied.into_iter().map(|row| row.version).collect();
    let oldest = || compatibility::table.select(compatibility::oldest).get_result(conn);
    refuse_newer(&applied, &known, oldest)?;
    Ok(match known.iter().filter(|version| !applied.contains(version)).count() {
        0 => Schema::Current,
        pending => Schema::Behind(pending),
    })
}

fn numbers<DB: diesel::backend::Backend>(source: &EmbeddedMigrations) -> Result<Vec<String>, StoreFault>
where
    EmbeddedMigrations: diesel::migration::MigrationSource<DB>,
{
    let known = source.migrations().map_err(|error| StoreFault::Other(error.to_string()))?;
    Ok(known.iter().map(|migration| migration.name().version().to_string()).collect())
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
    let applied: Vec<String> = applied.iter().map(ToString::to_string).collect();
    refuse_newer(&applied, &numbers::<DB>(&source)?, || oldest(conn))?;
    let run = conn.run_pending_migrations(source).map_err(|error| other(&error))?;
    Ok(run.iter().map(ToString::to_string).collect())
}

/// A database that a newer version migrated takes this program only where it says so.
fn refuse_newer(
    applied: &[String],
    known: &[String],
    oldest: impl FnOnce() -> QueryResult<String>,
) -> Result<(), StoreFault> {
    let Some(newer) = applied.iter().find(|version| !known.contains(version)) else { return Ok(()) };
    let tells = applied.iter().any(|version| version == TELLS_SINCE);
    if !tells || known.iter().max() < Some(&oldest()?) {
        return Err(StoreFault::Newer(newer.clone()));
    }
    tracing::warn!(migration = %newer, "a newer version migrated the database; this one may run beside it");
    Ok(())
}
