//! Account details: the call with which any credential is verified.

use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::Sandbox;
use super::fields::Fields;
use super::portal::Portal;
use super::state::{Reach, Standing};
use crate::kernel::secret::Secret;

/// The header that HubSpot's OpenAPI files name for the tokens of private apps; some clients send nothing else.
pub const PRIVATE_APP: &str = "private-app";

/// Why a call is not authenticated.
#[derive(Debug, PartialEq, Eq)]
pub enum AccessRefusal {
    Nothing,
    BadApiKey,
    Expired { since: DateTime<Utc> },
}

/// Checks the credential of an API call: an access token or a private-app token as Bearer, the latter in a header of its
/// own, or the old API key in the query. An OAuth grant has its reach; the main account's own keys reach everything there.
pub fn authenticate(sandbox: &Sandbox, request: &HttpRequest) -> Result<Option<Reach>, AccessRefusal> {
    let settings = &sandbox.settings;
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some((scheme, token)) = header.and_then(|header| header.split_once(' ')) {
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(AccessRefusal::Nothing);
        }
        if settings.private_app_token == Secret::new(token) {
            return Ok(None);
        }
        let now = sandbox.clock.now();
        return match sandbox.locked(|inner| inner.ledger.access(token, now)) {
            Standing::Good { reach, .. } => Ok(Some(reach)),
            Standing::Expired { since } => Err(AccessRefusal::Expired { since }),
            Standing::Unknown => Err(AccessRefusal::Nothing),
        };
    }
    if let Some(token) = request.headers().get(PRIVATE_APP).and_then(|value| value.to_str().ok()) {
        return if settings.private_app_token == Secret::new(token) { Ok(None) } else { Err(AccessRefusal::Nothing) };
    }
    match Fields::parse(request.query_string().as_bytes()).get("hapikey") {
        Some(key) if settings.api_key == Secret::new(key) => Ok(None),
        Some(_) => Err(AccessRefusal::BadApiKey),
        None => Err(AccessRefusal::Nothing),
    }
}

/// The three kinds of 401, in the words that HubSpot's API answers with.
pub fn refuse(sandbox: &Sandbox, refusal: &AccessRefusal) -> HttpResponse {
    let (message, more): (String, Value) = match refusal {
        AccessRefusal::Nothing => (
            "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more \
             details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"
                .to_owned(),
            json!({"category": "INVALID_AUTHENTICATION"}),
        ),
        AccessRefusal::BadApiKey => (
            "The API key provided is invalid. View or manage your API key here: \
             https://app.hubspot.com/l/api-key/"
                .to_owned(),
            json!({
                "category": "INVALID_AUTHENTICATION",
                "links": {"api key": "https://app.hubspot.com/l/api-key/"},
            }),
        ),
        AccessRefusal::Expired { since } => {
            let seconds = sandbox.clock.now().signed_duration_since(since).num_seconds();
            let expiry = since.to_rfc3339_opts(SecondsFormat::Millis, true);
            (
                format!("The OAuth token used to make this call expired {seconds} second(s) ago."),
                json!({"category": "EXPIRED_AUTHENTICATION", "context": {"expire time": [expiry]}}),
            )
        }
    };
    sandbox.api_error(StatusCode::UNAUTHORIZED, &message, more)
}

/// `GET /account-info/v3/details`: any credential will do (vendor's OpenAPI file).
pub async fn show_details(sandbox: web::Data<Sandbox>, request: HttpRequest) -> HttpResponse {
    let portal = match authenticate(&sandbox, &request) {
        Ok(reach) => reach.map_or(Portal::Main, |reach| reach.portal),
        Err(refusal) => return refuse(&sandbox, &refusal),
    };
    HttpResponse::Ok().json(json!({
        "portalId": portal.id(),
        "accountType": portal.kind(),
        "timeZone": "US/Eastern",
        "companyCurrency": "USD",
        "additionalCurrencies": [],
        "utcOffset": "-05:00",
        "utcOffsetMilliseconds": -18_000_000,
        "uiDomain": "app.hubspot.test",
        "dataHostingLocation": "na1",
    }))
}
