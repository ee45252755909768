use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::*;
use crate::kernel::entropy::hex_of;
use crate::sandbox::{Failure, TOKEN_ROUTES, When};
use sha2::{Digest as _, Sha256};

const MOMENT: Duration = Duration::from_millis(30);

#[actix_web::test]
async fn the_journal_knows_calls_but_no_secrets() {
    let vendor = Vendor::new();
    let (access, refresh) = vendor.tokens().await;
    vendor.details(&access).await;
    vendor.get("/account-info/v3/details?hapikey=some-key&x=1").await;
    vendor.get(&format!("/oauth/v1/refresh-tokens/{refresh}")).await;
    vendor.get("/crm/v3/objects/deals").await;

    let reply = vendor.get("/control/calls").await;
    let calls = reply.json();
    let routes: Vec<_> = calls.as_array().unwrap().iter().map(|call| call["route"].as_str().unwrap()).collect();
    assert_eq!(
        routes,
        [
            "GET /oauth/authorize",
            "POST /oauth/2026-03/token",
            "GET /account-info/v3/details",
            "GET /account-info/v3/details",
            "GET /oauth/v1/refresh-tokens/{token}",
            "GET /crm/v3/objects/deals",
        ]
    );
    let form = json!(["grant_type", "code", "client_id", "client_secret", "redirect_uri"]);
    assert_eq!(calls[1]["form"], form);
    assert_eq!(calls[1]["authorization"], json!(null));
    assert_eq!(calls[2]["authorization"]["scheme"], "Bearer");
    assert_eq!(calls[2]["authorization"]["sha256"], hex_of(&Sha256::digest(&access)));
    assert_eq!(calls[3]["authorization"]["scheme"], "hapikey");
    assert_eq!(calls[3]["query"], json!(["hapikey", "x"]));
    assert_eq!(
        (&calls[2]["status"], &calls[3]["status"], &calls[5]["status"]),
        (&json!(200), &json!(401), &json!(401))
    );
    for secret in [access.as_str(), &refresh, "some-key", "sandbox-secret"] {
        assert!(!reply.text.contains(secret), "{secret}");
    }

    let state = vendor.get("/control").await.json();
    assert_eq!(state["calls"]["POST /oauth/2026-03/token"], json!({"total": 1, "running": 0, "peak": 1}));
    assert_eq!(state["lastTokenFields"], form);
    assert_eq!(state["liveGrants"], 1);
    assert_eq!(vendor.send(TestRequest::delete().uri("/control/calls")).await.status, 204);
    assert!(vendor.sandbox.calls().is_empty());
    assert_eq!(vendor.sandbox.live_grants(), 1);
}

#[actix_web::test]
async fn a_failure_strikes_before_or_after_the_work() {
    let vendor = Vendor::new();
    let (_, refresh) = vendor.tokens().await;
    let body = json!({"failure": {
        "route": "/oauth/2026-03/token", "status": 429, "times": 2, "headers": {"retry-after": "7"},
    }});
    assert_eq!(vendor.json(Method::PATCH, "/control", body).await.status, 200);
    for _ in 0..2 {
        let reply = vendor.refresh(&refresh).await;
        assert_eq!((reply.status, reply.header("retry-after")), (429, "7"));
        assert_eq!(reply.json()["policyName"], "TEN_SECONDLY_ROLLING");
    }
    assert_eq!(vendor.refresh(&refresh).await.status, 200);

    vendor.sandbox.set(|it| {
        it.rotation = true;
        it.failure = Some(Failure { when: When::After, ..Failure::of(TOKEN_ROUTES, 502, 1) });
    });
    assert_eq!(vendor.refresh(&refresh).await.status, 502);
    assert_refused(&vendor.refresh(&refresh).await, "invalid_grant", "BAD_REFRESH_TOKEN");

    let body = json!({"failure": {"route": "*", "status": 503, "body": "gone fishing"}});
    vendor.json(Method::PATCH, "/control", body).await;
    let reply = vendor.get("/account-info/v3/details").await;
    assert_eq!((reply.status, reply.text.as_str()), (503, "gone fishing"));
}

