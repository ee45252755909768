//! Work that is due, of every kind: rows, their lanes, and what comes of them. Rows of one lane run one at a time: only the first
//! of them is a head. For the dispatcher, whoever owns the rows.

use std::collections::HashSet;
use std::fmt;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Text};

use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::schema::work::{self, dsl};
use super::time::UtcTime;
use crate::kernel::owner::Owner;

pub const WAITING: &str = "waiting";
/// Out of its lane, and still tried.
pub const PARKED: &str = "parked";
pub const GIVEN_UP: &str = "given_up";

/// Of a row's body, in bytes. What is larger lies beside it, and the body says where.
pub const LARGEST_BODY: usize = 64 << 10;

/// Classes of advisory locks of two numbers, which are apart from those of one.
const OF_LANES: i32 = 544_264;
const OF_HAND_OVERS: i32 = 544_265;

/// Whose fair part of the places a row takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share {
    pub kind: String,
    pub organization: i64,
    /// Within the organization: a receiver, a host.
    pub party: i64,
}

impl Share {
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let kind = parts.next()?.to_owned();
        let [organization, party] = [parts.next()?.parse().ok()?, parts.next()?.parse().ok()?];
        Some(Self { kind, organization, party })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.organization, self.party)
    }
}

/// A row to be written.
#[derive(Debug, Clone)]
pub struct NewWork {
    pub owner: Owner,
    pub kind: &'static str,
    /// What it is about: of a kind there is one row for each.
    pub about: i64,
    pub party: i64,
    /// None: it waits for no other.
    pub lane: Option<String>,
    /// Out of its lane.
    pub parked: bool,
    pub due_at: DateTime<Utc>,
    /// That were made before.
    pub attempts: i64,
    /// Since when it counts as late.
    pub created_at: DateTime<Utc>,
    pub body: String,
}

impl NewWork {
    fn lane(&self) -> Option<&str> {
        self.lane.as_deref().filter(|_| !self.parked)
    }

    fn share(&self) -> Share {
        Share { kind: self.kind.to_owned(), organization: self.owner.organization, party: self.party }
    }
}

/// A row.
#[derive(Debug, Clone, Queryable, QueryableByName)]
#[diesel(table_name = work)]
pub struct Row {
    pub id: i64,
    pub organization_id: i64,
    pub account_id: i64,
    pub kind: String,
    pub about: i64,
    pub share: String,
    pub lane: Option<String>,
    pub state: String,
    pub is_head: bool,
    pub due_at: UtcTime,
    /// That were begun; of a claimed row this one included.
    pub attempts: i64,
    pub process: Option<i64>,
    pub refusal: Option<String>,
    pub body: String,
    pub created_at: UtcTime,
}

impl Row {
    pub fn owner(&self) -> Owner {
        Owner { organization: self.organization_id, account: self.account_id }
    }

    pub fn is_parked(&self) -> bool {
        self.state == PARKED
    }
}

/// What becomes of a row after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    Done,
    Again {
        due_at: DateTime<Utc>,
        parked: bool,
    },
    /// No attempt was made: it is not its time.
    NotYet {
        due_at: DateTime<Utc>,
        parked: bool,
    },
    /// Kept until then; none: what became of it is written elsewhere.
    GivenUp {
        forgotten_at: Option<DateTime<Utc>>,
    },
}

/// What came back, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Of an answer by HTTP.
    pub status: Option<u16>,
    /// In a sentence.
    pub error: Option<String>,
    pub fate: Fate,
}

// With defaults for what is none, SQLite would take the rows one by one, in a transaction of diesel's own.
#[derive(Insertable)]
#[diesel(table_name = work, treat_none_as_default_value = false)]
struct Insert<'a> {
    organization_id: i64,
    account_id: i64,
    kind: &'a str,
    about: i64,
    share: String,
    lane: Option<&'a str>,
    state: &'a str,
    is_head: bool,
    due_at: UtcTime,
    attempts: i64,
    body: &'a str,
    created_at: UtcTime,
}

