//! The audit log. A row is written in the transaction of the change that it tells of. Afterwards it is chained, once; its
//! sealed names go when the customer is forgotten, and the row when its time is over. Nothing else alters or removes one.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{Array, BigInt, Binary, Text};
use serde::{Deserialize, Serialize};

use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::schema::{audit_head, audit_log};
use super::time::UtcTime;
use crate::kernel::entropy::hex_of;
use crate::kernel::paging::Page;

/// Who did what to which.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, Serialize, Deserialize)]
#[diesel(table_name = audit_log, treat_none_as_default_value = false)]
pub struct Record {
    pub id: i64,
    /// None: the whole server's.
    pub organization_id: Option<i64>,
    pub account_id: Option<i64>,
    pub at: UtcTime,
    pub action: String,
    pub subject_kind: String,
    pub subject_id: Option<i64>,
    /// What kind of actor.
    pub actor: String,
    pub user_id: Option<i64>,
    pub request_id: Option<String>,
    /// Of the external id.
    pub customer_hash: Option<Vec<u8>>,
    pub names_hash: Vec<u8>,
    /// None: the customer was forgotten.
    pub names_sealed: Option<Vec<u8>>,
    /// Of the key of the hashes.
    pub generation: i64,
    /// Over all of the above but the sealed names.
    pub row_hash: Vec<u8>,
}

/// What a change leaves in the audit log. Every function of this floor that changes what is audited takes one, so that no
/// caller forgets it.
#[derive(Debug, Clone)]
pub enum Trail {
    Of(Box<Record>),
    /// Not written, because …
    Not(&'static str),
}

impl Trail {
    /// In the transaction of the change, where it is made.
    pub fn write(&self, conn: &mut AnyConn) -> Result<(), StoreFault> {
        match self {
            Self::Of(record) => insert(conn, record),
            Self::Not(_) => Ok(()),
        }
    }
}

impl Trail {
    /// For what is stored later, maybe by another process.
    pub fn record(self) -> Option<Box<Record>> {
        match self {
            Self::Of(record) => Some(record),
            Self::Not(_) => None,
        }
    }
}

impl From<Record> for Trail {
    fn from(record: Record) -> Self {
        Self::Of(Box::new(record))
    }
}

pub fn insert(conn: &mut AnyConn, record: &Record) -> Result<(), StoreFault> {
    let row = diesel::insert_into(audit_log::table).values(record);
    // A commit whose acknowledgement was lost is tried again, with the same row.
    let inserted = match conn {
        // Without a clause for conflicts, with which the statement's text would be made anew each time.
        AnyConn::Sqlite(conn) => match row.execute(conn) {
            Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => 0,
            other => other?,
        },
        // A failed statement would be the end of the transaction.
        AnyConn::Pg(conn) => row.on_conflict_do_nothing().execute(conn)?,
    };
    match inserted {
        0 => are_there(conn, std::slice::from_ref(record)),
        _ => Ok(()),
    }
}

/// Whether rows are these: another one with the id of one must not take its place.
fn are_there(conn: &mut AnyConn, records: &[Record]) -> Result<(), StoreFault> {
    let ids: Vec<i64> = records.iter().map(|record| record.id).collect();
    let rows = audit_log::table.filter(audit_log::id.eq_any(ids)).select((audit_log::id, audit_log::row_hash));
    let there: Vec<(i64, Vec<u8>)> = rows.load(conn)?;
    let is_there = |record: &Record| there.iter().any(|(id, hash)| (*id, hash) == (record.id, &record.row_hash));
    match records.iter().all(is_there) {
        true => Ok(()),
        false => Err(StoreFault::Refused("audit_log.id: another row has it".to_owned())),
    }
}

/// The same of many rows at once.
pub fn insert_all(conn: &mut AnyConn, records: &[Record]) -> Result<(), StoreFault> {
    // SQLite takes no empty list.
    if records.is_empty() {
        return Ok(());
    }
    let inserted = on_each!(conn, inner => {
        diesel::insert_into(audit_log::table).values(records).on_conflict_do_nothing().execute(inner)?
    });
    if inserted < records.len() { are_there(conn, records) } else { Ok(()) }
}

/// A row with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Chained {
    pub record: Record,
    /// From 1, without gaps.
    pub sequence: i64,
    pub chain_hash: Vec<u8>,
}

