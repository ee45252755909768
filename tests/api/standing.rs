//! Between good and gone: refusals that mean the end, those that may, and tokens that nothing renews.

use chrono::TimeDelta;
use ligand::kernel::clock::api_date;
use ligand::sandbox::Failure;
use serde_json::{Value, json};

use super::console::person::{Person, assert_says};
use super::webhooks::{listens, send};
use crate::support::caller::{read, with_code};
use crate::support::server::{Setup, run_with};
use crate::support::vendor::{Vendor, elements};
use crate::support::{Caller, TestServer, on_both};

const TOKENS: &str = "/oauth/*/token";

/// An instance with a code, and its path.
async fn instance(server: &TestServer) -> (i64, String) {
    let created = server.caller().create_with_code(server.sandbox(), "Standing").await;
    let id = created["id"].as_i64().expect("an id");
    (id, format!("/instances/{id}"))
}

/// What the next refresh is answered.
fn refuse(server: &TestServer, status: u16, body: &Value) {
    let failure = Failure { body: Some(body.clone()), ..Failure::of(TOKENS, status, 1) };
    server.sandbox().set(|switches| switches.failure = Some(failure));
}

/// The instance after a refresh, whatever came of it.
async fn after_refresh(server: &TestServer, path: &str) -> Value {
    server.caller().get(&format!("{path}?refresh=true")).await;
    server.caller().get(path).await.ok()
}

on_both!(a_listed_refusal_is_known_in_whatever_it_wears, |server| async move {
    for (status, body) in [
        (400, json!({ "error": "Invalid_Grant" })),
        // ccpgames/sso-issues #54
        (400, json!({ "error": "invalid_grant: Token is expired or invalid.", "error_description": "Gone." })),
        // The shape of lidge-jun/opencodex PR 4737.
        (401, json!({ "error": { "message": "Gone.", "type": "invalid_request_error", "code": "invalid_grant" } })),
        // JSON:API, "Error Objects"
        (400, json!({ "errors": [{ "status": "400", "code": "INVALID_GRANT", "detail": "Gone." }] })),
        (200, json!({ "data": { "error": "invalid_grant" } })),
        // micronaut-projects/micronaut-security #235
        (500, json!({ "error": "invalid_grant" })),
    ] {
        let (_, path) = instance(&server).await;
        server.advance(TimeDelta::hours(1));
        refuse(&server, status, &body);
        let shown = after_refresh(&server, &path).await;
        let reason = shown["invalidReason"].as_str().unwrap_or_default();
        assert!(shown["valid"] == false && reason.contains("must authorise again"), "{body}: {shown}");
    }
});

on_both!(five_refusals_over_a_day_are_an_end, |server| async move {
    let receiver = listens(&server).await;
    let (id, path) = instance(&server).await;
    server.advance(TimeDelta::hours(1));
    let since = api_date(server.services.now());
    // ory/fosite #418: a dead refresh token is an invalid request there. Then words that nobody knows, and none at all.
    let said = json!({ "error": "invalid_request", "error_description": "The token is unknown" });
    for (number, (status, body, words)) in [
        (400, said.clone(), "The token is unknown."),
        (400, json!({ "error": "refresh_token_expired" }), "refresh_token_expired."),
        (400, json!(""), "status 400."),
        (403, said.clone(), "The token is unknown."),
        (400, said.clone(), "The token is unknown."),
        (400, said.clone(), "The token is unknown."),
    ]
    .into_iter()
    .enumerate()
    {
        refuse(&server, status, &body);
        let shown = after_refresh(&server, &path).await;
        assert_eq!(shown["valid"], true, "{shown}");
        assert_eq!((&shown["failingSince"], &shown["lastRefusal"]), (&json!(since), &json!(words)));
        assert_eq!(shown["refusedRefreshes"], json!(number + 1));
        // An outage in between is none of them.
        refuse(&server, 503, &json!({ "error": "temporarily_unavailable" }));
        assert_eq!(after_refresh(&server, &path).await["refusedRefreshes"], json!(number + 1));
        server.advance(TimeDelta::hours(4));
    }
    let mut person = Person::admin(&server).await;
    let page = person.shown(&format!("/console/{}", path.trim_start_matches('/'))).await;
    assert_says(&page, &["Failing since", "Refused refreshes", "The token is unknown."]);
    refuse(&server, 400, &said);
    let shown = after_refresh(&server, &path).await;
    let reason = shown["invalidReason"].as_str().expect("a reason");
    assert!(reason.contains("7 times in a row: The token is unknown. The user must authorise again."), "{reason}");
    assert!(reason.contains(&since), "{reason}");
    assert_eq!((&shown["valid"], &shown["refusedRefreshes"]), (&json!(false), &json!(7)));
    let code = server.caller().code(server.sandbox()).await;
    let renewed = server.caller().patch(&path, &json!({ "providerData": { "code": code } })).await.ok();
    assert_eq!((&renewed["valid"], &renewed["failingSince"]), (&json!(true), &Value::Null));
    send(&server).await;
    assert_eq!(
        receiver.taken_about(id),
        ["instance.created", "instance.failing", "instance.invalid", "instance.recovered"]
    );
    let failing = &receiver.taken()[1].notice["data"];
    assert_eq!((&failing["status"], &failing["reason"]), (&json!("failing"), &json!("The token is unknown.")));
});

