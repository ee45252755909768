//! `Idempotency-Key`: a repeated call gets the first one's answer.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::connection::AnyConn;
use super::fault::StoreFault;
use super::leases::{self, Lease, Seen};
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
    /// The first call is still under way, as far as the lease of its process tells.
    Running { seen: Seen, since: DateTime<Utc> },
    /// So it is in a process of an older version, which has no lease, since then.
    RunningSince(DateTime<Utc>),
    /// Another request came with this key.
    OtherRequest,
    /// The key is new, and may not be claimed.
    NoRoom,
    /// The first call's answer, sealed for the row with this id.
    Done { id: i64, reply_sealed: Vec<u8> },
}

/// A key and the request that it came with, as both are kept.
#[derive(Debug, Clone)]
pub struct Hashes {
    pub key: Vec<u8>,
    pub request: Vec<u8>,
}

/// Who claims a key, and what it knows of others.
#[derive(Debug, Clone, Copy)]
pub struct Claimant {
    pub owner: Owner,
    /// The new claim's.
    pub id: i64,
    pub process: i64,
    pub now: DateTime<Utc>,
    /// A claim of an older version, made before this and without an answer, is of a process that died.
    pub abandoned: DateTime<Utc>,
    /// The lease of a process that is dead.
    pub dead: Option<Lease>,
    /// Whether a key may be claimed that is not there yet.
    pub has_room: bool,
}

/// Whoever has a claim holds a lease until it is answered.
fn lease_name(claim: i64) -> String {
    format!("claim/{claim}")
}

/// Claims a key. `others`: under other generations of the look-up key than the one that a new claim is stored under.
pub fn claim(conn: &mut AnyConn, who: Claimant, hashes: Hashes, others: &[Hashes]) -> Result<Claim, StoreFault> {
    let Claimant { owner, id, process, now, .. } = who;
    for Hashes { key: key_hash, request: request_hash } in [&hashes].into_iter().chain(others) {
        let found: Option<Row> = of(owner, key_hash).first(conn).optional()?;
        let Some(row) = found else { continue };
        if row.request_hash != *request_hash {
            return Ok(Claim::OtherRequest);
        }
        if let Some(reply_sealed) = row.reply_sealed {
            return Ok(Claim::Done { id: row.id, reply_sealed });
        }
        let old_lease = lease_name(row.id);
        let since = row.created_at.into();
        let (free, running) = match leases::look(conn, &old_lease)? {
            Some(seen) => (!seen.lease.is_held() || who.dead == Some(seen.lease), Claim::Running { seen, since }),
            None => (since < who.abandoned, Claim::RunningSince(since)),
        };
        if free {
            let taken = of(owner, key_hash).filter(dsl::id.eq(row.id)).filter(dsl::reply_sealed.is_null());
            let values = (dsl::id.eq(id), dsl::created_at.eq(UtcTime(now)));
            if diesel::update(taken).set(values).execute(conn)? == 1 {
                leases::forget(conn, &old_lease)?;
                leases::take(conn, &lease_name(id), process)?;
                return Ok(Claim::New);
            }
        }
        return Ok(running);
    }
    if !who.has_room {
        return Ok(Claim::NoRoom);
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
    leases::take(conn, &lease_name(id), process)?;
    Ok(Claim::New)
}

/// A sign of life. False: the claim is somebody else's by now.
pub fn beat(conn: &mut AnyConn, id: i64, process: i64) -> Result<bool, StoreFault> {
    leases::beat(conn, &lease_name(id), process)
}

/// Keeps the answer; belongs into the transaction of the work itself.
pub fn finish(conn: &mut AnyConn, owner: Owner, id: i64, reply_sealed: &[u8]) -> Result<(), StoreFault> {
    let claimed = dsl::idempotency
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::id.eq(id));
    match diesel::update(claimed).set(dsl::reply_sealed.eq(Some(reply_sealed))).execute(conn)? {
        0 => Ok(()),
        _ => leases::forget(conn, &lease_name(id)),
    }
}

/// The call failed: the key may be used again.
pub fn release(conn: &mut AnyConn, owner: Owner, id: i64) -> Result<(), StoreFault> {
    let claimed = dsl::idempotency
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::id.eq(id))
        .filter(dsl::reply_sealed.is_null());
    match diesel::delete(claimed).execute(conn)? {
        0 => Ok(()),
        _ => leases::forget(conn, &lease_name(id)),
    }
}

/// Claims that have no lease, because an older version made them; since then.
pub(super) fn release_unleased(conn: &mut AnyConn, since: DateTime<Utc>) -> Result<(), StoreFault> {
    let open = dsl::idempotency.filter(dsl::created_at.ge(UtcTime(since))).filter(dsl::reply_sealed.is_null());
    for id in open.select(dsl::id).load::<i64>(conn)? {
        if leases::find(conn, &lease_name(id))?.is_none() {
            diesel::delete(dsl::idempotency.filter(dsl::id.eq(id)).filter(dsl::reply_sealed.is_null()))
                .execute(conn)?;
        }
    }
    Ok(())
}

pub fn purge(conn: &mut AnyConn, before: DateTime<Utc>) -> Result<usize, StoreFault> {
    let open = dsl::idempotency.filter(dsl::created_at.lt(UtcTime(before))).filter(dsl::reply_sealed.is_null());
    for id in open.select(dsl::id).load::<i64>(conn)? {
        leases::forget(conn, &lease_name(id))?;
    }
    Ok(diesel::delete(dsl::idempotency.filter(dsl::created_at.lt(UtcTime(before)))).execute(conn)?)
}

#[diesel::dsl::auto_type]
fn of<'a>(owner: Owner, key_hash: &'a [u8]) -> _ {
    dsl::idempotency
        .filter(dsl::organization_id.eq::<i64>(owner.organization))
        .filter(dsl::account_id.eq::<i64>(owner.account))
        .filter(dsl::key_hash.eq::<&'a [u8]>(key_hash))
}
