//! Authorizations under way that need something remembered: the code verifier of PKCE, or who waits behind
//! `/connector/callback`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::connection::AnyConn;
use super::fault::StoreFault;
use super::schema::oauth_grant::{self, dsl};
use super::time::UtcTime;
use crate::kernel::owner::Owner;

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = oauth_grant)]
struct Row {
    id: i64,
    organization_id: i64,
    account_id: i64,
    element_id: i64,
    state_hash: Vec<u8>,
    sealed: Vec<u8>,
    created_at: UtcTime,
    expires_at: UtcTime,
    link_id: Option<i64>,
    browser_hash: Option<Vec<u8>>,
}

impl Row {
    fn split(self) -> (Owner, Grant) {
        let owner = Owner { organization: self.organization_id, account: self.account_id };
        let grant = Grant {
            id: self.id,
            element_id: self.element_id,
            state_hash: self.state_hash,
            sealed: self.sealed,
            expires_at: self.expires_at.into(),
            link_id: self.link_id,
            browser_hash: self.browser_hash,
        };
        (owner, grant)
    }
}

/// One started authorization. `sealed` holds what the use case needs to finish it.
#[derive(Debug, Clone)]
pub struct Grant {
    pub id: i64,
    pub element_id: i64,
    pub state_hash: Vec<u8>,
    pub sealed: Vec<u8>,
    pub expires_at: DateTime<Utc>,
    /// The connect link that it belongs to.
    pub link_id: Option<i64>,
    /// The browser that it belongs to: nobody else may end it.
    pub browser_hash: Option<Vec<u8>>,
}

/// How many authorizations of one link may be under way: whoever has the link can begin as many as they like.
pub const MOST_OF_A_LINK: usize = 20;

/// Fails with `Conflict` when the owner has an open grant with this state. `others`: the state under other generations of
/// the look-up key than the one that `grant` is stored under.
pub fn insert(
    conn: &mut AnyConn,
    owner: Owner,
    grant: Grant,
    others: &[Vec<u8>],
    now: DateTime<Utc>,
) -> Result<(), StoreFault> {
    let same_state = dsl::oauth_grant
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::state_hash.eq(grant.state_hash.clone()));
    diesel::delete(same_state.filter(dsl::expires_at.le(UtcTime(now)))).execute(conn)?;
    for other in others {
        if find(conn, owner, grant.element_id, other, now)?.is_some() {
            return Err(StoreFault::Conflict("oauth_grant.state_hash".to_owned()));
        }
    }
    let link = grant.link_id;
    let row = Row {
        id: grant.id,
        organization_id: owner.organization,
        account_id: owner.account,
        element_id: grant.element_id,
        state_hash: grant.state_hash,
        sealed: grant.sealed,
        created_at: UtcTime(now),
        expires_at: UtcTime(grant.expires_at),
        link_id: grant.link_id,
        browser_hash: grant.browser_hash,
    };
    diesel::insert_into(oauth_grant::table).values(&row).execute(conn)?;
    link.map_or(Ok(()), |link| drop_oldest(conn, owner, link))
}

/// Makes room for a link's newest grants.
fn drop_oldest(conn: &mut AnyConn, owner: Owner, link: i64) -> Result<(), StoreFault> {
    let of_link = dsl::oauth_grant
        .filter(dsl::link_id.eq(link))
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account));
    // Ids of several processes are in no order of time.
    let newest_first = of_link.select(dsl::id).order((dsl::created_at.desc(), dsl::id.desc()));
    let ids: Vec<i64> = newest_first.load(conn)?;
    let oldest: Vec<i64> = ids.into_iter().skip(MOST_OF_A_LINK).collect();
    if !oldest.is_empty() {
        diesel::delete(of_link.filter(dsl::id.eq_any(oldest))).execute(conn)?;
    }
    Ok(())
}

