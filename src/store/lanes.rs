//! How queries reach the database: a read lane and a write lane, neither of which holds a thread while it waits.
//!
//! SQLite has one writer, so its write lane is one connection (`writer.rs`). PostgreSQL has one pool behind both lanes. In
//! either no organization takes all the places (`turns.rs`).

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use diesel::connection::{Connection as _, SimpleConnection as _};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, oneshot};

use super::address::{Address, Pooler};
use super::connection::{Access, AnyConn, Opener};
use super::fault::StoreFault;
use super::ids::IdBlocks;
use super::migrate::{self, Schema};
use super::turns::Whose;
use super::waits::{LaneWaits, Waits};
use super::writability::{self, Writability};
use super::writer::{Done, Write, Writer};
use crate::kernel::queues::Queues;

/// How long a caller waits for a connection before it is told that the database is not available.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long whoever has its turn waits for a new connection.
const CONNECTING: Duration = Duration::from_secs(2);
/// Between two attempts to connect: how soon a database is noticed that is back.
const ATTEMPTS: Duration = Duration::from_millis(250);
/// After an outage, until every process that lives has found out and is back: longer than connecting takes.
const COMING_BACK: Duration = Duration::from_secs(5);

/// The database.
#[derive(Clone)]
pub struct Store {
    reads: Pool,
    writes: Writes,
    ids: Arc<IdBlocks>,
    opener: Opener,
    writability: Writability,
    waits: LaneWaits,
}

#[derive(Clone)]
enum Writes {
    /// Of the thread that owns SQLite's only writing connection.
    Queue(Arc<Writer>),
    Pool(Pool),
}

/// Connections, with an async gate before them: whoever waits holds no blocking thread.
#[derive(Clone)]
struct Pool {
    /// None: the store is closed.
    connections: Arc<RwLock<Option<r2d2::Pool<Opener>>>>,
    size: u32,
    gate: Arc<Semaphore>,
    /// Of each organization, so many at once.
    shares: Arc<Queues<i64>>,
    share: usize,
    of_each_transaction: Option<&'static str>,
    waits: LaneWaits,
}

impl Store {
    /// Connects, without touching the schema. `size`: connections of a pool.
    pub fn open(address: Address, pooler: Pooler, size: u32) -> Result<Self, StoreFault> {
        let opener =
            Opener { address, pooler, access: Access::Write, outages: Arc::default(), process: Arc::default() };
        let waits = LaneWaits::default();
        let (reads, writes) = match &opener.address {
            Address::Sqlite(_) => {
                // The writer creates the file and puts it into WAL mode before any reader looks.
                let mut writer = opener.open()?;
                // What every savepoint keeps for its undoing would go to a file, and nobody reads it after a crash.
                writer.batch_execute("PRAGMA temp_store = MEMORY")?;
                let reads = Pool::open(Opener { access: Access::Read, ..opener.clone() }, size, waits.clone())?;
                (reads, Writes::Queue(Arc::new(Writer::spawn(writer)?)))
            }
            Address::Postgres(_) => {
                let pool = Pool::open(opener.clone(), size, waits.clone())?;
                (pool.clone(), Writes::Pool(pool))
            }
        };
        Ok(Self { reads, writes, ids: Arc::default(), opener, writability: Writability::default(), waits })
    }

