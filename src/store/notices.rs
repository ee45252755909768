//! Notices, and what became of each. What was committed with a change is sent, whatever happens to the process: rows of work
//! (`work.rs`) are made of them for all owners, by queries that go without one and say so.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::connection::{AnyConn, octet_length_of_text, on_each};
use super::fault::StoreFault;
use super::schema::notice::{self, dsl};
use super::time::UtcTime;
use super::webhooks;
use super::work::{self, Attempt, Fate, NewWork};
use crate::kernel::owner::Owner;
use crate::kernel::paging::Page;

pub const WAITING: &str = "waiting";
pub const DELIVERED: &str = "delivered";
/// Given up.
pub const FAILED: &str = "failed";

/// The kind of work that it is to send one.
pub const WORK: &str = "notice";

/// One event for one receiver.
#[derive(Debug, Clone)]
pub struct Notice {
    pub owner: Owner,
    /// To this link's address; none: to the organization's webhook.
    pub link_id: Option<i64>,
    /// Notices of one subject reach a receiver in the order in which they were written.
    pub subject: String,
    pub kind: &'static str,
    /// The id that the receiver sees, the same at every attempt.
    pub message: String,
    /// What is sent, byte by byte.
    pub payload: String,
    pub at: DateTime<Utc>,
}

/// Who is to get it: a number for each address.
fn receiver(link: Option<i64>, organization: i64) -> i64 {
    link.unwrap_or(organization.saturating_neg())
}

/// A notice with what became of it so far.
#[derive(Debug, Clone, Queryable)]
pub struct Delivery {
    pub id: i64,
    pub organization_id: i64,
    pub account_id: i64,
    pub link_id: Option<i64>,
    pub subject: String,
    pub kind: String,
    pub message: String,
    pub payload: String,
    pub status: String,
    /// It no longer holds up those behind it.
    pub parked: bool,
    pub attempts: i64,
    pub last_status: Option<i64>,
    pub last_error: Option<String>,
    /// While it waits: when it is tried next. Later: when that ended.
    pub due_at: UtcTime,
    pub delivered_at: Option<UtcTime>,
    pub created_at: UtcTime,
    /// A row of work is about it.
    pub has_work: bool,
}

impl Delivery {
    pub fn owner(&self) -> Owner {
        Owner { organization: self.organization_id, account: self.account_id }
    }

    pub fn waits(&self) -> bool {
        self.status == WAITING
    }
}

/// Belongs into the transaction of the change, behind the writing of its row: whoever changes that row waits, and so the
/// order of ids is the order of changes. Without a receiver nothing is written.
pub fn enqueue(conn: &mut AnyConn, new: &Notice) -> Result<(), StoreFault> {
    if new.link_id.is_none() && !webhooks::has_address(conn, new.owner.organization)? {
        return Ok(());
    }
    diesel::insert_into(notice::table).values(values(new)).execute(conn)?;
    Ok(())
}

/// The same of many subjects at once, and to the webhooks of organizations alone.
pub fn enqueue_all(conn: &mut AnyConn, new: &[Notice]) -> Result<(), StoreFault> {
    let mut organizations: Vec<i64> = new.iter().map(|notice| notice.owner.organization).collect();
    organizations.sort_unstable();
    organizations.dedup();
    let listening = webhooks::with_address(conn, &organizations)?;
    let heard = new.iter().filter(|notice| listening.contains(&notice.owner.organization));
    let rows: Vec<_> = heard.map(values).collect();
    // SQLite takes no empty list.
    if !rows.is_empty() {
        on_each!(conn, conn => diesel::insert_into(notice::table).values(rows).execute(conn)?);
    }
    Ok(())
}

// With defaults for what is none, SQLite would take the rows one by one, in a transaction of diesel's own.
#[derive(Insertable)]
#[diesel(table_name = notice, treat_none_as_default_value = false)]
struct NewRow<'a> {
    organization_id: i64,
    account_id: i64,
    link_id: Option<i64>,
    subject: &'a str,
    kind: &'a str,
    message: &'a str,
    payload: &'a str,
    status: &'a str,
    parked: bool,
    attempts: i64,
    due_at: UtcTime,
    created_at: UtcTime,
}

