//! Organizations, accounts and users: who may call.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::audit::Trail;
use super::changes::{self, Kind};
use super::connection::AnyConn;
use super::fault::StoreFault;
use super::schema::{account, app_user, organization};
use super::time::UtcTime;
use super::{ids, sessions};
use crate::kernel::owner::Owner;

/// A user with the organization and account it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub user: i64,
    pub owner: Owner,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub organization_admin: bool,
    pub organization_name: String,
    pub account_name: String,
    pub session_generation: i64,
    pub last_login_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// What the Organization part of a header must be, sealed: a hash could be put there by whoever writes to the database.
    pub organization_secret_sealed: Vec<u8>,
}

/// A user as a secret or a session names one: whether the row is what it says, the sealed copy of the secret tells.
#[derive(Debug, Clone)]
pub struct Found {
    pub principal: Principal,
    pub secret_sealed: Vec<u8>,
}

type Columns =
    ((i64, i64, i64, String, String, String, bool, i64), (Option<UtcTime>, UtcTime, String, Vec<u8>, String, Vec<u8>));

#[diesel::dsl::auto_type]
fn active_users() -> _ {
    app_user::table
        .inner_join(organization::table)
        .inner_join(account::table.on(account::id.eq(app_user::account_id)))
        .filter(app_user::active.eq(true))
        .select((
            (
                app_user::id,
                app_user::organization_id,
                app_user::account_id,
                app_user::email,
                app_user::first_name,
                app_user::last_name,
                app_user::organization_admin,
                app_user::session_generation,
            ),
            (
                app_user::last_login_at,
                app_user::created_at,
                organization::name,
                organization::secret_sealed,
                account::name,
                app_user::secret_sealed,
            ),
        ))
}

impl From<Columns> for Found {
    fn from(((user, organization, account, email, first, last, admin, generation), rest): Columns) -> Self {
        let (last_login_at, created_at, organization_name, organization_secret_sealed, account_name, secret_sealed) =
            rest;
        let principal = Principal {
            user,
            owner: Owner { organization, account },
            email,
            first_name: first,
            last_name: last,
            organization_admin: admin,
            organization_name,
            account_name,
            session_generation: generation,
            last_login_at: last_login_at.map(Into::into),
            created_at: created_at.into(),
            organization_secret_sealed,
        };
        Self { principal, secret_sealed }
    }
}

/// `hashes`: of the secret, under every generation of the look-up key. In one statement: a row may move from one hash to
/// another meanwhile.
pub fn find_by_secret(conn: &mut AnyConn, hashes: &[Vec<u8>]) -> Result<Option<Found>, StoreFault> {
    let found = match hashes {
        [hash] => active_users().filter(app_user::secret_hash.eq(hash)).get_result::<Columns>(conn),
        _ => active_users().filter(app_user::secret_hash.eq_any(hashes)).get_result(conn),
    };
    Ok(found.optional()?.map(Into::into))
}

pub fn find(conn: &mut AnyConn, user: i64) -> Result<Option<Found>, StoreFault> {
    let row = active_users().filter(app_user::id.eq(user));
    Ok(row.get_result::<Columns>(conn).optional()?.map(Into::into))
}

pub fn find_by_email(conn: &mut AnyConn, email: &str) -> Result<Option<(Principal, KeptPassword)>, StoreFault> {
    let email = address(email);
    let kept = app_user::table.filter(app_user::email.eq(&email)).select(KeptPassword::as_select());
    let Some(kept) = kept.get_result(conn).optional()? else { return Ok(None) };
    let row = active_users().filter(app_user::email.eq(&email));
    Ok(row.get_result::<Columns>(conn).optional()?.map(|columns| (Found::from(columns).principal, kept)))
}

/// An e-mail address as it is kept and compared.
pub fn address(email: &str) -> String {
    email.trim().to_lowercase()
}

pub fn list(conn: &mut AnyConn) -> Result<Vec<Principal>, StoreFault> {
    let rows = active_users().order(app_user::id).load::<Columns>(conn)?;
    Ok(rows.into_iter().map(|columns| Found::from(columns).principal).collect())
}

