//! What a token is, and its end: introspection and revocation of the current versions, the metadata calls of v1.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Sandbox;
use super::fields::Fields;
use super::refusal::Refusal;
use super::state::{APP, Reach, Standing, USER, USER_EMAIL};
use super::token::{check_client, read_form};

/// `POST …/token/introspect`: any token of the app; one that does not work is `{"active": false}` (RFC 7662).
pub async fn introspect(
    sandbox: web::Data<Sandbox>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let form = read_token_form(&sandbox, &request, &body)?;
    let token = form.get("token").ok_or(Refusal::MissingToken)?;
    Ok(HttpResponse::Ok().json(describe(&sandbox, token)))
}

fn describe(sandbox: &Sandbox, token: &str) -> Value {
    let now = sandbox.clock.now();
    let (standing, refresh) = sandbox.locked(|inner| (inner.ledger.access(token, now), inner.ledger.refresh(token)));
    let (reach, token_use, more) = match (standing, refresh) {
        (Standing::Good { reach, expires_at }, _) => {
            let signed = signed(&reach, expires_at);
            let more = json!({"expires_in": seconds_left(now, expires_at), "signed_access_token": signed});
            (reach, "access_token", more)
        }
        (_, Some(reach)) => (reach, "refresh_token", json!({})),
        (_, None) => return json!({"active": false}),
    };
    let mut reply = json!({
        "active": true,
        "token_use": token_use,
        "token": token,
        "hub_id": reach.portal.id(),
        "user_id": USER,
        "client_id": sandbox.settings.client_id,
        "app_id": APP,
        "scopes": reach.scopes,
        "token_type": "bearer",
        "is_private_distribution": false,
        "user": USER_EMAIL,
        "hub_domain": reach.portal.domain(),
    });
    if let (Some(reply), Value::Object(more)) = (reply.as_object_mut(), more) {
        reply.extend(more);
    }
    reply
}

/// `POST …/token/revoke`: 200 whether or not the token was there (RFC 7009, section 2.2); HubSpot describes no reply.
pub async fn revoke(
    sandbox: web::Data<Sandbox>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let form = read_token_form(&sandbox, &request, &body)?;
    let token = form.get("token").ok_or(Refusal::MissingToken)?;
    sandbox.locked(|inner| inner.ledger.revoke(token));
    Ok(HttpResponse::Ok().finish())
}

fn read_token_form(sandbox: &Sandbox, request: &HttpRequest, body: &[u8]) -> Result<Fields, Refusal> {
    let form = read_form(request, body, sandbox.switches().strict)?;
    check_client(sandbox, &form)?;
    Ok(form)
}

/// `GET /oauth/v1/access-tokens/{token}`: no credential needed, knowing the token is enough.
pub async fn show_access_token(sandbox: web::Data<Sandbox>, token: web::Path<String>) -> HttpResponse {
    let now = sandbox.clock.now();
    match sandbox.locked(|inner| inner.ledger.access(&token, now)) {
        Standing::Good { reach, expires_at } => HttpResponse::Ok().json(json!({
            "token": token.as_str(),
            "user": USER_EMAIL,
            "hub_domain": reach.portal.domain(),
            "scopes": reach.scopes,
            "signed_access_token": signed(&reach, expires_at),
            "hub_id": reach.portal.id(),
            "app_id": APP,
            "expires_in": seconds_left(now, expires_at),
            "user_id": USER,
            "token_type": "access",
            "is_private_distribution": false,
        })),
        Standing::Expired { .. } | Standing::Unknown => unknown_token(&sandbox),
    }
}

/// `GET /oauth/v1/refresh-tokens/{token}`.
pub async fn show_refresh_token(sandbox: web::Data<Sandbox>, token: web::Path<String>) -> HttpResponse {
    match sandbox.locked(|inner| inner.ledger.refresh(&token)) {
        Some(reach) => HttpResponse::Ok().json(json!({
            "token": token.as_str(),
            "user": USER_EMAIL,
            "hub_domain": reach.portal.domain(),
            "scopes": reach.scopes,
            "hub_id": reach.portal.id(),
            "client_id": sandbox.settings.client_id,
            "user_id": USER,
            "token_type": "refresh",
        })),
        None => unknown_token(&sandbox),
    }
}

/// `DELETE /oauth/v1/refresh-tokens/{token}`: 204.
pub async fn delete_refresh_token(sandbox: web::Data<Sandbox>, token: web::Path<String>) -> HttpResponse {
    let ended = sandbox.locked(|inner| inner.ledger.refresh(&token).is_some() && inner.ledger.revoke(&token));
    if ended { HttpResponse::NoContent().finish() } else { unknown_token(&sandbox) }
}

/// HubSpot does not document this reply; 404 is what its other look-ups answer.
fn unknown_token(sandbox: &Sandbox) -> HttpResponse {
    sandbox.api_error(StatusCode::NOT_FOUND, "resource not found", json!({}))
}

fn signed(reach: &Reach, expires_at: DateTime<Utc>) -> Value {
    json!({
        "appId": APP,
        "hubId": reach.portal.id(),
        "userId": USER,
        "expiresAt": expires_at.timestamp_millis(),
        "isPrivateDistribution": false,
        "isServiceAccount": false,
        "isUserLevel": false,
    })
}

fn seconds_left(now: DateTime<Utc>, expires_at: DateTime<Utc>) -> i64 {
    expires_at.signed_duration_since(now).num_seconds()
}
