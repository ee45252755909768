//! Connect links: invitations to connect one account, each with a secret in its address.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not};
use diesel::prelude::*;

use super::audit::Trail;
use super::connection::{AnyConn, octet_length};
use super::fault::StoreFault;
use super::notices;
use super::schema::connect_link::{self, dsl};
use super::schema::notice;
use super::time::UtcTime;
use crate::kernel::owner::Owner;
use crate::kernel::paging::Page;

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = connect_link)]
pub struct LinkRow {
    pub id: i64,
    pub organization_id: i64,
    pub account_id: i64,
    pub token_hash: Vec<u8>,
    pub token_sealed: Vec<u8>,
    pub settings_sealed: Vec<u8>,
    pub status: String,
    pub external_id: Option<String>,
    /// What the person chose, or the only choice.
    pub element_id: Option<i64>,
    /// Given with the link, or what came of it.
    pub instance_id: Option<i64>,
    /// What came of it, as JSON.
    pub outcome: String,
    pub created_by: i64,
    pub version: i64,
    pub created_at: UtcTime,
    pub updated_at: UtcTime,
    pub expires_at: UtcTime,
}

impl LinkRow {
    pub fn owner(&self) -> Owner {
        Owner { organization: self.organization_id, account: self.account_id }
    }
}

/// Which links a list wants.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub external_id: Option<String>,
    pub status: Option<StatusFilter>,
    pub newest_first: bool,
}

/// The statuses in which a link still works.
pub const OPEN: [&str; 4] = ["pending", "opened", "denied", "failed"];

/// A link that is past its time is expired, whatever its row still says.
#[derive(Debug, Clone)]
pub struct StatusFilter {
    pub status: &'static str,
    /// The one that it ends in.
    pub expired: &'static str,
    pub now: DateTime<Utc>,
}

pub fn insert(conn: &mut AnyConn, row: &LinkRow, trail: &Trail) -> Result<(), StoreFault> {
    diesel::insert_into(connect_link::table).values(row).execute(conn)?;
    trail.write(conn)
}

pub fn find(conn: &mut AnyConn, owner: Owner, id: i64) -> Result<LinkRow, StoreFault> {
    Ok(owned(owner).filter(dsl::id.eq(id)).get_result(conn)?)
}

/// The link behind a token, whoever's it is: the token itself is the proof. `hashes`: under every generation of the
/// look-up key.
pub fn find_by_token(conn: &mut AnyConn, hashes: &[Vec<u8>]) -> Result<Option<LinkRow>, StoreFault> {
    Ok(dsl::connect_link.filter(dsl::token_hash.eq_any(hashes)).first(conn).optional()?)
}

/// One row more than the page, and the page, which may end at a number of bytes. Ascending ids, or descending ones.
pub fn list(conn: &mut AnyConn, owner: Owner, filter: &Filter, page: Page) -> Result<(Vec<LinkRow>, Page), StoreFault> {
    let wanted = || {
        let mut rows = owned(owner).into_boxed();
        rows = match (filter.newest_first, page.after) {
            (true, 0) => rows.order(dsl::id.desc()),
            (true, before) => rows.filter(dsl::id.lt(before)).order(dsl::id.desc()),
            (false, after) => rows.filter(dsl::id.gt(after)).order(dsl::id),
        };
        if let Some(external_id) = &filter.external_id {
            rows = rows.filter(dsl::external_id.eq(external_id));
        }
        if let Some(StatusFilter { status, expired, now }) = &filter.status {
            let now = UtcTime(*now);
            rows = if status == expired {
                rows.filter(dsl::status.eq(*status).or(dsl::status.eq_any(OPEN).and(dsl::expires_at.le(now))))
            } else if OPEN.contains(status) {
                rows.filter(dsl::status.eq(*status)).filter(dsl::expires_at.gt(now))
            } else {
                rows.filter(dsl::status.eq(*status))
            };
        }
        rows
    };
    // The sizes alone first: neither database reads a large value to tell how long it is.
    let page = if page.may_be_large() {
        let sizes = wanted().select(octet_length(dsl::settings_sealed)).limit(page.limit());
        page.within_bytes(&sizes.load::<i32>(conn)?)
    } else {
        page
    };
    Ok((wanted().limit(page.limit()).load(conn)?, page))
}

/// Writes a changed row, unless somebody else did since it was read (`Conflict`). The token stays as it is by now.
pub fn update(conn: &mut AnyConn, owner: Owner, changed: &LinkRow, trail: &Trail) -> Result<(), StoreFault> {
    let unchanged = owned(owner).filter(dsl::id.eq(changed.id)).filter(dsl::version.eq(changed.version));
    let values = (
        dsl::status.eq(&changed.status),
        dsl::element_id.eq(changed.element_id),
        dsl::instance_id.eq(changed.instance_id),
        dsl::outcome.eq(&changed.outcome),
        dsl::version.eq(changed.version.saturating_add(1)),
        dsl::updated_at.eq(changed.updated_at),
    );
    match diesel::update(unchanged).set(values).execute(conn)? {
        0 => Err(StoreFault::Conflict("connect_link.version".to_owned())),
        _ => trail.write(conn),
    }
}

/// Links whose time is over and whose row does not say so yet. For a background job, so without an owner.
pub fn overdue(conn: &mut AnyConn, now: DateTime<Utc>, most: i64) -> Result<Vec<LinkRow>, StoreFault> {
    let due = dsl::connect_link.filter(dsl::expires_at.le(UtcTime(now))).filter(dsl::status.eq_any(OPEN));
    Ok(due.order(dsl::expires_at).limit(most).load(conn)?)
}

/// Links that came to their end before that time. For a background job, so without an owner.
pub fn purge(conn: &mut AnyConn, before: DateTime<Utc>) -> Result<usize, StoreFault> {
    let old = dsl::connect_link.filter(dsl::updated_at.le(UtcTime(before))).filter(dsl::status.ne_all(OPEN));
    Ok(diesel::delete(old).execute(conn)?)
}

/// The oldest links of an organization that came to their end, and of which nothing is still to be told; so many at most.
pub fn drop_ended(conn: &mut AnyConn, organization: i64, most: i64) -> Result<usize, StoreFault> {
    let told_later =
        notice::table.filter(notice::link_id.eq(dsl::id.nullable())).filter(notice::status.eq(notices::WAITING));
    let ended = dsl::connect_link
        .filter(dsl::organization_id.eq(organization))
        .filter(dsl::status.ne_all(OPEN))
        .filter(not(exists(told_later)));
    let oldest: Vec<i64> = ended.select(dsl::id).order(dsl::id).limit(most).load(conn)?;
    Ok(diesel::delete(dsl::connect_link.filter(dsl::id.eq_any(oldest))).execute(conn)?)
}

#[diesel::dsl::auto_type]
fn owned(owner: Owner) -> _ {
    dsl::connect_link
        .filter(dsl::organization_id.eq::<i64>(owner.organization))
        .filter(dsl::account_id.eq::<i64>(owner.account))
}
