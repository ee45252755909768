//! Instances and their credentials. Every function takes the owner first; a foreign row is not there.

mod by_token;
pub mod overview;
mod rows;
mod versions;

pub use by_token::{NamedByToken, find_by_token};
pub use rows::{Creator, CredentialRow, InstanceRow, Stored};
pub use versions::{VersionReads, Versions};

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::audit::Trail;
use super::changes::{self, Kind};
use super::connection::{AnyConn, octet_length, on_each};
use super::fault::StoreFault;
use super::schema::{app_user, credential, instance, instance_tag};
use super::time::UtcTime;
use crate::kernel::owner::Owner;
use crate::kernel::paging::Page;

/// Which instances a list wants.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub element_id: Option<i64>,
    /// All of them, exactly.
    pub tags: Vec<String>,
    /// A part of the name, case ignored.
    pub search_text: Option<String>,
    pub external_id: Option<String>,
}

/// Everything that one reply about an instance shows, in one statement.
macro_rules! with_credential {
    () => {
        instance::table.inner_join(credential::table).inner_join(app_user::table).select((
            instance::all_columns,
            credential::all_columns,
            (app_user::id, app_user::email, app_user::first_name, app_user::last_name),
        ))
    };
}

pub fn insert(
    conn: &mut AnyConn,
    owner: Owner,
    (instance, credential): (&InstanceRow, &CredentialRow),
    tags: &[String],
    trail: &Trail,
) -> Result<(), StoreFault> {
    let (instance_row, credential_row) = (
        diesel::insert_into(instance::table).values(instance),
        diesel::insert_into(credential::table).values(credential),
    );
    // On the connection itself: the enum writes the statement's text anew whenever it is walked.
    on_each!(conn, inner => {
        instance_row.execute(inner)?;
        credential_row.execute(inner)?;
    });
    insert_tags(conn, owner, instance.id, tags)?;
    trail.write(conn)
}

pub fn find(conn: &mut AnyConn, owner: Owner, id: i64) -> Result<Stored, StoreFault> {
    let row = with_credential!()
        .filter(instance::id.eq(id))
        .filter(instance::organization_id.eq(owner.organization))
        .filter(instance::account_id.eq(owner.account));
    // No `first`: its bound LIMIT makes SQLite plan the statement anew at every call. And on the connection itself: the
    // enum writes the statement's text anew whenever it is walked.
    Ok(on_each!(conn, inner => row.get_result(inner)?))
}

/// What a list asks for, of any selection of columns.
macro_rules! wanted {
    ($rows:expr, $owner:ident, $filter:ident, $page:ident) => {{
        let mut rows = $rows
            .filter(instance::organization_id.eq($owner.organization))
            .filter(instance::account_id.eq($owner.account))
            .filter(instance::id.gt($page.after))
            .into_boxed();
        if let Some(element_id) = $filter.element_id {
            rows = rows.filter(instance::element_id.eq(element_id));
        }
        if let Some(external_id) = &$filter.external_id {
            rows = rows.filter(instance::external_id.eq(external_id));
        }
        if let Some(text) = &$filter.search_text {
            rows = rows.filter(lower(instance::name).like(lower(contains(text))).escape('\\'));
        }
        for tag in &$filter.tags {
            let tagged = instance_tag::table
                .filter(instance_tag::organization_id.eq($owner.organization))
                .filter(instance_tag::account_id.eq($owner.account))
                .filter(instance_tag::tag.eq(tag))
                .select(instance_tag::instance_id);
            rows = rows.filter(instance::id.eq_any(tagged));
        }
        rows.order(instance::id).limit($page.limit())
    }};
}

