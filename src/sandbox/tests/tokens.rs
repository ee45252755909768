use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::sandbox::EndOfGrant;

#[actix_web::test]
async fn each_version_has_its_reply() {
    let vendor = Vendor::new();
    let code = vendor.code().await;
    let reply = vendor.form("/oauth/v1/token", &code_form(&code)).await;
    assert_eq!(reply.status, 200);
    let body = reply.json();
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["refresh_token", "access_token", "expires_in", "token_type"]);
    assert_eq!((&body["expires_in"], &body["token_type"]), (&json!(1800), &json!("bearer")));

    for version in ["2026-03", "v3"] {
        let code = vendor.code().await;
        let body = vendor.form(&format!("/oauth/{version}/token"), &code_form(&code)).await.json();
        assert_eq!(body["token_use"], "access_token");
        assert_eq!(body["expires_in"], 1800);
        assert_eq!((&body["hub_id"], &body["user_id"]), (&json!(62515), &json!(123)));
        assert_eq!(body["scopes"], json!(["oauth", "contacts", "timeline", "files"]));
        assert!(body.get("scope").is_none());
    }
}

#[actix_web::test]
async fn a_code_works_once_and_not_for_long() {
    let vendor = Vendor::new();
    let code = vendor.code().await;
    assert_eq!(vendor.exchange(&code).await.status, 200);
    assert_refused(&vendor.exchange(&code).await, "invalid_grant", "BAD_AUTH_CODE");
    let code = vendor.code().await;
    vendor.later(59);
    assert_eq!(vendor.exchange(&code).await.status, 200);
    let code = vendor.code().await;
    vendor.later(60);
    assert_refused(&vendor.exchange(&code).await, "invalid_grant", "EXPIRED_AUTH_CODE");
}

#[actix_web::test]
async fn wrong_token_calls_are_refused_in_the_vendors_words_and_spend_no_code() {
    let vendor = Vendor::new();
    let code = vendor.code().await;
    let form = code_form(&code);
    for (name, value, error, status) in [
        ("code", Some("nonsense"), "invalid_grant", "BAD_AUTH_CODE"),
        ("code", None, "invalid_grant", "BAD_AUTH_CODE"),
        ("redirect_uri", Some("https://www.mycoolapp.com/auth/"), "invalid_grant", "MISMATCH_REDIRECT_URI_AUTH_CODE"),
        ("redirect_uri", None, "invalid_request", "BAD_REDIRECT_URI"),
        ("client_id", Some("other"), "invalid_client", "BAD_CLIENT_ID"),
        ("client_id", None, "invalid_client", "BAD_CLIENT_ID"),
        ("client_secret", Some("other"), "invalid_client", "BAD_CLIENT_SECRET"),
        ("client_secret", None, "invalid_client", "BAD_CLIENT_SECRET"),
        ("grant_type", Some("password"), "unsupported_grant_type", "BAD_GRANT_TYPE"),
        ("grant_type", None, "unsupported_grant_type", "BAD_GRANT_TYPE"),
        ("scope", Some("contacts"), "invalid_request", "UNEXPECTED_FIELD"),
        ("code_verifier", Some("x"), "invalid_request", "UNEXPECTED_FIELD"),
    ] {
        for version in ["v1", "v3", "2026-03"] {
            let reply = vendor.form(&format!("/oauth/{version}/token"), &with(&form, name, value)).await;
            assert_refused(&reply, error, status);
        }
    }
    let mut twice = form.to_vec();
    twice.push(("code", &code));
    assert_refused(&vendor.form("/oauth/v1/token", &twice).await, "invalid_request", "REPEATED_FIELD");
    let json = vendor.json(Method::POST, "/oauth/v3/token", json!({"grant_type": "authorization_code"})).await;
    assert_refused(&json, "invalid_request", "UNSUPPORTED_MEDIA_TYPE");
    let basic =
        TestRequest::post().uri("/oauth/v3/token").insert_header(("authorization", "Basic eDp5")).set_form(form);
    assert_refused(&vendor.send(basic).await, "invalid_request", "UNSUPPORTED_MEDIA_TYPE");
    let query = vendor.form("/oauth/v3/token?grant_type=authorization_code", &form).await;
    assert_refused(&query, "invalid_request", "UNSUPPORTED_MEDIA_TYPE");

    vendor.sandbox.set(|it| it.strict = false);
    assert_eq!(vendor.form("/oauth/v3/token", &with(&form, "scope", Some("x"))).await.status, 200);
}

#[actix_web::test]
async fn a_started_pkce_wants_its_verifier() {
    let vendor = Vendor::new();
    vendor.sandbox.set(|it| it.consent = Consent::Grant);
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    // RFC 7636, appendix B.
    assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let ask = format!("{ASK}&code_challenge={challenge}&code_challenge_method=S256");
    let code = vendor.get(&ask).await.sent_back("code").unwrap();
    for wrong in [None, Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")] {
        let reply = vendor.form("/oauth/v3/token", &with(&code_form(&code), "code_verifier", wrong)).await;
        assert_refused(&reply, "invalid_grant", "BAD_CODE_VERIFIER");
    }
    let reply = vendor.form("/oauth/v3/token", &with(&code_form(&code), "code_verifier", Some(verifier))).await;
    assert_eq!(reply.status, 200);
}

