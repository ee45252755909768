//! `externalAuthentication: "initial"`: the caller did the exchange itself (docs/api.md, Creating an instance).

use ligand::sandbox::EndOfGrant;
use serde_json::{Value, json};

use crate::support::caller::CALLBACK;
use crate::support::{TestServer, on_both};

const TOKEN: &str = "POST /oauth/2026-03/token";

/// Access and refresh token, got from the sandbox without the server.
pub async fn own_tokens(server: &TestServer) -> (String, String) {
    let code = server.caller().code(server.sandbox()).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("client_id", "sandbox-client"),
        ("client_secret", "sandbox-secret"),
    ];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let address = format!("{}/oauth/2026-03/token", server.sandbox().settings().public_url);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.post(address).header("content-type", "application/x-www-form-urlencoded").body(body);
    let reply = crate::support::caller::read(request).await.ok();
    server.sandbox().forget_calls();
    let text = |name: &str| reply[name].as_str().expect("a token").to_owned();
    (text("access_token"), text("refresh_token"))
}

pub fn external(tokens: Value) -> Value {
    let mut body = json!({
        "element": { "key": "hubspotcrm" },
        "externalAuthentication": "initial",
        "configuration": { "oauth.api.key": "sandbox-client", "oauth.api.secret": "sandbox-secret" },
        "name": "External",
    });
    body["configuration"].as_object_mut().expect("an object").extend(tokens.as_object().expect("an object").clone());
    body
}

on_both!(a_refresh_token_alone_is_proven_by_one_refresh, |server| async move {
    let (_, refresh_token) = own_tokens(&server).await;
    let body = external(json!({ "oauth.user.refresh_token": refresh_token }));
    let reply = server.caller().post("/instances", &body).await;
    let instance = reply.ok();
    assert_eq!(instance["externalAuthentication"], "initial");
    assert_eq!(instance["configuration"]["oauth.user.refresh_token"], "********");
    assert_eq!(instance["configuration"]["oauth.user.refresh_interval"], "1800");
    assert_eq!(instance["expiresAt"], "2026-03-01T12:30:00Z");
    assert!(!reply.text.contains(&refresh_token));
    let calls = server.sandbox().calls();
    let [refresh] = calls.as_slice() else { panic!("one refresh: {calls:?}") };
    assert_eq!(refresh.route, TOKEN);
    let mut fields = refresh.form.clone();
    fields.sort();
    assert_eq!(fields, ["client_id", "client_secret", "grant_type", "refresh_token"]);
});

on_both!(a_refused_refresh_token_is_not_stored, |server| async move {
    let (_, refresh_token) = own_tokens(&server).await;
    server.sandbox().revoke(EndOfGrant::Uninstalled);
    for token in [refresh_token.as_str(), "unknown"] {
        let reply = server.caller().post("/instances", &external(json!({ "oauth.user.refresh_token": token }))).await;
        assert!(reply.fails(400, "vendor_refused").contains("the refresh token"));
        assert_eq!(reply.json()["providerMessage"], "refresh token is invalid, expired or revoked");
        assert!(!reply.text.contains(token));
    }
    assert_eq!(server.count().await, 0);
});

on_both!(an_access_token_with_its_expiry_is_taken_as_it_is, |server| async move {
    let (access_token, refresh_token) = own_tokens(&server).await;
    let body = external(json!({
        "oauth.user.token": access_token, "oauth.user.refresh_token": refresh_token,
        "oauth.user.refresh_interval": "1800", "oauth.user.refresh_time": 1_772_366_300,
    }));
    let instance = server.caller().post("/instances", &body).await.ok();
    assert_eq!(instance["lastRefreshAt"], "2026-03-01T11:58:20Z");
    assert_eq!(instance["expiresAt"], "2026-03-01T12:28:20Z");
    assert_eq!(instance["configuration"]["oauth.user.refresh_time"], "1772366300");
    // The same in providerData, as old HubSpot callbacks brought it.
    let mut body = external(json!({}));
    body["providerData"] = json!({ "access_token": access_token, "refresh_token": refresh_token, "expires_in": 600 });
    let instance = server.caller().post("/instances", &body).await.ok();
    assert_eq!(instance["expiresAt"], "2026-03-01T12:10:00Z");
    assert!(server.sandbox().calls().is_empty(), "no vendor call");
});

