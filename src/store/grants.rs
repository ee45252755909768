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
    handle_hash: Option<Vec<u8>>,
    held_until: Option<UtcTime>,
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
            hold: self.handle_hash.map(|handle_hash| Hold { handle_hash, until: self.held_until.map(Into::into) }),
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
    /// Of a connect link: what came back, and waits to be confirmed.
    pub hold: Option<Hold>,
}

#[derive(Debug, Clone)]
pub struct Hold {
    pub handle_hash: Vec<u8>,
    /// When it lapses, or its confirmation counts as lost; none: it came to an end.
    pub until: Option<DateTime<Utc>>,
}

/// How many authorizations of one link may be under way: whoever has the link can begin as many as they like.
pub const MOST_OF_A_LINK: usize = 20;
/// More than anybody has tabs of one link.
const MOST_SHOWN: i64 = 20;

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
        held_until: grant.hold.as_ref().and_then(|hold| hold.until).map(UtcTime),
        handle_hash: grant.hold.map(|hold| hold.handle_hash),
    };
    diesel::insert_into(oauth_grant::table).values(&row).execute(conn)?;
    link.map_or(Ok(()), |link| drop_oldest(conn, owner, link))
}

/// Makes room for a link's newest grants. What waits to be confirmed goes by its own time, so that its end can be told.
fn drop_oldest(conn: &mut AnyConn, owner: Owner, link: i64) -> Result<(), StoreFault> {
    let of_link = of_link(owner, link).filter(dsl::held_until.is_null());
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
    replaced(diesel::update(unchanged(owner, id, before)).set(dsl::sealed.eq(after)).execute(conn)?)
}

/// As `replace_document`, with what came back: from now on it is found by its handle too, and stays until `expires_at` at least.
pub fn hold(
    conn: &mut AnyConn,
    owner: Owner,
    id: i64,
    (before, after): (&[u8], &[u8]),
    (hold, expires_at): (&Hold, DateTime<Utc>),
) -> Result<(), StoreFault> {
    let values = (
        dsl::sealed.eq(after),
        dsl::handle_hash.eq(Some(&hold.handle_hash)),
        dsl::held_until.eq(hold.until.map(UtcTime)),
        dsl::expires_at.eq(UtcTime(expires_at)),
    );
    replaced(diesel::update(unchanged(owner, id, before)).set(values).execute(conn)?)
}

/// As `replace_document`, of what is held; `until`: none when it came to its end.
pub fn replace_held(
    conn: &mut AnyConn,
    owner: Owner,
    id: i64,
    (before, after): (&[u8], &[u8]),
    until: Option<DateTime<Utc>>,
) -> Result<(), StoreFault> {
    let values = (dsl::sealed.eq(after), dsl::held_until.eq(until.map(UtcTime)));
    replaced(diesel::update(unchanged(owner, id, before)).set(values).execute(conn)?)
}

/// What this handle stands for at this link. `hashes`: under every generation of the look-up key.
pub fn find_held(conn: &mut AnyConn, owner: Owner, link: i64, hashes: &[Vec<u8>]) -> Result<Option<Grant>, StoreFault> {
    let row: Option<Row> = of_link(owner, link).filter(dsl::handle_hash.eq_any(hashes)).first(conn).optional()?;
    Ok(row.map(|row| row.split().1))
}

/// What this browser left at the link and has not come to an end, the newest first. `hashes`: of its cookie.
pub fn held_of_browser(
    conn: &mut AnyConn,
    owner: Owner,
    link: i64,
    hashes: &[Vec<u8>],
    now: DateTime<Utc>,
) -> Result<Vec<Grant>, StoreFault> {
    let held = of_link(owner, link).filter(dsl::held_until.gt(UtcTime(now))).filter(dsl::browser_hash.eq_any(hashes));
    let rows: Vec<Row> = held.order((dsl::created_at.desc(), dsl::id.desc())).limit(MOST_SHOWN).load(conn)?;
    Ok(rows.into_iter().map(|row| row.split().1).collect())
}

/// What nobody confirmed in time. For a background job, so for all owners.
pub fn lapsing(conn: &mut AnyConn, now: DateTime<Utc>, most: i64) -> Result<Vec<(Owner, Grant)>, StoreFault> {
    let due = dsl::oauth_grant.filter(dsl::held_until.le(UtcTime(now)));
    let rows: Vec<Row> = due.order(dsl::held_until).limit(most).load(conn)?;
    Ok(rows.into_iter().map(Row::split).collect())
}

/// Whether something waits at the link for its confirmation.
pub fn is_held(conn: &mut AnyConn, owner: Owner, link: i64, now: DateTime<Utc>) -> Result<bool, StoreFault> {
    let held = of_link(owner, link).filter(dsl::held_until.gt(UtcTime(now)));
    Ok(held.select(dsl::id).first::<i64>(conn).optional()?.is_some())
}

/// Whether somebody who has this link is at the vendor.
pub fn is_begun(conn: &mut AnyConn, owner: Owner, link: i64, now: DateTime<Utc>) -> Result<bool, StoreFault> {
    let open = of_link(owner, link).filter(dsl::expires_at.gt(UtcTime(now)));
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

/// Users who never came back. The end of what is held is told first.
pub fn purge(conn: &mut AnyConn, now: DateTime<Utc>) -> Result<usize, StoreFault> {
    let old = dsl::oauth_grant.filter(dsl::expires_at.le(UtcTime(now))).filter(dsl::held_until.is_null());
    Ok(diesel::delete(old).execute(conn)?)
}

fn replaced(rows: usize) -> Result<(), StoreFault> {
    match rows {
        0 => Err(StoreFault::Conflict("oauth_grant.sealed".to_owned())),
        _ => Ok(()),
    }
}

#[diesel::dsl::auto_type]
fn of_link(owner: Owner, link: i64) -> _ {
    dsl::oauth_grant
        .filter(dsl::link_id.eq::<i64>(link))
        .filter(dsl::organization_id.eq::<i64>(owner.organization))
        .filter(dsl::account_id.eq::<i64>(owner.account))
}

#[diesel::dsl::auto_type]
fn unchanged<'a>(owner: Owner, id: i64, sealed: &'a [u8]) -> _ {
    dsl::oauth_grant
        .filter(dsl::id.eq::<i64>(id))
        .filter(dsl::organization_id.eq::<i64>(owner.organization))
        .filter(dsl::account_id.eq::<i64>(owner.account))
        .filter(dsl::sealed.eq::<&'a [u8]>(sealed))
}