/// Where the chain begins and ends.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = audit_head)]
pub struct Head {
    /// Of the last row. Zero: there was none yet.
    pub sequence: i64,
    pub chain_hash: Vec<u8>,
    /// Of the last row that was removed because its time was over.
    pub lapsed_sequence: i64,
    pub lapsed_hash: Vec<u8>,
    /// Of the key of the signature.
    pub generation: i64,
    pub signature: Vec<u8>,
}

/// The place that a row gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub id: i64,
    pub sequence: i64,
    pub chain_hash: Vec<u8>,
}

pub fn head(conn: &mut AnyConn) -> Result<Head, StoreFault> {
    Ok(audit_head::table.find("all").select(Head::as_select()).get_result(conn)?)
}

/// Rows that have no place in the chain yet, in the order of their ids.
pub fn unchained(conn: &mut AnyConn, most: i64) -> Result<Vec<Record>, StoreFault> {
    let rows = audit_log::table.filter(audit_log::sequence.is_null()).order(audit_log::id).limit(most);
    Ok(rows.select(Record::as_select()).load(conn)?)
}

/// Gives rows their places. Fails with `Conflict` when another process did so since `before` was read.
pub fn chain(conn: &mut AnyConn, (before, next): (&Head, &Head), links: &[Link]) -> Result<(), StoreFault> {
    replace_head(conn, before, next)?;
    let chained = match conn {
        // One statement for all: the text of an UPDATE is parsed anew each time, which takes longer than to carry it out.
        AnyConn::Sqlite(conn) => diesel::sql_query(
            "UPDATE audit_log SET sequence = l.value ->> 1, chain_hash = unhex(l.value ->> 2) FROM json_each($1) AS l \
             WHERE audit_log.id = l.value ->> 0 AND audit_log.sequence IS NULL",
        )
        .bind::<Text, _>(places_as_json(links))
        .execute(conn)?,
        AnyConn::Pg(conn) => diesel::sql_query(
            "UPDATE audit_log SET sequence = l.sequence, chain_hash = l.chain_hash \
             FROM unnest($1, $2, $3) AS l (id, sequence, chain_hash) \
             WHERE audit_log.id = l.id AND audit_log.sequence IS NULL",
        )
        .bind::<Array<BigInt>, _>(links.iter().map(|link| link.id).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(links.iter().map(|link| link.sequence).collect::<Vec<_>>())
        .bind::<Array<Binary>, _>(links.iter().map(|link| link.chain_hash.as_slice()).collect::<Vec<_>>())
        .execute(conn)?,
    };
    match chained == links.len() {
        true => Ok(()),
        false => Err(StoreFault::Conflict("audit_log.sequence".to_owned())),
    }
}

/// `[[id, sequence, "chain hash in hex"], …]`
fn places_as_json(links: &[Link]) -> String {
    let places = links.iter().map(|link| (link.id, link.sequence, hex_of(&link.chain_hash)));
    serde_json::Value::from_iter(places.map(|(id, sequence, hash)| serde_json::json!([id, sequence, hash]))).to_string()
}

/// Who writes the head has it until the transaction ends: one process at a time chains or removes.
fn replace_head(conn: &mut AnyConn, before: &Head, next: &Head) -> Result<(), StoreFault> {
    let unchanged = audit_head::table.find("all").filter(audit_head::signature.eq(&before.signature));
    match diesel::update(unchanged).set(next).execute(conn)? {
        0 => Err(StoreFault::Conflict("audit_head.signature".to_owned())),
        _ => Ok(()),
    }
}

/// The first rows of the chain, one behind the other, that were written before that time; the last of them.
pub fn last_before(
    conn: &mut AnyConn,
    lapsed: i64,
    before: DateTime<Utc>,
    most: i64,
) -> Result<Option<(i64, Vec<u8>)>, StoreFault> {
    let rows: Vec<(i64, UtcTime, Vec<u8>)> = audit_log::table
        .filter(audit_log::sequence.gt(lapsed))
        .order(audit_log::sequence)
        .limit(most)
        .select((audit_log::sequence.assume_not_null(), audit_log::at, audit_log::chain_hash.assume_not_null()))
        .load(conn)?;
    let old = rows.into_iter().take_while(|(_, at, _)| DateTime::<Utc>::from(*at) < before);
    Ok(old.last().map(|(sequence, _, hash)| (sequence, hash)))
}

/// Removes the rows up to the one that `next` says was removed last.
pub fn lapse(conn: &mut AnyConn, before: &Head, next: &Head) -> Result<usize, StoreFault> {
    replace_head(conn, before, next)?;
    Ok(diesel::delete(audit_log::table.filter(audit_log::sequence.le(next.lapsed_sequence))).execute(conn)?)
}

/// Which rows a list wants.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub from: Option<DateTime<Utc>>,
    /// Not the moment itself.
    pub to: Option<DateTime<Utc>>,
    pub user: Option<i64>,
    pub account: Option<i64>,
    pub action: Option<String>,
    pub subject_kind: Option<String>,
    pub subject_id: Option<i64>,
    /// Under every generation of the key.
    pub customer: Option<Vec<Vec<u8>>>,
    pub request_id: Option<String>,
}

