//! Which database this is, where it was served last, and whether it was restored. A copy has the same refresh tokens as its
//! original, and of two that use them both lose the grant.

use std::os::unix::fs::MetadataExt as _;
use std::time::UNIX_EPOCH;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use serde::{Deserialize, Serialize};

use super::changes::{self, Kind};
use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::schema::database_identity::{self, dsl};
use super::schema::{id_block, lease};
use super::time::UtcTime;

/// Ids that were given out after the copy was made must not be given out again.
const SKIPPED_IDS: i64 = 1_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub id: String,
    pub place: Option<Place>,
    /// Refresh tokens are held back since then.
    pub restored_at: Option<DateTime<Utc>>,
}

/// What a copy does not share with its original, and what stays through restarts, failovers and mounts elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// `born`: when the file was made, in nanoseconds; not every file system knows.
    Sqlite { inode: u64, born: Option<String>, path: String },
    /// Numbers of the table and of the database, and the cluster's own, where the role may read it.
    Postgres { table: i64, database: i64, system: Option<String> },
}

impl Place {
    /// Whether it may be the same database. In doubt it is: who refuses the original causes an outage.
    pub fn may_be(&self, now: &Self) -> bool {
        match (self, now) {
            (Self::Sqlite { inode, born, path }, Self::Sqlite { inode: inode_now, born: born_now, path: path_now }) => {
                match (born, born_now) {
                    // Nothing changes it: not a restart, not another mount, not a new number of the device.
                    (Some(born), Some(born_now)) => born == born_now,
                    _ => inode == inode_now || path == path_now,
                }
            }
            (
                Self::Postgres { table, database, system },
                Self::Postgres { table: table_now, database: database_now, system: system_now },
            ) => {
                // A dump is restored into a table of a new number. Replicas, and upgrades by `pg_upgrade`, keep it.
                let one_cluster = system.is_some() && system == system_now;
                table == table_now && (!one_cluster || database == database_now)
            }
            _ => false,
        }
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[derive(QueryableByName)]
struct Numbers {
    #[diesel(sql_type = BigInt)]
    of_table: i64,
    #[diesel(sql_type = BigInt)]
    of_database: i64,
    #[diesel(sql_type = Bool)]
    told: bool,
}

pub fn find(conn: &mut AnyConn) -> Result<Identity, StoreFault> {
    let row: (String, Option<String>, Option<UtcTime>) =
        dsl::database_identity.select((dsl::id, dsl::place, dsl::restored_at)).first(conn)?;
    let (id, place, restored_at) = row;
    // One that cannot be read was written by another version: no reason to refuse.
    let place = place.and_then(|place| serde_json::from_str(&place).ok());
    Ok(Identity { id, place, restored_at: restored_at.map(Into::into) })
}

/// Where the database is now.
pub fn here(conn: &mut AnyConn) -> Result<Place, StoreFault> {
    match conn {
        AnyConn::Sqlite(conn) => {
            let file = "SELECT file AS line FROM pragma_database_list WHERE name = 'main'";
            let path = diesel::sql_query(file).get_result::<Line>(conn)?.line;
            let file = std::fs::metadata(&path);
            let file = file.map_err(|error| StoreFault::Unavailable(format!("{path}: {error}")))?;
            let born = file.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
            Ok(Place::Sqlite { inode: file.ino(), born: born.map(|born| born.as_nanos().to_string()), path })
        }
        AnyConn::Pg(conn) => {
            let numbers = "SELECT 'database_identity'::regclass::oid::bigint AS of_table, \
                 (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS of_database, \
                 has_function_privilege('pg_control_system()', 'execute') AS told";
            let numbers: Numbers = diesel::sql_query(numbers).get_result(conn)?;
            let system = "SELECT system_identifier::text AS line FROM pg_control_system()";
            // Some services have the function and refuse to answer: last, because the transaction may be over then.
            let system = match numbers.told {
                true => diesel::sql_query(system).get_result::<Line>(conn).ok().map(|line| line.line),
                false => None,
            };
            Ok(Place::Postgres { table: numbers.of_table, database: numbers.of_database, system })
        }
    }
}

/// Notes that it is served here.
pub fn note_place(conn: &mut AnyConn, place: &Place) -> Result<(), StoreFault> {
    let text = serde_json::to_string(place).map_err(|error| StoreFault::Other(error.to_string()))?;
    diesel::update(database_identity::table).set(dsl::place.eq(Some(text))).execute(conn)?;
    Ok(())
}

/// Marks a copy that takes the place of its original: refresh tokens are held back, and how the last refresh of each ended is
/// not known, but for elements (`kept`) whose refresh tokens stay the same. It may be served anywhere. How many credentials
/// that is.
pub fn mark_restored(conn: &mut AnyConn, kept: &[i64], now: DateTime<Utc>) -> Result<usize, StoreFault> {
    let nowhere: Option<String> = None;
    let values = (dsl::place.eq(nowhere), dsl::restored_at.eq(Some(UtcTime(now))));
    diesel::update(database_identity::table).set(values).execute(conn)?;
    diesel::update(id_block::table).set(id_block::next.eq(id_block::next + SKIPPED_IDS)).execute(conn)?;
    // Whoever held one holds it elsewhere, if at all.
    let nobody = (lease::holder.eq(0), lease::beat.eq(lease::beat + 1), lease::unsettled.eq(true));
    diesel::update(lease::table).set(nobody).execute(conn)?;
    let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
    // `NOT IN ()` is no SQL everywhere, and no element has the number 0.
    let unsettled = format!(
        "INSERT INTO lease (name, holder, beat, unsettled) \
         SELECT 'refresh/' || credential.instance_id, 0, 1, true FROM credential \
         JOIN instance ON instance.id = credential.instance_id \
         WHERE credential.refreshable AND instance.element_id NOT IN (0{}{}) \
         ON CONFLICT (name) DO UPDATE SET unsettled = true",
        if kept.is_empty() { "" } else { ", " },
        kept.join(", ")
    );
    let marked = on_each!(conn, inner => diesel::sql_query(unsettled).execute(inner))?;
    changes::record(conn, Kind::Database, 0, now)?;
    Ok(marked)
}

/// Nothing else uses its refresh tokens: it goes on, wherever it is. False: it did so already, and where it was.
pub fn resume(conn: &mut AnyConn, now: DateTime<Utc>) -> Result<bool, StoreFault> {
    let before = find(conn)?;
    let here = here(conn)?;
    let moved = before.place.is_some_and(|place| !place.may_be(&here));
    if before.restored_at.is_none() && !moved {
        return Ok(false);
    }
    let (nowhere, never): (Option<String>, Option<UtcTime>) = (None, None);
    let values = (dsl::place.eq(nowhere), dsl::restored_at.eq(never));
    diesel::update(database_identity::table).set(values).execute(conn)?;
    changes::record(conn, Kind::Database, 0, now)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(inode: u64, born: Option<&str>, path: &str) -> Place {
        Place::Sqlite { inode, born: born.map(str::to_owned), path: path.to_owned() }
    }

    fn postgres(table: i64, database: i64, system: Option<&str>) -> Place {
        Place::Postgres { table, database, system: system.map(str::to_owned) }
    }

    #[test]
    fn a_file_is_known_by_its_birth_and_without_one_by_number_or_path() {
        let before = sqlite(12, Some("1796002905000000001"), "/a/ligand.db");
        assert!(before.may_be(&sqlite(12, Some("1796002905000000001"), "/mnt/b/ligand.db")), "mounted elsewhere");
        assert!(before.may_be(&sqlite(99, Some("1796002905000000001"), "/a/ligand.db")), "numbers that do not stay");
        assert!(
            !before.may_be(&sqlite(12, Some("1796009999000000002"), "/a/ligand.db")),
            "the same number on a new disk"
        );
        assert!(before.may_be(&sqlite(12, None, "/b/ligand.db")) && before.may_be(&sqlite(13, None, "/a/ligand.db")));
        assert!(!before.may_be(&sqlite(13, None, "/b/ligand.db")));
    }

    #[test]
    fn replicas_and_upgrades_are_the_same_database_and_restored_dumps_are_not() {
        let before = postgres(16_423, 16_384, Some("7412"));
        assert!(before.may_be(&before.clone()), "a restart, or a standby that was promoted");
        assert!(before.may_be(&postgres(16_423, 16_384, None)), "a role that may not read the number");
        assert!(before.may_be(&postgres(16_423, 16_401, Some("8000"))), "pg_upgrade");
        assert!(!before.may_be(&postgres(16_423, 17_000, Some("7412"))), "CREATE DATABASE … TEMPLATE");
        assert!(!before.may_be(&postgres(16_999, 16_384, Some("7412"))), "pg_restore --clean");
        assert!(!before.may_be(&postgres(16_400, 16_384, Some("8000"))), "pg_restore on another server");
        assert!(!before.may_be(&sqlite(1, None, "/a")));
    }
}
