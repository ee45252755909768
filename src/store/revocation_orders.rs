//! What an operator ordered to be ended at once: every grant, or those of one organization or of one element. For the
//! operator's commands, whoever owns the rows.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::audit::Trail;
use super::changes::{self, Kind};
use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::instances::{CredentialRow, InstanceRow};
use super::schema::{credential, instance, revocation_order, revocation_order::dsl};
use super::time::UtcTime;

/// Rows in one statement, and in one transaction.
const BATCH: i64 = 200;

/// Which grants are meant; where both are none, all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scope {
    pub organization: Option<i64>,
    pub element: Option<i64>,
}

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = revocation_order)]
pub struct Order {
    pub id: i64,
    pub organization_id: Option<i64>,
    pub element_id: Option<i64>,
    pub ordered_at: UtcTime,
    /// When all instances of the scope were invalid: what users connect afterwards is none of the order's.
    pub passed_at: Option<UtcTime>,
    pub finished_at: Option<UtcTime>,
}

impl Order {
    pub fn scope(&self) -> Scope {
        Scope { organization: self.organization_id, element: self.element_id }
    }
}

/// The order of this scope that was begun and did not come to its end.
pub fn open(conn: &mut AnyConn, scope: Scope) -> Result<Option<Order>, StoreFault> {
    let open = dsl::revocation_order.filter(dsl::finished_at.is_null()).order(dsl::id.desc());
    let orders: Vec<Order> = open.load(conn)?;
    Ok(orders.into_iter().find(|order| order.scope() == scope))
}

pub fn insert(conn: &mut AnyConn, order: &Order, trail: &Trail) -> Result<(), StoreFault> {
    diesel::insert_into(revocation_order::table).values(order).execute(conn)?;
    trail.write(conn)
}

pub fn pass(conn: &mut AnyConn, id: i64, now: DateTime<Utc>) -> Result<(), StoreFault> {
    diesel::update(dsl::revocation_order.find(id)).set(dsl::passed_at.eq(Some(UtcTime(now)))).execute(conn)?;
    Ok(())
}

pub fn finish(conn: &mut AnyConn, id: i64, now: DateTime<Utc>) -> Result<(), StoreFault> {
    diesel::update(dsl::revocation_order.find(id)).set(dsl::finished_at.eq(Some(UtcTime(now)))).execute(conn)?;
    Ok(())
}

/// Whether an order ended what came from a vendor at `got`.
pub fn covers(conn: &mut AnyConn, organization: i64, element: i64, got: DateTime<Utc>) -> Result<bool, StoreFault> {
    let later = dsl::revocation_order
        .filter(dsl::ordered_at.ge(UtcTime(got)))
        .filter(dsl::organization_id.is_null().or(dsl::organization_id.eq(organization)))
        .filter(dsl::element_id.is_null().or(dsl::element_id.eq(element)))
        .select(dsl::id);
    Ok(later.first::<i64>(conn).optional()?.is_some())
}

/// Instances of a scope.
macro_rules! of_scope {
    ($rows:expr, $scope:ident) => {{
        let mut rows = $rows.into_boxed();
        if let Some(organization) = $scope.organization {
            rows = rows.filter(instance::organization_id.eq(organization));
        }
        if let Some(element) = $scope.element {
            rows = rows.filter(instance::element_id.eq(element));
        }
        rows
    }};
}

pub fn count(conn: &mut AnyConn, scope: Scope) -> Result<i64, StoreFault> {
    Ok(of_scope!(instance::table.count(), scope).get_result(conn)?)
}

/// The next instances behind `after` that are not invalid for this reason yet.
pub fn next(conn: &mut AnyConn, scope: Scope, reason: &str, after: i64) -> Result<Vec<i64>, StoreFault> {
    let other = instance::invalid_reason.is_null().or(instance::invalid_reason.ne(reason).assume_not_null());
    let rows = of_scope!(instance::table.select(instance::id), scope);
    Ok(rows.filter(instance::id.gt(after)).filter(other).order(instance::id).limit(BATCH).load(conn)?)
}

/// Makes instances invalid. Their credentials get a new version, so that no refresh under way is stored, and are as they are
/// at this moment: what was read before may have been renewed since.
pub fn invalidate(
    conn: &mut AnyConn,
    ids: &[i64],
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Vec<(InstanceRow, CredentialRow)>, StoreFault> {
    // The instances first, as everybody who writes both.
    let rows = diesel::update(instance::table.filter(instance::id.eq_any(ids)))
        .set((
            instance::invalid_reason.eq(Some(reason)),
            instance::updated_at.eq(UtcTime(now)),
            instance::version.eq(instance::version + 1),
        ))
        .returning(instance::all_columns);
    let instances: Vec<InstanceRow> = on_each!(conn, conn => rows.get_results(conn)?);
    let (no_hash, never): (Option<Vec<u8>>, Option<UtcTime>) = (None, None);
    let rows = diesel::update(credential::table.filter(credential::instance_id.eq_any(ids)))
        .set((
            credential::version.eq(credential::version + 1),
            // It holds its grant no more.
            credential::grant_hash.eq(no_hash),
            credential::due_at.eq(never),
        ))
        .returning(credential::all_columns);
    let credentials: Vec<CredentialRow> = on_each!(conn, conn => rows.get_results(conn)?);
    let ids: Vec<i64> = instances.iter().map(|row| row.id).collect();
    changes::record_all(conn, Kind::Instance, &ids, now)?;
    let mut credentials: std::collections::HashMap<i64, CredentialRow> =
        credentials.into_iter().map(|row| (row.instance_id, row)).collect();
    Ok(instances.into_iter().filter_map(|row| credentials.remove(&row.id).map(|it| (row, it))).collect())
}

/// The next instances behind `after` that are invalid for this reason, with their credentials.
pub fn invalidated(
    conn: &mut AnyConn,
    scope: Scope,
    reason: &str,
    after: i64,
) -> Result<Vec<(InstanceRow, CredentialRow)>, StoreFault> {
    let both = instance::table
        .inner_join(credential::table)
        .filter(instance::id.gt(after))
        .filter(instance::invalid_reason.eq(reason))
        .order(instance::id)
        .limit(BATCH)
        .select((instance::all_columns, credential::all_columns));
    Ok(of_scope!(both, scope).load(conn)?)
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Refreshes that some process still has under way, of instances that are invalid for this reason.
pub fn refreshing(conn: &mut AnyConn, reason: &str) -> Result<i64, StoreFault> {
    let text = "SELECT count(*) AS count FROM lease JOIN instance ON lease.name = 'refresh/' || instance.id \
                WHERE lease.holder <> 0 AND instance.invalid_reason = $1";
    on_each!(conn, conn => Ok(diesel::sql_query(text).bind::<Text, _>(reason).get_result::<Count>(conn)?.count))
}
