//! Grants of deleted instances, waiting to be revoked at the vendor. Read by a background job, so without an owner.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::connection::AnyConn;
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

/// Takes the next due one, and puts it off so that no other process takes it meanwhile. `again`: to when, by the number
/// of the try.
pub fn take_due(
    conn: &mut AnyConn,
    now: DateTime<Utc>,
    again: impl Fn(i64) -> DateTime<Utc>,
) -> Result<Option<(Owner, Revocation)>, StoreFault> {
    let due = dsl::revocation.filter(dsl::due_at.le(UtcTime(now))).order(dsl::due_at);
    let Some(row) = due.first::<Row>(conn).optional()? else { return Ok(None) };
    let unchanged = dsl::revocation.filter(dsl::id.eq(row.id)).filter(dsl::attempts.eq(row.attempts));
    let attempts = row.attempts.saturating_add(1);
    let values = (dsl::attempts.eq(attempts), dsl::due_at.eq(UtcTime(again(attempts))));
    let won = diesel::update(unchanged).set(values).execute(conn)? == 1;
    let owner = Owner { organization: row.organization_id, account: row.account_id };
    let revocation = Revocation { id: row.id, element_id: row.element_id, sealed: row.sealed, attempts };
    Ok(won.then_some((owner, revocation)))
}

/// Done, or given up.
pub fn delete(conn: &mut AnyConn, id: i64) -> Result<(), StoreFault> {
    diesel::delete(dsl::revocation.find(id)).execute(conn)?;
    Ok(())
}
