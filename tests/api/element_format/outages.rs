//! Outages that a vendor tells in words of its own, under a status that says something else: they say nothing of a grant, a code or a
//! key.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Own, creation, fresh_code, key, sent_to, setup_of};
use crate::support::on_both;
use crate::support::server::{Setup, run_with};
use crate::support::vendor::{Vendor, elements};

on_both!(an_outage_by_the_vendors_name_is_no_refusal, in |database| {
    let names = |oauth2: &'static str| Own { oauth2, ..Own::default() };
    let cases: [(Own, u16, Value); 3] = [
        // Slack, "oauth.v2.access", section "Errors": all under 200.
        (names("errors = { unavailable = [\"internal_error\", \"fatal_error\", \"service_unavailable\"] }"), 200,
            json!({ "ok": false, "error": "fatal_error" })),
        // Weixin's global return codes: -1, "system busy".
        (names("errors = { code = [\"/errcode\"], message = [\"/errmsg\"], unavailable = [\"-1\"] }"), 200,
            json!({ "errcode": -1, "errmsg": "system error" })),
        // Graph API, "Handle Errors": code 2, "API Service: temporary issue due to downtime, retry the operation after waiting".
        (names("errors = { code = [\"/error/code\"], unavailable = [\"1\", \"2\"] }"), 400,
            json!({ "error": { "message": "Service temporarily unavailable", "type": "OAuthException", "code": 2 } })),
    ];
    let vendors: Vec<Vendor> = cases.iter().map(|_| Vendor::start()).collect();
    let (_directory, setup) = setup_of(&cases.iter().map(|case| &case.0).zip(&vendors).collect::<Vec<_>>());
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        for (number, ((_, status, outage), vendor)) in cases.into_iter().zip(&vendors).enumerate() {
            let mut body = creation(&json!({ "code": fresh_code() }));
            body["element"]["key"] = json!(key(number));
            vendor.answers("/token", status, outage.clone());
            caller.post("/instances", &body).await.fails(502, "vendor_unreachable");
            // The code is as good as before.
            let token = json!({ "access_token": "at", "refresh_token": "rt", "expires_in": 600 });
            vendor.answers("/token", 200, token.clone());
            let path = format!("/instances/{}", caller.post("/instances", &body).await.ok()["id"]);
            vendor.answers("/token", status, outage);
            for _ in 0..6 {
                server.advance(TimeDelta::hours(12));
                caller.get(&format!("{path}?refresh=true")).await.fails(502, "vendor_unreachable");
                let shown = caller.get(&path).await.ok();
                assert_eq!((&shown["valid"], &shown["failingSince"]), (&json!(true), &Value::Null), "{number}");
            }
            assert_eq!(sent_to(vendor, "/token").len(), 8, "{number}");
            vendor.answers("/token", 200, token);
            assert_eq!(caller.get(&format!("{path}?refresh=true")).await.ok()["valid"], true);
        }
    });
});

// The same of a key (Slack, "auth.test", section "Errors").
on_both!(an_outage_refuses_no_key, in |database| {
    let vendor = Vendor::start();
    let origin = format!("http://{}/{{subdomain}}", vendor.address);
    let sign = "[verification]\nunavailable = [{ status = 200, at = \"/error\", is = [\"internal_error\"] }]\n";
    let copies =
        elements(&[("freshdesk", &[("https://{subdomain}.freshdesk.com", &*origin), ("[verification]\n", sign)])]);
    let setup = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let body = json!({
            "element": { "key": "freshdesk" }, "name": "Key",
            "configuration": { "freshdesk.api.key": "k3y-of-somebody", "subdomain": "acme" },
        });
        let create = async |answer: Value| {
            vendor.answers("/acme/api/v2/agents/me", 200, answer);
            server.caller().post("/instances", &body).await
        };
        create(json!({ "ok": false, "error": "internal_error" })).await.fails(502, "vendor_unreachable");
        create(json!({ "ok": false, "error": "invalid_auth" })).await.fails(400, "vendor_refused");
        create(json!({ "id": 1 })).await.ok();
    });
});