/// Writes rows, in the transaction of what they are about. Rows of one lane run in this order. Fails with `Conflict` where a row
/// of the kind is about the same, and with `Refused` where a body is too large.
pub fn insert(conn: &mut AnyConn, rows: &[NewWork]) -> Result<(), StoreFault> {
    if rows.iter().any(|row| row.body.len() >= LARGEST_BODY) {
        return Err(StoreFault::Refused(format!("work.body: below {LARGEST_BODY} bytes")));
    }
    let mut lanes: Vec<&str> = rows.iter().filter_map(NewWork::lane).collect();
    lanes.sort_unstable();
    lanes.dedup();
    lock_lanes(conn, &lanes)?;
    let taken = dsl::work.filter(dsl::lane.eq_any(&lanes)).select(dsl::lane.assume_not_null()).distinct();
    let taken: Vec<String> = if lanes.is_empty() { Vec::new() } else { on_each!(conn, conn => taken.load(conn)?) };
    let mut taken: HashSet<&str> = taken.iter().map(String::as_str).collect();
    let rows: Vec<_> = rows
        .iter()
        .map(|row| Insert {
            organization_id: row.owner.organization,
            account_id: row.owner.account,
            kind: row.kind,
            about: row.about,
            share: row.share().to_string(),
            lane: row.lane(),
            state: if row.parked { PARKED } else { WAITING },
            is_head: row.lane().is_none_or(|lane| taken.insert(lane)),
            due_at: UtcTime(row.due_at),
            attempts: row.attempts,
            body: &row.body,
            created_at: UtcTime(row.created_at),
        })
        .collect();
    // SQLite takes no empty list.
    if !rows.is_empty() {
        on_each!(conn, conn => diesel::insert_into(work::table).values(&rows).execute(conn)?);
    }
    Ok(())
}

/// The same of what has a table of its own, but for what a row is about already: who makes something wait again may do so while
/// its row is there.
pub fn hand_over(conn: &mut AnyConn, kind: &str, rows: Vec<NewWork>) -> Result<(), StoreFault> {
    let about: Vec<i64> = rows.iter().map(|row| row.about).collect();
    let known: HashSet<i64> = with_row(conn, kind, &about)?.into_iter().collect();
    let new: Vec<_> = rows.into_iter().filter(|row| !known.contains(&row.about)).collect();
    insert(conn, &new)
}

