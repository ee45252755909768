//! The thread that owns SQLite's only writing connection, and what is left to do when it ends. Writes that queued up
//! while a transaction ran share the next commit (group commit), organization by organization.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use diesel::backend::Backend;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::Integer;

use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::lanes::blocking;
use super::turns::{Turns, Whose};

/// Writes that share one commit at most: a bound on what one failing commit takes along.
const GROUP: usize = 64;
/// What they may write together, of what is counted: so long does a commit take at most.
const GROUP_BYTES: usize = 256 << 10;
/// How many of them may be one organization's, once another one has a part in the commit and waits for it.
const SHARE: usize = 8;

pub(super) struct Writer {
    queue: Arc<Turns<(usize, Write)>>,
    thread: Mutex<Option<JoinHandle<AnyConn>>>,
}

/// Does the work in a savepoint of an open transaction, or fails with the reason why there is none.
pub(super) type Write = Box<dyn FnOnce(Result<&mut AnyConn, StoreFault>) -> Done + Send>;

/// A write that waits for its commit.
pub(super) struct Done {
    pub failed: bool,
    /// Is told the fate of the commit.
    pub finish: Box<dyn FnOnce(Result<(), StoreFault>) + Send>,
}

impl Writer {
    pub fn spawn(mut conn: AnyConn) -> Result<Self, StoreFault> {
        let queue = Arc::<Turns<_>>::default();
        let writes = Arc::clone(&queue);
        let run = move || {
            while let Some(first) = writes.next() {
                write_group(&mut conn, first, &writes);
            }
            conn
        };
        let spawned = std::thread::Builder::new().name("sqlite-writer".to_owned()).spawn(run);
        let thread = spawned.map_err(|error| StoreFault::Unavailable(error.to_string()))?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }

    /// Queues a write. False: the store is closed.
    pub fn take(&self, whose: Whose, write: Write) -> bool {
        self.queue.push(whose.organization, (whose.bytes, write))
    }

    /// Takes no more writes, waits for those that are queued, and gives the connection. None: somebody did so before.
    pub async fn end(&self) -> Result<Option<AnyConn>, StoreFault> {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return Ok(None) };
        let ended = move || thread.join().map_err(|_| StoreFault::Other("the writer's thread panicked".to_owned()));
        blocking(ended).await.map(Some)
    }
}

/// One commit for the first write and for those that queued up behind it.
fn write_group(conn: &mut AnyConn, first: (i64, (usize, Write)), queue: &Turns<(usize, Write)>) {
    if let Err(error) = command(conn, "BEGIN IMMEDIATE") {
        let (_, (_, write)) = first;
        return (write(Err(error.into())).finish)(Ok(()));
    }
    let mut group = Vec::new();
    let mut parts = Parts::default();
    let mut next = Some(first);
    let mut intact = Ok(());
    while let Some((organization, (bytes, write))) = next {
        let (done, ended) = in_savepoint(conn, write);
        group.push(done);
        parts.add(organization, bytes);
        intact = ended;
        next = if intact.is_ok() { queue.next_if(|organization| parts.has_room_for(organization)) } else { None };
    }
    let failure = intact.and_then(|()| command(conn, "COMMIT")).err().map(|error| {
        // Without this the next BEGIN would find an open transaction.
        let _ = conn.batch_execute("ROLLBACK");
        error.to_string()
    });
    for done in group {
        (done.finish)(failure.clone().map_or(Ok(()), |text| Err(StoreFault::Unavailable(text))));
    }
}

/// Who has a part in a commit.
#[derive(Default)]
struct Parts {
    /// How many writes of each organization.
    of: Vec<(i64, usize)>,
    writes: usize,
    bytes: usize,
}

impl Parts {
    fn add(&mut self, organization: i64, bytes: usize) {
        self.writes = self.writes.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        match self.of.iter_mut().find(|(known, _)| *known == organization) {
            Some((_, writes)) => *writes = writes.saturating_add(1),
            None => self.of.push((organization, 1)),
        }
    }

    fn has_room_for(&self, organization: i64) -> bool {
        let had = self.of.iter().find(|(known, _)| *known == organization).map_or(0, |(_, writes)| *writes);
        let alone = self.of.len() < 2;
        self.writes < GROUP && self.bytes < GROUP_BYTES && (alone || had < SHARE)
    }
}

/// Runs one write so that its failure undoes only itself. Fails when the whole transaction is gone, as after a full disk.
fn in_savepoint(conn: &mut AnyConn, write: Write) -> (Done, QueryResult<()>) {
    if let Err(error) = command(conn, "SAVEPOINT one") {
        return (write(Err(StoreFault::Unavailable(error.to_string()))), Err(error));
    }
    let done = write(Ok(conn));
    let undone = if done.failed { command(conn, "ROLLBACK TO one") } else { Ok(()) };
    let ended = undone.and_then(|()| command(conn, "RELEASE one"));
    (done, ended)
}

/// A statement that the connection keeps prepared; a batch would be parsed at every call.
struct Command(&'static str);

fn command(conn: &mut AnyConn, text: &'static str) -> QueryResult<()> {
    on_each!(conn, inner => Command(text).execute(inner)).map(drop)
}

impl QueryId for Command {
    type QueryId = Self;
    /// The text is the key.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<DB: Backend> QueryFragment<DB> for Command {
    fn walk_ast<'b>(&'b self, mut statement: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        statement.push_sql(self.0);
        Ok(())
    }
}

impl<Conn> RunQueryDsl<Conn> for Command {}

#[derive(QueryableByName)]
struct Checkpoint {
    /// 1: somebody else's reading kept it from its end.
    #[diesel(sql_type = Integer)]
    busy: i32,
}

/// Brings everything from the `-wal` into the file, and closes the connection. SQLite does so too when the last connection
/// closes, but tells nobody when it fails.
pub(super) fn checkpoint_and_close(mut conn: AnyConn) -> Result<(), StoreFault> {
    let AnyConn::Sqlite(conn) = &mut conn else { return Ok(()) };
    empty_wal(conn)
}

/// Fails while somebody else reads what is in it.
pub(super) fn empty_wal(conn: &mut SqliteConnection) -> Result<(), StoreFault> {
    let done: Checkpoint = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result(conn)?;
    match done.busy {
        0 => Ok(()),
        _ => Err(StoreFault::Unavailable("another program is reading in it".to_owned())),
    }
}
