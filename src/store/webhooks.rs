//! Where an organization is told what happens, and what that is signed with. One row for each organization that asked.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::audit::Trail;
use super::changes::{self, Kind};
use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::schema::webhook::{self, dsl};
use super::time::UtcTime;

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = webhook)]
pub struct WebhookRow {
    pub id: i64,
    pub organization_id: i64,
    /// None: only links have addresses.
    pub url_sealed: Option<Vec<u8>>,
    /// One or two, as a JSON document.
    pub secrets_sealed: Vec<u8>,
    pub created_at: UtcTime,
    pub updated_at: UtcTime,
}

pub fn find(conn: &mut AnyConn, organization: i64) -> Result<Option<WebhookRow>, StoreFault> {
    let row = dsl::webhook.filter(dsl::organization_id.eq(organization));
    Ok(on_each!(conn, inner => row.get_result(inner).optional()?))
}

/// Whether the organization wants to be told.
pub fn has_address(conn: &mut AnyConn, organization: i64) -> Result<bool, StoreFault> {
    let row = dsl::webhook
        .filter(dsl::organization_id.eq(organization))
        .filter(dsl::url_sealed.is_not_null())
        .select(dsl::id);
    let found: Option<i64> = on_each!(conn, inner => row.get_result(inner).optional()?);
    Ok(found.is_some())
}

/// Of these the organizations that want to be told.
pub fn with_address(conn: &mut AnyConn, organizations: &[i64]) -> Result<Vec<i64>, StoreFault> {
    let rows = dsl::webhook.filter(dsl::organization_id.eq_any(organizations)).filter(dsl::url_sealed.is_not_null());
    Ok(rows.select(dsl::organization_id).load(conn)?)
}

/// Fails with `Conflict` when the organization has one.
pub fn insert(conn: &mut AnyConn, row: &WebhookRow) -> Result<(), StoreFault> {
    diesel::insert_into(webhook::table).values(row).execute(conn)?;
    changes::record(conn, Kind::Organization, row.organization_id, row.updated_at.into())
}

/// Fails with `Conflict` where there is no such row any more: the address is sealed for that one.
pub fn set_address(
    conn: &mut AnyConn,
    organization: i64,
    (id, url_sealed): (i64, &[u8]),
    now: DateTime<Utc>,
    trail: &Trail,
) -> Result<(), StoreFault> {
    let row = dsl::webhook.filter(dsl::organization_id.eq(organization)).filter(dsl::id.eq(id));
    let values = (dsl::url_sealed.eq(Some(url_sealed)), dsl::updated_at.eq(UtcTime(now)));
    if diesel::update(row).set(values).execute(conn)? == 0 {
        return Err(StoreFault::Conflict("webhook.id".to_owned()));
    }
    trail.write(conn)?;
    changes::record(conn, Kind::Organization, organization, now)
}

/// Address and secrets. Nothing happens where there is no row.
pub fn delete(conn: &mut AnyConn, organization: i64, now: DateTime<Utc>, trail: &Trail) -> Result<(), StoreFault> {
    if diesel::delete(dsl::webhook.filter(dsl::organization_id.eq(organization))).execute(conn)? == 1 {
        trail.write(conn)?;
        changes::record(conn, Kind::Organization, organization, now)?;
    }
    Ok(())
}

/// Replaces the secrets, unless somebody else did since they were read (`Conflict`).
pub fn set_secrets(
    conn: &mut AnyConn,
    organization: i64,
    (old, new): (&[u8], &[u8]),
    now: DateTime<Utc>,
    trail: &Trail,
) -> Result<(), StoreFault> {
    let unchanged = dsl::webhook.filter(dsl::organization_id.eq(organization)).filter(dsl::secrets_sealed.eq(old));
    let values = (dsl::secrets_sealed.eq(new), dsl::updated_at.eq(UtcTime(now)));
    if diesel::update(unchanged).set(values).execute(conn)? == 0 {
        return Err(StoreFault::Conflict("webhook.secrets_sealed".to_owned()));
    }
    trail.write(conn)
}
