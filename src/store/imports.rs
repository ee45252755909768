//! Instances that come many at once, each from a line with a name of its own, by which a repeated line finds it.

use diesel::prelude::*;

use super::audit::{self, Record};
use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::instances::{CredentialRow, InstanceRow};
use super::notices::{self, Notice};
use super::schema::{credential, instance, instance_import, instance_tag};
use crate::kernel::owner::Owner;

/// A new instance.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The name of its line.
    pub import_id: String,
    pub instance: InstanceRow,
    pub credential: CredentialRow,
    pub tags: Vec<String>,
}

impl Imported {
    /// As far as it counts for the limit of bytes.
    pub fn bytes(&self) -> usize {
        self.instance.bytes().saturating_add(self.credential.sealed.len())
    }
}

/// An instance that a line made before.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Found {
    pub import_id: String,
    pub instance: i64,
    pub element: i64,
}

/// Those that these lines made.
pub fn find(conn: &mut AnyConn, owner: Owner, import_ids: &[String]) -> Result<Vec<Found>, StoreFault> {
    let rows = instance_import::table
        .inner_join(instance::table)
        .filter(instance_import::organization_id.eq(owner.organization))
        .filter(instance_import::account_id.eq(owner.account))
        .filter(instance_import::import_id.eq_any(import_ids))
        .select((instance_import::import_id, instance_import::instance_id, instance::element_id));
    Ok(rows.load(conn)?)
}

/// The names of the lines that made these instances.
pub fn names(conn: &mut AnyConn, owner: Owner, ids: &[i64]) -> Result<Vec<(i64, String)>, StoreFault> {
    let rows = instance_import::table
        .filter(instance_import::organization_id.eq(owner.organization))
        .filter(instance_import::account_id.eq(owner.account))
        .filter(instance_import::instance_id.eq_any(ids))
        .select((instance_import::instance_id, instance_import::import_id));
    Ok(rows.load(conn)?)
}

/// All of them, or a `Conflict` where one of the lines made an instance meanwhile. `records`: a row of the audit log for each.
pub fn insert_all(
    conn: &mut AnyConn,
    owner: Owner,
    rows: &[Imported],
    told: &[Notice],
    records: &[Record],
) -> Result<(), StoreFault> {
    // SQLite takes no empty list.
    if rows.is_empty() {
        return Ok(());
    }
    let instances: Vec<&InstanceRow> = rows.iter().map(|row| &row.instance).collect();
    let credentials: Vec<&CredentialRow> = rows.iter().map(|row| &row.credential).collect();
    let names: Vec<_> = rows.iter().map(|row| name(owner, row)).collect();
    let tags: Vec<_> = rows.iter().flat_map(|row| tags(owner, row)).collect();
    on_each!(conn, inner => {
        diesel::insert_into(instance::table).values(instances).execute(inner)?;
        diesel::insert_into(instance_import::table).values(names).execute(inner)?;
        diesel::insert_into(credential::table).values(credentials).execute(inner)?;
        if !tags.is_empty() {
            diesel::insert_into(instance_tag::table).values(tags).execute(inner)?;
        }
    });
    audit::insert_all(conn, records)?;
    notices::enqueue_all(conn, told)
}

// With defaults for what is none, SQLite would take the rows one by one, in a transaction of diesel's own.
#[derive(Insertable)]
#[diesel(table_name = instance_import, treat_none_as_default_value = false)]
struct Name<'a> {
    organization_id: i64,
    account_id: i64,
    import_id: &'a str,
    instance_id: i64,
}

fn name(owner: Owner, row: &Imported) -> Name<'_> {
    Name {
        organization_id: owner.organization,
        account_id: owner.account,
        import_id: &row.import_id,
        instance_id: row.instance.id,
    }
}

#[derive(Insertable)]
#[diesel(table_name = instance_tag, treat_none_as_default_value = false)]
struct Tag<'a> {
    organization_id: i64,
    account_id: i64,
    tag: &'a str,
    instance_id: i64,
}

/// Without any twice.
fn tags(owner: Owner, row: &Imported) -> impl Iterator<Item = Tag<'_>> {
    let distinct: std::collections::BTreeSet<&str> = row.tags.iter().map(String::as_str).collect();
    distinct.into_iter().map(move |tag| Tag {
        organization_id: owner.organization,
        account_id: owner.account,
        tag,
        instance_id: row.instance.id,
    })
}
