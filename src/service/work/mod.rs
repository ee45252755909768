//! Work that is due, whatever it is: rows that every process claims, does and settles. A kind says how it is done; what
//! fails, panics, hangs or cannot be read is tried again later, and never stops anything else.

pub mod counted;
pub mod dispatcher;
mod fair;
pub mod schedule;
mod under_way;

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;

use super::Services;
use crate::store::work::{Attempt, Row};
use crate::store::{AnyConn, StoreFault};
use schedule::Schedule;

pub use under_way::UnderWay;

/// How one kind of work is done.
pub struct Kind {
    /// The first part of its shares and lanes: letters alone.
    pub name: &'static str,
    /// By the party.
    pub limits: fn(&Services, i64) -> Limits,
    pub schedule: Schedule,
    /// An attempt that takes longer has failed.
    pub within: Duration,
    /// The lease under which the version before this one does this work alone. While one of its processes holds it, only that
    /// process does the work; while one of this version holds it, all processes of this version do.
    pub led_before_by: Option<&'static str>,
    /// Whether something became due that is no row of work yet: a version that knows none wrote it, or it has a table of its own.
    pub is_to_be_handed_over: fn(&Services, &mut AnyConn, DateTime<Utc>) -> Result<bool, StoreFault>,
    /// Makes rows of work of it, some hundreds at most.
    pub hand_over: fn(&Services, &mut AnyConn, DateTime<Utc>) -> Result<(), StoreFault>,
    /// One attempt. May run twice, and at the same time as another process's when this one was taken for dead.
    pub run: fn(Services, Row) -> BoxFuture<'static, Ended>,
    /// Writes down what became of an attempt, where the kind has a table of its own, in the transaction that settles the row.
    pub record: fn(&mut AnyConn, &Row, &Attempt, DateTime<Utc>) -> Result<(), StoreFault>,
}

/// How much of a kind is under way at most. Of each process: a count over all of them would have to be locked.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of this kind, in one process.
    pub of_process: usize,
    pub of_organization: usize,
    /// Of one party of an organization.
    pub of_share: usize,
    /// Of one party, over all organizations.
    pub of_party: usize,
}

impl Limits {
    pub const fn of(of_process: usize, of_organization: usize, of_share: usize) -> Self {
        Self { of_process, of_organization, of_share, of_party: usize::MAX }
    }
}

/// How an attempt ended.
#[derive(Debug)]
pub enum Ended {
    /// `status`: of an answer by HTTP.
    Done {
        status: Option<u16>,
    },
    /// None was made, because it is due later, or by now is parked.
    NotYet {
        due_at: DateTime<Utc>,
        parked: bool,
    },
    Failed(Refusal),
}

/// Why an attempt failed.
#[derive(Debug)]
pub struct Refusal {
    pub status: Option<u16>,
    /// Seconds that the other side wants to be left alone.
    pub retry_after: Option<u64>,
    /// In a sentence, for whoever owns the work.
    pub error: String,
    /// No further one would do better.
    pub last: bool,
}

impl Refusal {
    pub fn of(error: &str) -> Self {
        Self { status: None, retry_after: None, error: error.to_owned(), last: false }
    }
}
