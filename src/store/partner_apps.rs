//! An organization's own OAuth apps, one for each element at most.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::audit::Trail;
use super::connection::AnyConn;
use super::fault::StoreFault;
use super::schema::partner_app::{self, dsl};
use super::time::UtcTime;
use crate::kernel::owner::Owner;

/// An app as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct SealedApp {
    pub id: i64,
    pub sealed: Vec<u8>,
}

pub fn find(conn: &mut AnyConn, owner: Owner, element_id: i64) -> Result<Option<SealedApp>, StoreFault> {
    let row = dsl::partner_app
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::element_id.eq(element_id))
        .select((dsl::id, dsl::sealed));
    Ok(row.get_result(conn).optional()?)
}

/// All of the owner's apps, with their elements.
pub fn list(conn: &mut AnyConn, owner: Owner) -> Result<Vec<(i64, SealedApp)>, StoreFault> {
    let rows = dsl::partner_app
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .select((dsl::element_id, (dsl::id, dsl::sealed)));
    Ok(rows.load(conn)?)
}

/// The elements that the owner has an app for.
pub fn elements(conn: &mut AnyConn, owner: Owner) -> Result<Vec<i64>, StoreFault> {
    let rows = dsl::partner_app
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .select(dsl::element_id)
        .order(dsl::element_id);
    Ok(rows.load(conn)?)
}

/// Writes the app in the place of `before`, which is what was read; a `Conflict` when somebody else was quicker.
pub fn save(
    conn: &mut AnyConn,
    owner: Owner,
    element_id: i64,
    before: Option<&SealedApp>,
    (app, now): (&SealedApp, DateTime<Utc>),
    trail: &Trail,
) -> Result<(), StoreFault> {
    let Some(before) = before else {
        let row = (
            dsl::id.eq(app.id),
            dsl::organization_id.eq(owner.organization),
            dsl::account_id.eq(owner.account),
            dsl::element_id.eq(element_id),
            dsl::sealed.eq(&app.sealed),
            dsl::created_at.eq(UtcTime(now)),
            dsl::updated_at.eq(UtcTime(now)),
        );
        diesel::insert_into(partner_app::table).values(row).execute(conn)?;
        return trail.write(conn);
    };
    let unchanged = dsl::partner_app
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::id.eq(before.id))
        .filter(dsl::sealed.eq(&before.sealed));
    let values = (dsl::sealed.eq(&app.sealed), dsl::updated_at.eq(UtcTime(now)));
    match diesel::update(unchanged).set(values).execute(conn)? {
        0 => Err(StoreFault::Conflict("partner_app.sealed".to_owned())),
        _ => trail.write(conn),
    }
}

/// Whether there was one.
pub fn delete(conn: &mut AnyConn, owner: Owner, element_id: i64, trail: &Trail) -> Result<bool, StoreFault> {
    let row = dsl::partner_app
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::element_id.eq(element_id));
    let found = diesel::delete(row).execute(conn)? > 0;
    if found {
        trail.write(conn)?;
    }
    Ok(found)
}
