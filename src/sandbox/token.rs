//! The token endpoints: code and refresh grants, form in, JSON out.

use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::Sandbox;
use super::fields::Fields;
use super::observe::is_form;
use super::refusal::Refusal;
use super::state::{Issued, Ledger, Terms, USER};
use super::switches::Switches;
use crate::kernel::entropy::Entropy;
use crate::kernel::secret::Secret;

/// `POST /oauth/v1/token`: four members, as HubSpot answered for ten years.
pub async fn issue_classic(
    sandbox: web::Data<Sandbox>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    answer(&sandbox, &request, &body, |issued, expires_in| {
        json!({
            "refresh_token": issued.refresh_token,
            "access_token": issued.access_token,
            "expires_in": expires_in,
            "token_type": "bearer",
        })
    })
}

/// `POST /oauth/{2026-03,v3}/token`: scopes are an array, there is no `scope` (vendor's OpenAPI file).
pub async fn issue(
    sandbox: web::Data<Sandbox>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    answer(&sandbox, &request, &body, |issued, expires_in| {
        json!({
            "token_use": "access_token",
            "access_token": issued.access_token,
            "refresh_token": issued.refresh_token,
            "expires_in": expires_in,
            "token_type": "bearer",
            "hub_id": issued.reach.portal.id(),
            "user_id": USER,
            "scopes": issued.reach.scopes,
        })
    })
}

fn answer(
    sandbox: &Sandbox,
    request: &HttpRequest,
    body: &[u8],
    shape: impl FnOnce(&Issued, &Value) -> Value,
) -> Result<HttpResponse, Refusal> {
    let (issued, switches) = sandbox.locked(|inner| {
        let form = read_form(request, body, inner.switches.strict)?;
        let grant_type = form.get("grant_type");
        if !matches!(grant_type, Some("authorization_code" | "refresh_token")) {
            return Err(Refusal::BadGrantType);
        }
        check_client(sandbox, &form)?;
        let terms = sandbox.terms(&inner.switches);
        let grant = match grant_type {
            Some("refresh_token") => refresh_grant,
            _ => code_grant,
        };
        let issued = grant(&mut inner.ledger, &form, inner.switches.strict, terms, sandbox.entropy.as_ref())?;
        Ok((issued, inner.switches.clone()))
    })?;
    let expires_in = match switches.expires_in.as_str() {
        Some("default") => Value::from(switches.token_lifetime),
        _ => switches.expires_in.clone(),
    };
    Ok(render(shape(&issued, &expires_in), &switches))
}

/// What every token call must be: a form, nothing beside it (`client_secret_post` is the only documented way).
pub fn read_form(request: &HttpRequest, body: &[u8], strict: bool) -> Result<Fields, Refusal> {
    let beside = !request.query_string().is_empty() || request.headers().contains_key(AUTHORIZATION);
    if !is_form(request) || (strict && beside) {
        return Err(Refusal::NotAForm);
    }
    let form = Fields::parse(body);
    match form.repeated() {
        Some(name) => Err(Refusal::RepeatedField(name.to_owned())),
        None => Ok(form),
    }
}

pub fn check_client(sandbox: &Sandbox, form: &Fields) -> Result<(), Refusal> {
    if form.get("client_id") != Some(sandbox.settings.client_id.as_str()) {
        return Err(Refusal::BadClientId);
    }
    match form.get("client_secret") {
        Some(secret) if sandbox.settings.client_secret == Secret::new(secret) => Ok(()),
        _ => Err(Refusal::BadClientSecret),
    }
}

fn allow_only(form: &Fields, known: &[&str]) -> Result<(), Refusal> {
    match form.names().find(|name| !known.contains(name)) {
        Some(name) => Err(Refusal::UnexpectedField(name.to_owned())),
        None => Ok(()),
    }
}

fn code_grant(
    ledger: &mut Ledger,
    form: &Fields,
    strict: bool,
    terms: Terms,
    entropy: &dyn Entropy,
) -> Result<Issued, Refusal> {
    let code = form.get("code").ok_or(Refusal::BadAuthCode)?;
    let redirect_uri = form.get("redirect_uri").ok_or(Refusal::BadRedirectUri)?;
    if strict {
        let started_pkce = ledger.code(code).is_some_and(|known| known.challenge.is_some());
        let verifier = if started_pkce { "code_verifier" } else { "code" };
        allow_only(form, &["grant_type", "code", "client_id", "client_secret", "redirect_uri", verifier])?;
    }
    ledger.exchange(code, redirect_uri, form.get("code_verifier"), terms, entropy)
}

/// `redirect_uri` is not needed here, but old clients of HubSpot send it.
fn refresh_grant(
    ledger: &mut Ledger,
    form: &Fields,
    strict: bool,
    terms: Terms,
    entropy: &dyn Entropy,
) -> Result<Issued, Refusal> {
    if strict {
        allow_only(form, &["grant_type", "refresh_token", "client_id", "client_secret", "redirect_uri"])?;
    }
    ledger.renew(form.get("refresh_token").ok_or(Refusal::BadRefreshToken)?, terms, entropy)
}

fn render(mut reply: Value, switches: &Switches) -> HttpResponse {
    if switches.garbage {
        return HttpResponse::Ok().content_type("text/html").body("<html><body>Please stand by</body></html>");
    }
    if let Some(members) = reply.as_object_mut() {
        members.retain(|name, value| match name.as_str() {
            "expires_in" => !value.is_null(),
            "refresh_token" => !switches.omit_refresh_token,
            _ => true,
        });
    }
    // RFC 6749, section 5.1.
    HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(reply)
}
