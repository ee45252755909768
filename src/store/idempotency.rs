//! `Idempotency-Key`: a repeated call gets the first one's answer.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::connection::AnyConn;
use super::fault::StoreFault;
use super::schema::idempotency::{self, dsl};
use super::time::UtcTime;
use crate::kernel::owner::Owner;

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = idempotency)]
struct Row {
    organization_id: i64,
    account_id: i64,
    key_hash: Vec<u8>,
    id: i64,
    request_hash: Vec<u8>,
    reply_sealed: Option<Vec<u8>>,
    created_at: UtcTime,
}

/// What is known of a key.
#[derive(Debug, Clone)]
pub enum Claim {
    /// The key is the caller's now; `finish` or `release` it.
    New,
    /// The first call is still under way.
    Running,
    /// Another request came with this key.
    OtherRequest,
    /// The first call's answer, sealed for the row with this id.
    Done { id: i64, reply_sealed: Vec<u8> },
}

/// A key and the request that it came with, as both are kept.
#[derive(Debug, Clone)]
pub struct Hashes {
    pub key: Vec<u8>,
    pub request: Vec<u8>,
}

/// Claims a key. `abandoned`: a claim older than this, without an answer, is of a process that died. `others`: under other
/// generations of the look-up key than the one that a new claim is stored under.
pub fn claim(
    conn: &mut AnyConn,
    owner: Owner,
    id: i64,
    hashes: Hashes,
    others: &[Hashes],
    (now, abandoned): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Claim, StoreFault> {
    for Hashes { key: key_hash, request: request_hash } in [&hashes].into_iter().chain(others) {
        let found: Option<Row> = of(owner, key_hash).first(conn).optional()?;
        let Some(row) = found else { continue };
        return Ok(match row.reply_sealed {
            _ if row.request_hash != *request_hash => Claim::OtherRequest,
            Some(reply_sealed) => Claim::Done { id: row.id, reply_sealed },
            None if DateTime::<Utc>::from(row.created_at) < abandoned => {
                let taken = of(owner, key_hash).filter(dsl::id.eq(row.id));
                let values = (dsl::id.eq(id), dsl::created_at.eq(UtcTime(now)));
                let won = diesel::update(taken).set(values).execute(conn)? == 1;
                if won { Claim::New } else { Claim::Running }
            }
            None => Claim::Running,
        });
    }
    let row = Row {
        organization_id: owner.organization,
        account_id: owner.account,
        key_hash: hashes.key,
        id,
        request_hash: hashes.request,
        reply_sealed: None,
        created_at: UtcTime(now),
    };
    diesel::insert_into(idempotency::table).values(&row).execute(conn)?;
    Ok(Claim::New)
}

/// Keeps the answer; belongs into the transaction of the work itself.
pub fn finish(conn: &mut AnyConn, owner: Owner, id: i64, reply_sealed: &[u8]) -> Result<(), StoreFault> {
    let claimed = dsl::idempotency
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::id.eq(id));
    diesel::update(claimed).set(dsl::reply_sealed.eq(Some(reply_sealed))).execute(conn)?;
    Ok(())
}

/// The call failed: the key may be used again.
pub fn release(conn: &mut AnyConn, owner: Owner, id: i64) -> Result<(), StoreFault> {
    let claimed = dsl::idempotency
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::id.eq(id))
        .filter(dsl::reply_sealed.is_null());
    diesel::delete(claimed).execute(conn)?;
    Ok(())
}

pub fn purge(conn: &mut AnyConn, before: DateTime<Utc>) -> Result<usize, StoreFault> {
    Ok(diesel::delete(dsl::idempotency.filter(dsl::created_at.lt(UtcTime(before)))).execute(conn)?)
}

#[diesel::dsl::auto_type]
fn of<'a>(owner: Owner, key_hash: &'a [u8]) -> _ {
    dsl::idempotency
        .filter(dsl::organization_id.eq::<i64>(owner.organization))
        .filter(dsl::account_id.eq::<i64>(owner.account))
        .filter(dsl::key_hash.eq::<&'a [u8]>(key_hash))
}
