//! Leases: work that one process at a time may do, whichever comes first. No clocks are compared: a holder beats, and who
//! waits watches whether the beat moves.

use diesel::prelude::*;

use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::processes::{self, Presence};
use super::schema::lease::{self, dsl};
use super::schema::process;

/// Nobody: the work was given back.
const NOBODY: i64 = 0;

/// A lease as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub struct Lease {
    pub holder: i64,
    /// Grows with every sign of life and every change of the holder: the fencing version.
    pub beat: i64,
    /// An earlier holder went without telling how its work ended.
    pub unsettled: bool,
}

impl Lease {
    pub fn is_held(&self) -> bool {
        self.holder != NOBODY
    }
}

/// A lease, and what there is of its holder.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub lease: Lease,
    pub presence: Presence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Mine(Lease),
    /// Another process has it, or had it when it died.
    Held(Lease),
}

impl Taken {
    pub fn mine(self) -> Option<Lease> {
        match self {
            Self::Mine(lease) => Some(lease),
            Self::Held(_) => None,
        }
    }
}

/// Takes a lease that nobody holds.
pub fn take(conn: &mut AnyConn, name: &str, holder: i64) -> Result<Taken, StoreFault> {
    let fresh = Lease { holder, beat: 1, unsettled: false };
    let row = (dsl::name.eq(name), dsl::holder.eq(holder), dsl::beat.eq(1), dsl::unsettled.eq(false));
    let inserted =
        on_each!(conn, inner => diesel::insert_into(lease::table).values(row).on_conflict_do_nothing().execute(inner)?);
    if inserted == 1 {
        return Ok(Taken::Mine(fresh));
    }
    match find(conn, name)? {
        Some(seen) if !seen.is_held() => {
            Ok(take_over(conn, name, seen, holder)?.map_or(Taken::Held(seen), Taken::Mine))
        }
        Some(seen) => Ok(Taken::Held(seen)),
        // Released between the two statements: whoever asks again gets it.
        None => Ok(Taken::Held(Lease { holder: NOBODY, ..fresh })),
    }
}

pub fn find(conn: &mut AnyConn, name: &str) -> Result<Option<Lease>, StoreFault> {
    let row = dsl::lease.filter(dsl::name.eq(name)).select((dsl::holder, dsl::beat, dsl::unsettled));
    Ok(row.get_result(conn).optional()?)
}

/// As `find`, for who waits: whether the holder is there as well.
pub fn look(conn: &mut AnyConn, name: &str) -> Result<Option<Seen>, StoreFault> {
    let Some(lease) = find(conn, name)? else { return Ok(None) };
    let presence = if lease.is_held() { processes::presence(conn, lease.holder)? } else { Presence::Unknown };
    Ok(Some(Seen { lease, presence }))
}

/// Takes a lease whose holder has gone, unless somebody else was faster or the holder showed life meanwhile.
pub fn take_over(conn: &mut AnyConn, name: &str, seen: Lease, holder: i64) -> Result<Option<Lease>, StoreFault> {
    let unchanged =
        dsl::lease.filter(dsl::name.eq(name)).filter(dsl::holder.eq(seen.holder)).filter(dsl::beat.eq(seen.beat));
    let taken = Lease { holder, beat: seen.beat.saturating_add(1), unsettled: true };
    let values = (dsl::holder.eq(taken.holder), dsl::beat.eq(taken.beat), dsl::unsettled.eq(true));
    Ok((diesel::update(unchanged).set(values).execute(conn)? == 1).then_some(taken))
}

/// A sign of life. False: the lease is somebody else's by now.
pub fn beat(conn: &mut AnyConn, name: &str, holder: i64) -> Result<bool, StoreFault> {
    let mine = dsl::lease.filter(dsl::name.eq(name)).filter(dsl::holder.eq(holder));
    Ok(diesel::update(mine).set(dsl::beat.eq(dsl::beat + 1)).execute(conn)? == 1)
}

/// The work is done. Belongs into the transaction of its result.
pub fn release(conn: &mut AnyConn, name: &str, holder: i64) -> Result<(), StoreFault> {
    diesel::delete(dsl::lease.filter(dsl::name.eq(name)).filter(dsl::holder.eq(holder))).execute(conn)?;
    Ok(())
}

/// The work is done, whether or not this holder was taken for dead meanwhile; whoever took it over keeps it.
pub fn settle(conn: &mut AnyConn, name: &str, holder: i64) -> Result<(), StoreFault> {
    let mine = dsl::holder.eq(holder).or(dsl::holder.eq(NOBODY));
    diesel::delete(dsl::lease.filter(dsl::name.eq(name)).filter(mine)).execute(conn)?;
    Ok(())
}

/// How the work ended is not known: whoever takes it up next is told.
pub fn leave_unsettled(conn: &mut AnyConn, name: &str, holder: i64) -> Result<(), StoreFault> {
    let mine = dsl::lease.filter(dsl::name.eq(name)).filter(dsl::holder.eq(holder));
    diesel::update(mine)
        .set((dsl::holder.eq(NOBODY), dsl::beat.eq(dsl::beat + 1), dsl::unsettled.eq(true)))
        .execute(conn)?;
    Ok(())
}

/// Everything that this process still holds, when it ends before its work did.
pub fn give_back(conn: &mut AnyConn, holder: i64) -> Result<usize, StoreFault> {
    let mine = dsl::lease.filter(dsl::holder.eq(holder));
    let nobody = (dsl::holder.eq(NOBODY), dsl::beat.eq(dsl::beat + 1), dsl::unsettled.eq(true));
    Ok(diesel::update(mine).set(nobody).execute(conn)?)
}

/// Everything that anybody holds.
pub(super) fn give_back_all(conn: &mut AnyConn) -> Result<usize, StoreFault> {
    let held = dsl::lease.filter(dsl::holder.ne(NOBODY));
    let nobody = (dsl::holder.eq(NOBODY), dsl::beat.eq(dsl::beat + 1), dsl::unsettled.eq(true));
    Ok(diesel::update(held).set(nobody).execute(conn)?)
}

/// Who holds it, and whether that is a process of a version that shares work with others (`work.rs`).
pub fn leader(conn: &mut AnyConn, name: &str) -> Result<Option<(i64, bool)>, StoreFault> {
    let works = process::table.filter(process::id.eq(dsl::holder)).select(process::works).single_value();
    let row = dsl::lease.filter(dsl::name.eq(name)).filter(dsl::holder.ne(NOBODY)).select((dsl::holder, works));
    let row: Option<(i64, Option<bool>)> = on_each!(conn, inner => row.get_result(inner).optional()?);
    Ok(row.map(|(holder, works)| (holder, works.unwrap_or(false))))
}

/// As `forget`, of several.
pub(super) fn forget_all(conn: &mut AnyConn, names: &[String]) -> Result<(), StoreFault> {
    if !names.is_empty() {
        diesel::delete(dsl::lease.filter(dsl::name.eq_any(names))).execute(conn)?;
    }
    Ok(())
}

/// Of what is gone for good.
pub fn forget(conn: &mut AnyConn, name: &str) -> Result<(), StoreFault> {
    diesel::delete(dsl::lease.filter(dsl::name.eq(name))).execute(conn)?;
    Ok(())
}
