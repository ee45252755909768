//! Whether a token is over whose lifetime was assumed alone, and that nothing renews: one refused call does not tell, because a vendor also says 401
//! where a path is not for this token (nicklaw5/helix #204; raycast/extensions #11212, "scope does not match"; nasa/utm-apis #95).

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Own, creation, fresh_code, sent_to};
use crate::support::caller::read;
use crate::support::on_both;
use crate::support::server::run_with;
use crate::support::vendor::Vendor;

on_both!(only_many_refused_calls_end_a_token_that_nothing_renews, in |database| {
    let vendor = Vendor::start();
    let own = Own { oauth2: "refresh = { defaultLifetime = 600 }", ..Own::default() };
    let (_directory, setup) = own.setup(&vendor);
    run_with(database, setup, |server| async move {
        vendor.answers("/token", 200, json!({ "access_token": "at" }));
        vendor.answers("/mine", 200, json!({}));
        vendor.answers("/not-mine", 401, json!({ "code": 401, "message": "Unauthorized; scope does not match" }));
        let caller = server.caller();
        let created = caller.post("/instances", &creation(&json!({ "code": fresh_code() }))).await.ok();
        let path = format!("/instances/{}", created["id"]);
        let element = caller.with_element(created["token"].as_str().expect("a token"));
        let call = async |path: &str| {
            let reply = read(element.request_at_root("GET", path)).await;
            (reply.status, reply.header("elements-error").map(str::to_owned))
        };
        let refused = (401, None);
        server.advance(TimeDelta::minutes(11));
        for _ in 0..6 {
            assert_eq!(call("/vendor/not-mine").await, refused);
        }
        // Many, over a long time, with a success between them.
        for _ in 0..6 {
            server.advance(TimeDelta::minutes(30));
            assert_eq!(call("/vendor/not-mine").await, refused);
            assert_eq!(call("/vendor/mine").await, (200, None));
        }
        assert_eq!(caller.get(&path).await.ok()["valid"], true);
        // Nothing else any more.
        for _ in 0..2 {
            assert_eq!(call("/vendor/not-mine").await, refused);
        }
        server.advance(TimeDelta::hours(1));
        assert_eq!(call("/vendor/not-mine").await, (401, Some("reauthorization_required".to_owned())));
        let shown = caller.get(&path).await.ok();
        assert!(shown["valid"] == false && shown["invalidReason"] != Value::Null, "{shown}");
    });
});

// The element's own call tells, whatever another one is answered.
on_both!(the_call_that_proves_a_token_tells_whether_it_is_over, in |database| {
    let vendor = Vendor::start();
    let own = Own {
        oauth2: "refresh = { defaultLifetime = 600 }",
        tables: "[verification]\npath = \"/whoami\"\naccount = [\"/id\"]",
        ..Own::default()
    };
    let (_directory, setup) = own.setup(&vendor);
    run_with(database, setup, |server| async move {
        vendor.answers("/token", 200, json!({ "access_token": "at" }));
        vendor.answers("/whoami", 200, json!({ "id": 7 }));
        vendor.answers("/not-mine", 401, json!({ "message": "Missing scope: user:read:follows" }));
        let caller = server.caller();
        let created = caller.post("/instances", &creation(&json!({ "code": fresh_code() }))).await.ok();
        let path = format!("/instances/{}", created["id"]);
        let element = caller.with_element(created["token"].as_str().expect("a token"));
        let call = async || {
            let reply = read(element.request_at_root("GET", "/vendor/not-mine")).await;
            (reply.status, reply.header("elements-error").map(str::to_owned))
        };
        let asked = || sent_to(&vendor, "/whoami").len();
        // As long as its time is not over nobody asks.
        assert_eq!((call().await, asked()), ((401, None), 1));
        server.advance(TimeDelta::minutes(11));
        for (status, answer) in [(200, json!({ "id": 7 })), (503, json!({})), (403, json!({})), (429, json!({}))] {
            vendor.answers("/whoami", status, answer);
            let before = asked();
            for _ in 0..4 {
                assert_eq!(call().await, (401, None), "{status}");
            }
            assert_eq!(asked(), before + 1, "once a minute: {status}");
            server.advance(TimeDelta::hours(2));
        }
        assert_eq!(caller.get(&path).await.ok()["valid"], true);
        vendor.answers("/whoami", 401, json!({ "message": "expired" }));
        assert_eq!(call().await, (401, Some("reauthorization_required".to_owned())));
        assert_eq!(caller.get(&path).await.ok()["valid"], false);
    });
});
