//! Around every request: its id, one form of its address, cross-origin headers, failures in one shape, one log line.

use std::borrow::Cow;
use std::future::Future;
use std::rc::Rc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, web};

use super::api::vendor;
use super::api::vendor_reply::FromVendor;
use super::error::{of_framework, render};
use super::extract::Reader;
use super::lifetime::Open;
use super::request_counts::RequestCounts;
use super::{ELEMENTS_ERROR, Shared, head, own_names, public_path, security_headers, unrouted, urls};
use crate::kernel::code::Code;
use crate::kernel::entropy::{Entropy, SystemEntropy};
use crate::kernel::error::ApiError;
use crate::kernel::request_id::RequestId;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("elements-request-id");

/// All of a request's work, and every line of the log about it, has the request's id.
pub fn envelope<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> impl Future<Output = Result<ServiceResponse<BoxBody>, Error>> {
    let shared = request.app_data::<web::Data<Shared>>();
    let entropy = shared.map_or::<&dyn Entropy, _>(&SystemEntropy, |shared| shared.entropy.as_ref());
    let id = RequestId::draw(entropy);
    id.scope(answered(request, next, id))
}

async fn answered(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    id: RequestId,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    head::detach(&mut request);
    let open = request.app_data::<web::Data<Shared>>().cloned().map(|shared| Open::begin(shared, id));
    let shared = open.as_ref().map(Open::shared);
    if let Some(shared) = shared {
        public_path::take_from(&mut request, &shared.services.public_url);
    }
    // The vendor's business from here on: its paths and methods stay as they are.
    let to_vendor = vendor::is_vendors(request.path());
    if !to_vendor {
        canonicalize(&mut request);
    }
    // What answers GET answers HEAD (RFC 9110 section 9.3.2); the connection leaves the body out.
    if !to_vendor && request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    if !to_vendor {
        own_names::note(&request).await;
    }
    let offers_upgrade = request.head().connection_type() == ConnectionType::Upgrade;
    let origin = request.headers().get(header::ORIGIN).cloned();
    let preflight = shared.and_then(|shared| shared.cors.preflight(request.method(), request.headers()));
    let is_served =
        shared.is_none_or(|shared| shared.listeners.serve(request.app_config().local_addr(), request.path()));
    let mut response = match preflight {
        _ if !is_served => {
            let failure = unrouted::not_there(request.method(), shared);
            request.error_response(failure).map_into_boxed_body()
        }
        Some(allowed) => {
            let mut response = HttpResponse::Ok();
            for header in allowed {
                response.insert_header(header);
            }
            request.into_response(response.finish())
        }
        None => match next.call(request).await {
            Ok(response) => response.map_into_boxed_body(),
            Err(error) => return Err(error),
        },
    };
    let from_vendor = response.response().extensions().contains::<FromVendor>();
    let failure = if from_vendor { None } else { take_failure(&response) };
    if let Some(error) = &failure {
        let body = render(error, id, response.headers_mut());
        response = response.map_body(|_, _| BoxBody::new(body));
        if to_vendor {
            response.headers_mut().insert(ELEMENTS_ERROR, HeaderValue::from_static(error.code.name()));
        }
    }
    if let Ok(value) = HeaderValue::from_bytes(&id.digits()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    // Replies carry tokens and secrets: no cache may keep one.
    if !from_vendor && !response.headers().contains_key(header::CACHE_CONTROL) {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Some(shared) = shared.filter(|_| !from_vendor) {
        let https = shared.services.public_url.scheme() == "https";
        let policy = security_headers::policy_of(response.request().path());
        security_headers::add(response.headers_mut(), policy, https);
        public_path::put_before_location(response.headers_mut(), &shared.services.public_url);
    }
    // actix ends such a connection with its reply, and would say `upgrade` there: clients that reuse it would fail.
    // Nor does one stay open to a server that stops: the next call on it would meet its end (RFC 9112 section 9.6).
    if offers_upgrade || shared.is_some_and(|shared| shared.lifetime.is_stopping()) {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    if let Some(shared) = shared {
        shared.cors.decorate(origin, response.headers_mut());
    }
    log(&response, failure.as_ref(), started);
    Ok(match open {
        Some(open) => response.map_body(|_, body| open.until_the_end_of(body)),
        None => response,
    })
}

/// One form for every address: the API's lie below its base path, whether it was sent or not, and there a trailing slash
/// means nothing (docs/api.md, Requests and replies).
fn canonicalize(request: &mut ServiceRequest) {
    let path = request.path();
    let trimmed = path.trim_end_matches('/');
    let base = if urls::lacks_base(trimmed) { urls::BASE } else { "" };
    if (trimmed.len() == path.len() && base.is_empty())
        || trimmed.is_empty()
        || (base.is_empty() && trimmed.starts_with(urls::DOCS))
    {
        return;
    }
    let (mark, query) = request.uri().query().map_or(("", ""), |query| ("?", query));
    let target = [base, trimmed, mark, query].concat();
    send_to(request, &target);
}

/// The request is one for another path and query from here on.
pub fn send_to(request: &mut ServiceRequest, target: &str) {
    let mut parts = request.uri().clone().into_parts();
    let Ok(target) = target.parse() else { return };
    parts.path_and_query = Some(target);
    if let Ok(uri) = Uri::from_parts(parts) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

/// Our own failure, or one that the framework noticed.
fn take_failure(response: &ServiceResponse<BoxBody>) -> Option<ApiError> {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let Some(error) = response.response().error() else {
        // A handler that made its own error reply gave it a body.
        return matches!(
            response.response().body().size(),
            actix_web::body::BodySize::None | actix_web::body::BodySize::Sized(0)
        )
        .then(|| of_framework(status));
    };
    Some(error.as_error::<ApiError>().map_or_else(|| of_framework(status), ApiError::copy))
}

/// The pattern that matched, written from what it took of the path: asking the router would route once more. Patterns only,
/// because paths and queries can hold secrets.
fn route_of(request: &HttpRequest) -> Option<String> {
    let matched = request.match_info();
    if !matched.unprocessed().is_empty() {
        return None;
    }
    let path = matched.as_str();
    let (mut route, mut end) = (String::with_capacity(path.len()), 0);
    for (name, value) in matched.iter() {
        let start = value.as_ptr().addr().checked_sub(path.as_ptr().addr())?;
        [path.get(end..start)?, "{", name, "}"].into_iter().for_each(|part| route.push_str(part));
        end = start.checked_add(value.len())?;
    }
    route.push_str(path.get(end..)?);
    Some(route)
}

/// A 5xx that says nothing of something gone wrong: a server that stops says so to whoever asks whether it is ready, and
/// the caller's wish for another protocol is the caller's.
fn is_expected(code: Code) -> bool {
    matches!(code, Code::NotReady | Code::UpgradeUnsupported)
}

fn log(response: &ServiceResponse<BoxBody>, failure: Option<&ApiError>, started: Instant) {
    let request = response.request();
    let route = match vendor::is_vendors(request.path()) {
        true => Cow::Borrowed("/vendor/{path}"),
        false => route_of(request).map_or(Cow::Borrowed("-"), Cow::Owned),
    };
    let route = &*route;
    let (method, status) = (request.method().as_str(), response.status().as_u16());
    let elapsed_ms = started.elapsed().as_millis();
    if let Some(counts) = request.app_data::<Rc<RequestCounts>>() {
        counts.count(method, route, status);
    }
    match failure {
        Some(error) if response.status() >= StatusCode::INTERNAL_SERVER_ERROR && !is_expected(error.code) => {
            tracing::error!(method, route, status, elapsed_ms, ?error, "request");
        }
        Some(error) => {
            let code = error.code.name();
            let cause = error.source.as_ref().map(tracing::field::display);
            tracing::info!(method, route, status, elapsed_ms, code, cause, "request");
        }
        // One line for both: the second one would cost as much as the call itself.
        None => match request.extensions().get::<Reader>() {
            None => tracing::info!(method, route, status, elapsed_ms, "request"),
            Some(Reader { read, by }) => {
                let address = by.address().map(tracing::field::display);
                let (instance, tokens_read) = (read.instance, read.count);
                let (user, name) = (by.user_id(), by.principal().ok().map(|user| user.email.as_str()));
                tracing::info!(
                    method,
                    route,
                    status,
                    elapsed_ms,
                    tokens_read,
                    instance,
                    user,
                    name,
                    address,
                    "request"
                );
            }
        },
    }
}
