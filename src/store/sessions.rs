//! Sessions that were ended before their time.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::changes::{self, Kind};
use super::connection::AnyConn;
use super::fault::StoreFault;
use super::schema::ended_session::{self, dsl};
use super::time::UtcTime;

/// Ends one session everywhere. Fails with `Conflict` when it is over already.
pub fn end(
    conn: &mut AnyConn,
    user: i64,
    session: &str,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), StoreFault> {
    let row = (dsl::user_id.eq(user), dsl::session.eq(session), dsl::expires_at.eq(UtcTime(expires_at)));
    diesel::insert_into(ended_session::table).values(row).execute(conn)?;
    changes::record(conn, Kind::User, user, now)
}

/// The user's.
pub fn ended(conn: &mut AnyConn, user: i64) -> Result<Vec<String>, StoreFault> {
    Ok(dsl::ended_session.filter(dsl::user_id.eq(user)).select(dsl::session).load(conn)?)
}

/// Of whomever: what has ended by itself meanwhile.
pub fn purge(conn: &mut AnyConn, now: DateTime<Utc>) -> Result<usize, StoreFault> {
    Ok(diesel::delete(dsl::ended_session.filter(dsl::expires_at.le(UtcTime(now)))).execute(conn)?)
}
