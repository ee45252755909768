//! The instance that a token names, whoever sends it.

use diesel::prelude::*;

use crate::kernel::owner::Owner;
use crate::store::connection::{AnyConn, on_each};
use crate::store::fault::StoreFault;
use crate::store::schema::instance;

/// What a token names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedByToken {
    pub id: i64,
    pub owner: Owner,
    /// As the row has it.
    pub token_hash: Vec<u8>,
}

/// The instance behind a token, whose it is, and the token as it is sealed: the token itself is the proof, whoever sends it.
/// `hashes`: under every generation of the look-up key, in one statement, because a row may move from one to another
/// meanwhile.
pub fn find_by_token(conn: &mut AnyConn, hashes: &[Vec<u8>]) -> Result<(NamedByToken, Vec<u8>), StoreFault> {
    let row = instance::table.select((
        instance::id,
        instance::organization_id,
        instance::account_id,
        instance::token_hash,
        instance::token_sealed,
    ));
    let (id, organization, account, token_hash, token_sealed) = match hashes {
        [hash] => on_each!(conn, inner => row.filter(instance::token_hash.eq(hash)).get_result(inner)?),
        _ => row.filter(instance::token_hash.eq_any(hashes)).get_result(conn)?,
    };
    Ok((NamedByToken { id, owner: Owner { organization, account }, token_hash }, token_sealed))
}
