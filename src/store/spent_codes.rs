//! Codes that a vendor was sent, or is about to be: each goes there once, whoever brings it and to whichever process.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::connection::AnyConn;
use super::fault::StoreFault;
use super::leases::{self, Seen};
use super::schema::spent_code::{self, dsl};
use super::time::UtcTime;
use crate::kernel::owner::Owner;

/// A process that dies with a code in its hands leaves it to one more: the vendor may not have seen it yet.
const MOST_ATTEMPTS: i64 = 2;

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = spent_code)]
struct Row {
    organization_id: i64,
    account_id: i64,
    code_hash: Vec<u8>,
    id: i64,
    request_hash: Vec<u8>,
    instance_id: Option<i64>,
    outcome: Option<String>,
    attempts: i64,
    created_at: UtcTime,
    /// Of no code (`newer_tokens`).
    newer_sealed: Option<Vec<u8>>,
}

/// The use of a code that one process has: the row, and that it is this use's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeUse {
    pub hash: Vec<u8>,
    pub id: i64,
}

/// A code and the request that it came with, as both are kept.
#[derive(Debug, Clone)]
pub struct CodeHashes {
    pub code: Vec<u8>,
    pub request: Vec<u8>,
}

/// What came of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An instance has what it brought.
    Kept,
    Refused,
    /// It was sent, and no answer came that could be read.
    Unknown,
    /// The vendor took it, and what it brought was not kept.
    LetGo,
}

impl Outcome {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::LetGo => "letGo",
        }
    }

    /// What a later version writes is not known.
    fn read(text: &str) -> Self {
        [Self::Kept, Self::Refused, Self::LetGo].into_iter().find(|it| it.as_str() == text).unwrap_or(Self::Unknown)
    }
}

/// How a code stands.
#[derive(Debug, Clone)]
pub enum Standing {
    /// Nobody has used it, or whoever did gave it back before it reached anybody.
    Unused,
    /// Another use is under way, as far as the lease of its process tells.
    UnderWay { seen: Seen, since: DateTime<Utc>, instance: Option<i64> },
    /// It was in the hands of a process that died, and may be sent once more.
    LeftBehind,
    /// `same`: it came with this very request.
    Ended { outcome: Outcome, instance: Option<i64>, same: bool },
}

#[derive(Debug, Clone)]
pub enum CodeClaim {
    /// Keep, settle or release it. `again`: a process that died had it before.
    Mine {
        used: CodeUse,
        again: bool,
    },
    /// The code is new, and may not be kept.
    NoRoom,
    Not(Standing),
}

/// Who wants to use a code, and what it knows of others.
#[derive(Debug, Clone, Copy)]
pub struct Claimant {
    pub owner: Owner,
    /// The new use's.
    pub id: i64,
    pub process: i64,
    /// That is being made or changed, where that is known.
    pub instance: Option<i64>,
    pub now: DateTime<Utc>,
    /// A process that is dead.
    pub dead: Option<i64>,
    /// Whether a code may be kept that is not there yet.
    pub has_room: bool,
}

/// Whoever uses a code holds a lease until it is told what came of it.
fn lease_name(id: i64) -> String {
    format!("code/{id}")
}

/// Takes a code for one use. `hashes`: under every generation of the look-up key; a new row is stored under the first. Fails with
/// `Conflict` when somebody else takes it at this moment.
pub fn claim(conn: &mut AnyConn, who: Claimant, hashes: &[CodeHashes]) -> Result<CodeClaim, StoreFault> {
    let Claimant { owner, id, process, instance, now, .. } = who;
    let mine = |hash: &[u8], again| Ok(CodeClaim::Mine { used: CodeUse { hash: hash.to_vec(), id }, again });
    let taken = |conn: &mut AnyConn| leases::take(conn, &lease_name(id), process).map(drop);
    if let Some((row, standing)) = find(conn, who, hashes)? {
        // A commit whose acknowledgement was lost is tried again, and meets its own row.
        if row.id == id {
            return mine(&row.code_hash, row.attempts > 1);
        }
        if !matches!(standing, Standing::LeftBehind) {
            return Ok(CodeClaim::Not(standing));
        }
        let request = hashes.first().map(|it| it.request.clone()).unwrap_or_default();
        let values = (
            dsl::id.eq(id),
            dsl::request_hash.eq(request),
            dsl::instance_id.eq(instance),
            dsl::attempts.eq(dsl::attempts + 1),
            dsl::created_at.eq(UtcTime(now)),
        );
        let left = of(owner, &row.code_hash).filter(dsl::id.eq(row.id)).filter(dsl::outcome.is_null());
        if diesel::update(left).set(values).execute(conn)? == 0 {
            return Err(StoreFault::Conflict("spent_code.id".to_owned()));
        }
        leases::forget(conn, &lease_name(row.id))?;
        taken(conn)?;
        return mine(&row.code_hash, true);
    }
    let (true, Some(CodeHashes { code, request })) = (who.has_room, hashes.first().cloned()) else {
        return Ok(CodeClaim::NoRoom);
    };
    let row = Row {
        organization_id: owner.organization,
        account_id: owner.account,
        code_hash: code.clone(),
        id,
        request_hash: request,
        instance_id: instance,
        outcome: None,
        attempts: 1,
        created_at: UtcTime(now),
        newer_sealed: None,
    };
    diesel::insert_into(spent_code::table).values(&row).execute(conn)?;
    taken(conn)?;
    mine(&code, false)
}

