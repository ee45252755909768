//! Where the files of elements let secrets go. Elements have no owner: an operator's file is everybody's.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::audit::Trail;
use super::changes::{self, Kind};
use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::ids;
use super::schema::secret_place::{self, dsl};
use super::time::UtcTime;

/// One file of an element, as far as secrets are concerned.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable)]
// Without defaults: SQLite writes several rows in one statement only so.
#[diesel(table_name = secret_place, treat_none_as_default_value = false)]
pub struct SecretPlace {
    pub element_id: i64,
    pub fingerprint: String,
    /// Secrets that were given for any other file may go there too.
    pub same_vendor: bool,
    pub created_at: UtcTime,
    /// What secrets were given for that do not say so.
    pub is_first: bool,
}

/// All; of each element the first one first.
pub fn list(conn: &mut AnyConn) -> Result<Vec<SecretPlace>, StoreFault> {
    let rows = dsl::secret_place.order((dsl::is_first.desc(), dsl::created_at, dsl::fingerprint));
    Ok(rows.select(secret_place::all_columns).load(conn)?)
}

/// Writes down what is not there yet. Which is the first of an element no clock decides: who asks meanwhile waits.
pub fn note(conn: &mut AnyConn, mut places: Vec<SecretPlace>) -> Result<(), StoreFault> {
    ids::lock(conn)?;
    let known: Vec<i64> = dsl::secret_place.select(dsl::element_id).distinct().load(conn)?;
    for place in &mut places {
        place.is_first = !known.contains(&place.element_id);
    }
    let rows = diesel::insert_into(secret_place::table).values(&places);
    on_each!(conn, inner => rows.on_conflict_do_nothing().execute(inner)?);
    Ok(())
}

/// The operator's word for one of them, which is there.
pub fn trust(
    conn: &mut AnyConn,
    (element_id, fingerprint): (i64, &str),
    now: DateTime<Utc>,
    trail: &Trail,
) -> Result<(), StoreFault> {
    let row = dsl::secret_place.filter(dsl::element_id.eq(element_id)).filter(dsl::fingerprint.eq(fingerprint));
    if diesel::update(row).set(dsl::same_vendor.eq(true)).execute(conn)? == 0 {
        return Err(StoreFault::NotFound);
    }
    trail.write(conn)?;
    changes::record(conn, Kind::Element, element_id, now)
}