    /// Brings the schema up to date. Safe to call from several processes at once.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreFault> {
        let opener = self.opener.clone();
        blocking(move || migrate::up(&mut opener.open()?)).await
    }

    /// How the schema stands; nothing is made or changed.
    pub async fn schema(&self) -> Result<Schema, StoreFault> {
        let opener = self.opener.clone();
        blocking(move || migrate::schema(&mut opener.open()?)).await
    }

    /// A read of nobody's in particular. Must not write: SQLite refuses it, PostgreSQL would not. It may run twice: its
    /// connection may turn out to be lost.
    pub async fn read<T, F>(&self, query: F) -> Result<T, StoreFault>
    where
        T: Send + 'static,
        F: Fn(&mut AnyConn) -> Result<T, StoreFault> + Send + 'static,
    {
        self.read_for(Whose::SERVER, query).await
    }

    /// The same for somebody, within its share.
    pub async fn read_for<T, F>(&self, whose: impl Into<Whose>, query: F) -> Result<T, StoreFault>
    where
        T: Send + 'static,
        F: Fn(&mut AnyConn) -> Result<T, StoreFault> + Send + 'static,
    {
        self.reads.run(Access::Read, whose.into(), query).await
    }

    /// A transaction of nobody's in particular. It is durable when this returns `Ok`.
    pub async fn write<T, F>(&self, transaction: F) -> Result<T, StoreFault>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn) -> Result<T, StoreFault> + Send + 'static,
    {
        self.write_for(Whose::SERVER, transaction).await
    }

    /// The same for somebody: others go first when it is their turn.
    pub async fn write_for<T, F>(&self, whose: impl Into<Whose>, transaction: F) -> Result<T, StoreFault>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn) -> Result<T, StoreFault> + Send + 'static,
    {
        let result = self.write_unnoted(whose.into(), transaction).await;
        self.writability.note(&result);
        result
    }

    async fn write_unnoted<T, F>(&self, whose: Whose, transaction: F) -> Result<T, StoreFault>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn) -> Result<T, StoreFault> + Send + 'static,
    {
        match &self.writes {
            Writes::Pool(pool) => {
                // What has not begun can begin again, on another connection; what has begun cannot.
                let mut transaction = Some(transaction);
                let run = move |conn: &mut AnyConn| transaction.take().map_or_else(|| Err(stopped()), |it| it(conn));
                pool.run(Access::Write, whose, run).await
            }
            Writes::Queue(queue) => {
                let (tell, told) = oneshot::channel();
                let (waits, asked) = (self.waits.clone(), Instant::now());
                let write: Write = Box::new(move |conn| {
                    waits.observe(Access::Write, asked);
                    let result = conn.and_then(|conn| catching(|| transaction(conn)));
                    let failed = result.is_err();
                    let tell_all =
                        move |commit: Result<(), _>| tell.send(result.and_then(|value| commit.map(|()| value)));
                    Done { failed, finish: Box::new(|commit| drop(tell_all(commit))) }
                });
                if !queue.take(whose, write) {
                    return Err(stopped());
                }
                told.await.map_err(|_| stopped())?
            }
        }
    }

    /// Who uses this store, from now on: its sessions tell others that it lives, where there are any to do so.
    pub fn belongs_to(&self, process: i64) {
        if self.opener.process.set(process).is_ok() {
            self.opener.outages.open_all_anew();
        }
    }

    /// Whether the sessions of a process tell that it lives.
    pub fn has_sessions(&self) -> bool {
        matches!(self.opener.address, Address::Postgres(_)) && self.opener.pooler == Pooler::None
    }

    /// Whether one process at a time has the database.
    pub fn is_of_one_process(&self) -> bool {
        matches!(self.opener.address, Address::Sqlite(_))
    }

    /// Whether the database was there all the time, as far as this process knows. When it went away, the sessions of others
    /// went as well, and it takes them a while to come back.
    pub fn is_steady(&self) -> bool {
        self.opener.outages.none_for(COMING_BACK)
    }

    /// Ends both lanes: what is queued is done first, what comes later is refused. Afterwards a SQLite file is whole without
    /// its `-wal`; where it is not, as when another program reads in it, this fails.
    pub async fn close(&self) -> Result<(), StoreFault> {
        match &self.writes {
            Writes::Pool(pool) => pool.close().await,
            Writes::Queue(writer) => {
                let last = writer.end().await;
                // A reader would keep the checkpoint from coming to its end.
                self.reads.close().await?;
                match last? {
                    Some(conn) => blocking(move || super::writer::checkpoint_and_close(conn)).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// How long queries waited, of this process.
    pub fn waits(&self) -> Waits {
        self.waits.all.clone()
    }

    /// Whether writes succeed, as far as that is known without one.
    pub fn writability(&self) -> &Writability {
        &self.writability
    }

    /// Finds out by a write of no consequence whether writes succeed. `own`: a number that no other process uses.
    pub async fn probe(&self, own: i64, room: Vec<u8>) {
        let result = self.write_unnoted(Whose::SERVER, move |conn| writability::write(conn, own, &room)).await;
        self.writability.note_probe(&result);
    }

    /// A new id. Never given out twice, whichever table it is for.
    pub async fn next_id(&self) -> Result<i64, StoreFault> {
        self.ids.next(self).await
    }
}

impl Pool {
    fn open(opener: Opener, size: u32, waits: LaneWaits) -> Result<Self, StoreFault> {
        let of_each_transaction = opener.of_each_transaction();
        let connections = r2d2::Pool::builder()
            .max_size(size)
            // None ahead: the end of a short command would find OpenSSL at work for a connection that nobody asked for,
            // and crash on what its exit handler has freed.
            .min_idle(Some(0))
            // Costs a comparison, not a query: see `Opener::is_valid`.
            .test_on_check_out(true)
            // What the pool makes of it: half of it is the longest pause between two attempts.
            .connection_timeout(ATTEMPTS.saturating_mul(2))
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .build_unchecked(opener);
        let places = usize::try_from(size).unwrap_or(1);
        let gate = Arc::new(Semaphore::new(places));
        let connections = Arc::new(RwLock::new(Some(connections)));
        let share = places.saturating_sub((places / 4).max(1)).max(1);
        Ok(Self { connections, size, gate, shares: Arc::default(), share, of_each_transaction, waits })
    }

    /// Waits for the queries that run, and closes their connections.
    async fn close(&self) -> Result<(), StoreFault> {
        // It fails where the gate is closed already.
        if let Ok(all) = self.gate.acquire_many(self.size).await {
            self.gate.close();
            drop(all);
        }
        let connections = self.connections.write().unwrap_or_else(PoisonError::into_inner).take();
        blocking(move || {
            drop(connections);
            Ok(())
        })
        .await
    }

    /// A write in a transaction; a read only where its settings need one. An idle connection does not tell that it was lost until
    /// it is used: then a read, or a write that has not begun, is tried once more.
    async fn run<T, F>(&self, access: Access, whose: Whose, mut query: F) -> Result<T, StoreFault>
    where
        T: Send + 'static,
        F: FnMut(&mut AnyConn) -> Result<T, StoreFault> + Send + 'static,
    {
        let asked = Instant::now();
        let permit = tokio::time::timeout(PATIENCE, self.place(whose)).await;
        self.waits.observe(access, asked);
        let permit = permit.map_err(|_| busy())?.map_err(|_| stopped())?;
        let connections = self.connections.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (connections, settings) = (connections.ok_or_else(stopped)?, self.of_each_transaction);
        blocking(move || {
            // Dropped last: whoever has all permits knows that no connection is out.
            let _permit = permit;
            let connections = connections;
            let mut begun = false;
            let first = tried(&connections, access, settings, |conn| {
                begun = true;
                query(conn)
            });
            match first {
                Err(Failed { lost: true, .. }) if access == Access::Read || !begun => {
                    tried(&connections, access, settings, query)
                }
                other => other,
            }
            .map_err(|failed| failed.fault)
        })
        .await
    }
}

impl Pool {
    /// A place, in the share of whose it is: all but a quarter of them.
    async fn place(&self, whose: Whose) -> Result<(Option<OwnedSemaphorePermit>, OwnedSemaphorePermit), AcquireError> {
        let of_share = match whose {
            Whose::SERVER => None,
            Whose { organization, .. } => Some(self.shares.wait(organization, self.share).await?),
        };
        Ok((of_share, Arc::clone(&self.gate).acquire_owned().await?))
    }
}

struct Failed {
    fault: StoreFault,
    /// With its connection.
    lost: bool,
}

fn tried<T>(
    connections: &r2d2::Pool<Opener>,
    access: Access,
    settings: Option<&'static str>,
    mut query: impl FnMut(&mut AnyConn) -> Result<T, StoreFault>,
) -> Result<T, Failed> {
    let pooled = connections.get_timeout(CONNECTING);
    let mut pooled =
        pooled.map_err(|error| Failed { fault: StoreFault::Unavailable(error.to_string()), lost: false })?;
    let conn = &mut pooled.conn;
    let outcome = catch_unwind(AssertUnwindSafe(|| match (settings, access) {
        (None, Access::Read) => query(conn),
        (None, Access::Write) => conn.transaction(query),
        (Some(settings), _) => conn.transaction(|conn| {
            conn.batch_execute(settings)?;
            query(conn)
        }),
    }));
    match outcome {
        Ok(Ok(value)) => Ok(value),
        // Whatever words it had for that.
        Ok(Err(StoreFault::Unavailable(reason) | StoreFault::Other(reason))) if pooled.examine() => {
            Err(Failed { fault: StoreFault::Unavailable(reason), lost: true })
        }
        Ok(Err(fault)) => Err(Failed { fault, lost: false }),
        Err(panic) => Err(Failed { fault: StoreFault::Other(panic_text(panic.as_ref())), lost: false }),
    }
}

/// A panic in a query is that query's failure; the thread and the connection go on.
fn catching<T>(query: impl FnOnce() -> Result<T, StoreFault>) -> Result<T, StoreFault> {
    catch_unwind(AssertUnwindSafe(query)).unwrap_or_else(|panic| Err(StoreFault::Other(panic_text(panic.as_ref()))))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a query panicked: {}", text.unwrap_or("no text"))
}

pub(super) async fn blocking<T, F>(work: F) -> Result<T, StoreFault>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StoreFault> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(StoreFault::Other(error.to_string())))
}

fn busy() -> StoreFault {
    StoreFault::Unavailable("all connections are busy".to_owned())
}

fn stopped() -> StoreFault {
    StoreFault::Unavailable("the server is stopping".to_owned())
}
