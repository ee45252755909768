//! `/vendor/{path}`: the vendor's own API through an instance, unchanged but for the credential.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode, Version};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::Stream as _;

use super::body::{Held, RawBody};
use super::cookies;
use super::extract::{connections, shared};
use super::vendor_token::named_instance;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::outbound::{Answer, AnswerBody, Flow, Upload};
use crate::protocol::VendorFault;
use crate::protocol::end_to_end::travels;
use crate::service::pass_through::{Call, MOST_RETRIES};

pub const PREFIX: &str = "/vendor/";
/// Bytes of a body that is read whole before it is sent, so that it can be sent again.
const REPEATABLE: u64 = 64 * 1024;
const RETRIES: &str = "elements-retries";

/// Marks a reply as the vendor's: nothing is added to it but the request id.
#[derive(Clone, Copy)]
pub struct FromVendor;

pub fn routes(config: &mut web::ServiceConfig) {
    // No pattern: the router would copy the path, of which the handler takes what was written.
    config.service(web::scope("/vendor").default_service(web::to(pass_through)));
}

async fn pass_through(request: HttpRequest, body: RawBody) -> Result<HttpResponse, ApiError> {
    let services = &shared(&request)?.services;
    refuse_what_cannot_pass(&request)?;
    let instance = named_instance(services, &request).await?;
    let headers = || outgoing(request.headers());
    let call = call(&request, &headers, body).await?;
    let answer = services.pass_through(connections(&request)?, instance, call).await?;
    reply(&request, answer)
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
    let path = uri.path().strip_prefix("/vendor").filter(|path| !path.is_empty()).ok_or(Code::RouteNotFound)?;
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

/// The caller's headers without those of its connection and those that are for us.
fn outgoing(headers: &HeaderMap) -> http::HeaderMap {
    let mut outgoing = http::HeaderMap::with_capacity(headers.len().saturating_add(2));
    for (name, value) in headers {
        let name = name.as_str();
        if name == "authorization" || name == RETRIES || !travels(name, options(headers)) {
            continue;
        }
        // Whoever signed in to the console did so with us alone.
        let value = if name == "cookie" { cookies::of_others(value.as_bytes()) } else { Some(value.as_bytes().into()) };
        let Some(value) = value else { continue };
        if let (Ok(name), Ok(value)) =
            (http::HeaderName::from_bytes(name.as_bytes()), http::HeaderValue::from_bytes(&value))
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

fn reply(request: &HttpRequest, answer: Answer) -> Result<HttpResponse, ApiError> {
    let status = StatusCode::from_u16(answer.status.as_u16()).map_err(|error| ApiError::internal(error))?;
    let length = answer.announced_length();
    let mut response = HttpResponse::new(status);
    let headers = response.headers_mut();
    let listed = || answer.headers.get_all(http::header::CONNECTION).iter().map(http::HeaderValue::as_bytes);
    for (name, value) in &answer.headers {
        let not_modified = status == StatusCode::NOT_MODIFIED && name == http::header::CONTENT_LENGTH;
        // Ours alone, so that nobody takes a vendor's answer for one of Ligand.
        let sets_ours = name == http::header::SET_COOKIE && cookies::is_ours(value.as_bytes());
        let pretends = name == "elements-error" || sets_ours;
        if pretends || !(not_modified || travels(name.as_str(), listed())) {
            continue;
        }
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_str().as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        {
            headers.append(name, value);
        }
    }
    let mut response = match answer.body {
        AnswerBody::Whole(_) if request.method() == Method::HEAD => response
            .set_body(Download { size: length.map_or(BodySize::None, BodySize::Sized), flow: None })
            .map_into_boxed_body(),
        AnswerBody::Whole(bytes) => response.set_body(bytes).map_into_boxed_body(),
        AnswerBody::Stream(flow) => {
            let size = flow.length.map_or(BodySize::Stream, BodySize::Sized);
            response.set_body(Download { size, flow: Some(flow) }).map_into_boxed_body()
        }
    };
    if request.version() < Version::HTTP_11 && response.body().size() == BodySize::Stream {
        // HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response.extensions_mut().insert(FromVendor);
    Ok(response)
}

/// The vendor's body. Asked for the next piece only when the caller has taken the last one.
struct Download {
    size: BodySize,
    /// None: the answer to a HEAD, which has a length and no body.
    flow: Option<Flow>,
}

impl MessageBody for Download {
    type Error = VendorFault;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, VendorFault>>> {
        match &mut self.flow {
            Some(flow) => Pin::new(flow).poll_next(context),
            None => Poll::Ready(None),
        }
    }
}