on_both!(one_success_begins_anew, |server| async move {
    let receiver = listens(&server).await;
    let (id, path) = instance(&server).await;
    for round in 0..3 {
        server.advance(TimeDelta::hours(1));
        for _ in 0..4 {
            refuse(&server, 400, &json!({ "error": "invalid_request" }));
            assert_eq!(after_refresh(&server, &path).await["valid"], true, "{round}");
            server.advance(TimeDelta::hours(12));
        }
        let shown = after_refresh(&server, &path).await;
        assert_eq!(
            (&shown["valid"], &shown["failingSince"], &shown["lastRefusal"]),
            (&json!(true), &Value::Null, &Value::Null)
        );
        assert_eq!(shown["refusedRefreshes"], 0);
    }
    // By a new code, too.
    server.advance(TimeDelta::hours(1));
    refuse(&server, 400, &json!({ "error": "invalid_request" }));
    assert_eq!(after_refresh(&server, &path).await["refusedRefreshes"], 1);
    let code = server.caller().code(server.sandbox()).await;
    let renewed = server.caller().patch(&path, &json!({ "providerData": { "code": code } })).await.ok();
    assert_eq!((&renewed["failingSince"], &renewed["refusedRefreshes"]), (&Value::Null, &json!(0)));
    send(&server).await;
    let story = receiver.taken_about(id);
    assert_eq!(story[1..], ["instance.failing", "instance.recovered"].repeat(4), "each once");
});

on_both!(an_outage_is_never_an_end, |server| async move {
    let (_, path) = instance(&server).await;
    for (status, body) in [
        (500, json!("<html>")),
        (502, json!({ "message": "Bad Gateway" })),
        (503, json!({ "error": "server_error" })),
        (429, json!({ "error": "invalid_grant" })),
        // RFC 6749 section 4.1.2.1, with a status that does not fit.
        (400, json!({ "error": "temporarily_unavailable" })),
        // A firewall, an address that is not there any more, and one that leads elsewhere.
        (403, json!("<html>Forbidden</html>")),
        (404, json!({ "message": "no such page" })),
        (302, json!("")),
        (200, json!("<html>maintenance</html>")),
        // The operator's to mend: the grant lives.
        (401, json!({ "error": "invalid_client" })),
        (401, json!("")),
        (401, json!({ "message": "Unauthorized" })),
        (400, json!({ "error": "Unauthorized_Client" })),
    ] {
        for _ in 0..6 {
            server.advance(TimeDelta::hours(12));
            refuse(&server, status, &body);
            let shown = after_refresh(&server, &path).await;
            assert_eq!((&shown["valid"], &shown["failingSince"]), (&json!(true), &Value::Null), "{status} {body}");
        }
    }
    server.sandbox().set(|switches| switches.failure = None);
    assert_eq!(after_refresh(&server, &path).await["valid"], true);
});

/// What the vendor says to a call through the instance.
async fn call(server: &TestServer, created: &Value) -> (u16, String) {
    let token = created["token"].as_str().expect("a token");
    let request = Caller::anonymous(&server.url).with(&format!("Element {token}"));
    let reply = read(request.request_at_root("GET", "/vendor/account-info/v3/details")).await;
    (reply.status, reply.header("elements-error").unwrap_or_default().to_owned())
}