#[diesel::dsl::auto_type]
fn chained() -> _ {
    audit_log::table.filter(audit_log::sequence.is_not_null())
}

/// An organization's chained rows, the newest first; one more than the page. `page.after`: below which place, zero for all.
pub fn list(conn: &mut AnyConn, organization: i64, filter: &Filter, page: Page) -> Result<Vec<Chained>, StoreFault> {
    let places = (audit_log::sequence.assume_not_null(), audit_log::chain_hash.assume_not_null());
    let mut rows = chained()
        .filter(audit_log::organization_id.eq(organization))
        .select((Record::as_select(), places.0, places.1))
        .into_boxed();
    if page.after > 0 {
        rows = rows.filter(audit_log::sequence.lt(page.after));
    }
    if let Some(from) = filter.from {
        rows = rows.filter(audit_log::at.ge(UtcTime(from)));
    }
    if let Some(to) = filter.to {
        rows = rows.filter(audit_log::at.lt(UtcTime(to)));
    }
    if let Some(user) = filter.user {
        rows = rows.filter(audit_log::user_id.eq(user));
    }
    if let Some(account) = filter.account {
        rows = rows.filter(audit_log::account_id.eq(account));
    }
    if let Some(action) = &filter.action {
        rows = rows.filter(audit_log::action.eq(action));
    }
    if let Some(kind) = &filter.subject_kind {
        rows = rows.filter(audit_log::subject_kind.eq(kind));
    }
    if let Some(id) = filter.subject_id {
        rows = rows.filter(audit_log::subject_id.eq(id));
    }
    if let Some(hashes) = &filter.customer {
        rows = rows.filter(audit_log::customer_hash.eq_any(hashes));
    }
    if let Some(id) = &filter.request_id {
        rows = rows.filter(audit_log::request_id.eq(id));
    }
    Ok(rows.order(audit_log::sequence.desc()).limit(page.limit()).load(conn)?)
}

/// Whether rows stand before the place at which the chain begins.
pub fn has_before(conn: &mut AnyConn, lapsed: i64) -> Result<Option<(i64, i64)>, StoreFault> {
    let rows = chained().filter(audit_log::sequence.le(lapsed)).order(audit_log::sequence).limit(1);
    Ok(rows.select((audit_log::sequence.assume_not_null(), audit_log::id)).get_result(conn).optional()?)
}

/// The next rows of the chain behind that place, of whomever.
pub fn behind(conn: &mut AnyConn, sequence: i64, most: i64) -> Result<Vec<Chained>, StoreFault> {
    let rows = chained().filter(audit_log::sequence.gt(sequence)).order(audit_log::sequence).limit(most).select((
        Record::as_select(),
        audit_log::sequence.assume_not_null(),
        audit_log::chain_hash.assume_not_null(),
    ));
    Ok(rows.load(conn)?)
}

/// Takes the names out of the next rows about a customer. How many rows. `hashes`: under every generation of the key.
pub fn erase_names(
    conn: &mut AnyConn,
    organization: Option<i64>,
    hashes: &[Vec<u8>],
    most: i64,
) -> Result<usize, StoreFault> {
    let mut ids = Vec::new();
    for is_chained in [true, false] {
        let mut rows = audit_log::table
            .filter(audit_log::customer_hash.eq_any(hashes))
            .filter(audit_log::names_sealed.is_not_null())
            .select(audit_log::id)
            .limit(most)
            .into_boxed();
        // Each condition has an index of its own.
        rows = match is_chained {
            true => rows.filter(audit_log::sequence.is_not_null()),
            false => rows.filter(audit_log::sequence.is_null()),
        };
        if let Some(organization) = organization {
            rows = rows.filter(audit_log::organization_id.eq(organization));
        }
        ids.extend(rows.load::<i64>(conn)?);
    }
    let rows = audit_log::table.filter(audit_log::id.eq_any(ids));
    Ok(diesel::update(rows).set(audit_log::names_sealed.eq(None::<Vec<u8>>)).execute(conn)?)
}
