//! Which credentials a refresh wants next, and what became of it. The job works for all owners, so those queries go without
//! one and say so.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::changes::{self, Kind};
use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::schema::{credential, instance, instance_usage};
use super::time::UtcTime;
use super::work::{self, NewWork};
use crate::kernel::owner::Owner;

/// The kind of work that a refresh ahead of time is.
pub const WORK: &str = "refresh";
/// Handed over at once.
const BATCH: i64 = 500;

/// A credential whose time has come, whoever owns it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Due {
    pub instance_id: i64,
    pub organization_id: i64,
    pub account_id: i64,
    pub element_id: i64,
    pub version: i64,
    /// False: it is due because it ends.
    pub refreshable: bool,
    pub refreshed_at: Option<UtcTime>,
    pub last_used_at: Option<UtcTime>,
}

impl Due {
    pub fn owner(&self) -> Owner {
        Owner { organization: self.organization_id, account: self.account_id }
    }
}

/// Whether something is due, of all owners.
pub fn any_due(conn: &mut AnyConn, now: DateTime<Utc>) -> Result<bool, StoreFault> {
    let any = credential::table.filter(credential::due_at.le(UtcTime(now))).select(credential::instance_id).limit(1);
    Ok(!on_each!(conn, inner => any.load::<i64>(inner)?).is_empty())
}

/// What is due, oldest first, of all owners.
pub fn due(conn: &mut AnyConn, now: DateTime<Utc>) -> Result<Vec<Due>, StoreFault> {
    let rows = credential::table
        .inner_join(instance::table.left_join(instance_usage::table))
        .filter(credential::due_at.le(UtcTime(now)))
        .order(credential::due_at)
        .limit(BATCH)
        .select((
            credential::instance_id,
            credential::organization_id,
            credential::account_id,
            instance::element_id,
            credential::version,
            credential::refreshable,
            credential::refreshed_at,
            instance_usage::last_used_at.nullable(),
        ));
    Ok(on_each!(conn, inner => rows.load(inner)?))
}

/// These become rows of work, but for those that are; and until then nobody comes upon them again, unless a newer credential
/// takes the place of one.
pub fn hand_over(
    conn: &mut AnyConn,
    rows: &[Due],
    (now, until): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), StoreFault> {
    let mut ids: Vec<i64> = rows.iter().map(|row| row.instance_id).collect();
    ids.sort_unstable();
    let locked = credential::table.filter(credential::instance_id.eq_any(&ids)).order(credential::instance_id);
    if let AnyConn::Pg(conn) = conn {
        // Everybody locks rows in the order of their ids.
        locked.select(credential::instance_id).for_update().load::<i64>(conn)?;
    }
    // What waits is about an older credential by now.
    work::withdraw(conn, WORK, &ids)?;
    let new = rows.iter().map(|row| NewWork {
        owner: row.owner(),
        kind: WORK,
        about: row.instance_id,
        party: row.element_id,
        lane: None,
        parked: false,
        due_at: now,
        attempts: 0,
        created_at: now,
        // Of the credential that is due: a newer one is not.
        body: row.version.to_string(),
    });
    work::hand_over(conn, WORK, new.collect())?;
    let handed_over =
        credential::table.filter(credential::instance_id.eq_any(&ids)).filter(credential::due_at.le(UtcTime(now)));
    on_each!(conn, inner => diesel::update(handed_over).set(credential::due_at.eq(Some(UtcTime(until)))).execute(inner)?);
    Ok(())
}

/// The version of a credential, if there is one, and whether it can be renewed.
pub fn version(conn: &mut AnyConn, owner: Owner, instance: i64) -> Result<Option<(i64, bool)>, StoreFault> {
    let row = credential::table
        .filter(credential::instance_id.eq(instance))
        .filter(credential::organization_id.eq(owner.organization))
        .filter(credential::account_id.eq(owner.account))
        .select((credential::version, credential::refreshable));
    Ok(on_each!(conn, inner => row.get_result(inner).optional()?))
}

/// Puts it off, unless it was replaced meanwhile. `None`: until somebody uses it.
pub fn put_off(
    conn: &mut AnyConn,
    (instance, version): (i64, i64),
    until: Option<DateTime<Utc>>,
) -> Result<(), StoreFault> {
    let row = credential::table.filter(credential::instance_id.eq(instance)).filter(credential::version.eq(version));
    diesel::update(row).set(credential::due_at.eq(until.map(UtcTime))).execute(conn)?;
    Ok(())
}

/// Notes how a grant stands, unless its credential was replaced since `version` was read. False: it was, or this is noted
/// already.
pub fn note_standing(
    conn: &mut AnyConn,
    owner: Owner,
    (id, version): (i64, i64),
    standing: &str,
) -> Result<bool, StoreFault> {
    let row = credential::table
        .filter(credential::instance_id.eq(id))
        .filter(credential::organization_id.eq(owner.organization))
        .filter(credential::account_id.eq(owner.account))
        .filter(credential::version.eq(version))
        .filter(credential::standing.is_null().or(credential::standing.ne(standing)));
    Ok(diesel::update(row).set(credential::standing.eq(Some(standing))).execute(conn)? == 1)
}

/// The vendor has withdrawn the grant: marks the instance, unless its credential was replaced since `version` was read
/// (`Conflict`). False: it was marked before.
pub fn mark_invalid(
    conn: &mut AnyConn,
    owner: Owner,
    id: i64,
    version: i64,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreFault> {
    // The instance first, as everybody else who writes both: otherwise two could wait for each other.
    let row = instance::table
        .filter(instance::id.eq(id))
        .filter(instance::organization_id.eq(owner.organization))
        .filter(instance::account_id.eq(owner.account))
        .filter(instance::invalid_reason.is_null());
    let values = (
        instance::invalid_reason.eq(Some(reason)),
        instance::updated_at.eq(UtcTime(now)),
        instance::version.eq(instance::version + 1),
    );
    let marked = diesel::update(row).set(values).execute(conn)? == 1;
    let unchanged = credential::table
        .filter(credential::instance_id.eq(id))
        .filter(credential::organization_id.eq(owner.organization))
        .filter(credential::account_id.eq(owner.account))
        .filter(credential::version.eq(version));
    let never: Option<UtcTime> = None;
    if diesel::update(unchanged).set(credential::due_at.eq(never)).execute(conn)? == 0 {
        return Err(StoreFault::Conflict("credential.version".to_owned()));
    }
    if marked {
        changes::record(conn, Kind::Instance, id, now)?;
    }
    Ok(marked)
}

/// A newer credential is there: whatever was said of the one before does not hold any more. True: it was marked.
pub fn recover(conn: &mut AnyConn, owner: Owner, id: i64, now: DateTime<Utc>) -> Result<bool, StoreFault> {
    let marked = instance::table
        .filter(instance::id.eq(id))
        .filter(instance::organization_id.eq(owner.organization))
        .filter(instance::account_id.eq(owner.account))
        .filter(instance::invalid_reason.is_not_null());
    let nothing: Option<String> = None;
    let values = (
        instance::invalid_reason.eq(nothing),
        instance::updated_at.eq(UtcTime(now)),
        instance::version.eq(instance::version + 1),
    );
    Ok(diesel::update(marked).set(values).execute(conn)? == 1)
}