fn values(new: &Notice) -> NewRow<'_> {
    NewRow {
        organization_id: new.owner.organization,
        account_id: new.owner.account,
        link_id: new.link_id,
        subject: &new.subject,
        kind: new.kind,
        message: &new.message,
        payload: &new.payload,
        status: WAITING,
        parked: false,
        attempts: 0,
        due_at: UtcTime(new.at),
        created_at: UtcTime(new.at),
    }
}

/// What `has_work` says of a row that waits for a row of work: whoever wrote it. As text, because an index has this condition.
const WITHOUT_WORK: &str = "status = 'waiting' AND NOT has_work";
/// Handed over at once.
const BATCH: i64 = 500;

/// What a row of work is made of.
#[derive(Queryable)]
struct ToHandOver {
    id: i64,
    organization_id: i64,
    account_id: i64,
    link_id: Option<i64>,
    subject: String,
    parked: bool,
    due_at: UtcTime,
    attempts: i64,
    created_at: UtcTime,
}

/// Whether any is.
pub fn is_without_work(conn: &mut AnyConn) -> Result<bool, StoreFault> {
    let any = dsl::notice.filter(sql::<Bool>(WITHOUT_WORK)).select(dsl::id).limit(1);
    Ok(!on_each!(conn, conn => any.load::<i64>(conn)?).is_empty())
}

/// The oldest become rows of work, in their order: of one subject and receiver they are one lane.
pub fn hand_over(conn: &mut AnyConn) -> Result<(), StoreFault> {
    let rows = dsl::notice.filter(sql::<Bool>(WITHOUT_WORK)).order(dsl::id).limit(BATCH).select((
        dsl::id,
        dsl::organization_id,
        dsl::account_id,
        dsl::link_id,
        dsl::subject,
        dsl::parked,
        dsl::due_at,
        dsl::attempts,
        dsl::created_at,
    ));
    let rows: Vec<ToHandOver> = on_each!(conn, conn => rows.load(conn)?);
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let rows = rows.into_iter().map(|row| {
        let party = receiver(row.link_id, row.organization_id);
        NewWork {
            owner: Owner { organization: row.organization_id, account: row.account_id },
            kind: WORK,
            about: row.id,
            party,
            lane: Some(format!("{WORK}/{party}/{}", row.subject)),
            parked: row.parked,
            due_at: row.due_at.into(),
            attempts: row.attempts,
            created_at: row.created_at.into(),
            body: String::new(),
        }
    });
    work::hand_over(conn, WORK, rows.collect())?;
    let handed_over = dsl::notice.filter(dsl::id.eq_any(ids));
    on_each!(conn, conn => diesel::update(handed_over).set(dsl::has_work.eq(true)).execute(conn)?);
    Ok(())
}

/// Writes down what became of an attempt. One that failed changes nothing any more when another process has brought the
/// notice to an end. An end without an answer is none of this attempt's: there was nothing to send.
pub fn settle(conn: &mut AnyConn, id: i64, attempt: &Attempt, now: DateTime<Utc>) -> Result<(), StoreFault> {
    let tried = (
        dsl::attempts.eq(dsl::attempts + 1),
        dsl::last_status.eq(attempt.status.map(i64::from)),
        dsl::last_error.eq(attempt.error.as_deref()),
    );
    let row = dsl::notice.filter(dsl::id.eq(id));
    let waits = row.filter(dsl::status.eq(WAITING));
    match attempt.fate {
        Fate::Done if attempt.status.is_none() => diesel::update(row).set(dsl::has_work.eq(false)).execute(conn)?,
        Fate::Done => {
            let end = (dsl::status.eq(DELIVERED), dsl::due_at.eq(UtcTime(now)), dsl::delivered_at.eq(UtcTime(now)));
            diesel::update(row).set((tried, end, dsl::has_work.eq(false))).execute(conn)?
        }
        Fate::NotYet { .. } => 0,
        Fate::Again { due_at, parked } => {
            let next = (dsl::due_at.eq(UtcTime(due_at)), dsl::parked.eq(parked));
            diesel::update(waits).set((tried, next)).execute(conn)?
        }
        Fate::GivenUp { .. } => {
            let end = (dsl::status.eq(FAILED), dsl::due_at.eq(UtcTime(now)), dsl::has_work.eq(false));
            diesel::update(waits).set((tried, end)).execute(conn)?
        }
    };
    Ok(())
}

