//! A vendor's answer as the caller gets it: what the vendor said, but for `docs/passthrough.md`.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode, Version};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::Stream as _;
use url::{Position, Url};

use crate::http::extract::shared;
use crate::http::{ELEMENTS_ERROR, Shared, public_path};
use crate::kernel::error::ApiError;
use crate::outbound::{AnswerBody, Flow};
use crate::protocol::VendorFault;
use crate::protocol::answer::addresses::{Places, Rewritten, Shape};
use crate::protocol::answer::withheld::is_withheld;
use crate::protocol::answer::{caching, cookies};
use crate::protocol::end_to_end::travels;
use crate::service::calls::pass_through::Passed;

/// Marks a reply as the vendor's: nothing is added to it but what is here and the request id.
#[derive(Clone, Copy)]
pub struct FromVendor;

/// What `Elements-Error` says of an answer that lost an address.
const ADDRESS_IGNORED: HeaderValue = HeaderValue::from_static("vendor_address_ignored");
const FORWARDED_PROTO: &str = "x-forwarded-proto";

pub fn reply(request: &HttpRequest, passed: Passed<'_>) -> Result<HttpResponse, ApiError> {
    let status = StatusCode::from_u16(passed.answer.status.as_u16()).map_err(|error| ApiError::internal(error))?;
    let length = passed.answer.announced_length();
    let mut response = HttpResponse::new(status);
    put_headers(request, &passed, status, response.headers_mut())?;
    let mut response = match passed.answer.body {
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

fn put_headers(
    request: &HttpRequest,
    passed: &Passed<'_>,
    status: StatusCode,
    headers: &mut HeaderMap,
) -> Result<(), ApiError> {
    let Passed { answer, live, path } = passed;
    let listed = || answer.headers.get_all(http::header::CONNECTION).iter().map(http::HeaderValue::as_bytes);
    for (name, value) in &answer.headers {
        let not_modified = status == StatusCode::NOT_MODIFIED && name == http::header::CONTENT_LENGTH;
        let known = name.as_str();
        if is_withheld(known) || !(not_modified || travels(known, listed())) {
            continue;
        }
        if name == http::header::SET_COOKIE {
            let path = public_path::of(&shared(request)?.services.public_url);
            let bound = cookies::outward(value.as_bytes(), live.id, (live.destination()?.prefix(), path));
            bound.iter().for_each(|bound| append(headers, known, bound));
        } else if let Some(shape) = Shape::of(known) {
            let shared = shared(request)?;
            let public = &shared.services.public_url;
            let here = here(request, shared, public);
            let places =
                Places { vendor: live.destination()?, asked: path, here: &here, public, path: public_path::of(public) };
            match places.header(shape, value.as_bytes()) {
                Rewritten::AsItIs => append(headers, known, value.as_bytes()),
                Rewritten::Changed { text, dropped } => {
                    text.iter().for_each(|text| append(headers, known, text.as_bytes()));
                    if dropped {
                        headers.insert(ELEMENTS_ERROR, ADDRESS_IGNORED);
                    }
                }
            }
        } else {
            append(headers, known, value.as_bytes());
        }
    }
    keep_to_the_caller(headers);
    Ok(())
}

fn append(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
        headers.append(name, value);
    }
}

/// No cache for several callers, and no page of this server's to a browser, whatever the vendor sends.
fn keep_to_the_caller(headers: &mut HeaderMap) {
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching::PRIVATE));
    } else if let Some(stricter) = caching::stricter(headers.get_all(header::CACHE_CONTROL).map(HeaderValue::as_bytes))
        && let Ok(stricter) = HeaderValue::from_str(&stricter)
    {
        headers.insert(header::CACHE_CONTROL, stricter);
    }
    // Beside the vendor's own: of several policies all hold (CSP level 3 section 8.1).
    headers.append(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// This server's scheme and authority as the caller wrote them, as far as that can be known.
fn here(request: &HttpRequest, shared: &Shared, public: &Url) -> String {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST.as_str()).unwrap_or_default();
    let trusted = request.peer_addr().is_some_and(|peer| shared.trusts(peer.ip().to_canonical()));
    let forwarded = text(FORWARDED_PROTO).filter(|scheme| trusted && matches!(*scheme, "http" | "https"));
    let is_public = host.eq_ignore_ascii_case(&public[Position::BeforeHost..Position::AfterPort]);
    // This side of a proxy it is plain HTTP.
    let scheme = forwarded.unwrap_or(if is_public { public.scheme() } else { "http" });
    let written = Url::parse(&[scheme, "://", host].concat()).ok().filter(|url| !host.is_empty() && url.path() == "/");
    written.as_ref().unwrap_or(public).origin().ascii_serialization()
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
