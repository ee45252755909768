//! The story of the README, verbatim but for host and secrets.

use crate::support::server::run;
use crate::support::{Database, TestServer, on_both};

async fn with_key(server: TestServer) {
    let instance = server.caller().create_with_key("API Instance").await;
    assert_eq!(instance["elementId"], 168);
}

async fn with_code(server: TestServer) {
    let instance = server.caller().create_with_code(server.sandbox(), "API Instance").await;
    assert_eq!(instance["configuration"]["oauth.user.token"], "********");
}

on_both!(a_key_makes_an_instance, |server| with_key(server));
on_both!(a_code_makes_an_instance, |server| with_code(server));

#[test]
fn a_key_makes_an_instance_through_pgbouncer() {
    if let Some(database) = Database::through_pgbouncer() {
        run(database, with_key);
    }
}

#[test]
fn a_code_makes_an_instance_through_pgbouncer() {
    if let Some(database) = Database::through_pgbouncer() {
        run(database, with_code);
    }
}