/// Which deliveries a list wants.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub status: Option<&'static str>,
    pub parked: Option<bool>,
    pub subject: Option<String>,
    /// About this link, or sent to its address.
    pub link_id: Option<i64>,
}

/// One row more than the page, and the page, which may end at a number of bytes. Descending ids; `page.after`: below which,
/// zero for the newest.
pub fn list(
    conn: &mut AnyConn,
    owner: Owner,
    filter: &Filter,
    page: Page,
) -> Result<(Vec<Delivery>, Page), StoreFault> {
    let wanted = || {
        let mut rows = dsl::notice
            .filter(dsl::organization_id.eq(owner.organization))
            .filter(dsl::account_id.eq(owner.account))
            .into_boxed();
        if page.after > 0 {
            rows = rows.filter(dsl::id.lt(page.after));
        }
        if let Some(status) = filter.status {
            rows = rows.filter(dsl::status.eq(status));
        }
        if let Some(parked) = filter.parked {
            rows = rows.filter(dsl::parked.eq(parked));
        }
        if let Some(subject) = &filter.subject {
            rows = rows.filter(dsl::subject.eq(subject));
        }
        if let Some(link) = filter.link_id {
            rows = rows.filter(dsl::subject.eq(format!("link:{link}")).or(dsl::link_id.eq(link)));
        }
        rows.order(dsl::id.desc())
    };
    let page = if page.may_be_large() {
        let sizes = wanted().select(octet_length_of_text(dsl::payload)).limit(page.limit());
        page.within_bytes(&sizes.load::<i32>(conn)?)
    } else {
        page
    };
    Ok((wanted().limit(page.limit()).load(conn)?, page))
}

pub fn find(conn: &mut AnyConn, owner: Owner, id: i64) -> Result<Delivery, StoreFault> {
    let row = dsl::notice
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::id.eq(id));
    Ok(row.get_result(conn)?)
}

/// To be sent now, whatever became of it before. What had come to an end holds nobody up.
pub fn retry(conn: &mut AnyConn, owner: Owner, id: i64, now: DateTime<Utc>) -> Result<Delivery, StoreFault> {
    if let AnyConn::Pg(conn) = conn {
        // Whoever settles an attempt at it, or hands it over, does so before or after this.
        dsl::notice.filter(dsl::id.eq(id)).select(dsl::id).for_update().load::<i64>(conn)?;
    }
    let found = find(conn, owner, id)?;
    let parked = found.parked || !found.waits();
    work::wake(conn, WORK, &[id], now)?;
    let has_work = dsl::has_work.eq(work::find(conn, WORK, id)?.is_some());
    let values = (dsl::status.eq(WAITING), dsl::parked.eq(parked), dsl::due_at.eq(UtcTime(now)), has_work);
    diesel::update(dsl::notice.filter(dsl::id.eq(id))).set(values).execute(conn)?;
    Ok(Delivery { status: WAITING.to_owned(), parked, due_at: UtcTime(now), ..found })
}

/// What came to its end so long ago that nobody asks for it, of all owners.
pub fn purge(conn: &mut AnyConn, before: DateTime<Utc>) -> Result<usize, StoreFault> {
    let ended = dsl::notice.filter(dsl::status.eq_any([DELIVERED, FAILED])).filter(dsl::due_at.lt(UtcTime(before)));
    Ok(diesel::delete(ended).execute(conn)?)
}
