//! One behaviour suite for the store, run on SQLite and on PostgreSQL.

mod address;
mod change_feed;
mod durability;
mod grants;
mod idempotency;
mod ids;
mod instances;
mod lanes;
mod migrations;
mod notices;
mod outage;
mod processes;
mod revocations;
mod rows;
mod schemas;
mod sealed;
mod tls;
mod wording;
mod work;

/// Runs a test on a migrated database of either kind: `on_both_databases!(name, |database| async move { … })` makes
/// `name::sqlite`, `name::postgres` and `name::pgbouncer`, which is PostgreSQL behind a pooler in transaction mode. The last
/// two are a printed skip where a part is missing.
macro_rules! on_both_databases {
    ($(#[$meta:meta])* $name:ident, |$database:ident| $body:expr) => {
        $(#[$meta])*
        mod $name {
            use super::*;
            use crate::support::database::{Database, open, runtime};

            async fn body($database: Database) {
                $body.await;
            }

            #[test]
            fn sqlite() {
                let database = Database::sqlite();
                runtime().block_on(async {
                    open(&database.url, 2).migrate().await.expect("the schema migrates");
                    body(database).await;
                });
            }

            #[test]
            fn postgres() {
                if let Some(database) = Database::postgres() {
                    runtime().block_on(body(database));
                }
            }

            #[test]
            fn pgbouncer() {
                if let Some(database) = Database::through_pgbouncer() {
                    runtime().block_on(body(database));
                }
            }
        }
    };
}
use on_both_databases;
