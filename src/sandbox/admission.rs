//! Stands before the CRM API: who calls, whether the grant has the scope, and how often the account was called lately.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::Sandbox;
use super::account::{authenticate, refuse};
use super::crm::{Kind, Place};

/// Seconds of HubSpot's rolling limit.
const WINDOW: i64 = 10;

/// The calls of the current window.
#[derive(Debug, Default)]
pub struct Meter {
    begun: Option<DateTime<Utc>>,
    count: u32,
}

impl Meter {
    /// Counts a call, and says how many are left of `limit`; nothing when it was one too many.
    fn count(&mut self, limit: u32, now: DateTime<Utc>) -> Option<u32> {
        if self.begun.is_none_or(|begun| now.signed_duration_since(begun) >= TimeDelta::seconds(WINDOW)) {
            *self = Self { begun: Some(now), count: 0 };
        }
        self.count = self.count.saturating_add(1);
        limit.checked_sub(self.count)
    }
}

pub async fn admit(
    sandbox: web::Data<Sandbox>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let reach = match authenticate(&sandbox, request.request()) {
        Ok(reach) => reach,
        Err(refusal) => return Ok(request.into_response(refuse(&sandbox, &refusal))),
    };
    let needed = needed(request.method(), request.path());
    // An account's own keys have every scope but those that nobody is granted.
    let withheld = sandbox.switches().withheld_scopes;
    let has = |needed: &String| match &reach {
        Some(reach) => reach.scopes.contains(needed),
        None => !withheld.contains(needed),
    };
    if !needed.is_empty() && !needed.iter().any(has) {
        return Ok(request.into_response(missing_scopes(&sandbox, &needed)));
    }
    // Search has a limit of its own, and tells nothing of it.
    let limit = sandbox.switches().rate_limit.filter(|_| !request.path().trim_end_matches('/').ends_with("/search"));
    let Some(limit) = limit else { return Ok(next.call(request).await?.map_into_boxed_body()) };
    let now = sandbox.clock.now();
    let left = sandbox.locked(|inner| inner.meter.count(limit, now));
    let mut reply = match left {
        Some(_) => next.call(request).await?.map_into_boxed_body(),
        None => request.into_response(too_many(&sandbox)),
    };
    tell(reply.headers_mut(), limit, left.unwrap_or_default());
    Ok(reply)
}

/// Any of these scopes opens a path. Nothing where HubSpot asks for none, and where there is nothing.
fn needed(method: &Method, path: &str) -> Vec<String> {
    let Place { area, rest } = Place::read(path);
    let reads = method == Method::GET || method == Method::HEAD || matches!(rest.last(), Some(&"search" | &"read"));
    let verb = if reads { "read" } else { "write" };
    let kind = rest.first().and_then(|kind| Kind::read(kind).ok());
    match (area, kind) {
        ("contacts", _) => vec!["contacts".to_owned()],
        ("owners", _) => ["crm.objects.owners.read", "contacts"].map(str::to_owned).to_vec(),
        ("properties" | "pipelines", Some(kind)) => {
            let schema = format!("crm.schemas.{}.{verb}", if kind.is_custom() { "custom" } else { kind.name() });
            [schema].into_iter().chain(kind.scopes(verb)).collect()
        }
        ("objects" | "associations", Some(kind)) => kind.scopes(verb),
        _ => Vec::new(),
    }
}

pub fn missing_scopes(sandbox: &Sandbox, needed: &[String]) -> HttpResponse {
    let page = "https://developers.hubspot.com/scopes";
    let message = format!(
        "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: \
         {page}."
    );
    let more = json!({
        "errors": [{
            "message": "One or more of the following scopes are required.",
            "context": {"requiredGranularScopes": needed},
        }],
        "links": {"scopes": page},
        "category": "MISSING_SCOPES",
    });
    sandbox.api_error(StatusCode::FORBIDDEN, &message, more)
}

/// HubSpot promises no `Retry-After` here.
pub fn too_many(sandbox: &Sandbox) -> HttpResponse {
    let message = "You have reached your ten_secondly_rolling limit.";
    let more = json!({
        "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING", "groupName": "publicapi:crm:62515",
        "category": "RATE_LIMITS",
    });
    sandbox.api_error(StatusCode::TOO_MANY_REQUESTS, message, more)
}

fn tell(headers: &mut HeaderMap, limit: u32, left: u32) {
    let facts = [
        ("x-hubspot-ratelimit-max", limit),
        ("x-hubspot-ratelimit-remaining", left),
        ("x-hubspot-ratelimit-interval-milliseconds", 10_000),
    ];
    for (name, value) in facts {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_its_scopes() {
        for (method, path, scopes) in [
            (Method::GET, "/crm/v3/objects/deals", &["crm.objects.deals.read", "contacts"][..]),
            (Method::POST, "/crm/v3/objects/0-3/search", &["crm.objects.deals.read", "contacts"]),
            (Method::POST, "/crm/objects/2026-03/0-3/batch/read", &["crm.objects.deals.read", "contacts"]),
            (Method::PATCH, "/crm/v3/objects/products/7", &["crm.objects.products.write", "e-commerce"]),
            (Method::GET, "/crm/v3/objects/leads", &["crm.objects.leads.read"]),
            (Method::DELETE, "/crm/v3/objects/rockets/7", &["crm.objects.custom.write"]),
            (Method::GET, "/crm/v3/owners/", &["crm.objects.owners.read", "contacts"]),
            (Method::GET, "/crm/owners/2026-03/41", &["crm.objects.owners.read", "contacts"]),
            (
                Method::GET,
                "/crm/v3/properties/deals",
                &["crm.schemas.deals.read", "crm.objects.deals.read", "contacts"],
            ),
            (Method::POST, "/contacts/v1/contact", &["contacts"]),
            (Method::GET, "/crm/nothing", &[]),
        ] {
            assert_eq!(needed(&method, path), scopes, "{method} {path}");
        }
    }
}
