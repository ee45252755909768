//! Grants of deleted instances, waiting to be revoked at the vendor. Read by a background job, so without an owner.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::schema::revocation::{self, dsl};
use super::time::UtcTime;
use crate::kernel::owner::Owner;

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = revocation)]
struct Row {
    id: i64,
    organization_id: i64,
    account_id: i64,
    element_id: i64,
    sealed: Vec<u8>,
    attempts: i64,
    due_at: UtcTime,
    created_at: UtcTime,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Revocation {
    pub id: i64,
    pub element_id: i64,
    /// Token and configuration, as the use case wrote them.
    pub sealed: Vec<u8>,
    /// That were begun.
    pub attempts: i64,
}

pub fn insert(conn: &mut AnyConn, owner: Owner, revocation: Revocation, now: DateTime<Utc>) -> Result<(), StoreFault> {
    let row = Row {
        id: revocation.id,
        organization_id: owner.organization,
        account_id: owner.account,
        element_id: revocation.element_id,
        sealed: revocation.sealed,
        attempts: revocation.attempts,
        due_at: UtcTime(now),
        created_at: UtcTime(now),
    };
    diesel::insert_into(revocation::table).values(&row).execute(conn)?;
    Ok(())
}

/// What is due, oldest first, but for organizations that have enough under way.
pub fn due(
    conn: &mut AnyConn,
    now: DateTime<Utc>,
    without: &[i64],
    limit: i64,
) -> Result<Vec<(Owner, Revocation)>, StoreFault> {
    let due = dsl::revocation
        .filter(dsl::due_at.le(UtcTime(now)))
        .filter(dsl::organization_id.ne_all(without))
        .order(dsl::due_at)
        .limit(limit);
    let rows: Vec<Row> = on_each!(conn, inner => due.load(inner)?);
    Ok(rows
        .into_iter()
        .map(|row| {
            let Row { id, element_id, sealed, attempts, .. } = row;
            let owner = Owner { organization: row.organization_id, account: row.account_id };
            (owner, Revocation { id, element_id, sealed, attempts })
        })
        .collect())
}

/// Begins the next attempt at one, and puts it off so that no other process takes it meanwhile. False: one has.
pub fn take(conn: &mut AnyConn, id: i64, attempts: i64, again: DateTime<Utc>) -> Result<bool, StoreFault> {
    let unchanged = dsl::revocation.filter(dsl::id.eq(id)).filter(dsl::attempts.eq(attempts));
    let values = (dsl::attempts.eq(attempts.saturating_add(1)), dsl::due_at.eq(UtcTime(again)));
    Ok(diesel::update(unchanged).set(values).execute(conn)? == 1)
}

/// Done, or given up.
pub fn delete(conn: &mut AnyConn, id: i64) -> Result<(), StoreFault> {
    diesel::delete(dsl::revocation.find(id)).execute(conn)?;
    Ok(())
}