/// The owner's open grant with this state.
pub fn find(
    conn: &mut AnyConn,
    owner: Owner,
    element_id: i64,
    state_hash: &[u8],
    now: DateTime<Utc>,
) -> Result<Option<Grant>, StoreFault> {
    let row: Option<Row> = dsl::oauth_grant
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::state_hash.eq(state_hash))
        .filter(dsl::element_id.eq(element_id))
        .filter(dsl::expires_at.gt(UtcTime(now)))
        .first(conn)
        .optional()?;
    Ok(row.map(|row| row.split().1))
}

/// The owner's open grant with this state, of whichever element. `hashes`: under every generation of the look-up key.
pub fn find_any(
    conn: &mut AnyConn,
    owner: Owner,
    hashes: &[Vec<u8>],
    now: DateTime<Utc>,
) -> Result<Option<Grant>, StoreFault> {
    Ok(find_by_state(conn, hashes, now)?.filter(|(of, _)| *of == owner).map(|(_, grant)| grant))
}

/// The open grant with this state, whoever's it is: the state itself is the proof. `hashes`: under every generation of
/// the look-up key.
pub fn find_by_state(
    conn: &mut AnyConn,
    hashes: &[Vec<u8>],
    now: DateTime<Utc>,
) -> Result<Option<(Owner, Grant)>, StoreFault> {
    let row: Option<Row> = dsl::oauth_grant
        .filter(dsl::state_hash.eq_any(hashes))
        .filter(dsl::expires_at.gt(UtcTime(now)))
        .first(conn)
        .optional()?;
    Ok(row.map(Row::split))
}

/// The owner's open grant with this id.
pub fn get(conn: &mut AnyConn, owner: Owner, id: i64, now: DateTime<Utc>) -> Result<Option<Grant>, StoreFault> {
    let row: Option<Row> = dsl::oauth_grant
        .filter(dsl::id.eq(id))
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::expires_at.gt(UtcTime(now)))
        .first(conn)
        .optional()?;
    Ok(row.map(|row| row.split().1))
}

/// Writes a grant's document anew, unless somebody else did since it was read (`Conflict`).
pub fn replace_document(
    conn: &mut AnyConn,
    owner: Owner,
    id: i64,
    (before, after): (&[u8], &[u8]),
) -> Result<(), StoreFault> {
    let unchanged = dsl::oauth_grant
        .filter(dsl::id.eq(id))
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::sealed.eq(before));
    match diesel::update(unchanged).set(dsl::sealed.eq(after)).execute(conn)? {
        0 => Err(StoreFault::Conflict("oauth_grant.sealed".to_owned())),
        _ => Ok(()),
    }
}

/// Whether somebody who has this link is at the vendor.
pub fn is_begun(conn: &mut AnyConn, owner: Owner, link: i64, now: DateTime<Utc>) -> Result<bool, StoreFault> {
    let open = dsl::oauth_grant
        .filter(dsl::link_id.eq(link))
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::expires_at.gt(UtcTime(now)));
    Ok(open.select(dsl::id).first::<i64>(conn).optional()?.is_some())
}

/// The link that this browser began last, with the grant, whoever's it is. `hashes`: of its cookie, under every generation of the
/// look-up key.
pub fn newest_of_browser(
    conn: &mut AnyConn,
    hashes: &[Vec<u8>],
    now: DateTime<Utc>,
) -> Result<Option<(Owner, Grant)>, StoreFault> {
    let row: Option<Row> = dsl::oauth_grant
        .filter(dsl::browser_hash.eq_any(hashes))
        .filter(dsl::link_id.is_not_null())
        .filter(dsl::expires_at.gt(UtcTime(now)))
        .order((dsl::created_at.desc(), dsl::id.desc()))
        .first(conn)
        .optional()?;
    Ok(row.map(Row::split))
}

/// A grant is used once.
pub fn delete(conn: &mut AnyConn, owner: Owner, id: i64) -> Result<(), StoreFault> {
    let row = dsl::oauth_grant
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::id.eq(id));
    diesel::delete(row).execute(conn)?;
    Ok(())
}

/// Users who never came back.
pub fn purge(conn: &mut AnyConn, now: DateTime<Utc>) -> Result<usize, StoreFault> {
    Ok(diesel::delete(dsl::oauth_grant.filter(dsl::expires_at.le(UtcTime(now)))).execute(conn)?)
}