#[actix_web::test]
async fn a_refresh_keeps_its_token() {
    let vendor = Vendor::new();
    let (access, refresh) = vendor.tokens().await;
    let (access2, refresh2) = tokens_of(&vendor.refresh(&refresh).await);
    assert_eq!(refresh, refresh2);
    assert_ne!(access, access2);
    assert_eq!(vendor.details(&access2).await.status, 200);
    let classic = vendor.form("/oauth/v1/token", &with(&refresh_form(&refresh), "redirect_uri", Some(CALLBACK))).await;
    assert_eq!(classic.json().as_object().unwrap().len(), 4);
    assert_refused(&vendor.refresh("nonsense").await, "invalid_grant", "BAD_REFRESH_TOKEN");
    let reply = vendor.form("/oauth/v1/token", &with(&refresh_form(&refresh), "code", Some("x"))).await;
    assert_refused(&reply, "invalid_request", "UNEXPECTED_FIELD");
}

#[actix_web::test]
async fn with_rotation_a_replay_ends_the_grant() {
    let vendor = Vendor::new();
    let (_, first) = vendor.tokens().await;
    vendor.sandbox.set(|it| it.rotation = true);
    let (access, second) = tokens_of(&vendor.refresh(&first).await);
    assert_ne!(first, second);
    assert_eq!(vendor.details(&access).await.status, 200);
    assert_refused(&vendor.refresh(&first).await, "invalid_grant", "BAD_REFRESH_TOKEN");
    assert_refused(&vendor.refresh(&second).await, "invalid_grant", "BAD_REFRESH_TOKEN");
    assert_eq!(vendor.details(&access).await.json()["category"], "INVALID_AUTHENTICATION");
    assert_eq!(vendor.sandbox.live_grants(), 0);
}

#[actix_web::test]
async fn revoking_a_refresh_token_leaves_access_tokens_alone() {
    let vendor = Vendor::new();
    for version in ["v3", "2026-03", "v1"] {
        let (access, refresh) = vendor.tokens().await;
        if version == "v1" {
            let path = format!("/oauth/v1/refresh-tokens/{refresh}");
            assert_eq!(vendor.get(&path).await.json()["token_type"], "refresh");
            assert_eq!(vendor.send(TestRequest::delete().uri(&path)).await.status, 204);
            assert_eq!(vendor.send(TestRequest::delete().uri(&path)).await.status, 404);
            assert_eq!(vendor.get(&path).await.status, 404);
        } else {
            let revoke = format!("/oauth/{version}/token/revoke");
            assert_eq!(vendor.form(&revoke, &token_form(&refresh)).await.status, 200);
            assert_eq!(vendor.form(&revoke, &token_form(&refresh)).await.status, 200);
            let wrong = with(&token_form(&refresh), "client_secret", None);
            assert_refused(&vendor.form(&revoke, &wrong).await, "invalid_client", "BAD_CLIENT_SECRET");
        }
        assert_refused(&vendor.refresh(&refresh).await, "invalid_grant", "BAD_REFRESH_TOKEN");
        assert_eq!(vendor.details(&access).await.status, 200, "{version}");
    }
}

#[actix_web::test]
async fn introspection_knows_both_kinds() {
    let vendor = Vendor::new();
    let (access, refresh) = vendor.tokens().await;
    vendor.later(10);
    let look = async |token: &str| vendor.form("/oauth/2026-03/token/introspect", &token_form(token)).await.json();
    let body = look(&access).await;
    assert_eq!((&body["active"], &body["token_use"]), (&json!(true), &json!("access_token")));
    assert_eq!(body["expires_in"], 1790);
    assert_eq!(body["signed_access_token"]["hubId"], 62515);
    assert_eq!(body["scopes"], json!(["oauth", "contacts", "timeline", "files"]));
    let body = look(&refresh).await;
    assert_eq!(body["token_use"], "refresh_token");
    assert!(body.get("expires_in").is_none() && body.get("signed_access_token").is_none());
    assert_eq!(look("nonsense").await, json!({"active": false}));

    let path = format!("/oauth/v1/access-tokens/{access}");
    let body = vendor.get(&path).await.json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["app_id"]),
        (&json!("access"), &json!(1790), &json!(456))
    );
    vendor.later(1790);
    assert_eq!(vendor.get(&path).await.status, 404);
    assert_eq!(look(&access).await, json!({"active": false}));
}

#[actix_web::test]
async fn an_uninstall_ends_everything_a_lost_user_only_the_refresh() {
    let vendor = Vendor::new();
    for (reason, status) in [(EndOfGrant::UserRemoved, 200), (EndOfGrant::Uninstalled, 401)] {
        let (access, refresh) = vendor.tokens().await;
        vendor.sandbox.revoke(reason);
        let reply = vendor.refresh(&refresh).await;
        assert_refused(&reply, "invalid_grant", "BAD_REFRESH_TOKEN");
        assert_eq!(reply.json()["message"], "refresh token is invalid, expired or revoked");
        assert_eq!(vendor.details(&access).await.status, status);
    }
}

fn token_form(token: &str) -> [(&str, &str); 4] {
    [
        ("token", token),
        ("token_type_hint", "refresh_token"),
        ("client_id", "sandbox-client"),
        ("client_secret", "sandbox-secret"),
    ]
}
