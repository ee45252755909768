//! The users of an organization as its administrators see and change them: active or not, but not removed.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::audit::Trail;
use super::changes::{self, Kind};
use super::connection::AnyConn;
use super::fault::StoreFault;
use super::principals::{KeptPassword, KeptSecret, address, end_sessions};
use super::schema::{app_user, organization};
use super::time::UtcTime;
use crate::kernel::owner::Owner;
use crate::kernel::paging::Page;

/// A user, whether they may call or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: i64,
    pub organization: i64,
    pub account: i64,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub active: bool,
    pub organization_admin: bool,
    pub last_login_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

impl User {
    pub fn owner(&self) -> Owner {
        Owner { organization: self.organization, account: self.account }
    }
}

/// By whom a caller means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    Id(i64),
    Email(String),
}

/// What is to change; the rest stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub password: Option<KeptPassword>,
    pub active: Option<bool>,
    pub organization_admin: Option<bool>,
}

type Columns = (i64, i64, i64, String, String, String, bool, bool, Option<UtcTime>, UtcTime);

#[diesel::dsl::auto_type]
fn users() -> _ {
    app_user::table.filter(app_user::removed_at.is_null()).select((
        app_user::id,
        app_user::organization_id,
        app_user::account_id,
        app_user::email,
        app_user::first_name,
        app_user::last_name,
        app_user::active,
        app_user::organization_admin,
        app_user::last_login_at,
        app_user::created_at,
    ))
}

impl From<Columns> for User {
    fn from(
        (id, organization, account, email, first, last, active, admin, last_login_at, created_at): Columns,
    ) -> Self {
        Self {
            id,
            organization,
            account,
            email,
            first_name: first,
            last_name: last,
            active,
            organization_admin: admin,
            last_login_at: last_login_at.map(Into::into),
            created_at: created_at.into(),
        }
    }
}

/// One row more than the page, in ascending order of ids.
pub fn list(conn: &mut AnyConn, organization: i64, page: Page) -> Result<Vec<User>, StoreFault> {
    let own = users().filter(app_user::organization_id.eq(organization)).filter(app_user::id.gt(page.after));
    let rows = own.order(app_user::id).limit(page.limit()).load::<Columns>(conn)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Of whomever, for the operator: with the names of their organizations.
pub fn list_everywhere(conn: &mut AnyConn) -> Result<Vec<(User, String)>, StoreFault> {
    let names: Vec<(i64, String)> = organization::table.select((organization::id, organization::name)).load(conn)?;
    let names: HashMap<i64, String> = names.into_iter().collect();
    let rows = users().order(app_user::id).load::<Columns>(conn)?.into_iter().map(User::from);
    Ok(rows
        .map(|user| {
            let name = names.get(&user.organization).cloned().unwrap_or_default();
            (user, name)
        })
        .collect())
}

/// Of any organization: for the operator, and for calls that say of whom they are not.
pub fn find_anywhere(conn: &mut AnyConn, by: &By) -> Result<Option<User>, StoreFault> {
    let row = match by {
        By::Id(id) => users().filter(app_user::id.eq(*id)).get_result::<Columns>(conn),
        By::Email(email) => users().filter(app_user::email.eq(address(email))).get_result(conn),
    };
    Ok(row.optional()?.map(Into::into))
}

pub fn find(conn: &mut AnyConn, organization: i64, by: &By) -> Result<Option<User>, StoreFault> {
    Ok(find_anywhere(conn, by)?.filter(|user| user.organization == organization))
}

pub fn password(conn: &mut AnyConn, organization: i64, user: i64) -> Result<KeptPassword, StoreFault> {
    let row = app_user::table.filter(app_user::organization_id.eq(organization)).filter(app_user::id.eq(user));
    Ok(row.select(KeptPassword::as_select()).get_result(conn)?)
}

/// Until the transaction ends, others who change users of this organization wait: what is read behind it stays true.
pub fn lock(conn: &mut AnyConn, organization: i64) -> Result<(), StoreFault> {
    // To write a row is to lock it, also where nothing changes.
    let same = organization::name.eq(organization::name);
    diesel::update(organization::table.find(organization)).set(same).execute(conn)?;
    Ok(())
}

/// Whether somebody but this user administers the organization.
pub fn has_other_administrator(conn: &mut AnyConn, organization: i64, user: i64) -> Result<bool, StoreFault> {
    let others = app_user::table.filter(app_user::organization_id.eq(organization)).filter(app_user::id.ne(user));
    let able = others.filter(app_user::active.eq(true)).filter(app_user::organization_admin.eq(true));
    Ok(able.select(app_user::id).first::<i64>(conn).optional()?.is_some())
}

/// Fails with `Conflict` when the new address is taken. Whoever is put out, or whose password is another, is signed out.
pub fn change(
    conn: &mut AnyConn,
    user: &User,
    change: &Change,
    now: DateTime<Utc>,
    trails: &[Trail],
) -> Result<User, StoreFault> {
    let new = User {
        email: change.email.as_deref().map_or_else(|| user.email.clone(), address),
        first_name: change.first_name.clone().unwrap_or_else(|| user.first_name.clone()),
        last_name: change.last_name.clone().unwrap_or_else(|| user.last_name.clone()),
        active: change.active.unwrap_or(user.active),
        organization_admin: change.organization_admin.unwrap_or(user.organization_admin),
        ..user.clone()
    };
    let values = (
        app_user::email.eq(&new.email),
        app_user::first_name.eq(&new.first_name),
        app_user::last_name.eq(&new.last_name),
        app_user::active.eq(new.active),
        app_user::organization_admin.eq(new.organization_admin),
    );
    diesel::update(app_user::table.find(user.id)).set(values).execute(conn)?;
    if let Some(password) = &change.password {
        diesel::update(app_user::table.find(user.id)).set(password).execute(conn)?;
    }
    if (user.active && !new.active) || change.password.is_some() {
        end_sessions(conn, user.id)?;
    }
    trails.iter().try_for_each(|trail| trail.write(conn))?;
    changes::record(conn, Kind::User, user.id, now)?;
    Ok(new)
}

/// The row stays, for instances and links name who made them: without address, password, secret and rights. `void`: a secret
/// that nobody was told.
pub fn remove(
    conn: &mut AnyConn,
    user: &User,
    void: &KeptSecret,
    now: DateTime<Utc>,
    trail: &Trail,
) -> Result<(), StoreFault> {
    let values = (
        // No address has this form, so the person's own is free again at once.
        app_user::email.eq(format!("removed:{}", user.id)),
        app_user::password_hash.eq(""),
        app_user::password_sealed.eq(None::<Vec<u8>>),
        app_user::secret_hash.eq(&void.hash),
        app_user::secret_sealed.eq(&void.sealed),
        app_user::active.eq(false),
        app_user::organization_admin.eq(false),
        app_user::removed_at.eq(Some(UtcTime(now))),
    );
    diesel::update(app_user::table.find(user.id)).set(values).execute(conn)?;
    end_sessions(conn, user.id)?;
    trail.write(conn)?;
    changes::record(conn, Kind::User, user.id, now)
}
