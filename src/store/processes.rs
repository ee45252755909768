//! The processes that share a database, and how one of them is known to be gone. On PostgreSQL every session of a process
//! holds a shared advisory lock with the process's id as its key: while a session is left, and be it one that finishes a
//! statement of a process that was killed, the lock is there.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool};

use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::leases;
use super::schema::process::{self, dsl};
use super::time::UtcTime;
use super::{claims, idempotency, schema};

/// Whether a process has sessions on the database's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    There,
    /// It had some since the server was started, and has none.
    Gone,
    /// SQLite, a transaction-mode pooler, an older version, or a server that was started since.
    Unknown,
}

/// Locks are gone with the server that they were taken on, and the living take theirs again one after another: nothing
/// follows from the absence of one that was not yet taken on this run of the server.
const SERVER_RUN: &str = "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint";

#[derive(QueryableByName)]
struct Run {
    #[diesel(sql_type = BigInt)]
    server_run: i64,
}

#[derive(QueryableByName)]
struct Sessions {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Bool)]
    same_run: bool,
    #[diesel(sql_type = Bool)]
    locked: bool,
}

/// What a new session of a process begins with.
pub(super) fn hold_lock(conn: &mut PgConnection, process: i64) -> QueryResult<()> {
    conn.batch_execute(&format!("SELECT pg_advisory_lock_shared({process})"))?;
    // A server that takes no writes serves reads all the same; what it was not told counts as unknown.
    let noted = conn.batch_execute(&format!(
        "UPDATE process SET server_run = {SERVER_RUN} WHERE id = {process} AND server_run IS DISTINCT FROM {SERVER_RUN}"
    ));
    if let Err(error) = noted {
        tracing::debug!(%error, "the sessions of this process are not noted");
    }
    Ok(())
}

/// A process begins, or goes on. `locks`: whether its sessions hold its lock.
pub fn note(conn: &mut AnyConn, id: i64, locks: bool, now: DateTime<Utc>) -> Result<(), StoreFault> {
    let server_run = match conn {
        AnyConn::Pg(conn) if locks => {
            let run: Run = diesel::sql_query(format!("SELECT {SERVER_RUN} AS server_run")).get_result(conn)?;
            Some(run.server_run)
        }
        _ => None,
    };
    let values = (dsl::server_run.eq(server_run), dsl::seen_at.eq(UtcTime(now)), dsl::works.eq(true));
    let row = (dsl::id.eq(id), values);
    on_each!(conn, inner => {
        diesel::insert_into(process::table).values(row).on_conflict(dsl::id).do_update().set(values).execute(inner)?
    });
    Ok(())
}

/// A sign of life, while it has work under way. Commands, which nobody noted, are there from the first one on.
pub fn beat(conn: &mut AnyConn, id: i64, now: DateTime<Utc>) -> Result<(), StoreFault> {
    let row = (dsl::id.eq(id), dsl::seen_at.eq(UtcTime(now)), dsl::works.eq(true), dsl::beat.eq(1));
    let next = dsl::beat.eq(dsl::beat + 1);
    on_each!(conn, inner => {
        diesel::insert_into(process::table).values(row).on_conflict(dsl::id).do_update().set(next).execute(inner)?
    });
    Ok(())
}

/// Of processes that did not say for long that they go on. Who does so after all is noted anew.
pub fn purge(conn: &mut AnyConn, before: DateTime<Utc>) -> Result<usize, StoreFault> {
    Ok(diesel::delete(dsl::process.filter(dsl::seen_at.lt(UtcTime(before)))).execute(conn)?)
}

pub fn presence(conn: &mut AnyConn, id: i64) -> Result<Presence, StoreFault> {
    Ok(presences(conn, &[id])?.remove(&id).unwrap_or(Presence::Unknown))
}

/// Of several at once. Who is not among them is `Unknown`.
pub fn presences(conn: &mut AnyConn, ids: &[i64]) -> Result<HashMap<i64, Presence>, StoreFault> {
    let AnyConn::Pg(pg) = conn else { return Ok(HashMap::new()) };
    // How PostgreSQL shows a lock with one 64-bit key: its halves, and a 1 (the manual on pg_locks).
    let text = format!(
        "SELECT id, server_run IS NOT DISTINCT FROM {SERVER_RUN} AS same_run, EXISTS (
             SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
                AND classid = (id >> 32)::oid AND objid = (id & 4294967295)::oid
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS locked
         FROM process WHERE id = ANY($1)"
    );
    let found: Vec<Sessions> = diesel::sql_query(text).bind::<Array<BigInt>, _>(ids).load(pg)?;
    let presence = |of: &Sessions| match of {
        Sessions { locked: true, .. } => Presence::There,
        Sessions { same_run: true, .. } => Presence::Gone,
        Sessions { .. } => Presence::Unknown,
    };
    Ok(found.iter().map(|of| (of.id, presence(of))).collect())
}

/// The end of a process in order: what it holds is given back. How many leases.
pub fn leave(conn: &mut AnyConn, id: i64) -> Result<usize, StoreFault> {
    let given_back = leases::give_back(conn, id)?;
    claims::release_except(conn, id, &[])?;
    diesel::delete(schema::process::table.find(id)).execute(conn)?;
    Ok(given_back)
}

/// Nobody else uses this database, so that whatever an earlier process held is nobody's. `recent`: since when a claim of
/// an older version may still have counted.
pub fn begin_alone(conn: &mut AnyConn, recent: DateTime<Utc>) -> Result<usize, StoreFault> {
    diesel::delete(process::table).execute(conn)?;
    idempotency::release_unleased(conn, recent)?;
    claims::release_all(conn)?;
    leases::give_back_all(conn)
}
