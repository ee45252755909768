//! A vendor that closes a kept connection while the next request is on its way (RFC 9112 section 9.5): the request never was the
//! vendor's, and nobody on this side can know. What is used up by being sent goes over a connection of its own.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::caller::{with_code, with_key};
use crate::support::on_both;
use crate::support::server::Setup;
use crate::support::vendor::elements;
use crate::support::wire::{self, Arrived, Step, WireVendor};

/// Answers the first request of each connection, and hangs up at the second, as a vendor whose idle timeout ends at that moment
/// does: nodejs/node #47130, psf/requests #4937 and sanity-io/get-it PR 460 tell of it, each of another client that keeps connections.
async fn closing() -> WireVendor {
    let reply = json!({
        "access_token": "at", "refresh_token": "rt", "expires_in": 1800, "hub_id": 1, "portalId": 1, "active": true,
        "scopes": ["oauth"],
    });
    let reply = reply.to_string();
    WireVendor::start(
        move |arrived: &Arrived, _| if arrived.before == 0 { wire::json(&reply) } else { vec![Step::Close] },
    )
    .await
}

/// Requests whose path ends so.
fn asked(vendor: &WireVendor, path: &str) -> usize {
    let paths =
        vendor.requests().into_iter().map(|arrived| arrived.target().split('?').next().unwrap_or_default().to_owned());
    paths.filter(|of| of.ends_with(path)).count()
}

on_both!(nothing_that_is_spent_meets_a_closing_connection, in |database| {
    crate::support::database::runtime().block_on(async {
        let vendor = closing().await;
        let origin = format!("http://{}", vendor.address);
        let own = [("key = \"hubspotcrm\"", "key = \"own\""), ("id = 168", "id = 10001"), ("https://api.hubapi.com", &*origin)];
        let copies = elements(&[("hubspotcrm", &own)]);
        let setup = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
        let server = crate::support::TestServer::start(database, setup).await;
        let caller = server.caller();
        let of_own = |mut body: serde_json::Value| {
            body["element"]["key"] = "own".into();
            body
        };
        for round in 1..=3 {
            // An exchange, and what is asked of its token (RFC 7662).
            let code = format!("code {round}");
            let created = caller.post("/instances", &of_own(with_code("Exchanged", &code))).await.ok();
            let path = format!("/instances/{}", created["id"]);
            // A refresh (RFC 6749 section 6).
            server.advance(TimeDelta::hours(1));
            assert_eq!(caller.get(&format!("{path}?refresh=true")).await.ok()["valid"], true);
            // A key's verification, whose failure the person would read as one of the key.
            caller.post("/instances", &of_own(with_key("Verified"))).await.ok();
            // A revocation (RFC 7009), which is tried again, and later then.
            caller.delete(&path).await.ok_empty();
            assert_eq!(server.services.revoke_due_grants().await.expect("the job runs"), 1);
            for (path, times) in [("/token", 2), ("/introspect", 1), ("/details", 1), ("/revoke", 1)] {
                assert_eq!(asked(&vendor, path), times * round, "{path} in round {round}: nothing is sent twice");
            }
        }
        assert!(vendor.requests().iter().all(|arrived| arrived.before == 0));
        assert!(vendor.requests().iter().all(|arrived| arrived.header("connection") == Some("close")));
    });
});
