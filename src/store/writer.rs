//! The thread that owns SQLite's only writing connection, and what is left to do when it ends.

use std::sync::{Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use diesel::prelude::*;
use diesel::sql_types::Integer;
use tokio::sync::mpsc;

use super::connection::AnyConn;
use super::fault::StoreFault;
use super::lanes::{Write, blocking, write_group};

const QUEUE: usize = 1024;

pub(super) struct Writer {
    /// None: the store is closed.
    queue: RwLock<Option<mpsc::Sender<Write>>>,
    thread: Mutex<Option<JoinHandle<AnyConn>>>,
}

impl Writer {
    pub fn spawn(mut conn: AnyConn) -> Result<Self, StoreFault> {
        let (queue, mut writes) = mpsc::channel::<Write>(QUEUE);
        let run = move || {
            while let Some(first) = writes.blocking_recv() {
                write_group(&mut conn, first, &mut writes);
            }
            conn
        };
        let spawned = std::thread::Builder::new().name("sqlite-writer".to_owned()).spawn(run);
        let thread = spawned.map_err(|error| StoreFault::Unavailable(error.to_string()))?;
        Ok(Self { queue: RwLock::new(Some(queue)), thread: Mutex::new(Some(thread)) })
    }

    pub fn sender(&self) -> Option<mpsc::Sender<Write>> {
        self.queue.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes no more writes, waits for those that are queued, and gives the connection. None: somebody did so before.
    pub async fn end(&self) -> Result<Option<AnyConn>, StoreFault> {
        drop(self.queue.write().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return Ok(None) };
        let ended = move || thread.join().map_err(|_| StoreFault::Other("the writer's thread panicked".to_owned()));
        blocking(ended).await.map(Some)
    }
}

#[derive(QueryableByName)]
struct Checkpoint {
    /// 1: somebody else's reading kept it from its end.
    #[diesel(sql_type = Integer)]
    busy: i32,
}

/// Brings everything from the `-wal` into the file, and closes the connection. SQLite does so too when the last connection
/// closes, but tells nobody when it fails.
pub(super) fn settle(mut conn: AnyConn) -> Result<(), StoreFault> {
    let AnyConn::Sqlite(conn) = &mut conn else { return Ok(()) };
    let done: Checkpoint = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result(conn)?;
    match done.busy {
        0 => Ok(()),
        _ => Err(StoreFault::Unavailable("another program is reading in it".to_owned())),
    }
}
