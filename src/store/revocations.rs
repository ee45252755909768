//! Grants of deleted instances, waiting to be revoked at the vendor. Read by a background job, so without an owner.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::revocation_orders::Scope;
use super::schema::revocation::{self, dsl};
use super::time::UtcTime;
use crate::kernel::owner::Owner;

/// Rows of a list.
const LISTED: i64 = 200;

// With defaults for what is none, SQLite would take the rows one by one, in a transaction of diesel's own.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = revocation, treat_none_as_default_value = false)]
struct Row {
    id: i64,
    organization_id: i64,
    account_id: i64,
    element_id: i64,
    sealed: Vec<u8>,
    attempts: i64,
    due_at: UtcTime,
    created_at: UtcTime,
    instance_id: Option<i64>,
    given_up: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Revocation {
    pub id: i64,
    pub element_id: i64,
    /// Token and configuration, as the use case wrote them.
    pub sealed: Vec<u8>,
    /// That were begun.
    pub attempts: i64,
    /// Whose grant it is, or was. None: an older version wrote it.
    #[serde(default)]
    pub instance_id: Option<i64>,
}

impl Row {
    fn new(owner: Owner, revocation: Revocation, now: DateTime<Utc>) -> Self {
        Self {
            id: revocation.id,
            organization_id: owner.organization,
            account_id: owner.account,
            element_id: revocation.element_id,
            sealed: revocation.sealed,
            attempts: revocation.attempts,
            due_at: UtcTime(now),
            created_at: UtcTime(now),
            instance_id: revocation.instance_id,
            given_up: false,
        }
    }

    fn split(self) -> (Owner, Revocation) {
        let Self { id, element_id, sealed, attempts, instance_id, .. } = self;
        let owner = Owner { organization: self.organization_id, account: self.account_id };
        (owner, Revocation { id, element_id, sealed, attempts, instance_id })
    }
}

pub fn insert(conn: &mut AnyConn, owner: Owner, revocation: Revocation, now: DateTime<Utc>) -> Result<(), StoreFault> {
    insert_all(conn, vec![(owner, revocation)], now)
}

pub fn insert_all(
    conn: &mut AnyConn,
    revocations: Vec<(Owner, Revocation)>,
    now: DateTime<Utc>,
) -> Result<(), StoreFault> {
    let rows: Vec<_> = revocations.into_iter().map(|(owner, it)| Row::new(owner, it, now)).collect();
    // SQLite takes no empty list.
    if !rows.is_empty() {
        on_each!(conn, conn => diesel::insert_into(revocation::table).values(&rows).execute(conn)?);
    }
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
        .filter(dsl::given_up.eq(false))
        .order(dsl::due_at)
        .limit(limit);
    let rows: Vec<Row> = on_each!(conn, inner => due.load(inner)?);
    Ok(rows.into_iter().map(Row::split).collect())
}

/// Begins the next attempt at one, and puts it off so that no other process takes it meanwhile. False: one has.
pub fn take(conn: &mut AnyConn, id: i64, attempts: i64, again: DateTime<Utc>) -> Result<bool, StoreFault> {
    let unchanged = dsl::revocation.filter(dsl::id.eq(id)).filter(dsl::attempts.eq(attempts));
    let values = (dsl::attempts.eq(attempts.saturating_add(1)), dsl::due_at.eq(UtcTime(again)));
    Ok(diesel::update(unchanged).set(values).execute(conn)? == 1)
}

/// Rows in one statement: a backlog moves in steps.
const STEP: i64 = 500;

/// No earlier than that: one, or those that an organization has due of an element, a step of them.
pub fn put_off(
    conn: &mut AnyConn,
    organization: i64,
    (id, element): (i64, Option<i64>),
    (now, until): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), StoreFault> {
    let mut ids = vec![id];
    if let Some(element) = element {
        // Due ones alone: of several calls that are refused at the same moment one finds them, the others none.
        let due = dsl::revocation
            .filter(dsl::organization_id.eq(organization))
            .filter(dsl::element_id.eq(element))
            .filter(dsl::given_up.eq(false))
            .filter(dsl::due_at.le(UtcTime(now)));
        ids.extend(due.select(dsl::id).order(dsl::id).limit(STEP).load::<i64>(conn)?);
    }
    let earlier = dsl::revocation.filter(dsl::id.eq_any(ids)).filter(dsl::due_at.lt(UtcTime(until)));
    diesel::update(earlier).set(dsl::due_at.eq(UtcTime(until))).execute(conn)?;
    Ok(())
}

/// The vendor never answered. It is kept until then for the operator, who may have it tried again.
pub fn give_up(conn: &mut AnyConn, id: i64, forgotten_at: DateTime<Utc>) -> Result<(), StoreFault> {
    let values = (dsl::given_up.eq(true), dsl::due_at.eq(UtcTime(forgotten_at)));
    diesel::update(dsl::revocation.find(id)).set(values).execute(conn)?;
    Ok(())
}

/// Those that were given up long ago, of all owners.
pub fn purge(conn: &mut AnyConn, now: DateTime<Utc>) -> Result<usize, StoreFault> {
    let old = dsl::revocation.filter(dsl::given_up.eq(true)).filter(dsl::due_at.le(UtcTime(now)));
    Ok(diesel::delete(old).execute(conn)?)
}

/// Revocations of a scope.
macro_rules! of_scope {
    ($rows:expr, $scope:ident) => {{
        let mut rows = $rows.into_boxed();
        if let Some(organization) = $scope.organization {
            rows = rows.filter(dsl::organization_id.eq(organization));
        }
        if let Some(element) = $scope.element {
            rows = rows.filter(dsl::element_id.eq(element));
        }
        rows
    }};
}

/// How many of a scope wait for their vendors, whoever owns them.
pub fn waiting(conn: &mut AnyConn, scope: Scope) -> Result<i64, StoreFault> {
    Ok(of_scope!(dsl::revocation.filter(dsl::given_up.eq(false)).count(), scope).get_result(conn)?)
}

/// All of a scope are tried now, as if for the first time.
pub fn try_anew(conn: &mut AnyConn, scope: Scope, now: DateTime<Utc>) -> Result<usize, StoreFault> {
    let values = (dsl::given_up.eq(false), dsl::attempts.eq(0), dsl::due_at.eq(UtcTime(now)));
    Ok(on_each!(conn, conn => {
        let ids = of_scope!(dsl::revocation.select(dsl::id), scope);
        diesel::update(dsl::revocation.filter(dsl::id.eq_any(ids))).set(values).execute(conn)?
    }))
}

/// Those of a scope behind `after` that were given up.
pub fn given_up(conn: &mut AnyConn, scope: Scope, after: i64) -> Result<Vec<(Owner, Revocation)>, StoreFault> {
    let rows = of_scope!(dsl::revocation.filter(dsl::given_up.eq(true)).filter(dsl::id.gt(after)), scope);
    let rows: Vec<Row> = rows.order(dsl::id).limit(LISTED).load(conn)?;
    Ok(rows.into_iter().map(Row::split).collect())
}

/// Done.
pub fn delete(conn: &mut AnyConn, id: i64) -> Result<(), StoreFault> {
    diesel::delete(dsl::revocation.find(id)).execute(conn)?;
    Ok(())
}
