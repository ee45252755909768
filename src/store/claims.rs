//! Who does which work: what may run, found without a look at what waits behind it; claims, and their end with a process. For the
//! dispatcher, whoever owns the rows.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::schema::work::dsl;
use super::time::{UtcTime, UtcTimestamp};
use super::work::{Row, Share};

/// What may run: claims find it by two partial indexes of this condition.
const HEAD: &str = "is_head AND process IS NULL";
/// How many of the oldest heads a look reads.
const OLDEST: usize = 256;
/// How many shares a look asks, when there are more heads than those.
const SHARES: usize = 500;

/// What a look found.
#[derive(Debug, Default)]
pub struct Seen {
    /// Who has something due; the oldest first, as far as they are known.
    pub due: Vec<Share>,
    /// From where the next look goes on.
    pub reached: String,
    /// Other processes that have work under way, and their beats.
    pub others: Vec<(i64, i64)>,
}

#[derive(QueryableByName)]
struct Visited {
    #[diesel(sql_type = Text)]
    share: String,
    #[diesel(sql_type = Bool)]
    due: bool,
}

#[derive(QueryableByName)]
struct Other {
    #[diesel(sql_type = BigInt)]
    process: i64,
    #[diesel(sql_type = BigInt)]
    beat: i64,
}

/// The shares of the oldest heads that are due. `$1`: now.
pub fn text_of_oldest() -> String {
    format!("SELECT share, TRUE AS due FROM work WHERE {HEAD} AND due_at <= $1 ORDER BY due_at, share LIMIT {OLDEST}")
}

/// Share by share, whatever waits in each. `$1`: behind which; `$2`: now.
pub fn text_of_shares() -> String {
    let next = |behind: &str| format!("(SELECT min(w.share) FROM work w WHERE w.{HEAD} AND w.share > {behind})");
    format!(
        "WITH RECURSIVE line(share, depth) AS (SELECT {}, 1 UNION ALL \
         SELECT {}, line.depth + 1 FROM line WHERE line.share IS NOT NULL AND line.depth < {SHARES}) \
         SELECT share, EXISTS (SELECT 1 FROM work w WHERE w.{HEAD} AND w.share = line.share AND w.due_at <= $2) AS due \
         FROM line WHERE share IS NOT NULL",
        next("$1"),
        next("line.share")
    )
}

/// Claims from each share as many heads as there is room for. `$1`: now; `$2`: the process. Only names of kinds and numbers go
/// into the text.
pub fn text_of_claim(places: &[(Share, usize)], in_postgres: bool) -> String {
    let lock = if in_postgres { " FOR UPDATE SKIP LOCKED" } else { "" };
    let heads = places.iter().map(|(share, room)| {
        format!(
            "SELECT head FROM (SELECT id AS head FROM work WHERE {HEAD} AND share = '{share}' AND due_at <= $1 \
             ORDER BY due_at, id LIMIT {room}{lock}) AS heads"
        )
    });
    let heads = heads.collect::<Vec<_>>().join(" UNION ALL ");
    format!(
        "WITH picked AS MATERIALIZED ({heads}) UPDATE work SET process = $2, attempts = attempts + 1 FROM picked \
         WHERE id = picked.head RETURNING id, organization_id, account_id, kind, about, share, lane, state, is_head, due_at, \
         attempts, process, refusal, body, created_at"
    )
}

