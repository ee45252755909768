//! Which credentials a refresh wants next, and what became of it. The job works for all owners, so those queries go without
//! one and say so.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::changes::{self, Kind};
use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::schema::{credential, instance, instance_usage};
use super::time::UtcTime;
use crate::kernel::owner::Owner;

/// A credential whose time has come, whoever owns it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Due {
    pub instance_id: i64,
    pub organization_id: i64,
    pub account_id: i64,
    pub element_id: i64,
    pub version: i64,
    pub refreshed_at: Option<UtcTime>,
    pub last_used_at: Option<UtcTime>,
}

impl Due {
    pub fn owner(&self) -> Owner {
        Owner { organization: self.organization_id, account: self.account_id }
    }
}

/// Of whom enough is under way.
#[derive(Debug, Clone, Default)]
pub struct Full {
    pub elements: Vec<i64>,
    pub organizations: Vec<i64>,
}

impl Full {
    /// Whether anybody came to it.
    pub fn extend(&mut self, others: Self) -> bool {
        let mut more = false;
        for (known, others) in [(&mut self.elements, others.elements), (&mut self.organizations, others.organizations)]
        {
            for id in others {
                if !known.contains(&id) {
                    known.push(id);
                    more = true;
                }
            }
        }
        more
    }
}

/// What is due, oldest first, of all owners.
pub fn due(conn: &mut AnyConn, now: DateTime<Utc>, without: &Full, limit: i64) -> Result<Vec<Due>, StoreFault> {
    let rows = credential::table
        .inner_join(instance::table.left_join(instance_usage::table))
        .filter(credential::due_at.le(UtcTime(now)))
        .filter(instance::element_id.ne_all(&without.elements))
        .filter(credential::organization_id.ne_all(&without.organizations))
        .order(credential::due_at)
        .limit(limit)
        .select((
            credential::instance_id,
            credential::organization_id,
            credential::account_id,
            instance::element_id,
            credential::version,
            credential::refreshed_at,
            instance_usage::last_used_at.nullable(),
        ));
    Ok(on_each!(conn, inner => rows.load(inner)?))
}

/// Puts it off, unless it was replaced meanwhile. `None`: until somebody uses it.
pub fn put_off(conn: &mut AnyConn, due: &Due, until: Option<DateTime<Utc>>) -> Result<(), StoreFault> {
    let row = credential::table
        .filter(credential::instance_id.eq(due.instance_id))
        .filter(credential::version.eq(due.version));
    diesel::update(row).set(credential::due_at.eq(until.map(UtcTime))).execute(conn)?;
    Ok(())
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