on_both!(a_time_in_any_spelling_is_read_and_asks_no_vendor, |server| async move {
    let caller = server.caller();
    let (access_token, refresh_token) = own_tokens(&server).await;
    // The clock stands at 2026-03-01T12:00:00Z.
    for (told, ends) in [
        // RFC 6749 section 5.1.
        (json!({ "expires_in": 600 }), "2026-03-01T12:10:00Z"),
        // Nango's `credentials.expires_at` (npm @nangohq/types, OAuth2Credentials), as JSON has a `Date`.
        (json!({ "expires_at": "2026-03-01T12:20:00.000Z" }), "2026-03-01T12:20:00Z"),
        // Strava and requests-oauthlib: seconds since 1970 (oauthlib/oauth2/rfc6749/parameters.py, `expires_at`).
        (json!({ "expires_at": 1_772_367_600 }), "2026-03-01T12:20:00Z"),
        (json!({ "expires_at": "1772367600.25" }), "2026-03-01T12:20:00Z"),
        // simple-oauth2 and googleapis (google-auth-library `Credentials.expiry_date`): milliseconds.
        (json!({ "expires_at": 1_772_367_600_000_i64 }), "2026-03-01T12:20:00Z"),
        // golang.org/x/oauth2 `Token.Expiry`: RFC 3339 with the zone of the machine.
        (json!({ "expires_at": "2026-03-01T13:20:00+01:00" }), "2026-03-01T12:20:00Z"),
        // What is over stays over: the first use renews it.
        (json!({ "expires_at": "2026-02-28T12:00:00Z" }), "2026-02-28T12:00:00Z"),
        // A count is from when the token was got.
        (json!({ "expires_in": "1800", "refresh_time": "2026-03-01T11:50:00Z" }), "2026-03-01T12:20:00Z"),
        (json!({ "expires_in": 1800, "expires_at": 1_772_367_600 }), "2026-03-01T12:20:00Z"),
    ] {
        let mut body = external(json!({}));
        body["providerData"] = told.clone();
        let data = body["providerData"].as_object_mut().expect("an object");
        data.extend([
            ("access_token".to_owned(), json!(access_token)),
            ("refresh_token".to_owned(), json!(refresh_token)),
        ]);
        assert_eq!(caller.post("/instances", &body).await.ok()["expiresAt"], ends, "{told}");
    }
    for (keys, got, ends) in [
        // Cloud Elements shows both as texts, the second in seconds since 1970.
        (
            json!({ "oauth.user.refresh_interval": "1800", "oauth.user.refresh_time": "1772366300" }),
            "11:58:20",
            "12:28:20",
        ),
        (
            json!({ "oauth.user.refresh_interval": 1800.0, "oauth.user.refresh_time": 1_772_366_300_000_i64 }),
            "11:58:20",
            "12:28:20",
        ),
        (
            json!({ "oauth.user.refresh_interval": 600, "oauth.user.refresh_time": "Sun, 01 Mar 2026 11:58:20 GMT" }),
            "11:58:20",
            "12:08:20",
        ),
        (json!({ "oauth.user.expires_at": "2026-03-01 12:28:20 UTC" }), "12:00:00", "12:28:20"),
        // The element says for how long.
        (json!({ "oauth.user.refresh_time": 1_772_366_300 }), "11:58:20", "12:28:20"),
    ] {
        let mut body = external(json!({ "oauth.user.token": access_token, "oauth.user.refresh_token": refresh_token }));
        body["configuration"].as_object_mut().expect("an object").extend(keys.as_object().expect("an object").clone());
        let instance = caller.post("/instances", &body).await.ok();
        assert_eq!(instance["lastRefreshAt"], format!("2026-03-01T{got}Z"), "{keys}");
        assert_eq!(instance["expiresAt"], format!("2026-03-01T{ends}Z"), "{keys}");
    }
    assert!(server.sandbox().calls().is_empty(), "a refresh token that was not spent");
});

