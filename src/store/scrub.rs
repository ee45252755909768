//! What was erased leaves a SQLite file: freed pages are overwritten by `PRAGMA secure_delete`, which every writer sets, and
//! here the rest goes: the `-wal`, and what older versions left in free pages.

use std::path::Path;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

use super::fault::StoreFault;
use super::peek::open;
use super::writer::empty_wal;

/// Readers let go of what they see within moments.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Writes the file anew without its free pages. For who has it alone: everybody else would wait.
pub fn rewrite(path: &Path) -> Result<(), StoreFault> {
    let mut conn = open(path)?;
    conn.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL")?;
    diesel::sql_query("VACUUM").execute(&mut conn)?;
    empty(&mut conn)
}

/// Brings what is in the `-wal` into the file, and leaves nothing in it.
pub fn empty_log(path: &Path) -> Result<(), StoreFault> {
    let mut conn = open(path)?;
    conn.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL")?;
    empty(&mut conn)
}

fn empty(conn: &mut SqliteConnection) -> Result<(), StoreFault> {
    let began = Instant::now();
    loop {
        match empty_wal(conn) {
            Err(StoreFault::Unavailable(_)) if began.elapsed() < PATIENCE => std::thread::sleep(LOOK_EVERY),
            other => return other,
        }
    }
}