on_both!(a_token_that_nothing_renews_ends_when_the_vendor_said, |server| async move {
    let receiver = listens(&server).await;
    for way in ["job", "call", "refresh"] {
        server.sandbox().patch(&json!({ "omitRefreshToken": true, "expiresIn": 1800 })).expect("switches");
        let created = server.caller().create_with_code(server.sandbox(), way).await;
        let path = format!("/instances/{}", created["id"]);
        let warning = created["warning"].as_str().expect("a warning");
        for part in ["gave no refresh token", "offline_access", "access_type=offline", "prompt=consent"] {
            assert!(warning.contains(part), "{warning}");
        }
        assert!(warning.contains(created["expiresAt"].as_str().expect("an end")), "{warning}");
        assert_eq!(server.caller().get(&path).await.ok(), created, "also later");
        server.advance(TimeDelta::minutes(29));
        server.services.refresh_due().await.expect("no fault");
        assert_eq!(call(&server, &created).await.0, 200);
        server.advance(TimeDelta::minutes(2));
        assert_eq!(server.caller().get(&path).await.ok()["valid"], false, "whoever asks first");
        match way {
            "job" => drop(server.services.refresh_due().await.expect("no fault")),
            "call" => assert_eq!(call(&server, &created).await, (401, "reauthorization_required".to_owned())),
            _ => drop(server.caller().get(&format!("{path}?refresh=true")).await.ok()),
        }
        let shown = server.caller().get(&path).await.ok();
        let reason = shown["invalidReason"].as_str().expect("a reason");
        assert!(shown["valid"] == false && reason.contains("no refresh token"), "{way}: {shown}");
        assert!(reason.contains("prompt=consent") && shown["warning"].is_null(), "{shown}");
        send(&server).await;
        let id = created["id"].as_i64().expect("an id");
        assert_eq!(receiver.taken_about(id), ["instance.created", "instance.invalid"], "{way}");
        // Another grant, with everything.
        server.sandbox().patch(&json!({ "omitRefreshToken": false, "expiresIn": "default" })).expect("switches");
        let code = server.caller().code(server.sandbox()).await;
        let renewed = server.caller().patch(&path, &json!({ "providerData": { "code": code } })).await.ok();
        assert_eq!((&renewed["valid"], &renewed["warning"]), (&json!(true), &Value::Null));
        server.advance(TimeDelta::hours(2));
        assert_eq!(call(&server, &created).await.0, 200);
    }
});

on_both!(of_an_assumed_lifetime_the_next_call_decides, |server| async move {
    server.sandbox().patch(&json!({ "omitRefreshToken": true, "expiresIn": null })).expect("switches");
    let created = server.caller().create_with_code(server.sandbox(), "Assumed").await;
    let path = format!("/instances/{}", created["id"]);
    assert!(created["warning"].is_string(), "{created}");
    // The vendor's time is its own: there the token is good for as long as the test likes.
    for answer in [200, 401] {
        server.advance(TimeDelta::minutes(31));
        server.services.refresh_due().await.expect("no fault");
        assert_eq!(server.caller().get(&format!("{path}?refresh=true")).await.ok()["valid"], true);
        let body = match answer {
            200 => json!({ "portalId": 1 }),
            _ => json!({ "status": "error", "category": "EXPIRED_AUTHENTICATION", "message": "over" }),
        };
        let failure = Failure { body: Some(body), ..Failure::of("/account-info/v3/details", answer, 1) };
        server.sandbox().set(|switches| switches.failure = Some(failure));
        let said = call(&server, &created).await;
        match answer {
            200 => assert_eq!(said.0, 200),
            _ => assert_eq!(said, (401, "reauthorization_required".to_owned())),
        }
    }
    let shown = server.caller().get(&path).await.ok();
    let reason = shown["invalidReason"].as_str().expect("a reason");
    assert!(reason.contains("refuses the access token") && reason.contains("no refresh token"), "{reason}");
});

// A vendor whose element never refreshes (Facebook's tokens live sixty days, and nothing renews them): nothing is asked for
// in vain, and the end is one all the same.
on_both!(where_nothing_is_renewed_nothing_is_warned_of, in |database| {
    let vendor = Vendor::start();
    let origin = format!("http://{}", vendor.address);
    let copies = elements(&[(
        "closeio",
        &[("https://api.close.com", &origin), ("rotates = true\ndefaultLifetime = 3600", "supported = false")],
    )]);
    vendor.answers("/oauth2/token/", 200, json!({ "access_token": "at", "expires_in": 5_184_000 }));
    let setup = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let mut body = with_code("Sixty days", "code");
        body["element"] = json!({ "key": "closeio" });
        let created = server.caller().post("/instances", &body).await.ok();
        assert_eq!((&created["valid"], &created["warning"]), (&json!(true), &Value::Null));
        server.advance(TimeDelta::days(61));
        server.services.refresh_due().await.expect("no fault");
        let shown = server.caller().get(&format!("/instances/{}", created["id"])).await.ok();
        assert_eq!(shown["valid"], false, "{shown}");
    });
});
