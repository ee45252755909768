//! When tokens end, as vendors say it, and who is told.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::hubs::{connected, hubspot};
use crate::support::caller::{fresh_code, with_code};
use crate::support::receiver::Receiver;
use crate::support::server::{Setup, run_with};
use crate::support::vendor::Vendor;
use crate::support::{TestServer, on_both};

fn reply(more: Value) -> Value {
    let mut reply = json!({ "access_token": "at", "refresh_token": "rt", "hub_id": 62515 });
    reply.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    reply
}

/// 2026-03-01T12:00:00Z, a little before the tests' clock.
const NOW: i64 = 1_772_366_400;

on_both!(the_end_of_a_token_is_read_in_every_spelling, in |database| {
    let vendor = Vendor::start();
    let elements = hubspot(&vendor);
    let setup = Setup { elements: Some(elements.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let mut body = with_code("Mine", "a-code");
        body["element"]["key"] = json!("ourcrm");
        for (told, refresh) in [
            (json!({ "expires_in": 3600 }), None),
            // Strava and Square: a point in time (lelylan/simple-oauth2 pull request 277).
            (json!({ "expires_at": NOW + 3600 }), None),
            (json!({ "expires_at": "2026-03-01T13:00:00Z" }), None),
            // A date where a lifetime is wanted (airbytehq/airbyte issue 19752), and milliseconds.
            (json!({ "expires_in": "2026-03-01T14:00:00+01:00" }), None),
            (json!({ "expires_in": "0", "expires_at": (NOW + 3600) * 1000 }), None),
            // Azure AD 1.0 sends both as texts; Deezer's and Stack Exchange's `expires`.
            (json!({ "expires_in": "3600", "expires_on": (NOW + 3600).to_string() }), None),
            (json!({ "expires": "3600" }), None),
            // LinkedIn and GitHub apps (singer-io/tap-linkedin-ads pull request 77), a year.
            (json!({ "expires_in": 3600, "refresh_token_expires_in": 31_536_000 }), Some("2027-03-01T12:00:00Z")),
            // QuickBooks (xynehq/xyne issue 24), a hundred days.
            (json!({ "expires_in": 3600, "x_refresh_token_expires_in": "8640000" }), Some("2026-06-09T12:00:00Z")),
            // Keycloak, whose 0 means never.
            (json!({ "expires_in": 3600, "refresh_expires_in": 1800 }), Some("2026-03-01T12:30:00Z")),
            (json!({ "expires_in": 3600, "refresh_expires_in": 0 }), None),
            (json!({ "expires_in": 3600, "refresh_token_expires_at": "2026-04-01T00:00:00Z" }), Some("2026-04-01T00:00:00Z")),
        ] {
            vendor.answers("/token", 200, reply(told.clone()));
            body["providerData"]["code"] = json!(fresh_code());
            let made = server.caller().post("/instances", &body).await.ok();
            assert_eq!(made["expiresAt"], "2026-03-01T13:00:00Z", "{told}");
            assert_eq!(made["refreshTokenExpiresAt"], json!(refresh), "{told}");
            let shown = server.caller().get(&format!("/instances/{}", made["id"])).await.ok();
            assert_eq!(shown["refreshTokenExpiresAt"], json!(refresh), "{told}");
        }
    });
});

async fn told(server: &TestServer, receiver: &Receiver) -> Vec<Value> {
    server.services.tell_token_ends().await.expect("the job runs");
    server.services.send_due_notices().await.expect("the job runs");
    let told = receiver.taken().into_iter().filter(|told| told.kind() == "instance.expiring");
    told.map(|told| told.notice["data"].clone()).collect()
}

on_both!(the_end_of_a_refresh_token_is_told_a_week_before, in |database| {
    let runtime = crate::support::database::runtime();
    runtime.block_on(async {
        let vendor = Vendor::start();
        let (server, _, _) = connected(database, &vendor).await;
        let (caller, receiver) = (server.caller(), Receiver::start().await);
        caller.put("/notifications/webhook", &json!({ "url": receiver.url() })).await.ok();
        let mut body = with_code("Mine", "a-code");
        body["element"]["key"] = json!("ourcrm");
        let days = |days: i64| json!({ "expires_in": 1800, "refresh_token_expires_in": days * 86_400 });
        let mut ids = Vec::new();
        // A year; Google's seven days for apps under test (604799 seconds); a session of half an hour.
        let session = json!({ "expires_in": 1800, "refresh_expires_in": 1800 });
        for lifetime in [days(60), days(7), session] {
            vendor.answers("/token", 200, reply(lifetime));
            body["providerData"]["code"] = json!(fresh_code());
            ids.push(caller.post("/instances", &body).await.ok()["id"].as_i64().expect("an id"));
        }
        let [long, short, session] = ids[..] else { panic!("three") };
        assert!(told(&server, &receiver).await.is_empty());
        server.advance(TimeDelta::days(4));
        let first = told(&server, &receiver).await;
        let [first] = first.as_slice() else { panic!("{first:?}") };
        assert_eq!((&first["instanceId"], &first["status"]), (&json!(short), &json!("valid")), "{first}");
        assert!(first["reason"].as_str().is_some_and(|text| text.contains("2026-03-08T12:00:00Z")), "{first}");

        // The vendor counts down to the same end: nothing new is to be told.
        let refresh = |id: i64| format!("/instances/{id}?refresh=true");
        vendor.answers("/token", 200, reply(days(3)));
        let shown = caller.get(&refresh(short)).await.ok();
        assert_eq!(shown["refreshTokenExpiresAt"], "2026-03-08T12:00:00Z");
        assert_eq!(told(&server, &receiver).await.len(), 1);
        // Without a word about it the same token ends when it did, and a new one nobody knows when.
        vendor.answers("/token", 200, reply(json!({ "expires_in": 1800 })));
        assert_eq!(caller.get(&refresh(short)).await.ok()["refreshTokenExpiresAt"], "2026-03-08T12:00:00Z");
        vendor.answers("/token", 200, reply(json!({ "expires_in": 1800, "refresh_token": "rotated" })));
        assert_eq!(caller.get(&refresh(session)).await.ok()["refreshTokenExpiresAt"], Value::Null);

        // A later end is told anew; a token that every refresh gives more time never comes near it.
        server.advance(TimeDelta::days(40));
        vendor.answers("/token", 200, reply(days(60)));
        caller.get(&refresh(long)).await.ok();
        server.advance(TimeDelta::days(52));
        assert_eq!(told(&server, &receiver).await.len(), 1);
        server.advance(TimeDelta::days(1));
        let all = told(&server, &receiver).await;
        assert_eq!((all.len(), &all[1]["instanceId"]), (2, &json!(long)));
        assert_eq!(told(&server, &receiver).await.len(), 2, "once");
        // Who authorises again has another token.
        vendor.answers("/token", 200, reply(days(30)));
        caller.patch(&format!("/instances/{long}"), &json!({ "providerData": { "code": "b" } })).await.ok();
        server.advance(TimeDelta::days(22));
        assert_eq!(told(&server, &receiver).await.len(), 2);
        // What is invalid has ended already.
        vendor.answers("/token", 400, json!({ "error": "invalid_grant" }));
        assert_eq!(caller.get(&refresh(long)).await.ok()["valid"], false);
        server.advance(TimeDelta::days(2));
        assert_eq!(told(&server, &receiver).await.len(), 2);
    });
    runtime.shutdown_background();
});
