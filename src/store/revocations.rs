//! Grants of deleted instances, waiting to be revoked at the vendor: each is a piece of work (`work.rs`). Read for all owners, so
//! without one.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::{Deserialize, Serialize};

use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::revocation_orders::Scope;
use super::schema::revocation::{self, dsl};
use super::schema::work as of_work;
use super::time::UtcTime;
use super::work::{self, Attempt, Fate, NewWork};
use crate::kernel::owner::Owner;

/// The kind of work that it is to revoke one.
pub const WORK: &str = "revocation";

/// Rows of a list.
const LISTED: i64 = 200;
/// Rows in one statement: a backlog moves in steps.
const STEP: i64 = 500;
/// What was given up is kept so long, for the operator to see.
const GIVEN_UP_FOR: TimeDelta = TimeDelta::days(30);

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
    has_work: bool,
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
            has_work: false,
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

/// What waits and is no row of work yet, whoever wrote it. As text, because an index has this condition.
const WITHOUT_WORK: &str = "NOT given_up AND NOT has_work";

/// What a row of work is made of.
#[derive(Queryable)]
struct ToHandOver {
    id: i64,
    organization_id: i64,
    account_id: i64,
    element_id: i64,
    attempts: i64,
    due_at: UtcTime,
    created_at: UtcTime,
}

/// Whether any is.
pub fn is_without_work(conn: &mut AnyConn) -> Result<bool, StoreFault> {
    let any = dsl::revocation.filter(sql::<Bool>(WITHOUT_WORK)).select(dsl::id).limit(1);
    Ok(!on_each!(conn, conn => any.load::<i64>(conn)?).is_empty())
}

/// The first become rows of work, none of which waits for another.
pub fn hand_over(conn: &mut AnyConn) -> Result<(), StoreFault> {
    let rows = dsl::revocation.filter(sql::<Bool>(WITHOUT_WORK)).order(dsl::id).limit(STEP).select((
        dsl::id,
        dsl::organization_id,
        dsl::account_id,
        dsl::element_id,
        dsl::attempts,
        dsl::due_at,
        dsl::created_at,
    ));
    let rows: Vec<ToHandOver> = on_each!(conn, conn => rows.load(conn)?);
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let rows = rows.into_iter().map(|row| NewWork {
        owner: Owner { organization: row.organization_id, account: row.account_id },
        kind: WORK,
        about: row.id,
        party: row.element_id,
        lane: None,
        parked: false,
        due_at: row.due_at.into(),
        attempts: row.attempts,
        created_at: row.created_at.into(),
        body: String::new(),
    });
    work::hand_over(conn, WORK, rows.collect())?;
    let handed_over = dsl::revocation.filter(dsl::id.eq_any(ids));
    on_each!(conn, conn => diesel::update(handed_over).set(dsl::has_work.eq(true)).execute(conn)?);
    Ok(())
}

/// One that waits, and when it is due.
pub fn find(conn: &mut AnyConn, id: i64) -> Result<Option<(Revocation, DateTime<Utc>)>, StoreFault> {
    let row = dsl::revocation.filter(dsl::id.eq(id)).filter(dsl::given_up.eq(false));
    let row: Option<Row> = on_each!(conn, conn => row.get_result(conn).optional()?);
    Ok(row.map(|row| {
        let due_at = row.due_at.into();
        (row.split().1, due_at)
    }))
}

/// Writes down what became of an attempt.
pub fn settle(conn: &mut AnyConn, id: i64, attempt: &Attempt, now: DateTime<Utc>) -> Result<(), StoreFault> {
    let row = dsl::revocation.find(id);
    match attempt.fate {
        // What the version before has given up stays for the operator.
        Fate::Done => {
            diesel::delete(dsl::revocation.filter(dsl::id.eq(id)).filter(dsl::given_up.eq(false))).execute(conn)?;
            diesel::update(row).set(dsl::has_work.eq(false)).execute(conn)?
        }
        Fate::Again { due_at, .. } => diesel::update(row).set(dsl::due_at.eq(UtcTime(due_at))).execute(conn)?,
        Fate::NotYet { .. } => 0,
        // The vendor never answered. It is kept for the operator, who may have it tried again.
        Fate::GivenUp { .. } => {
            let forgotten_at = now.checked_add_signed(GIVEN_UP_FOR).unwrap_or(now);
            let values = (dsl::given_up.eq(true), dsl::due_at.eq(UtcTime(forgotten_at)), dsl::has_work.eq(false));
            diesel::update(row).set(values).execute(conn)?
        }
    };
    Ok(())
}

/// Begins the next attempt at one, and puts it off so that no other process takes it meanwhile. False: one has.
pub fn take(conn: &mut AnyConn, id: i64, attempts: i64, again: DateTime<Utc>) -> Result<bool, StoreFault> {
    let unchanged = dsl::revocation.filter(dsl::id.eq(id)).filter(dsl::attempts.eq(attempts));
    let values = (dsl::attempts.eq(attempts.saturating_add(1)), dsl::due_at.eq(UtcTime(again)));
    Ok(diesel::update(unchanged).set(values).execute(conn)? == 1)
}

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
    work::put_off(conn, WORK, &ids, until)?;
    let earlier = dsl::revocation.filter(dsl::id.eq_any(ids)).filter(dsl::due_at.lt(UtcTime(until)));
    diesel::update(earlier).set(dsl::due_at.eq(UtcTime(until))).execute(conn)?;
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
        let of_them = of_work::table.filter(of_work::kind.eq(WORK)).filter(of_work::process.is_null());
        let anew = (of_work::attempts.eq(0), of_work::due_at.eq(UtcTime(now)));
        diesel::update(of_them.filter(of_work::about.eq_any(ids))).set(anew).execute(conn)?;
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
