//! `/vendor/{path}`: the vendor's own API through an instance, unchanged but for the credential.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use futures_util::{Stream as _, StreamExt as _};

use super::extract::{read_up_to, services};
use super::vendor_token::named_instance;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::outbound::{Answer, AnswerBody, BrokenUpload, Connections, Flow, Upload};
use crate::protocol::VendorFault;
use crate::protocol::end_to_end::travels;
use crate::protocol::instance_token::{FoundAt, without};
use crate::service::pass_through::{Call, MOST_RETRIES};

pub const PREFIX: &str = "/vendor/";
/// Bytes of a body that is read whole before it is sent, so that it can be sent again.
const REPEATABLE: u64 = 64 * 1024;
const RETRIES: &str = "elements-retries";

/// Marks a reply as the vendor's: nothing is added to it but the request id.
#[derive(Clone, Copy)]
pub struct FromVendor;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/vendor/{path:.*}").to(pass_through));
}

async fn pass_through(request: HttpRequest, body: RawBody) -> Result<HttpResponse, ApiError> {
    let services = services(&request)?;
    let connections = request.app_data::<Rc<Connections>>().ok_or_else(|| ApiError::internal("no connections"))?;
    refuse_what_cannot_pass(&request)?;
    let (instance, found_at) = named_instance(&services, &request).await?;
    let call = call(&request, found_at.as_ref(), body.0).await?;
    let answer = services.pass_through(connections, instance, call).await?;
    reply(request.method(), answer)
}

fn refuse_what_cannot_pass(request: &HttpRequest) -> Result<(), ApiError> {
    let upgrade = request.headers().get_all(header::UPGRADE).filter_map(|value| value.to_str().ok());
    if upgrade.flat_map(|value| value.split(',')).any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket")) {
        return Err(Code::UpgradeUnsupported.into());
    }
    // A trace would show the vendor's credential (RFC 9110 section 9.3.8).
    if matches!(*request.method(), Method::TRACE | Method::CONNECT) {
        return Err(Code::MethodNotAllowed.into());
    }
    Ok(())
}

async fn call(request: &HttpRequest, found_at: Option<&FoundAt>, payload: Payload) -> Result<Call, ApiError> {
    let uri = request.uri();
    let path = uri.path().strip_prefix("/vendor").unwrap_or_default().to_owned();
    let query = match found_at {
        Some(FoundAt::Parameter(name)) => uri.query().and_then(|query| without(query, name)),
        _ => uri.query().map(str::to_owned),
    };
    Ok(Call {
        method: http::Method::from_bytes(request.method().as_str().as_bytes()).map_err(ApiError::internal)?,
        path,
        query,
        headers: outgoing(request.headers(), found_at),
        retries: retries(request.headers())?,
        body: upload(request.headers(), payload).await?,
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

/// The caller's headers without those of its connection and without any credential of ours.
fn outgoing(headers: &HeaderMap, found_at: Option<&FoundAt>) -> http::HeaderMap {
    let ours = |name: &str| {
        name == "authorization" || name == RETRIES || matches!(found_at, Some(FoundAt::Header(held)) if held == name)
    };
    let mut outgoing = http::HeaderMap::with_capacity(headers.len().saturating_add(2));
    for (name, value) in headers {
        let name = name.as_str();
        if ours(name) || !travels(name, options(headers)) {
            continue;
        }
        if let (Ok(name), Ok(value)) =
            (http::HeaderName::from_bytes(name.as_bytes()), http::HeaderValue::from_bytes(value.as_bytes()))
        {
            outgoing.append(name, value);
        }
    }
    outgoing
}

/// What the `Connection` headers list.
fn options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::CONNECTION).map(HeaderValue::as_bytes)
}

async fn upload(headers: &HeaderMap, payload: Payload) -> Result<Upload, ApiError> {
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let length = headers.get(header::CONTENT_LENGTH).filter(|_| !chunked);
    let length: Option<u64> = length.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    if matches!(payload, Payload::None) {
        return Ok(Upload::Whole(Bytes::new()));
    }
    match length {
        Some(length) if length <= REPEATABLE => Ok(Upload::Whole(read_up_to(payload, length).await?)),
        _ => {
            let chunks = payload.map(|chunk| chunk.map_err(|error| BrokenUpload(error.to_string())));
            Ok(Upload::stream(chunks, length))
        }
    }
}

fn reply(method: &Method, answer: Answer) -> Result<HttpResponse, ApiError> {
    let status = StatusCode::from_u16(answer.status.as_u16()).map_err(ApiError::internal)?;
    let length = answer.announced_length();
    let mut response = HttpResponse::new(status);
    let headers = response.headers_mut();
    let listed = || answer.headers.get_all(http::header::CONNECTION).iter().map(http::HeaderValue::as_bytes);
    for (name, value) in &answer.headers {
        let not_modified = status == StatusCode::NOT_MODIFIED && name == http::header::CONTENT_LENGTH;
        if !(not_modified || travels(name.as_str(), listed())) {
            continue;
        }
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_str().as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        {
            headers.append(name, value);
        }
    }
    let mut response = match answer.body {
        AnswerBody::Whole(_) if method == Method::HEAD => response
            .set_body(Download { size: length.map_or(BodySize::None, BodySize::Sized), flow: None })
            .map_into_boxed_body(),
        AnswerBody::Whole(bytes) => response.set_body(bytes).map_into_boxed_body(),
        AnswerBody::Stream(flow) => {
            let size = length.map_or(BodySize::Stream, BodySize::Sized);
            response.set_body(Download { size, flow: Some(flow) }).map_into_boxed_body()
        }
    };
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

/// The body as the caller sends it.
struct RawBody(Payload);

impl FromRequest for RawBody {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(_: &HttpRequest, payload: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self(payload.take())))
    }
}