on_both!(a_time_that_is_none_is_refused_and_spends_nothing, |server| async move {
    let caller = server.caller();
    let (access_token, refresh_token) = own_tokens(&server).await;
    let tokens = || json!({ "oauth.user.token": access_token, "oauth.user.refresh_token": refresh_token });
    for (key, value) in [
        ("oauth.user.refresh_interval", json!(0)),
        ("oauth.user.refresh_interval", json!(-1)),
        ("oauth.user.refresh_interval", json!("soon")),
        ("oauth.user.refresh_interval", json!({ "seconds": 1800 })),
        ("oauth.user.refresh_time", json!("yesterday")),
        // A count is no time at which something was, and a time to come neither.
        ("oauth.user.refresh_time", json!(1800)),
        ("oauth.user.refresh_time", json!("2026-03-02T12:00:00Z")),
        ("oauth.user.expires_at", json!(true)),
        ("expires_in", json!([])),
    ] {
        let mut body = external(tokens());
        body["configuration"][key] = value.clone();
        let said = caller.post("/instances", &body).await.fails(400, "bad_configuration");
        assert!(said.starts_with(key), "{value}: {said}");
    }
    // `Expiry` of golang.org/x/oauth2 where nothing is known: the zero of Go's time.
    for (member, value) in
        [("expires_at", json!("0001-01-01T00:00:00Z")), ("expires_in", json!("3600s")), ("expires_at", json!(false))]
    {
        let mut body = external(json!({}));
        body["providerData"] = json!({ "access_token": access_token, "refresh_token": refresh_token, member: value });
        let said = caller.post("/instances", &body).await.fails(400, "bad_configuration");
        assert!(said.starts_with(member), "{value}: {said}");
    }
    // A change that brings tokens reads them by the same rules.
    let mut body = external(tokens());
    body["configuration"]["oauth.user.refresh_interval"] = 1800.into();
    let instance = caller.post("/instances", &body).await.ok();
    body["configuration"]["oauth.user.refresh_interval"] = "soon".into();
    caller.patch(&format!("/instances/{}", instance["id"]), &body).await.fails(400, "bad_configuration");
    assert!(server.sandbox().calls().is_empty(), "the vendor was asked");
    assert_eq!(server.count().await, 1);
});

on_both!(without_a_time_a_refresh_token_is_proven, |server| async move {
    for interval in [json!(null), json!("")] {
        let (access_token, refresh_token) = own_tokens(&server).await;
        let body = external(json!({
            "oauth.user.token": access_token, "oauth.user.refresh_token": refresh_token,
            "oauth.user.refresh_interval": interval,
        }));
        let instance = server.caller().post("/instances", &body).await.ok();
        assert_eq!(instance["expiresAt"], "2026-03-01T12:30:00Z", "{interval}");
        assert_eq!(server.sandbox().counts(TOKEN).total, 1, "{interval}");
    }
});

on_both!(without_any_token_there_is_nothing_to_store, |server| async move {
    for tokens in [
        json!({}),
        json!({ "oauth.user.refresh_token": "", "oauth.user.token": null }),
        json!({ "oauth.user.refresh_token": "********", "oauth.user.token": "********" }),
    ] {
        let said = server.caller().post("/instances", &external(tokens)).await.fails(400, "missing_configuration");
        assert!(said.contains("oauth.user.refresh_token") && said.contains("oauth.user.token"), "{said}");
    }
    let mut body = external(json!({}));
    body["externalAuthentication"] = "always".into();
    server.caller().post("/instances", &body).await.fails(400, "bad_body");
    body["externalAuthentication"] = "initial".into();
    body["configuration"] = json!({ "oauth.user.refresh_token": "x" });
    let said = server.caller().post("/instances", &body).await.fails(400, "missing_configuration");
    assert!(said.contains("oauth.api.key, oauth.api.secret"), "{said}");
    assert!(!said.contains("oauth.callback.url"), "there was no redirect of ours: {said}");
    assert_eq!(server.count().await, 0);
    assert!(server.sandbox().calls().is_empty());
});

on_both!(an_external_instance_sent_back_keeps_its_tokens, |server| async move {
    let caller = server.caller();
    let (_, refresh_token) = own_tokens(&server).await;
    let body = external(json!({ "oauth.user.refresh_token": refresh_token }));
    let instance = caller.post("/instances", &body).await.ok();
    server.sandbox().forget_calls();
    let path = format!("/instances/{}", instance["id"]);
    assert_eq!(caller.put(&path, &instance).await.ok(), instance);
    assert!(server.sandbox().calls().is_empty());
    // Fresh tokens replace the old ones, a code makes it an ordinary instance.
    let (_, refresh_token) = own_tokens(&server).await;
    let again = external(json!({ "oauth.user.refresh_token": refresh_token }));
    caller.patch(&path, &again).await.ok();
    assert_eq!(server.sandbox().counts(TOKEN).total, 1);
    caller.patch(&path, &external(json!({ "oauth.user.refresh_token": "unknown" }))).await.fails(400, "vendor_refused");
    let code = caller.code(server.sandbox()).await;
    let by_code = json!({ "providerData": { "code": code }, "configuration": { "oauth.callback.url": CALLBACK } });
    let changed = caller.patch(&path, &by_code).await.ok();
    assert_eq!((&changed["id"], &changed["token"]), (&instance["id"], &instance["token"]));
    assert_eq!(changed["externalAuthentication"], "none");
});
