//! Every column that holds sealed values, and what can be done with all of them alike. For the operator's commands and
//! jobs: whoever owns the rows.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Nullable};

use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use crate::vault::Place;

/// A column, and where its values are sealed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub table: &'static str,
    pub name: &'static str,
    /// The column that its rows are known by.
    pub key: &'static str,
    /// The column that has the organization whose the row is; none: nobody's.
    pub owner: Option<&'static str>,
}

impl Column {
    const fn new(table: &'static str, name: &'static str, key: &'static str, owner: Option<&'static str>) -> Self {
        Self { table, name, key, owner }
    }

    /// Where the value of a row is sealed for. `owner`: the organization that the row says, and where rows are read together the
    /// one of the row by which the others were found, for whom the value is opened.
    pub fn place(self, owner: impl Into<Option<i64>>, row: i64) -> Place {
        Place { table: self.table, column: self.name, row, owner: owner.into() }
    }

    /// As a column of a statement.
    fn owner_sql(self) -> &'static str {
        self.owner.unwrap_or("CAST(NULL AS BIGINT)")
    }
}

const OWNER: Option<&str> = Some("organization_id");

pub const DATA_KEY: Column = Column::new("data_key", "sealed", "id", None);
pub const ORGANIZATION_SECRET: Column = Column::new("organization", "secret_sealed", "id", Some("id"));
pub const USER_SECRET: Column = Column::new("app_user", "secret_sealed", "id", OWNER);
pub const USER_PASSWORD: Column = Column::new("app_user", "password_sealed", "id", OWNER);
pub const INSTANCE_TOKEN: Column = Column::new("instance", "token_sealed", "id", OWNER);
pub const CONFIGURATION: Column = Column::new("instance", "configuration_sealed", "id", OWNER);
pub const CREDENTIAL: Column = Column::new("credential", "sealed", "instance_id", OWNER);
pub const GRANT: Column = Column::new("oauth_grant", "sealed", "id", OWNER);
pub const ANSWER: Column = Column::new("idempotency", "reply_sealed", "id", OWNER);
pub const NEWER_TOKEN: Column = Column::new("spent_code", "newer_sealed", "id", OWNER);
pub const REVOCATION: Column = Column::new("revocation", "sealed", "id", OWNER);
pub const PARTNER_APP: Column = Column::new("partner_app", "sealed", "id", OWNER);
pub const LINK_TOKEN: Column = Column::new("connect_link", "token_sealed", "id", OWNER);
pub const LINK_SETTINGS: Column = Column::new("connect_link", "settings_sealed", "id", OWNER);
pub const WEBHOOK_ADDRESS: Column = Column::new("webhook", "url_sealed", "id", OWNER);
pub const WEBHOOK_SECRETS: Column = Column::new("webhook", "secrets_sealed", "id", OWNER);
pub const AUDIT_NAMES: Column = Column::new("audit_log", "names_sealed", "id", OWNER);

/// All of them.
pub const SEALED: [Column; 17] = [
    // First: without them no server starts.
    DATA_KEY,
    ORGANIZATION_SECRET,
    USER_SECRET,
    USER_PASSWORD,
    INSTANCE_TOKEN,
    CONFIGURATION,
    CREDENTIAL,
    GRANT,
    ANSWER,
    NEWER_TOKEN,
    REVOCATION,
    PARTNER_APP,
    LINK_TOKEN,
    LINK_SETTINGS,
    WEBHOOK_ADDRESS,
    WEBHOOK_SECRETS,
    AUDIT_NAMES,
];

/// Rows in one statement, and in one transaction.
const BATCH: usize = 500;

#[derive(Debug, QueryableByName)]
pub struct Value {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// As the row has it by now.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub owner: Option<i64>,
    #[diesel(sql_type = Binary)]
    pub bytes: Vec<u8>,
}

/// A value that something else is computed from.
#[derive(Debug, QueryableByName)]
pub struct Pair {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub owner: Option<i64>,
    #[diesel(sql_type = Binary)]
    pub sealed: Vec<u8>,
    #[diesel(sql_type = Binary)]
    pub derived: Vec<u8>,
}

/// A new value for a row that still has the old one.
#[derive(Debug, Clone)]
pub struct Swap {
    pub id: i64,
    pub old: Vec<u8>,
    pub new: Vec<u8>,
}

/// The next values behind the row `after` that do not begin with `prefix`, in the order of their rows.
pub fn without_prefix(conn: &mut AnyConn, column: Column, prefix: &[u8], after: i64) -> Result<Vec<Value>, StoreFault> {
    let (Column { table, name, key, .. }, owner) = (column, column.owner_sql());
    let text = format!(
        "SELECT {key} AS id, {owner} AS owner, {name} AS bytes FROM {table} \
         WHERE {key} > $1 AND substr({name}, 1, {}) <> $2 ORDER BY {key} LIMIT {BATCH}",
        prefix.len()
    );
    unhurried(conn, |conn| {
        on_each!(conn, conn => {
            let query = diesel::sql_query(&text).bind::<BigInt, _>(after).bind::<Binary, _>(prefix);
            Ok(query.load(conn)?)
        })
    })
}

