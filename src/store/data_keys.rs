//! Data keys: look-up and session keys, sealed by the ring.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::connection::AnyConn;
use super::fault::StoreFault;
use super::schema::data_key;
use super::time::UtcTime;

/// The id and the sealed key for a purpose, if there is one.
pub fn find(conn: &mut AnyConn, purpose: &str) -> Result<Option<(i64, Vec<u8>)>, StoreFault> {
    let row = data_key::table.filter(data_key::purpose.eq(purpose)).select((data_key::id, data_key::sealed));
    Ok(row.first(conn).optional()?)
}

/// Fails with `Conflict` when another process was first.
pub fn insert(conn: &mut AnyConn, id: i64, purpose: &str, sealed: &[u8], now: DateTime<Utc>) -> Result<(), StoreFault> {
    let row = (
        data_key::id.eq(id),
        data_key::purpose.eq(purpose),
        data_key::sealed.eq(sealed),
        data_key::created_at.eq(UtcTime(now)),
        data_key::generation.eq(1),
    );
    diesel::insert_into(data_key::table).values(row).execute(conn)?;
    Ok(())
}
