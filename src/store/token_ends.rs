//! Refresh tokens whose end is near and was not told. The job works for all owners, so these queries go without one.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::schema::{credential, instance};
use super::time::UtcTime;
use crate::kernel::owner::Owner;

/// Told at once.
const BATCH: i64 = 200;

/// An instance whose refresh token ends, whoever owns it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Ending {
    pub id: i64,
    pub organization_id: i64,
    pub account_id: i64,
    pub element_id: i64,
    pub element_key: String,
    pub external_id: Option<String>,
    /// Why it is invalid: then its end has come already.
    pub invalid_reason: Option<String>,
    pub ends_at: Option<UtcTime>,
}

impl Ending {
    pub fn owner(&self) -> Owner {
        Owner { organization: self.organization_id, account: self.account_id }
    }
}

/// Whether some are to be told.
pub fn any_due(conn: &mut AnyConn, now: DateTime<Utc>) -> Result<bool, StoreFault> {
    let any =
        credential::table.filter(credential::tell_end_at.le(UtcTime(now))).select(credential::instance_id).limit(1);
    Ok(!on_each!(conn, inner => any.load::<i64>(inner)?).is_empty())
}

/// Takes some of those that are to be told, each once: who else asks meanwhile gets others, or none.
pub fn take_due(conn: &mut AnyConn, now: DateTime<Utc>) -> Result<Vec<Ending>, StoreFault> {
    let due = credential::table
        .filter(credential::tell_end_at.le(UtcTime(now)))
        .order(credential::instance_id)
        .limit(BATCH)
        .select(credential::instance_id);
    let ids: Vec<i64> = match conn {
        // Everybody locks rows in the order of their ids; what was told meanwhile is not found any more.
        AnyConn::Pg(conn) => due.for_update().load(conn)?,
        AnyConn::Sqlite(conn) => due.load(conn)?,
    };
    let rows = credential::table.inner_join(instance::table).filter(credential::instance_id.eq_any(&ids)).select((
        instance::id,
        instance::organization_id,
        instance::account_id,
        instance::element_id,
        instance::element_key,
        instance::external_id,
        instance::invalid_reason,
        credential::ends_at,
    ));
    let rows = on_each!(conn, inner => rows.order(instance::id).load(inner)?);
    let never: Option<UtcTime> = None;
    let told = credential::table.filter(credential::instance_id.eq_any(&ids));
    on_each!(conn, inner => diesel::update(told).set(credential::tell_end_at.eq(never)).execute(inner)?);
    Ok(rows)
}
