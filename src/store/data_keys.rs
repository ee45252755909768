//! Data keys: look-up and session keys in generations, sealed by the ring.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::audit::Trail;
use super::changes::{self, Kind};
use super::connection::AnyConn;
use super::fault::StoreFault;
use super::schema::compatibility;
use super::schema::data_key::{self, dsl};
use super::time::UtcTime;
use crate::vault::Form;

/// The newest migration of the first program that knows seals bound to their owners.
const BOUND_SINCE: &str = "00000000000014";

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = data_key)]
struct Row {
    id: i64,
    purpose: String,
    sealed: Vec<u8>,
    created_at: UtcTime,
    generation: i64,
    retires_at: Option<UtcTime>,
}

/// One generation of a data key.
#[derive(Debug, Clone)]
pub struct DataKey {
    pub id: i64,
    pub sealed: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub generation: i64,
    /// None: it is the newest, or the change to the newest has not come to its end.
    pub retires_at: Option<DateTime<Utc>>,
}

impl From<Row> for DataKey {
    fn from(row: Row) -> Self {
        let (created_at, retires_at) = (row.created_at.into(), row.retires_at.map(Into::into));
        Self { id: row.id, sealed: row.sealed, created_at, generation: row.generation, retires_at }
    }
}

/// All generations for a purpose, the oldest first.
pub fn list(conn: &mut AnyConn, purpose: &str) -> Result<Vec<DataKey>, StoreFault> {
    let rows = dsl::data_key.filter(dsl::purpose.eq(purpose)).order(dsl::generation);
    Ok(rows.load::<Row>(conn)?.into_iter().map(Into::into).collect())
}

/// Adds a generation that every process will learn of. Fails with `Conflict` when another process was first.
pub fn insert(
    conn: &mut AnyConn,
    purpose: &str,
    (id, sealed): (i64, &[u8]),
    generation: i64,
    now: DateTime<Utc>,
    trail: &Trail,
) -> Result<(), StoreFault> {
    let row = Row {
        id,
        purpose: purpose.to_owned(),
        sealed: sealed.to_vec(),
        created_at: UtcTime(now),
        generation,
        retires_at: None,
    };
    diesel::insert_into(data_key::table).values(&row).execute(conn)?;
    trail.write(conn)?;
    if Form::of(sealed) == Some(Form::Bound) {
        refuse_older(conn)?;
    }
    changes::record(conn, Kind::DataKey, id, now)
}

/// Says when the generations before this one end, where nobody has said so yet.
pub fn retire_before(
    conn: &mut AnyConn,
    purpose: &str,
    generation: i64,
    (at, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), StoreFault> {
    let older = dsl::data_key
        .filter(dsl::purpose.eq(purpose))
        .filter(dsl::generation.lt(generation))
        .filter(dsl::retires_at.is_null());
    diesel::update(older).set(dsl::retires_at.eq(Some(UtcTime(at)))).execute(conn)?;
    changes::record(conn, Kind::DataKey, generation, now)
}

/// From now on no program starts here that knows no seal bound to its owner.
pub fn refuse_older(conn: &mut AnyConn) -> Result<(), StoreFault> {
    let older = compatibility::table.filter(compatibility::oldest.lt(BOUND_SINCE));
    diesel::update(older).set(compatibility::oldest.eq(BOUND_SINCE)).execute(conn)?;
    Ok(())
}

/// Every process reads them anew.
pub fn say_changed(conn: &mut AnyConn, now: DateTime<Utc>) -> Result<(), StoreFault> {
    changes::record(conn, Kind::DataKey, 0, now)
}

/// Whether a generation of this purpose has come to its end.
pub fn any_retired(conn: &mut AnyConn, purpose: &str, now: DateTime<Utc>) -> Result<bool, StoreFault> {
    let row = dsl::data_key.filter(dsl::purpose.eq(purpose)).filter(dsl::retires_at.le(UtcTime(now)));
    Ok(row.select(dsl::id).first::<i64>(conn).optional()?.is_some())
}

/// Removes the generations that have come to their end.
pub fn remove_retired(conn: &mut AnyConn, purpose: &str, now: DateTime<Utc>) -> Result<usize, StoreFault> {
    let retired = dsl::data_key.filter(dsl::purpose.eq(purpose)).filter(dsl::retires_at.le(UtcTime(now)));
    let removed = diesel::delete(retired).execute(conn)?;
    if removed > 0 {
        say_changed(conn, now)?;
    }
    Ok(removed)
}