pub fn any(conn: &mut AnyConn) -> Result<bool, StoreFault> {
    Ok(app_user::table.select(app_user::id).first::<i64>(conn).optional()?.is_some())
}

/// Fails with `Conflict` when there is a user. Until the transaction ends, whoever else asks waits for it.
pub fn expect_none(conn: &mut AnyConn) -> Result<(), StoreFault> {
    ids::lock(conn)?;
    if any(conn)? { Err(StoreFault::Conflict("app_user".to_owned())) } else { Ok(()) }
}

/// A secret that callers present: found by its hash, shown from its sealed copy.
#[derive(Debug, Clone)]
pub struct KeptSecret {
    pub hash: Vec<u8>,
    pub sealed: Vec<u8>,
}

/// The hash of a password as it rests: sealed, and in the clear besides in a database whose seals are not bound to owners yet, for
/// the version before this one.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = app_user, treat_none_as_null = true)]
pub struct KeptPassword {
    #[diesel(column_name = password_hash)]
    pub clear: String,
    #[diesel(column_name = password_sealed)]
    pub sealed: Option<Vec<u8>>,
}

pub struct NewOrganization {
    pub id: i64,
    pub account_id: i64,
    pub name: String,
    pub secret: KeptSecret,
}

pub struct NewUser {
    pub id: i64,
    pub owner: Owner,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub password: KeptPassword,
    pub secret: KeptSecret,
    pub organization_admin: bool,
}

/// An organization with its one default account.
pub fn insert_organization(
    conn: &mut AnyConn,
    new: &NewOrganization,
    now: DateTime<Utc>,
    trail: &Trail,
) -> Result<(), StoreFault> {
    let row = (
        organization::id.eq(new.id),
        organization::name.eq(&new.name),
        organization::secret_hash.eq(&new.secret.hash),
        organization::secret_sealed.eq(&new.secret.sealed),
        organization::created_at.eq(UtcTime(now)),
    );
    diesel::insert_into(organization::table).values(row).execute(conn)?;
    let row = (
        account::id.eq(new.account_id),
        account::organization_id.eq(new.id),
        account::name.eq(&new.name),
        account::created_at.eq(UtcTime(now)),
    );
    diesel::insert_into(account::table).values(row).execute(conn)?;
    trail.write(conn)
}

/// Fails with `Conflict` when the address is taken.
pub fn insert_user(conn: &mut AnyConn, new: &NewUser, now: DateTime<Utc>, trail: &Trail) -> Result<(), StoreFault> {
    let row = (
        (
            app_user::id.eq(new.id),
            app_user::organization_id.eq(new.owner.organization),
            app_user::account_id.eq(new.owner.account),
            app_user::email.eq(address(&new.email)),
            app_user::first_name.eq(&new.first_name),
            app_user::last_name.eq(&new.last_name),
            app_user::password_hash.eq(&new.password.clear),
            app_user::password_sealed.eq(&new.password.sealed),
        ),
        (
            app_user::secret_hash.eq(&new.secret.hash),
            app_user::secret_sealed.eq(&new.secret.sealed),
            app_user::active.eq(true),
            app_user::organization_admin.eq(new.organization_admin),
            app_user::session_generation.eq(0),
            app_user::created_at.eq(UtcTime(now)),
        ),
    );
    diesel::insert_into(app_user::table).values(row).execute(conn)?;
    trail.write(conn)
}

/// The secrets of a user and of the organization that the user is of.
#[derive(Debug, Clone, Queryable)]
pub struct SealedSecrets {
    pub organization: i64,
    pub of_user: Vec<u8>,
    pub of_organization: Vec<u8>,
}

pub fn sealed_secrets(conn: &mut AnyConn, user: i64) -> Result<SealedSecrets, StoreFault> {
    let row = app_user::table.inner_join(organization::table).filter(app_user::id.eq(user)).select((
        app_user::organization_id,
        app_user::secret_sealed,
        organization::secret_sealed,
    ));
    Ok(row.first(conn)?)
}

/// Other processes forget what they know of the user.
pub fn say_changed(conn: &mut AnyConn, user: i64, now: DateTime<Utc>) -> Result<(), StoreFault> {
    changes::record(conn, Kind::User, user, now)
}

