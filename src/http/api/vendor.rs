//! `/vendor/{path}`: the vendor's own API through an instance. What goes there is here, what comes back in `vendor_reply`.

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};

use super::vendor_reply::reply;
use crate::http::body::{Held, RawBody};
use crate::http::extract::{connections, shared};
use crate::http::vendor_token::named_instance;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::outbound::Upload;
use crate::protocol::answer::cookies;
use crate::protocol::end_to_end::{poses_as_ours, travels};
use crate::service::calls::pass_through::{Call, MOST_RETRIES};

const PREFIX: &str = "/vendor";
/// Bytes of a body that is read whole before it is sent, so that it can be sent again.
const REPEATABLE: u64 = 64 * 1024;
const RETRIES: &str = "elements-retries";

/// Whether a path is the vendor's business.
pub fn is_vendors(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub fn routes(config: &mut web::ServiceConfig) {
    // No pattern: the router would copy the path, of which the handler takes what was written.
    config.service(web::scope(PREFIX).default_service(web::to(pass_through)));
}

async fn pass_through(request: HttpRequest, body: RawBody) -> Result<HttpResponse, ApiError> {
    let services = &shared(&request)?.services;
    refuse_what_cannot_pass(&request)?;
    let instance = named_instance(services, &request).await?;
    services.count_request(instance.owner.organization).await?;
    let id = instance.id;
    let headers = || outgoing(request.headers(), id);
    let call = call(&request, &headers, body).await?;
    let passed = services.pass_through(connections(&request)?, instance, call).await?;
    reply(&request, passed)
}

fn refuse_what_cannot_pass(request: &HttpRequest) -> Result<(), ApiError> {
    let upgrade = request.headers().get_all(header::UPGRADE).filter_map(|value| value.to_str().ok());
    if upgrade.flat_map(|value| value.split(',')).any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket")) {
        return Err(Code::UpgradeUnsupported.into());
    }
    // A page of the vendor would be one of this server to a browser, scripts included.
    if request.headers().get("sec-fetch-mode").is_some_and(|mode| mode == "navigate") {
        let message = "A browser may not open a vendor's pages here: call the vendor's API from a program.";
        return Err(ApiError::new(Code::NotAllowed, message));
    }
    // A trace would show the vendor's credential (RFC 9110 section 9.3.8).
    if matches!(*request.method(), Method::TRACE | Method::CONNECT) {
        return Err(Code::MethodNotAllowed.into());
    }
    Ok(())
}

async fn call<'a>(
    request: &'a HttpRequest,
    headers: &'a dyn Fn() -> http::HeaderMap,
    body: RawBody,
) -> Result<Call<'a>, ApiError> {
    let uri = request.uri();
    // The router has decoded the path; what was written otherwise is another address.
    let path = uri.path().strip_prefix(PREFIX).ok_or(Code::RouteNotFound)?;
    Ok(Call {
        method: http::Method::from_bytes(request.method().as_str().as_bytes())
            .map_err(|error| ApiError::internal(error))?,
        path: path.into(),
        query: uri.query().map(Into::into),
        headers,
        retries: retries(request.headers())?,
        body: upload(request, body).await?,
    })
}

fn retries(headers: &HeaderMap) -> Result<u8, ApiError> {
    let Some(value) = headers.get(RETRIES) else { return Ok(0) };
    value.to_str().ok().and_then(|text| text.trim().parse().ok()).filter(|tries| *tries <= MOST_RETRIES).ok_or_else(
        || {
            ApiError::new(
                Code::BadParameter,
                format!("Elements-Retries must be a whole number from 0 to {MOST_RETRIES}."),
            )
        },
    )
}

/// The caller's headers without those of its connection, those that are for us, and those that a vendor could take for ours.
fn outgoing(headers: &HeaderMap, instance: i64) -> http::HeaderMap {
    let mut outgoing = http::HeaderMap::with_capacity(headers.len().saturating_add(2));
    for (name, value) in headers {
        let name = name.as_str();
        if name == "authorization" || name == RETRIES || !travels(name, options(headers)) || poses_as_ours(name) {
            continue;
        }
        // Other cookies are ours, or of another instance, and their keeper does not know the difference.
        let own = if name == "cookie" { cookies::inward(value.as_bytes(), instance) } else { None };
        let value = match &own {
            None if name == "cookie" => continue,
            None => value.as_bytes(),
            Some(own) => own,
        };
        if let (Ok(name), Ok(value)) =
            (http::HeaderName::from_bytes(name.as_bytes()), http::HeaderValue::from_bytes(value))
        {
            outgoing.append(name, value);
        }
    }
    if headers.get(header::CONTENT_LENGTH).is_some_and(|length| length == "0") {
        // Some vendors insist on hearing that there is nothing.
        outgoing.insert(http::header::CONTENT_LENGTH, http::HeaderValue::from_static("0"));
    }
    outgoing
}

/// What the `Connection` headers list.
fn options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::CONNECTION).map(HeaderValue::as_bytes)
}

async fn upload(request: &HttpRequest, body: RawBody) -> Result<Upload, ApiError> {
    let headers = request.headers();
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let length = headers.get(header::CONTENT_LENGTH).filter(|_| !chunked);
    let length: Option<u64> = length.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    if body.is_none() {
        return Ok(Upload::Whole(Bytes::new()));
    }
    match length {
        Some(length) if length <= REPEATABLE => Ok(match body.hold(length, &shared(request)?.bodies).await? {
            Held::Whole(bytes) => Upload::Whole(bytes),
            // It passes all the same, only that it cannot be sent again.
            Held::Begun { read, rest } => Upload::stream(rest.chunks(read), Some(length)),
        }),
        _ => Ok(Upload::stream(body.chunks(Default::default()), length)),
    }
}
