//! Sessions that were begun, and those that were ended before their time.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::audit::Trail;
use super::changes::{self, Kind};
use super::connection::AnyConn;
use super::fault::StoreFault;
use super::principals::end_sessions;
use super::schema::{app_user, ended_session, session};
use super::time::UtcTime;

/// What a person sees of one of their sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSession {
    pub id: String,
    /// `api` or `console`.
    pub audience: String,
    /// Where it began.
    pub address: Option<String>,
    pub began_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Sessions of one user that are known one by one, the newest; older ones go on until they expire, or all are ended.
pub const MOST_KNOWN: i64 = 1000;
/// Sessions of one user that were ended one by one and would go on otherwise. One more ends all of them at once.
pub const MOST_ENDED: i64 = 10_000;

pub fn begin(conn: &mut AnyConn, user: i64, new: &KeptSession) -> Result<(), StoreFault> {
    let row = (
        session::user_id.eq(user),
        session::id.eq(&new.id),
        session::audience.eq(&new.audience),
        session::address.eq(&new.address),
        session::began_at.eq(UtcTime(new.began_at)),
        session::expires_at.eq(UtcTime(new.expires_at)),
    );
    diesel::insert_into(session::table).values(row).execute(conn)?;
    let own = session::table.filter(session::user_id.eq(user));
    let newest = own.order((session::began_at.desc(), session::id)).select(session::id);
    let oldest: Vec<String> = newest.limit(MOST_KNOWN).offset(MOST_KNOWN).load(conn)?;
    if !oldest.is_empty() {
        diesel::delete(own.filter(session::id.eq_any(oldest))).execute(conn)?;
    }
    Ok(())
}

type Columns = (String, String, Option<String>, UtcTime, UtcTime);

impl From<Columns> for KeptSession {
    fn from((id, audience, address, began_at, expires_at): Columns) -> Self {
        Self { id, audience, address, began_at: began_at.into(), expires_at: expires_at.into() }
    }
}

/// The user's that go on, the newest first; `most` of them.
pub fn list(conn: &mut AnyConn, user: i64, most: i64, now: DateTime<Utc>) -> Result<Vec<KeptSession>, StoreFault> {
    let own = session::table.filter(session::user_id.eq(user)).filter(session::expires_at.gt(UtcTime(now)));
    let columns = (session::id, session::audience, session::address, session::began_at, session::expires_at);
    let newest = own.order((session::began_at.desc(), session::id)).limit(most).select(columns);
    Ok(newest.load::<Columns>(conn)?.into_iter().map(Into::into).collect())
}

/// One of the user's own. None: it is over, or never was.
pub fn expiry(conn: &mut AnyConn, user: i64, id: &str) -> Result<Option<DateTime<Utc>>, StoreFault> {
    let row = session::table.find((user, id)).select(session::expires_at);
    Ok(row.get_result::<UtcTime>(conn).optional()?.map(Into::into))
}

/// Ends one session everywhere. Fails with `Conflict` when it is over already.
pub fn end(
    conn: &mut AnyConn,
    user: i64,
    (id, expires_at): (&str, DateTime<Utc>),
    now: DateTime<Utc>,
    trail: &Trail,
) -> Result<(), StoreFault> {
    diesel::delete(session::table.find((user, id))).execute(conn)?;
    let row = (
        ended_session::user_id.eq(user),
        ended_session::session.eq(id),
        ended_session::expires_at.eq(UtcTime(expires_at)),
    );
    diesel::insert_into(ended_session::table).values(row).execute(conn)?;
    let own = ended_session::table.filter(ended_session::user_id.eq(user));
    if own.count().get_result::<i64>(conn)? > MOST_ENDED {
        end_sessions(conn, user)?;
    }
    trail.write(conn)?;
    changes::record(conn, Kind::User, user, now)
}

/// The user's.
pub fn ended(conn: &mut AnyConn, user: i64) -> Result<Vec<String>, StoreFault> {
    let own = ended_session::table.filter(ended_session::user_id.eq(user));
    Ok(own.select(ended_session::session).load(conn)?)
}

/// Of a user whose sessions ended all at once: the generation says so of each.
pub(super) fn forget(conn: &mut AnyConn, user: i64) -> Result<(), StoreFault> {
    diesel::delete(session::table.filter(session::user_id.eq(user))).execute(conn)?;
    diesel::delete(ended_session::table.filter(ended_session::user_id.eq(user))).execute(conn)?;
    Ok(())
}

/// As `forget`, of all who belong to an organization.
pub(super) fn forget_of(conn: &mut AnyConn, organization: i64) -> Result<(), StoreFault> {
    let users = app_user::table.filter(app_user::organization_id.eq(organization)).select(app_user::id);
    diesel::delete(session::table.filter(session::user_id.eq_any(users))).execute(conn)?;
    diesel::delete(ended_session::table.filter(ended_session::user_id.eq_any(users))).execute(conn)?;
    Ok(())
}

/// Of whomever: what has ended by itself meanwhile.
pub fn purge(conn: &mut AnyConn, now: DateTime<Utc>) -> Result<usize, StoreFault> {
    let ended =
        diesel::delete(ended_session::table.filter(ended_session::expires_at.le(UtcTime(now)))).execute(conn)?;
    let begun = diesel::delete(session::table.filter(session::expires_at.le(UtcTime(now)))).execute(conn)?;
    Ok(ended.saturating_add(begun))
}
