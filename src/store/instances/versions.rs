//! Versions of instances, asked for by many callers at once. What is asked while a query runs is asked together by the next
//! one: no answer is older than its question, and a thousand callers take one connection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use diesel::prelude::*;
use tokio::sync::{Semaphore, oneshot};

use crate::kernel::owner::Owner;
use crate::store::connection::{AnyConn, on_each};
use crate::store::fault::StoreFault;
use crate::store::lanes::Store;
use crate::store::schema::{credential, instance};

/// Whose an instance is, its version and its credential's, and how the grant stands. As long as they stay, so does what
/// `find` gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    pub owner: Owner,
    pub instance: i64,
    pub credential: i64,
    pub standing: Option<String>,
}

/// Queries at a time: where a connection hangs, the other one goes on.
const QUERIES: usize = 2;
/// Ids of a query at most.
const MOST: usize = 256;
/// Queries in a row on one connection; then it is given back.
const IN_A_ROW: usize = 64;

/// Cheap to clone.
#[derive(Clone)]
pub struct VersionReads {
    asked: Arc<Mutex<Vec<Question>>>,
    turns: Arc<Semaphore>,
}

struct Question {
    id: i64,
    tell: oneshot::Sender<Result<Versions, StoreFault>>,
}

impl Default for VersionReads {
    fn default() -> Self {
        Self { asked: Arc::default(), turns: Arc::new(Semaphore::new(QUERIES)) }
    }
}

impl VersionReads {
    /// As they are in the database at this moment.
    ///
    /// # Errors
    /// `NotFound`, where nobody has an instance with this id.
    pub async fn read(&self, store: &Store, id: i64) -> Result<Versions, StoreFault> {
        let (tell, mut told) = oneshot::channel();
        self.waiting().push(Question { id, tell });
        loop {
            // Whoever gets a turn asks for all who wait. One who goes away leaves the turn to the next.
            let turn = tokio::select! {
                biased;
                answer = &mut told => return answer.unwrap_or_else(|_| Err(unanswered())),
                turn = Arc::clone(&self.turns).acquire_owned() => Arc::new(turn.map_err(|_| unanswered())?),
            };
            let reads = self.clone();
            let queries = store.read(move |conn| {
                // Until the last query is over, whether anybody still waits for its end or not.
                let _turn = Arc::clone(&turn);
                reads.answer(conn)
            });
            tokio::select! {
                biased;
                answer = &mut told => return answer.unwrap_or_else(|_| Err(unanswered())),
                ended = queries => if let Err(fault) = ended {
                    self.refuse(&fault);
                    return Err(fault);
                },
            }
        }
    }

    fn answer(&self, conn: &mut AnyConn) -> Result<(), StoreFault> {
        for _ in 0..IN_A_ROW {
            let questions = self.take();
            if questions.is_empty() {
                break;
            }
            match of_each(conn, questions.iter().map(|question| question.id).collect()) {
                Ok(found) => questions.into_iter().for_each(|question| question.find_in(&found)),
                Err(fault) => {
                    // The connection may be lost: then another one is tried.
                    self.waiting().extend(questions);
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    fn take(&self) -> Vec<Question> {
        let mut asked = self.waiting();
        asked.retain(|question| !question.tell.is_closed());
        let most = asked.len().min(MOST);
        asked.drain(..most).collect()
    }

    /// Nobody waits in turn for a database that has just refused.
    fn refuse(&self, fault: &StoreFault) {
        let questions = std::mem::take(&mut *self.waiting());
        questions.into_iter().for_each(|question| drop(question.tell.send(Err(fault.clone()))));
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Question>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question {
    fn find_in(self, found: &BTreeMap<i64, Versions>) {
        let answer = found.get(&self.id).cloned().ok_or(StoreFault::NotFound);
        drop(self.tell.send(answer));
    }
}

/// Id, organization and account, the two versions, how the grant stands.
type Row = (i64, (i64, i64), i64, i64, Option<String>);

fn of_each(conn: &mut AnyConn, ids: BTreeSet<i64>) -> Result<BTreeMap<i64, Versions>, StoreFault> {
    let rows = instance::table.inner_join(credential::table).select((
        instance::id,
        (instance::organization_id, instance::account_id),
        instance::version,
        credential::version,
        credential::standing,
    ));
    let mut one = ids.iter();
    let found: Vec<Row> = match (one.next(), one.next()) {
        // SQLite plans a list anew at every call.
        (Some(id), None) => {
            let row = rows.filter(instance::id.eq(*id));
            on_each!(conn, inner => row.load(inner)?)
        }
        _ => {
            let listed = rows.filter(instance::id.eq_any(ids));
            on_each!(conn, inner => listed.load(inner)?)
        }
    };
    let versions = |(id, (organization, account), instance, credential, standing)| {
        (id, Versions { owner: Owner { organization, account }, instance, credential, standing })
    };
    Ok(found.into_iter().map(versions).collect())
}

fn unanswered() -> StoreFault {
    StoreFault::Unavailable("the query was given up".to_owned())
}
