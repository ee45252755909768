//! What a SQLite file holds, found out before anything is done to it: opening it as a store would make a file where there is
//! none, and would change the journal of one that is not ours.
//!
//! Nothing here, or above, may open a database's file by itself: closing it again would end SQLite's own locks on it.

use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::connection::AnyConn;
use super::fault::StoreFault;
use super::migrate::{self, Schema};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peek {
    pub schema: Schema,
    /// Somebody was served from it: there is something to lose, and a key that it is sealed by.
    pub has_data: bool,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// None where there is no file, or an empty one.
pub fn peek(path: &Path) -> Result<Option<Peek>, StoreFault> {
    match path.metadata() {
        Ok(file) if file.len() > 0 => {}
        _ => return Ok(None),
    }
    let mut conn = AnyConn::Sqlite(open(path)?);
    let schema = migrate::schema(&mut conn)?;
    let AnyConn::Sqlite(conn) = &mut conn else { return Ok(None) };
    // Both tables are there since the first migration.
    let rows = "SELECT (SELECT count(*) FROM data_key) + (SELECT count(*) FROM organization) AS count";
    let has_data = match schema {
        Schema::Missing => false,
        _ => diesel::sql_query(rows).get_result::<Count>(conn)?.count > 0,
    };
    Ok(Some(Peek { schema, has_data }))
}

/// A connection to a file that exists, as it is.
pub(super) fn open(path: &Path) -> Result<SqliteConnection, StoreFault> {
    let opened = SqliteConnection::establish(&path.to_string_lossy());
    let mut conn = opened.map_err(|error| StoreFault::Unavailable(format!("{}: {error}", path.display())))?;
    conn.batch_execute("PRAGMA busy_timeout = 5000")?;
    Ok(conn)
}
