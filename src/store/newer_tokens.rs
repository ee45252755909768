//! Refresh tokens that callers brought and that a first use replaced, with the newer one that no instance has: rows of `spent_code`, which
//! bounds and forgets them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::connection::AnyConn;
use super::fault::StoreFault;
use super::schema::spent_code::{self, dsl};
use super::spent_codes::Outcome;
use super::time::UtcTime;
use crate::kernel::owner::Owner;

/// A newer token, sealed for its row's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer {
    pub id: i64,
    pub sealed: Vec<u8>,
}

/// Keeps the newer token of the one with this hash, in the place of what was kept before.
pub fn keep(
    conn: &mut AnyConn,
    owner: Owner,
    hash: &[u8],
    newer: &Newer,
    now: DateTime<Utc>,
) -> Result<(), StoreFault> {
    forget(conn, owner, hash)?;
    let row = (
        dsl::organization_id.eq(owner.organization),
        dsl::account_id.eq(owner.account),
        dsl::code_hash.eq(hash),
        dsl::id.eq(newer.id),
        dsl::request_hash.eq(Vec::new()),
        dsl::outcome.eq(Some(Outcome::LetGo.as_str())),
        dsl::attempts.eq(1),
        dsl::created_at.eq(UtcTime(now)),
        dsl::newer_sealed.eq(Some(newer.sealed.as_slice())),
    );
    diesel::insert_into(spent_code::table).values(row).execute(conn)?;
    Ok(())
}

/// `hashes`: of one token, under every generation of the look-up key.
pub fn find(conn: &mut AnyConn, owner: Owner, hashes: &[Vec<u8>]) -> Result<Option<Newer>, StoreFault> {
    let row: Option<(i64, Option<Vec<u8>>)> = dsl::spent_code
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::code_hash.eq_any(hashes))
        .filter(dsl::newer_sealed.is_not_null())
        .select((dsl::id, dsl::newer_sealed))
        .first(conn)
        .optional()?;
    Ok(row.and_then(|(id, sealed)| Some(Newer { id, sealed: sealed? })))
}

fn forget(conn: &mut AnyConn, owner: Owner, hash: &[u8]) -> Result<(), StoreFault> {
    let row = dsl::spent_code
        .filter(dsl::organization_id.eq(owner.organization))
        .filter(dsl::account_id.eq(owner.account))
        .filter(dsl::code_hash.eq(hash))
        .filter(dsl::newer_sealed.is_not_null());
    diesel::delete(row).execute(conn)?;
    Ok(())
}