/// How a code stands, for who waits for another use of it.
pub fn look(conn: &mut AnyConn, who: Claimant, hashes: &[CodeHashes]) -> Result<Standing, StoreFault> {
    Ok(find(conn, who, hashes)?.map_or(Standing::Unused, |(_, standing)| standing))
}

fn find(conn: &mut AnyConn, who: Claimant, hashes: &[CodeHashes]) -> Result<Option<(Row, Standing)>, StoreFault> {
    let known: Vec<&[u8]> = hashes.iter().map(|it| it.code.as_slice()).collect();
    let row: Option<Row> = dsl::spent_code
        .filter(dsl::organization_id.eq(who.owner.organization))
        .filter(dsl::account_id.eq(who.owner.account))
        .filter(dsl::code_hash.eq_any(known))
        .first(conn)
        .optional()?;
    let Some(row) = row else { return Ok(None) };
    let instance = row.instance_id;
    if let Some(outcome) = row.outcome.as_deref().map(Outcome::read) {
        let same = hashes.iter().any(|it| it.code == row.code_hash && it.request == row.request_hash);
        return Ok(Some((row, Standing::Ended { outcome, instance, same })));
    }
    let standing = match leases::look(conn, &lease_name(row.id))? {
        Some(seen) if seen.lease.is_held() && who.dead != Some(seen.lease.holder) => {
            Standing::UnderWay { seen, since: row.created_at.into(), instance }
        }
        _ if row.attempts < MOST_ATTEMPTS => Standing::LeftBehind,
        _ => Standing::Ended { outcome: Outcome::Unknown, instance, same: false },
    };
    Ok(Some((row, standing)))
}

/// A sign of life. False: the code is somebody else's by now.
pub fn beat(conn: &mut AnyConn, id: i64, process: i64) -> Result<bool, StoreFault> {
    leases::beat(conn, &lease_name(id), process)
}

/// What the code brought is an instance's; belongs into the transaction of the instance.
pub fn keep(conn: &mut AnyConn, owner: Owner, used: &CodeUse, instance: i64) -> Result<(), StoreFault> {
    let values = (dsl::outcome.eq(Some(Outcome::Kept.as_str())), dsl::instance_id.eq(Some(instance)));
    // Also when this process was taken for dead meanwhile: what another one makes of the code after that is no instance.
    diesel::update(of(owner, &used.hash)).set(values).execute(conn)?;
    leases::forget(conn, &lease_name(used.id))
}

/// The code is used up, and no instance has what it brought. What is known already stays.
pub fn settle(conn: &mut AnyConn, owner: Owner, used: &CodeUse, outcome: Outcome) -> Result<(), StoreFault> {
    let open = of(owner, &used.hash).filter(dsl::id.eq(used.id)).filter(dsl::outcome.is_null());
    diesel::update(open).set(dsl::outcome.eq(Some(outcome.as_str()))).execute(conn)?;
    leases::forget(conn, &lease_name(used.id))
}

/// The code is as good as before: the vendor did not look at it.
pub fn release(conn: &mut AnyConn, owner: Owner, used: &CodeUse) -> Result<(), StoreFault> {
    let open = of(owner, &used.hash).filter(dsl::id.eq(used.id)).filter(dsl::outcome.is_null());
    diesel::delete(open).execute(conn)?;
    leases::forget(conn, &lease_name(used.id))
}

pub fn purge(conn: &mut AnyConn, before: DateTime<Utc>) -> Result<usize, StoreFault> {
    let old = dsl::spent_code.filter(dsl::created_at.lt(UtcTime(before)));
    let open: Vec<i64> = old.filter(dsl::outcome.is_null()).select(dsl::id).load(conn)?;
    leases::forget_all(conn, &open.into_iter().map(lease_name).collect::<Vec<_>>())?;
    Ok(diesel::delete(old).execute(conn)?)
}

#[diesel::dsl::auto_type]
fn of<'a>(owner: Owner, code_hash: &'a [u8]) -> _ {
    dsl::spent_code
        .filter(dsl::organization_id.eq::<i64>(owner.organization))
        .filter(dsl::account_id.eq::<i64>(owner.account))
        .filter(dsl::code_hash.eq::<&'a [u8]>(code_hash))
}
