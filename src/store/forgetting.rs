//! What there is of one customer, by the id that the organization knows them by, and its erasure. For the operator's
//! commands, whoever owns the rows.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::audit::{self, Record};
use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::schema::{connect_link, credential, idempotency, instance, lease, notice, oauth_grant, revocation};

/// Rows in one statement, and in one transaction.
const BATCH: i64 = 200;

/// Whose rows are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    pub external_id: String,
    /// None: of every organization.
    pub organization: Option<i64>,
}

/// How many rows of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rows {
    pub instances: usize,
    pub links: usize,
    pub authorizations: usize,
    pub notices: usize,
    pub answers: usize,
    pub revocations: usize,
    /// Of the audit log, whose names went; the rows stay.
    pub audited: usize,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// The customer's instances, and those without a customer that one of the customer's links made.
pub fn instances(conn: &mut AnyConn, customer: &Customer) -> Result<Vec<i64>, StoreFault> {
    let theirs = "FROM instance WHERE OWNED AND (external_id = $2 OR (external_id IS NULL \
                  AND id IN (SELECT instance_id FROM connect_link WHERE external_id = $2)))";
    ids(conn, theirs, customer)
}

pub fn links(conn: &mut AnyConn, customer: &Customer) -> Result<Vec<i64>, StoreFault> {
    ids(conn, "FROM connect_link WHERE OWNED AND external_id = $2", customer)
}

/// The first parameter is the organization: SQLite numbers them by where they stand first.
const OWNED: &str = "(CAST($1 AS BIGINT) IS NULL OR organization_id = $1)";

fn ids(conn: &mut AnyConn, rows: &str, customer: &Customer) -> Result<Vec<i64>, StoreFault> {
    let text = format!("SELECT id {} ORDER BY id", rows.replace("OWNED", OWNED));
    let rows: Vec<Id> = on_each!(conn, conn => {
        let query = diesel::sql_query(text).bind::<Nullable<BigInt>, _>(customer.organization);
        query.bind::<Text, _>(&customer.external_id).load(conn)?
    });
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Of these grants, by their hashes, those that some instance still holds.
pub fn held(conn: &mut AnyConn, hashes: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, StoreFault> {
    let rows = credential::table.filter(credential::grant_hash.eq_any(hashes)).select(credential::grant_hash);
    let found: Vec<Option<Vec<u8>>> = rows.load(conn)?;
    Ok(found.into_iter().flatten().collect())
}

/// Of these instances, how many grants still wait for their vendors.
pub fn waiting(conn: &mut AnyConn, instances: &[i64]) -> Result<i64, StoreFault> {
    let rows = revocation::table
        .filter(revocation::instance_id.eq_any(instances.iter().copied().map(Some)))
        .filter(revocation::given_up.eq(false));
    Ok(rows.count().get_result(conn)?)
}

/// A kept answer: its id, whose it is, and its sealed text.
pub type KeptAnswer = (i64, i64, Vec<u8>);

/// The next kept answers behind `after`.
pub fn answers(conn: &mut AnyConn, organization: Option<i64>, after: i64) -> Result<Vec<KeptAnswer>, StoreFault> {
    let mut rows = idempotency::table
        .filter(idempotency::id.gt(after))
        .filter(idempotency::reply_sealed.is_not_null())
        .order(idempotency::id)
        .limit(BATCH)
        .select((idempotency::id, idempotency::organization_id, idempotency::reply_sealed.assume_not_null()))
        .into_boxed();
    if let Some(organization) = organization {
        rows = rows.filter(idempotency::organization_id.eq(organization));
    }
    Ok(rows.load(conn)?)
}

pub fn erase_answers(conn: &mut AnyConn, ids: &[i64]) -> Result<usize, StoreFault> {
    Ok(diesel::delete(idempotency::table.filter(idempotency::id.eq_any(ids))).execute(conn)?)
}

/// The next notices that name the customer. How many went.
pub fn erase_notices(conn: &mut AnyConn, customer: &Customer) -> Result<usize, StoreFault> {
    // As `Payload` is written.
    let name = serde_json::to_string(&customer.external_id).map_err(|error| StoreFault::Other(error.to_string()))?;
    let (named, organization) = (format!("\"externalId\":{name}"), customer.organization);
    let text = |position: &str| {
        format!("DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE {OWNED} AND {position} > 0 LIMIT {BATCH})")
    };
    macro_rules! run {
        ($conn:ident, $position:literal) => {
            diesel::sql_query(text($position))
                .bind::<Nullable<BigInt>, _>(organization)
                .bind::<Text, _>(&named)
                .execute($conn)?
        };
    }
    Ok(match conn {
        AnyConn::Sqlite(conn) => run!(conn, "instr(payload, $2)"),
        AnyConn::Pg(conn) => run!(conn, "strpos(payload, $2)"),
    })
}

/// Links with what belongs to them. `trails`: a row for each.
pub fn erase_links(
    conn: &mut AnyConn,
    ids: &[i64],
    subjects: &[String],
    trails: &[Record],
) -> Result<Rows, StoreFault> {
    let some = ids.iter().copied().map(Some);
    let authorizations =
        diesel::delete(oauth_grant::table.filter(oauth_grant::link_id.eq_any(some.clone()))).execute(conn)?;
    let told = notice::link_id.eq_any(some).assume_not_null().or(notice::subject.eq_any(subjects));
    let notices = diesel::delete(notice::table.filter(told)).execute(conn)?;
    let gone = diesel::delete(connect_link::table.filter(connect_link::id.eq_any(ids))).returning(connect_link::id);
    let gone: Vec<i64> = on_each!(conn, conn => gone.get_results(conn)?);
    let links = gone.len();
    audit::insert_all(conn, &of_subjects(trails, &gone))?;
    Ok(Rows { authorizations, notices, links, ..Rows::default() })
}

/// Instances with what belongs to them; credentials, tags and usage go by themselves. Their names: of subjects and leases.
/// `trails`: a row for each, written for those that go.
pub fn erase_instances(
    conn: &mut AnyConn,
    ids: &[i64],
    reason: &str,
    named: impl Fn(&[i64]) -> (Vec<String>, Vec<String>),
    trails: &[Record],
) -> Result<Rows, StoreFault> {
    let ended = instance::table.filter(instance::id.eq_any(ids)).filter(instance::invalid_reason.eq(reason));
    let gone = diesel::delete(ended).returning(instance::id);
    let ids: Vec<i64> = on_each!(conn, conn => gone.get_results(conn)?);
    audit::insert_all(conn, &of_subjects(trails, &ids))?;
    let (subjects, leases) = named(&ids);
    let instances = ids.len();
    let some = ids.iter().copied().map(Some);
    let revocations = diesel::delete(revocation::table.filter(revocation::instance_id.eq_any(some))).execute(conn)?;
    let notices = diesel::delete(notice::table.filter(notice::subject.eq_any(subjects))).execute(conn)?;
    diesel::delete(lease::table.filter(lease::name.eq_any(leases))).execute(conn)?;
    Ok(Rows { instances, revocations, notices, ..Rows::default() })
}

fn of_subjects(trails: &[Record], ids: &[i64]) -> Vec<Record> {
    trails.iter().filter(|trail| trail.subject_id.is_some_and(|id| ids.contains(&id))).cloned().collect()
}