pub fn set_password(
    conn: &mut AnyConn,
    user: i64,
    password: &KeptPassword,
    now: DateTime<Utc>,
    trail: &Trail,
) -> Result<(), StoreFault> {
    diesel::update(app_user::table.find(user)).set(password).execute(conn)?;
    trail.write(conn)?;
    changes::record(conn, Kind::User, user, now)
}

/// Ends all sessions of a user, in the transaction of the change that is the reason, and that leaves the trail. Gives the generation of those to come.
pub fn end_sessions(conn: &mut AnyConn, user: i64) -> Result<i64, StoreFault> {
    let next = app_user::session_generation.eq(app_user::session_generation + 1);
    diesel::update(app_user::table.find(user)).set(next).execute(conn)?;
    sessions::forget(conn, user)?;
    Ok(app_user::table.find(user).select(app_user::session_generation).first(conn)?)
}

/// As `end_sessions`, of all who belong to an organization.
pub fn end_sessions_of(conn: &mut AnyConn, organization: i64) -> Result<(), StoreFault> {
    let next = app_user::session_generation.eq(app_user::session_generation + 1);
    diesel::update(app_user::table.filter(app_user::organization_id.eq(organization))).set(next).execute(conn)?;
    sessions::forget_of(conn, organization)
}

/// Whether the user is still who was known by this generation: nothing ended their sessions, and nobody disabled them. Locks
/// the row, so that what is decided by it holds until the transaction ends.
pub fn still_holds(conn: &mut AnyConn, user: i64, generation: i64) -> Result<bool, StoreFault> {
    let same = app_user::table
        .find(user)
        .filter(app_user::active.eq(true))
        .filter(app_user::session_generation.eq(generation));
    let unchanged = app_user::session_generation.eq(app_user::session_generation);
    Ok(diesel::update(same).set(unchanged).execute(conn)? == 1)
}

/// The generation of a user's sessions.
pub fn session_generation(conn: &mut AnyConn, user: i64) -> Result<i64, StoreFault> {
    Ok(app_user::table.find(user).select(app_user::session_generation).first(conn)?)
}

pub fn set_user_secret(
    conn: &mut AnyConn,
    user: i64,
    secret: &KeptSecret,
    now: DateTime<Utc>,
    trail: &Trail,
) -> Result<(), StoreFault> {
    let values = (app_user::secret_hash.eq(&secret.hash), app_user::secret_sealed.eq(&secret.sealed));
    diesel::update(app_user::table.find(user)).set(values).execute(conn)?;
    trail.write(conn)?;
    changes::record(conn, Kind::User, user, now)
}

pub fn set_organization_secret(
    conn: &mut AnyConn,
    id: i64,
    secret: &KeptSecret,
    now: DateTime<Utc>,
    trail: &Trail,
) -> Result<(), StoreFault> {
    let values = (organization::secret_hash.eq(&secret.hash), organization::secret_sealed.eq(&secret.sealed));
    diesel::update(organization::table.find(id)).set(values).execute(conn)?;
    trail.write(conn)?;
    changes::record(conn, Kind::Organization, id, now)
}

pub fn record_login(conn: &mut AnyConn, user: i64, now: DateTime<Utc>, trail: &Trail) -> Result<(), StoreFault> {
    diesel::update(app_user::table.find(user)).set(app_user::last_login_at.eq(Some(UtcTime(now)))).execute(conn)?;
    trail.write(conn)
}

/// What the organization is called.
pub fn organization_name(conn: &mut AnyConn, id: i64) -> Result<String, StoreFault> {
    Ok(organization::table.find(id).select(organization::name).get_result(conn)?)
}

/// The owner to whom everybody belongs, where there is one alone.
pub fn only_owner(conn: &mut AnyConn) -> Result<Option<Owner>, StoreFault> {
    let found: Vec<(i64, i64)> = account::table.select((account::organization_id, account::id)).limit(2).load(conn)?;
    Ok(match found.as_slice() {
        [(organization, account)] => Some(Owner { organization: *organization, account: *account }),
        _ => None,
    })
}