/// One row more than the page, to know whether there is a next one, and the page, which may end at a number of bytes.
/// Ascending ids.
pub fn list(conn: &mut AnyConn, owner: Owner, filter: &Filter, page: Page) -> Result<(Vec<Stored>, Page), StoreFault> {
    // The sizes alone first: neither database reads a large value to tell how long it is.
    let page = if page.may_be_large() {
        let sizes = instance::table.select(octet_length(instance::configuration_sealed));
        page.within_bytes(&wanted!(sizes, owner, filter, page).load::<i32>(conn)?)
    } else {
        page
    };
    Ok((wanted!(with_credential!(), owner, filter, page).load(conn)?, page))
}

/// How many instances the owner has of each element, by element id.
pub fn count_by_element(conn: &mut AnyConn, owner: Owner) -> Result<Vec<(i64, i64)>, StoreFault> {
    let counts = instance::table
        .filter(instance::organization_id.eq(owner.organization))
        .filter(instance::account_id.eq(owner.account))
        .group_by(instance::element_id)
        .select((instance::element_id, diesel::dsl::count_star()))
        .order(instance::element_id);
    Ok(counts.load(conn)?)
}

/// Writes a changed row, unless somebody else did since it was read (`Conflict`). The token stays as it is by now: a key
/// rotation writes it without a new version, and what was read before must not come back.
pub fn update(
    conn: &mut AnyConn,
    owner: Owner,
    changed: &InstanceRow,
    tags: &[String],
    trail: &Trail,
) -> Result<(), StoreFault> {
    let values = (
        instance::name.eq(&changed.name),
        instance::tags.eq(&changed.tags),
        instance::external_id.eq(&changed.external_id),
        instance::authentication_type.eq(&changed.authentication_type),
        instance::external_authentication.eq(&changed.external_authentication),
        instance::configuration_sealed.eq(&changed.configuration_sealed),
        instance::enabled.eq(changed.enabled),
        instance::invalid_reason.eq(&changed.invalid_reason),
        instance::connected.eq(&changed.connected),
        instance::version.eq(changed.version.saturating_add(1)),
        instance::updated_at.eq(changed.updated_at),
    );
    if diesel::update(unchanged(owner, changed)).set(values).execute(conn)? == 0 {
        return Err(StoreFault::Conflict("instance.version".to_owned()));
    }
    let old = instance_tag::table
        .filter(instance_tag::organization_id.eq(owner.organization))
        .filter(instance_tag::account_id.eq(owner.account))
        .filter(instance_tag::instance_id.eq(changed.id));
    diesel::delete(old).execute(conn)?;
    insert_tags(conn, owner, changed.id, tags)?;
    trail.write(conn)?;
    changes::record(conn, Kind::Instance, changed.id, changed.updated_at.into())
}

/// Writes a new token, and nothing else, unless somebody else changed the row since it was read (`Conflict`).
pub fn update_token(conn: &mut AnyConn, owner: Owner, changed: &InstanceRow, trail: &Trail) -> Result<(), StoreFault> {
    let values = (
        instance::token_hash.eq(&changed.token_hash),
        instance::token_sealed.eq(&changed.token_sealed),
        instance::version.eq(changed.version.saturating_add(1)),
        instance::updated_at.eq(changed.updated_at),
    );
    if diesel::update(unchanged(owner, changed)).set(values).execute(conn)? == 0 {
        return Err(StoreFault::Conflict("instance.version".to_owned()));
    }
    trail.write(conn)?;
    changes::record(conn, Kind::Instance, changed.id, changed.updated_at.into())
}

#[diesel::dsl::auto_type]
fn unchanged(owner: Owner, row: &InstanceRow) -> _ {
    instance::table
        .filter(instance::id.eq::<i64>(row.id))
        .filter(instance::organization_id.eq::<i64>(owner.organization))
        .filter(instance::account_id.eq::<i64>(owner.account))
        .filter(instance::version.eq::<i64>(row.version))
}

/// Notes what is known of the vendor's account. Goes with the write of a credential, whose version tells of it; before it,
/// as everybody who writes both rows.
pub fn set_connected(conn: &mut AnyConn, owner: Owner, id: i64, connected: &str) -> Result<(), StoreFault> {
    let row = instance::table
        .filter(instance::id.eq(id))
        .filter(instance::organization_id.eq(owner.organization))
        .filter(instance::account_id.eq(owner.account));
    diesel::update(row).set(instance::connected.eq(connected)).execute(conn)?;
    Ok(())
}