#[actix_web::test]
async fn a_delay_and_a_hang_hold_a_call_and_a_reset_lets_go() {
    let vendor = Vendor::new();
    let code = vendor.code().await;
    vendor.json(Method::PATCH, "/control", json!({"delayMs": 60_000})).await;
    assert!(timeout(MOMENT, vendor.exchange(&code)).await.is_err());
    // The code is not spent: the client went away before the work.
    vendor.json(Method::PATCH, "/control", json!({"delayMs": {TOKEN_ROUTES: 1}})).await;
    let (_, refresh) = tokens_of(&vendor.exchange(&code).await);

    vendor.sandbox.set(|it| it.rotation = true);
    vendor.json(Method::PATCH, "/control", json!({"replyDelayMs": 60_000})).await;
    tokio::select! {
        _ = vendor.refresh(&refresh) => panic!("the reply did not wait"),
        () = spent(&vendor, &refresh) => {}
    }
    vendor.json(Method::PATCH, "/control", json!({"replyDelayMs": null})).await;
    assert_refused(&vendor.refresh(&refresh).await, "invalid_grant", "BAD_REFRESH_TOKEN");

    vendor.json(Method::PATCH, "/control", json!({"hang": "/account-info/*"})).await;
    let (reply, ()) = tokio::join!(vendor.get("/account-info/v3/details"), async {
        tokio::time::sleep(MOMENT).await;
        assert_eq!(vendor.sandbox.counts("GET /account-info/v3/details").running, 1);
        vendor.sandbox.reset();
    });
    assert_eq!(reply.status, 503);
    assert_eq!(vendor.sandbox.counts("GET /account-info/v3/details").running, 0);
    assert_eq!(vendor.get("/account-info/v3/details").await.status, 401);
}

#[actix_web::test]
async fn token_replies_can_be_made_strange() {
    let vendor = Vendor::new();
    let (_, refresh) = vendor.tokens().await;
    for value in [json!(1e18), json!("1800"), json!(-1), json!(0)] {
        vendor.json(Method::PATCH, "/control", json!({"expiresIn": value})).await;
        assert_eq!(vendor.refresh(&refresh).await.json()["expires_in"], value);
    }
    vendor.json(Method::PATCH, "/control", json!({"expiresIn": null, "omitRefreshToken": true})).await;
    let body = vendor.refresh(&refresh).await.json();
    assert!(body.get("expires_in").is_none() && body.get("refresh_token").is_none());
    vendor.json(Method::PATCH, "/control", json!({"expiresIn": "default", "tokenLifetime": 5})).await;
    let body = vendor.refresh(&refresh).await.json();
    assert_eq!(body["expires_in"], 5);
    vendor.later(5);
    let reply = vendor.details(body["access_token"].as_str().unwrap()).await;
    assert_eq!(reply.json()["category"], "EXPIRED_AUTHENTICATION");

    vendor.json(Method::PATCH, "/control", json!({"garbage": true})).await;
    let reply = vendor.refresh(&refresh).await;
    assert_eq!(reply.status, 200);
    assert!(serde_json::from_str::<Value>(&reply.text).is_err());
}

#[actix_web::test]
async fn the_control_endpoint_expires_revokes_and_resets() {
    let vendor = Vendor::new();
    let (access, refresh) = vendor.tokens().await;
    assert_eq!(vendor.json(Method::POST, "/control/expire", json!({})).await.status, 204);
    assert_eq!(vendor.details(&access).await.json()["category"], "EXPIRED_AUTHENTICATION");
    assert_eq!(vendor.json(Method::POST, "/control/revoke", json!({"reason": "nothing"})).await.status, 400);
    assert_eq!(vendor.json(Method::POST, "/control/revoke", json!({"reason": "uninstalled"})).await.status, 204);
    assert_refused(&vendor.refresh(&refresh).await, "invalid_grant", "BAD_REFRESH_TOKEN");
    for wrong in [json!({"nothing": 1}), json!({"consent": "maybe"}), json!({"failure": {"route": "/x"}})] {
        let reply = vendor.json(Method::PATCH, "/control", wrong).await;
        assert_eq!(reply.status, 400);
        assert!(reply.json()["message"].is_string());
    }
    assert_eq!(vendor.sandbox.switches().consent, Consent::Grant);
    assert_eq!(vendor.json(Method::POST, "/control/reset", json!({})).await.status, 204);
    assert_eq!(vendor.sandbox.switches().consent, Consent::Ask);
    assert_eq!(vendor.details(&access).await.json()["category"], "INVALID_AUTHENTICATION");
}

/// Waits until a refresh token was replaced.
async fn spent(vendor: &Vendor, refresh_token: &str) {
    while vendor.sandbox.locked(|inner| inner.ledger.refresh(refresh_token).is_some()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
