//! What the tests stand on: the very app that `main` starts, real parts, and a caller.

pub mod account;
pub mod browser;
pub mod caller;
pub mod consent;
pub mod copies;
pub mod database;
pub mod failing_writes;
pub mod fleet;
pub mod forward_proxy;
pub mod freezing_proxy;
pub mod interpreters;
pub mod judge;
pub mod key_change;
pub mod losing_proxy;
pub mod oidc_provider;
pub mod older_seals;
pub mod part;
pub mod pgbouncer;
pub mod postgres;
pub mod program;
pub mod receiver;
pub mod redirect_uris;
pub mod reverse_proxy;
pub mod server;
pub mod small_disk;
pub mod sqlite_rows;
pub mod vendor;
pub mod wire;

pub use caller::{Caller, Reply};
pub use database::Database;
pub use server::TestServer;

/// Runs a test on SQLite and on PostgreSQL: `on_both!(name, |server| async move { … })` makes `name::sqlite` and
/// `name::postgres`. The second is a printed skip where there is no PostgreSQL.
///
/// `on_both!(name, in |database| { … })` leaves it to the test to start a server, or several.
macro_rules! on_both {
    ($(#[$meta:meta])* $name:ident, in |$database:ident| $body:expr) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "some tests need nothing from around them")]
            use super::*;

            fn body($database: $crate::support::Database) {
                $body
            }

            #[test]
            fn sqlite() {
                body($crate::support::Database::sqlite());
            }

            #[test]
            fn postgres() {
                if let Some(database) = $crate::support::Database::postgres() {
                    body(database);
                }
            }
        }
    };
    ($(#[$meta:meta])* $name:ident, |$server:ident| $body:expr) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "some tests need nothing from around them")]
            use super::*;

            async fn body($server: $crate::support::TestServer) {
                $body.await;
            }

            #[test]
            fn sqlite() {
                $crate::support::server::run($crate::support::Database::sqlite(), body);
            }

            #[test]
            fn postgres() {
                if let Some(database) = $crate::support::Database::postgres() {
                    $crate::support::server::run(database, body);
                }
            }
        }
    };
}
pub(crate) use on_both;

/// The same on SQLite alone, for what no database has a say in.
macro_rules! on_sqlite {
    ($(#[$meta:meta])* $name:ident, |$server:ident| $body:expr) => {
        $(#[$meta])*
        #[test]
        fn $name() {
            async fn body($server: $crate::support::TestServer) {
                $body.await;
            }
            $crate::support::server::run($crate::support::Database::sqlite(), body);
        }
    };
}
pub(crate) use on_sqlite;
