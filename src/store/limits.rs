//! How much an organization may have, and how much of it there is.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::connection::{AnyConn, on_each};
use super::fault::StoreFault;
use super::links;

macro_rules! limits {
    ($($variant:ident $name:literal $default:literal $unit:literal $remedy:literal;)*) => {
        /// What is limited.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Limit { $($variant),* }

        impl Limit {
            pub const ALL: &'static [Limit] = &[$(Limit::$variant),*];

            /// As commands and the API call it.
            pub fn name(self) -> &'static str {
                match self { $(Limit::$variant => $name),* }
            }

            /// What holds unless the operator says otherwise.
            pub fn default(self) -> u64 {
                match self { $(Limit::$variant => $default),* }
            }

            /// What is counted, behind a number.
            pub fn unit(self) -> &'static str {
                match self { $(Limit::$variant => $unit),* }
            }

            /// What to do when there are no more, beside asking the operator.
            pub fn remedy(self) -> &'static str {
                match self { $(Limit::$variant => $remedy),* }
            }
        }
    };
}

limits! {
    Instances "instances" 1_000_000 "instances, with what links are about to connect and grants that wait to be revoked"
        "delete some that nobody needs";
    Links "links" 1_000_000 "connect links" "revoke some that nobody needs";
    IdempotencyKeys "idempotencyKeys" 1_000_000 "Idempotency-Keys and codes in 24 hours" "wait until older ones are forgotten";
    Users "users" 10_000 "people, with those who were removed" "change an account that nobody needs instead of making another";
    Authorizations "authorizations" 100_000 "authorizations under way" "wait until older ones have expired";
    Bytes "bytes" 10_000_000_000 "bytes of instances, links, kept answers and deliveries" "delete instances that nobody needs";
    Requests "requests" 1_200_000 "requests a minute" "wait, and send fewer at once";
}

impl Limit {
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|limit| limit.name() == name)
    }
}

/// What the operator said, by name; what is not named has its default.
pub type Limits = BTreeMap<String, u64>;

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    used: i64,
}

/// How many there are. Every count is one of index entries; bytes alone look at each row, though not at large values.
pub fn used(conn: &mut AnyConn, organization: i64, limit: Limit) -> Result<u64, StoreFault> {
    let rows = |table: &str| format!("(SELECT count(*) FROM {table} WHERE organization_id = $1)");
    // On PostgreSQL the sum of integers is a bigint, and that of bigints no more.
    let bytes = |table: &str, columns: &[&str]| {
        let length: Vec<_> = columns.iter().map(|column| format!("coalesce(octet_length({column}), 0)")).collect();
        format!("(SELECT coalesce(sum({}), 0) FROM {table} WHERE organization_id = $1)", length.join(" + "))
    };
    let text = match limit {
        Limit::Instances => {
            // Who is at the vendor comes back with an instance, and is not turned away.
            let begun = format!(
                "(SELECT count(DISTINCT g.link_id) FROM oauth_grant g JOIN connect_link l ON l.id = g.link_id WHERE \
                 g.organization_id = $1 AND l.instance_id IS NULL AND l.status IN ('{}'))",
                links::OPEN.join("', '")
            );
            [rows("instance"), rows("revocation"), begun].join(" + ")
        }
        Limit::Links => rows("connect_link"),
        Limit::IdempotencyKeys => [rows("idempotency"), rows("spent_code")].join(" + "),
        Limit::Users => rows("app_user"),
        Limit::Authorizations => rows("oauth_grant"),
        Limit::Bytes => {
            let credentials = "(SELECT coalesce(sum(octet_length(c.sealed)), 0) FROM instance i JOIN credential c \
                               ON c.instance_id = i.id WHERE i.organization_id = $1)";
            [
                bytes("instance", &["configuration_sealed", "tags", "name", "external_id"]),
                credentials.to_owned(),
                bytes("revocation", &["sealed"]),
                bytes("connect_link", &["settings_sealed", "outcome"]),
                bytes("oauth_grant", &["sealed"]),
                bytes("idempotency", &["reply_sealed"]),
                bytes("notice", &["payload"]),
            ]
            .join(" + ")
        }
        // Of a process, not of the database.
        Limit::Requests => return Ok(0),
    };
    let counted: Counted = on_each!(conn, conn => {
        diesel::sql_query(format!("SELECT {text} AS used")).bind::<BigInt, _>(organization).get_result(conn)?
    });
    Ok(u64::try_from(counted.used).unwrap_or(0))
}
