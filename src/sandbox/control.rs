//! `/control`: flips the switches and shows what happened. No authentication: the sandbox listens on loopback and guards
//! nothing.

use actix_web::{HttpResponse, Scope, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Sandbox;
use super::portal::Portal;
use super::state::EndOfGrant;

pub fn scope() -> Scope {
    web::scope("/control")
        .route("", web::get().to(show))
        .route("", web::patch().to(change))
        .route("/calls", web::get().to(list_calls))
        .route("/calls", web::delete().to(forget_calls))
        .route("/access-tokens", web::delete().to(forget_access_tokens))
        .route("/expire", web::post().to(expire))
        .route("/revoke", web::post().to(revoke))
        .route("/reset", web::post().to(reset))
}

/// `{"portalId", "switches": {…}, "liveGrants", "calls": {"POST /oauth/v1/token": {"total","running","peak"}},
/// "lastTokenFields": […] | null}`.
async fn show(sandbox: web::Data<Sandbox>) -> HttpResponse {
    HttpResponse::Ok().json(sandbox.locked(|inner| {
        json!({
            "portalId": Portal::Main.id(),
            "switches": inner.switches,
            "liveGrants": inner.ledger.live_grants(),
            "calls": inner.journal.all_counts(),
            "lastTokenFields": inner.journal.last_token_fields(),
        })
    }))
}

/// A JSON merge patch of the switches; answers with all of them.
async fn change(sandbox: web::Data<Sandbox>, body: web::Bytes) -> HttpResponse {
    let changed = serde_json::from_slice::<Value>(&body)
        .map_err(|error| error.to_string())
        .and_then(|changes| sandbox.patch(&changes));
    match changed {
        Ok(switches) => HttpResponse::Ok().json(switches),
        Err(message) => bad_request(&message),
    }
}

async fn list_calls(sandbox: web::Data<Sandbox>) -> HttpResponse {
    HttpResponse::Ok().json(sandbox.calls())
}

async fn forget_calls(sandbox: web::Data<Sandbox>) -> HttpResponse {
    sandbox.forget_calls();
    HttpResponse::NoContent().finish()
}

async fn forget_access_tokens(sandbox: web::Data<Sandbox>) -> HttpResponse {
    sandbox.forget_access_tokens();
    HttpResponse::NoContent().finish()
}

async fn expire(sandbox: web::Data<Sandbox>) -> HttpResponse {
    sandbox.expire_access_tokens();
    HttpResponse::NoContent().finish()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Revocation {
    reason: EndOfGrant,
    account: Option<Portal>,
}

/// `{"reason": "uninstalled" | "user_removed", "account"?: "main" | "developer"}` ends the grants of an account, or all.
async fn revoke(sandbox: web::Data<Sandbox>, body: web::Bytes) -> HttpResponse {
    match serde_json::from_slice::<Revocation>(&body) {
        Ok(Revocation { reason, account }) => {
            sandbox.locked(|inner| inner.ledger.end_grants(reason, account));
            HttpResponse::NoContent().finish()
        }
        Err(error) => bad_request(&error.to_string()),
    }
}

async fn reset(sandbox: web::Data<Sandbox>) -> HttpResponse {
    sandbox.reset();
    HttpResponse::NoContent().finish()
}

fn bad_request(message: &str) -> HttpResponse {
    HttpResponse::BadRequest().json(json!({"message": message}))
}