/// Replaces the credential, unless somebody else did since `changed.version` was read (`Conflict`).
pub fn update_credential(
    conn: &mut AnyConn,
    owner: Owner,
    changed: &CredentialRow,
    now: DateTime<Utc>,
) -> Result<(), StoreFault> {
    let next = CredentialRow { version: changed.version.saturating_add(1), ..changed.clone() };
    let unchanged = credential::table
        .filter(credential::instance_id.eq(changed.instance_id))
        .filter(credential::organization_id.eq(owner.organization))
        .filter(credential::account_id.eq(owner.account))
        .filter(credential::version.eq(changed.version));
    if diesel::update(unchanged).set(&next).execute(conn)? == 0 {
        return Err(StoreFault::Conflict("credential.version".to_owned()));
    }
    changes::record(conn, Kind::Instance, changed.instance_id, now)
}

/// Credential, tags and usage go with it.
/// `version`: of the credential that was read. With a newer one it is a `Conflict`: the caller would revoke the old one.
pub fn delete(
    conn: &mut AnyConn,
    owner: Owner,
    (id, version): (i64, i64),
    now: DateTime<Utc>,
    trail: &Trail,
) -> Result<(), StoreFault> {
    let row = instance::table
        .filter(instance::id.eq(id))
        .filter(instance::organization_id.eq(owner.organization))
        .filter(instance::account_id.eq(owner.account));
    // The instance first, as everybody who writes both: otherwise two could wait for each other.
    if diesel::update(row).set(instance::updated_at.eq(UtcTime(now))).execute(conn)? == 0 {
        return Err(StoreFault::NotFound);
    }
    let unchanged = credential::table
        .filter(credential::instance_id.eq(id))
        .filter(credential::organization_id.eq(owner.organization))
        .filter(credential::account_id.eq(owner.account))
        .filter(credential::version.eq(version));
    if diesel::delete(unchanged).execute(conn)? == 0 {
        return Err(StoreFault::Conflict("credential.version".to_owned()));
    }
    diesel::delete(row).execute(conn)?;
    trail.write(conn)?;
    changes::record(conn, Kind::Instance, id, now)
}

/// Whether any instance, whoever owns it, holds this grant at the vendor: revoking it would cut that one off. `hashes`:
/// under every generation of the look-up key.
pub fn any_with_grant(conn: &mut AnyConn, hashes: &[Vec<u8>]) -> Result<bool, StoreFault> {
    let row = credential::table.filter(credential::grant_hash.eq_any(hashes)).select(credential::instance_id);
    Ok(row.first::<i64>(conn).optional()?.is_some())
}

fn insert_tags(conn: &mut AnyConn, owner: Owner, id: i64, tags: &[String]) -> Result<(), StoreFault> {
    let distinct: BTreeSet<&String> = tags.iter().collect();
    let rows: Vec<_> = distinct
        .into_iter()
        .map(|tag| {
            (
                instance_tag::organization_id.eq(owner.organization),
                instance_tag::account_id.eq(owner.account),
                instance_tag::tag.eq(tag),
                instance_tag::instance_id.eq(id),
            )
        })
        .collect();
    let into = diesel::insert_into(instance_tag::table);
    match rows.as_slice() {
        // Unlike a batch, a single row is a statement that the connection keeps prepared.
        [row] => on_each!(conn, inner => into.values(row).execute(inner)?),
        rows => on_each!(conn, inner => into.values(rows).execute(inner)?),
    };
    Ok(())
}

diesel::define_sql_function! {
    /// SQLite folds ASCII only, so the database folds both sides of a comparison.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

/// A LIKE pattern for a part of a text, with the pattern's own characters taken literally.
fn contains(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}
