//! A copy of a SQLite database, taken while others write, and the look at one before somebody relies on it.

use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::connection::AnyConn;
use super::fault::StoreFault;
use super::migrate::{self, Schema};
use super::peek::open;

/// What was found in a database that was read from its first page to its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    pub schema: Schema,
    pub organizations: i64,
    pub instances: i64,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[derive(QueryableByName)]
struct Counts {
    #[diesel(sql_type = BigInt)]
    organizations: i64,
    #[diesel(sql_type = BigInt)]
    instances: i64,
}

/// Writes everything that was committed when it began into `target`, an empty file. Nobody waits for it meanwhile.
pub fn copy(source: &Path, target: &Path) -> Result<(), StoreFault> {
    let into = format!("VACUUM INTO '{}'", target.to_string_lossy().replace('\'', "''"));
    diesel::sql_query(into).execute(&mut open(source)?)?;
    Ok(())
}

/// Fails where a page, an index or a reference is not in order, or where the file is no database of ours.
pub fn check(path: &Path) -> Result<Holding, StoreFault> {
    let mut conn = AnyConn::Sqlite(open(path)?);
    let AnyConn::Sqlite(sqlite) = &mut conn else { return Err(StoreFault::NotFound) };
    let found: Vec<Line> =
        diesel::sql_query("SELECT integrity_check AS line FROM pragma_integrity_check").load(sqlite)?;
    if let Some(first) = found.iter().find(|found| found.line != "ok") {
        return Err(StoreFault::Other(first.line.clone()));
    }
    let dangling = r#"SELECT "table" AS line FROM pragma_foreign_key_check LIMIT 1"#;
    if let Some(dangling) = diesel::sql_query(dangling).load::<Line>(sqlite)?.first() {
        return Err(StoreFault::Other(format!("a row of {} refers to none that is there", dangling.line)));
    }
    let schema = migrate::schema(&mut conn)?;
    let AnyConn::Sqlite(sqlite) = &mut conn else { return Err(StoreFault::NotFound) };
    let counts =
        "SELECT (SELECT count(*) FROM organization) AS organizations, (SELECT count(*) FROM instance) AS instances";
    let counts = match schema {
        Schema::Missing => Counts { organizations: 0, instances: 0 },
        _ => diesel::sql_query(counts).get_result(sqlite)?,
    };
    Ok(Holding { schema, organizations: counts.organizations, instances: counts.instances })
}
