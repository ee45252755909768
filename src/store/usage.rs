//! What instances were used for. Written in batches, for all owners at once.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::connection::AnyConn;
use super::fault::StoreFault;
use super::schema::{instance, instance_usage};
use super::time::{UtcTime, UtcTimestamp};
use crate::kernel::owner::Owner;

/// Uses of one instance since they were written last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    pub last_at: DateTime<Utc>,
    pub calls: i64,
    /// Those that the vendor, or the way to it, failed.
    pub failures: i64,
    /// Of the last call that had an answer.
    pub last_status: Option<u16>,
}

/// Adds to what is known; instances that are gone are passed over.
pub fn record(conn: &mut AnyConn, used: &[(i64, Use)]) -> Result<(), StoreFault> {
    const ADD: &str = "ON CONFLICT (instance_id) DO UPDATE SET last_used_at = excluded.last_used_at, \
                       calls = instance_usage.calls + excluded.calls, \
                       failures = instance_usage.failures + excluded.failures, \
                       last_status = coalesce(excluded.last_status, instance_usage.last_status)";
    const INTO: &str = "INSERT INTO instance_usage (last_used_at, calls, failures, last_status, instance_id)";
    for (id, row) in used {
        macro_rules! add {
            ($conn:expr, $select:literal) => {
                diesel::sql_query(format!("{INTO} {} {ADD}", $select))
                    .bind::<UtcTimestamp, _>(UtcTime(row.last_at))
                    .bind::<BigInt, _>(row.calls)
                    .bind::<BigInt, _>(row.failures)
                    .bind::<Nullable<BigInt>, _>(row.last_status.map(i64::from))
                    .bind::<BigInt, _>(id)
                    .execute($conn)?
            };
        }
        match conn {
            AnyConn::Sqlite(conn) => add!(conn, "SELECT ?, ?, ?, ?, id FROM instance WHERE id = ?"),
            AnyConn::Pg(conn) => add!(conn, "SELECT $1, $2, $3, $4, id FROM instance WHERE id = $5"),
        };
    }
    Ok(())
}

/// What is known of the owner's instance; nothing of one that was never used.
pub fn find(conn: &mut AnyConn, owner: Owner, id: i64) -> Result<Option<Use>, StoreFault> {
    let row = instance::table
        .left_join(instance_usage::table)
        .filter(instance::id.eq(id))
        .filter(instance::organization_id.eq(owner.organization))
        .filter(instance::account_id.eq(owner.account))
        .select(
            (
                instance_usage::last_used_at,
                instance_usage::calls,
                instance_usage::failures,
                instance_usage::last_status,
            )
                .nullable(),
        );
    let found: Option<(UtcTime, i64, i64, Option<i64>)> = row.get_result(conn)?;
    Ok(found.map(|(last_at, calls, failures, status)| Use {
        last_at: last_at.into(),
        calls,
        failures,
        last_status: status.and_then(|status| u16::try_from(status).ok()),
    }))
}