/// The next rows behind `after` that have a value in the column `derived`, each with its sealed value.
pub fn with_derived(conn: &mut AnyConn, column: Column, derived: &str, after: i64) -> Result<Vec<Pair>, StoreFault> {
    let (Column { table, name, key, .. }, owner) = (column, column.owner_sql());
    let text = format!(
        "SELECT {key} AS id, {owner} AS owner, {name} AS sealed, {derived} AS derived FROM {table} \
         WHERE {key} > $1 AND {derived} IS NOT NULL ORDER BY {key} LIMIT {BATCH}"
    );
    on_each!(conn, conn => Ok(diesel::sql_query(&text).bind::<BigInt, _>(after).load(conn)?))
}

/// Compares and sets, in the order of the rows. A row that somebody else wrote meanwhile keeps what was written. Versions
/// stay: who changes a row at this moment is not disturbed. How many were set.
pub fn swap(conn: &mut AnyConn, Column { table, name, key, .. }: Column, swaps: &[Swap]) -> Result<usize, StoreFault> {
    match conn {
        AnyConn::Sqlite(conn) => {
            let text = format!("UPDATE {table} SET {name} = $1 WHERE {key} = $2 AND {name} = $3");
            let mut count: usize = 0;
            for Swap { id, old, new } in swaps {
                let update = diesel::sql_query(&text).bind::<Binary, _>(new).bind::<BigInt, _>(id);
                count = count.saturating_add(update.bind::<Binary, _>(old).execute(conn)?);
            }
            Ok(count)
        }
        AnyConn::Pg(conn) => {
            // One round trip; locked in the order of the rows, so that two who do this never wait for each other.
            let text = format!(
                "WITH mine AS (SELECT r.{key} AS id, s.becomes FROM {table} r \
                 JOIN unnest($1, $2, $3) AS s (id, was, becomes) ON r.{key} = s.id AND r.{name} = s.was \
                 ORDER BY r.{key} FOR NO KEY UPDATE OF r) \
                 UPDATE {table} SET {name} = mine.becomes FROM mine WHERE {table}.{key} = mine.id"
            );
            let update = diesel::sql_query(text)
                .bind::<Array<BigInt>, _>(swaps.iter().map(|swap| swap.id).collect::<Vec<_>>())
                .bind::<Array<Binary>, _>(swaps.iter().map(|swap| swap.old.as_slice()).collect::<Vec<_>>())
                .bind::<Array<Binary>, _>(swaps.iter().map(|swap| swap.new.as_slice()).collect::<Vec<_>>());
            Ok(update.execute(conn)?)
        }
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many values begin with `prefix`.
pub fn count(conn: &mut AnyConn, Column { table, name, .. }: Column, prefix: &[u8]) -> Result<i64, StoreFault> {
    let text = format!("SELECT count(*) AS count FROM {table} WHERE substr({name}, 1, {}) = $1", prefix.len());
    unhurried(conn, |conn| {
        on_each!(conn, conn => {
            Ok(diesel::sql_query(&text).bind::<Binary, _>(prefix).get_result::<Count>(conn)?.count)
        })
    })
}

/// The first value behind the row `after` that begins with none of these.
pub fn first_without(
    conn: &mut AnyConn,
    column: Column,
    prefixes: &[Vec<u8>],
    after: i64,
) -> Result<Option<Value>, StoreFault> {
    let (Column { table, name, key, .. }, owner) = (column, column.owner_sql());
    let others: String = prefixes
        .iter()
        .zip(2..)
        .map(|(prefix, number)| format!(" AND substr({name}, 1, {}) <> ${number}", prefix.len()))
        .collect();
    let text = format!(
        "SELECT {key} AS id, {owner} AS owner, {name} AS bytes FROM {table} \
         WHERE {key} > $1 AND {name} IS NOT NULL{others} ORDER BY {key} LIMIT 1"
    );
    unhurried(conn, |conn| {
        on_each!(conn, conn => {
            let mut query = diesel::sql_query(&text).into_boxed().bind::<BigInt, _>(after);
            for prefix in prefixes {
                query = query.bind::<Binary, _>(prefix);
            }
            Ok(query.get_result(conn).optional()?)
        })
    })
}

/// Reads that walk a whole table take as long as they take: PostgreSQL's limit is for callers who wait.
fn unhurried<T>(conn: &mut AnyConn, read: impl FnOnce(&mut AnyConn) -> Result<T, StoreFault>) -> Result<T, StoreFault> {
    match conn {
        AnyConn::Sqlite(_) => read(conn),
        AnyConn::Pg(_) => conn.transaction(|conn| {
            conn.batch_execute("SET LOCAL statement_timeout = 0")?;
            read(conn)
        }),
    }
}