/// Until the end of the transaction nobody else puts anything into these lanes or takes anything out: who would see only half
/// of it could leave a lane without a head. SQLite has one writer.
fn lock_lanes(conn: &mut AnyConn, lanes: &[&str]) -> Result<(), StoreFault> {
    if let (AnyConn::Pg(conn), false) = (conn, lanes.is_empty()) {
        let text = format!("SELECT pg_advisory_xact_lock({OF_LANES}, hashtext(lane)) FROM unnest($1) AS lane");
        diesel::sql_query(text).bind::<Array<Text>, _>(lanes).execute(conn)?;
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Got {
    #[diesel(sql_type = Bool)]
    got: bool,
}

/// Whether this transaction is the one that hands over what became due of a kind: of two at once one would not see what
/// the other does, and could put the later before the earlier. A process that is frozen meanwhile holds up others for five seconds.
pub fn lock_hand_over(conn: &mut AnyConn, kind: &str) -> Result<bool, StoreFault> {
    let AnyConn::Pg(conn) = conn else { return Ok(true) };
    diesel::sql_query("SET LOCAL idle_in_transaction_session_timeout = '5s'").execute(conn)?;
    let text = format!("SELECT pg_try_advisory_xact_lock({OF_HAND_OVERS}, hashtext($1)) AS got");
    Ok(diesel::sql_query(text).bind::<Text, _>(kind).get_result::<Got>(conn)?.got)
}

/// Ends a claim. False: it is another process's by now, or nobody's, and nothing changes.
pub fn settle(conn: &mut AnyConn, row: &Row, attempt: &Attempt) -> Result<bool, StoreFault> {
    lock_lanes(conn, row.lane.as_deref().as_slice())?;
    let mine = dsl::work
        .filter(dsl::id.eq(row.id))
        .filter(dsl::process.eq(row.process.unwrap_or_default()))
        .filter(dsl::attempts.eq(row.attempts));
    let (nobody, no_lane): (Option<i64>, Option<&str>) = (None, None);
    let refusal = attempt.error.as_deref();
    let (settled, leaves) = match attempt.fate {
        Fate::Done | Fate::GivenUp { forgotten_at: None } => (diesel::delete(mine).execute(conn)?, true),
        Fate::Again { due_at, parked } | Fate::NotYet { due_at, parked } => {
            let made = !matches!(attempt.fate, Fate::NotYet { .. });
            let attempts = if made { row.attempts } else { row.attempts.saturating_sub(1) };
            let next = (dsl::process.eq(nobody), dsl::due_at.eq(UtcTime(due_at)), dsl::attempts.eq(attempts));
            let settled = if parked {
                let parking = (dsl::state.eq(PARKED), dsl::lane.eq(no_lane), dsl::refusal.eq(refusal));
                diesel::update(mine).set((next, parking)).execute(conn)?
            } else {
                diesel::update(mine).set((next, dsl::refusal.eq(refusal))).execute(conn)?
            };
            (settled, parked)
        }
        Fate::GivenUp { forgotten_at: Some(forgotten_at) } => {
            let end = (
                dsl::process.eq(nobody),
                dsl::state.eq(GIVEN_UP),
                dsl::lane.eq(no_lane),
                dsl::is_head.eq(false),
                dsl::due_at.eq(UtcTime(forgotten_at)),
                dsl::refusal.eq(refusal),
            );
            (diesel::update(mine).set(end).execute(conn)?, true)
        }
    };
    if let (1, true, Some(lane)) = (settled, leaves, row.lane.as_deref()) {
        // What is first by now is the head.
        let text = "UPDATE work SET is_head = TRUE WHERE id = (SELECT min(w.id) FROM work w WHERE w.lane = $1) AND NOT is_head";
        on_each!(conn, conn => diesel::sql_query(text).bind::<Text, _>(lane).execute(conn)?);
    }
    Ok(settled == 1)
}

/// To be done now, whatever became of it before; what waits behind another one of its lane goes on doing so. How many: none
/// where nothing of the kind is about it, or where it is under way.
pub fn wake(conn: &mut AnyConn, kind: &str, about: &[i64], now: DateTime<Utc>) -> Result<usize, StoreFault> {
    let rows = dsl::work.filter(dsl::kind.eq(kind)).filter(dsl::about.eq_any(about)).filter(dsl::process.is_null());
    let given_up = rows.clone().filter(dsl::state.eq(GIVEN_UP));
    let values = (dsl::state.eq(PARKED), dsl::is_head.eq(true));
    on_each!(conn, conn => diesel::update(given_up).set(values).execute(conn)?);
    Ok(on_each!(conn, conn => diesel::update(rows).set(dsl::due_at.eq(UtcTime(now))).execute(conn)?))
}

/// Puts rows off that nobody has claimed: due at `until` at the earliest.
pub fn put_off(conn: &mut AnyConn, kind: &str, about: &[i64], until: DateTime<Utc>) -> Result<(), StoreFault> {
    let rows = dsl::work.filter(dsl::kind.eq(kind)).filter(dsl::about.eq_any(about)).filter(dsl::process.is_null());
    let earlier = rows.filter(dsl::due_at.lt(UtcTime(until)));
    on_each!(conn, conn => diesel::update(earlier).set(dsl::due_at.eq(UtcTime(until))).execute(conn)?);
    Ok(())
}

/// Removes rows that nobody has claimed, of a kind without lanes.
pub fn withdraw(conn: &mut AnyConn, kind: &str, about: &[i64]) -> Result<(), StoreFault> {
    let rows = dsl::work.filter(dsl::kind.eq(kind)).filter(dsl::about.eq_any(about)).filter(dsl::process.is_null());
    on_each!(conn, conn => diesel::delete(rows).execute(conn)?);
    Ok(())
}

/// Which of these ids a row of the kind is about.
fn with_row(conn: &mut AnyConn, kind: &str, about: &[i64]) -> Result<Vec<i64>, StoreFault> {
    let rows = dsl::work.filter(dsl::kind.eq(kind)).filter(dsl::about.eq_any(about)).select(dsl::about);
    Ok(on_each!(conn, conn => rows.load(conn)?))
}

pub fn find(conn: &mut AnyConn, kind: &str, about: i64) -> Result<Option<Row>, StoreFault> {
    let row = dsl::work.filter(dsl::kind.eq(kind)).filter(dsl::about.eq(about));
    Ok(row.get_result(conn).optional()?)
}

/// What was given up so long ago that nobody asks for it, of all owners.
pub fn purge(conn: &mut AnyConn, now: DateTime<Utc>) -> Result<usize, StoreFault> {
    let old = dsl::work.filter(dsl::state.eq(GIVEN_UP)).filter(dsl::due_at.le(UtcTime(now)));
    Ok(diesel::delete(old).execute(conn)?)
}