/// Who has something due. `from`: where the last look ended. A read.
pub fn look(conn: &mut AnyConn, process: i64, from: &str, now: DateTime<Utc>) -> Result<Seen, StoreFault> {
    let others = "SELECT w.process AS process, coalesce(p.beat, 0) AS beat FROM work w LEFT JOIN process p ON p.id = w.process \
                  WHERE w.process IS NOT NULL AND w.process <> $1 GROUP BY w.process, p.beat";
    let now = UtcTime(now);
    let (others, oldest): (Vec<Other>, Vec<Visited>) = on_each!(conn, conn => (
        diesel::sql_query(others).bind::<BigInt, _>(process).load(conn)?,
        diesel::sql_query(text_of_oldest()).bind::<UtcTimestamp, _>(now).load(conn)?,
    ));
    let (mut visited, mut reached) = (Vec::new(), String::new());
    let all = oldest.len() < OLDEST;
    if !all {
        // Behind a backlog others may wait, and each share is asked once whatever waits in it.
        let rows = diesel::sql_query(text_of_shares()).bind::<Text, _>(from).bind::<UtcTimestamp, _>(now);
        visited = on_each!(conn, conn => rows.load::<Visited>(conn)?);
        if visited.len() >= SHARES {
            reached = visited.last().map(|last| last.share.clone()).unwrap_or_default();
        }
    }
    let mut known = HashSet::new();
    let due = oldest.into_iter().chain(visited).filter(|visited| visited.due && known.insert(visited.share.clone()));
    let due = due.filter_map(|visited| Share::parse(&visited.share)).collect();
    Ok(Seen { due, reached, others: others.into_iter().map(|other| (other.process, other.beat)).collect() })
}

/// Claims heads that are due, so many of each share; what another process is about to claim is passed over.
pub fn claim(
    conn: &mut AnyConn,
    process: i64,
    places: &[(Share, usize)],
    now: DateTime<Utc>,
) -> Result<Vec<Row>, StoreFault> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let text = text_of_claim(places, matches!(conn, AnyConn::Pg(_)));
    let claim = diesel::sql_query(text).bind::<UtcTimestamp, _>(UtcTime(now)).bind::<BigInt, _>(process);
    Ok(on_each!(conn, conn => claim.load(conn)?))
}

/// Releases the claims of a process that is dead, unless it gave a sign of life since `beat` was read. What was begun often may
/// be what it died of: that waits until `later`, so that not every process dies at once.
pub fn release(conn: &mut AnyConn, process: i64, beat: i64, later: DateTime<Utc>) -> Result<usize, StoreFault> {
    // SQLite numbers parameters in the order in which it meets them.
    let text = "UPDATE work SET process = NULL, due_at = CASE WHEN attempts > 3 THEN $1 ELSE due_at END \
                WHERE process = $2 AND NOT EXISTS (SELECT 1 FROM process p WHERE p.id = work.process AND p.beat <> $3)";
    let query = diesel::sql_query(text).bind::<UtcTimestamp, _>(UtcTime(later));
    let query = query.bind::<BigInt, _>(process).bind::<BigInt, _>(beat);
    Ok(on_each!(conn, conn => query.execute(conn)?))
}

/// Releases the claims of a process but for the rows that it knows of: it ends, or the reply to a claim was lost.
pub fn release_except(conn: &mut AnyConn, process: i64, known: &[i64]) -> Result<usize, StoreFault> {
    let nobody: Option<i64> = None;
    let rows = dsl::work.filter(dsl::process.eq(process)).filter(dsl::id.ne_all(known));
    Ok(on_each!(conn, conn => diesel::update(rows).set(dsl::process.eq(nobody)).execute(conn)?))
}

/// Releases the claims of all processes.
pub(super) fn release_all(conn: &mut AnyConn) -> Result<usize, StoreFault> {
    let nobody: Option<i64> = None;
    let rows = dsl::work.filter(dsl::process.is_not_null());
    Ok(diesel::update(rows).set(dsl::process.eq(nobody)).execute(conn)?)
}

/// Rows of a kind in one state.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Count {
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// As the row says it, or `running`.
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = BigInt)]
    pub count: i64,
    /// Since when the first of them is due, or will be.
    #[diesel(sql_type = UtcTimestamp)]
    pub due_at: UtcTime,
}

/// How much there is, of all owners. Reads all rows.
pub fn counts(conn: &mut AnyConn) -> Result<Vec<Count>, StoreFault> {
    let text = "SELECT kind, CASE WHEN process IS NULL THEN state ELSE 'running' END AS state, count(*) AS count, \
                min(due_at) AS due_at FROM work GROUP BY 1, 2";
    Ok(on_each!(conn, conn => diesel::sql_query(text).load(conn)?))
}
