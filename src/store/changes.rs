//! The change feed: what other processes must forget.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::schema::change;
use super::time::UtcTime;

/// What kind of row changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    User,
    Organization,
    Instance,
    /// A look-up or session key, or when one ends.
    DataKey,
    /// It was restored, or goes on after that.
    Database,
    /// The operator says of its file that it is the same vendor's.
    Element,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Organization => "organization",
            Self::Instance => "instance",
            Self::DataKey => "data_key",
            Self::Database => "database",
            Self::Element => "element",
        }
    }
}

/// One change, as another process reads it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Change {
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = BigInt)]
    pub entity_id: i64,
    #[diesel(sql_type = BigInt)]
    position: i64,
}

impl Change {
    pub fn is(&self, kind: Kind) -> bool {
        self.kind == kind.as_str()
    }
}

/// Belongs into the transaction that makes the change.
pub fn record(conn: &mut AnyConn, kind: Kind, entity_id: i64, now: DateTime<Utc>) -> Result<(), StoreFault> {
    let row = (change::kind.eq(kind.as_str()), change::entity_id.eq(entity_id), change::created_at.eq(UtcTime(now)));
    diesel::insert_into(change::table).values(row).execute(conn)?;
    Ok(())
}

/// The same of many rows at once.
pub fn record_all(conn: &mut AnyConn, kind: Kind, ids: &[i64], now: DateTime<Utc>) -> Result<(), StoreFault> {
    let row =
        |id: &i64| (change::kind.eq(kind.as_str()), change::entity_id.eq(*id), change::created_at.eq(UtcTime(now)));
    let rows: Vec<_> = ids.iter().map(row).collect();
    // SQLite takes no empty list.
    if !rows.is_empty() {
        on_each!(conn, conn => diesel::insert_into(change::table).values(rows).execute(conn)?);
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Horizon {
    #[diesel(sql_type = BigInt)]
    position: i64,
}

/// Everything that was committed since `position`, and the position to go on from. A change may come twice, but none
/// is missed: on PostgreSQL rows become visible out of order, so a position there is the oldest transaction still
/// running, not the last row seen. Nor is it ahead of the newest change: numbers of transactions that changed nothing
/// durable are given out again after a crash, and by a standby that was promoted.
pub fn since(conn: &mut AnyConn, position: i64) -> Result<(Vec<Change>, i64), StoreFault> {
    let (horizon, rows) = match conn {
        AnyConn::Sqlite(_) => (
            "SELECT coalesce(max(id), 0) AS position FROM change",
            "SELECT kind, entity_id, id AS position FROM change WHERE id > ? ORDER BY id",
        ),
        AnyConn::Pg(_) => (
            "SELECT least(pg_snapshot_xmin(pg_current_snapshot())::text::bigint, coalesce((SELECT \
             transaction_id::text::bigint + 1 FROM change ORDER BY transaction_id DESC LIMIT 1), 0)) AS position",
            "SELECT kind, entity_id, transaction_id::text::bigint AS position FROM change \
             WHERE transaction_id >= ($1::text)::xid8 ORDER BY id",
        ),
    };
    // The horizon comes first: what commits between the two reads is read twice rather than missed.
    let next = match conn {
        AnyConn::Sqlite(conn) => diesel::sql_query(horizon).get_result::<Horizon>(conn)?,
        AnyConn::Pg(conn) => diesel::sql_query(horizon).get_result::<Horizon>(conn)?,
    };
    let changes = match conn {
        AnyConn::Sqlite(conn) => diesel::sql_query(rows).bind::<BigInt, _>(position).load::<Change>(conn)?,
        AnyConn::Pg(conn) => diesel::sql_query(rows).bind::<BigInt, _>(position).load::<Change>(conn)?,
    };
    Ok((changes, next.position))
}

/// Removes what every process has read long ago.
pub fn purge(conn: &mut AnyConn, before: DateTime<Utc>) -> Result<usize, StoreFault> {
    Ok(diesel::delete(change::table.filter(change::created_at.lt(UtcTime(before)))).execute(conn)?)
}
