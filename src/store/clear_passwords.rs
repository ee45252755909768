//! Hashes of passwords in the clear: what a database has whose seals are not bound to owners yet, and what nobody but a stranger
//! puts into any other. For the operator's commands: whoever owns the rows.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Text};

use super::connection::AnyConn;
use super::fault::StoreFault;
use super::schema::app_user::{self, dsl};

/// Rows in one statement, and in one transaction.
const BATCH: i64 = 500;

#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct ClearPassword {
    pub user: i64,
    pub organization: i64,
    pub hash: String,
}

/// The next behind the user `after`.
pub fn next(conn: &mut AnyConn, after: i64) -> Result<Vec<ClearPassword>, StoreFault> {
    let rows = dsl::app_user.filter(dsl::id.gt(after)).filter(dsl::password_hash.ne("")).order(dsl::id).limit(BATCH);
    Ok(rows.select((dsl::id, dsl::organization_id, dsl::password_hash)).load(conn)?)
}

pub fn count(conn: &mut AnyConn) -> Result<i64, StoreFault> {
    Ok(dsl::app_user.filter(dsl::password_hash.ne("")).count().get_result(conn)?)
}

/// Puts the sealed hash in the place of the one in the clear, unless another password was set meanwhile. How many were.
pub fn replace(conn: &mut AnyConn, passwords: &[(ClearPassword, Vec<u8>)]) -> Result<usize, StoreFault> {
    match conn {
        AnyConn::Sqlite(conn) => {
            let mut count: usize = 0;
            for (clear, sealed) in passwords {
                let same = app_user::table.find(clear.user).filter(dsl::password_hash.eq(&clear.hash));
                let values = (dsl::password_hash.eq(""), dsl::password_sealed.eq(Some(sealed)));
                count = count.saturating_add(diesel::update(same).set(values).execute(conn)?);
            }
            Ok(count)
        }
        AnyConn::Pg(conn) => {
            // As `sealed::swap`.
            let update = diesel::sql_query(
                "WITH mine AS (SELECT r.id, s.becomes FROM app_user r JOIN unnest($1, $2, $3) AS s (id, was, becomes) \
                 ON r.id = s.id AND r.password_hash = s.was ORDER BY r.id FOR NO KEY UPDATE OF r) \
                 UPDATE app_user SET password_hash = '', password_sealed = mine.becomes FROM mine \
                 WHERE app_user.id = mine.id",
            );
            let update = update
                .bind::<Array<BigInt>, _>(passwords.iter().map(|(clear, _)| clear.user).collect::<Vec<_>>())
                .bind::<Array<Text>, _>(passwords.iter().map(|(clear, _)| clear.hash.as_str()).collect::<Vec<_>>())
                .bind::<Array<Binary>, _>(passwords.iter().map(|(_, sealed)| sealed.as_slice()).collect::<Vec<_>>());
            Ok(update.execute(conn)?)
        }
    }
}
