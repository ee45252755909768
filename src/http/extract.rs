//! Who calls and what was sent, as types in the handlers' signatures. A route without one of them does not compile into
//! anything useful: the services come with the caller.

use std::collections::BTreeMap;
use std::future::{Future, Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::StreamExt as _;
use futures_util::future::Either;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Shared;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::paging::Page;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::authenticate::Presented;
use crate::store::principals::Principal;

/// Bytes of a request body at most.
pub const LARGEST_BODY: usize = 1 << 20;
/// A body that trickles in holds memory and a connection: it has this long. Data of the application, where 15 s do not fit.
#[derive(Debug, Clone, Copy)]
struct BodyDeadline(Duration);

const BODY_DEADLINE: BodyDeadline = BodyDeadline(Duration::from_secs(15));

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// A caller with User and Organization, or with a session token.
pub struct Caller {
    pub services: Arc<Services>,
    pub principal: Arc<Principal>,
}

impl Caller {
    pub fn owner(&self) -> Owner {
        self.principal.owner
    }
}

/// A caller whose Element token names one of its instances.
pub struct CallerInstance {
    pub caller: Caller,
    pub instance: i64,
}

/// A caller of a hub: the instance that the Element token names, and the user. The organization may stay away (contract 2.4).
pub struct HubCaller {
    pub services: Arc<Services>,
    pub principal: Arc<Principal>,
    pub instance: i64,
}

impl HubCaller {
    pub fn owner(&self) -> Owner {
        self.principal.owner
    }
}

/// Anybody; who presents credentials must present good ones.
pub struct Public {
    pub services: Arc<Services>,
    pub principal: Option<Arc<Principal>>,
}

/// A route that takes no credentials at all.
pub struct Anonymous {
    pub services: Arc<Services>,
    /// The caller's address, as far as trusted proxies tell it.
    pub address: Option<IpAddr>,
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let services = services(&request)?;
            let principal = services.authenticate(&presented(&request)?).await?;
            Ok(Self { services, principal })
        })
    }
}

impl FromRequest for CallerInstance {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let caller = caller.await?;
            let token = presented(&request)?.element.ok_or_else(|| {
                let message = "The Authorization header lacks Element: this call takes the instance from its token.";
                ApiError::new(Code::MissingCredentials, message)
            })?;
            let instance = caller.services.instance_of_token(caller.owner(), &token).await?;
            Ok(Self { caller, instance })
        })
    }
}

impl FromRequest for HubCaller {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let services = services(&request)?;
            let presented = presented(&request)?;
            let principal = services.authenticate_for_hub(&presented).await?;
            let token = presented.element.ok_or_else(|| {
                let message =
                    "The Authorization header lacks Element: this call goes through the instance of that token.";
                ApiError::new(Code::MissingCredentials, message)
            })?;
            let instance = services.instance_of_token(principal.owner, &token).await?;
            Ok(Self { services, principal, instance })
        })
    }
}

impl FromRequest for Public {
    type Error = ApiError;
    type Future = Either<Ready<Result<Self, ApiError>>, Extraction<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (services, presented) = match services(request).and_then(|services| Ok((services, presented(request)?))) {
            Ok(both) => both,
            Err(error) => return Either::Left(ready(Err(error))),
        };
        if presented.is_empty() && services.anonymous_catalog {
            return Either::Left(ready(Ok(Self { services, principal: None })));
        }
        Either::Right(Box::pin(async move {
            let principal = Some(services.authenticate(&presented).await?);
            Ok(Self { services, principal })
        }))
    }
}

impl FromRequest for Anonymous {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = services(request).map(|services| Self { services, address: address(request) });
        ready(found)
    }
}

pub(super) fn shared(request: &HttpRequest) -> Result<&web::Data<Shared>, ApiError> {
    request
        .app_data::<web::Data<Shared>>()
        .ok_or_else(|| ApiError::internal("the routes were set up without their data"))
}

pub(super) fn services(request: &HttpRequest) -> Result<Arc<Services>, ApiError> {
    shared(request)?.services().cloned()
}

/// The parts of the Authorization header in any order (contract 2.3).
pub(super) fn presented(request: &HttpRequest) -> Result<Presented, ApiError> {
    let mut presented = Presented::default();
    for header in request.headers().get_all(header::AUTHORIZATION) {
        let text = header.to_str().map_err(|_| broken_header())?;
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (label, value) = part.split_once([' ', '\t']).ok_or_else(broken_header)?;
            let place = match label {
                label if label.eq_ignore_ascii_case("user") => &mut presented.user,
                label if label.eq_ignore_ascii_case("organization") => &mut presented.organization,
                label if label.eq_ignore_ascii_case("element") => &mut presented.element,
                label if label.eq_ignore_ascii_case("bearer") => &mut presented.bearer,
                _ => return Err(broken_header()),
            };
            let value = value.trim();
            // No value holds a space, so a comma is missing; and of two values neither can be meant.
            if value.bytes().any(|byte| byte.is_ascii_whitespace()) || place.replace(Secret::new(value)).is_some() {
                return Err(broken_header());
            }
        }
    }
    Ok(presented)
}

fn broken_header() -> ApiError {
    let message = "The Authorization header cannot be read: send `User <secret>, Organization <secret>`, with \
                   `Element <token>` where the call takes one, or `Bearer <token>`.";
    ApiError::new(Code::BadCredentials, message)
}

/// The peer, or the nearest address in front of the trusted proxies.
fn address(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let shared = shared(request).ok()?;
    let forwarded = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = forwarded.flat_map(|text| text.split(',')).collect();
    let mut nearest = peer.to_canonical();
    // From the nearest hop outwards, as far as trusted proxies vouch; what cannot be read ends the chain.
    for hop in hops.into_iter().rev() {
        if !shared.trusts(nearest) {
            break;
        }
        match hop_address(hop.trim()) {
            Some(address) => nearest = address,
            None => break,
        }
    }
    Some(nearest)
}

/// An address, or one with a port, as some proxies write it.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let address = hop.parse().ok().or_else(|| hop.parse().ok().map(|socket: SocketAddr| socket.ip()));
    address.map(|address| address.to_canonical())
}

/// A JSON body, and its bytes.
pub struct JsonBody<T> {
    pub value: T,
    pub bytes: Vec<u8>,
}

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = json_bytes(request, payload);
        Box::pin(async move {
            let bytes = body.await?;
            let value = read_json(&bytes)?;
            // serde reads a list as a struct's members in order, which nobody means.
            if !bytes.trim_ascii_start().starts_with(b"{") {
                return Err(ApiError::new(Code::BadBody, NOT_AN_OBJECT));
            }
            Ok(Self { value, bytes })
        })
    }
}

/// A body of a length that was announced.
pub(super) async fn read_up_to(mut payload: Payload, length: u64) -> Result<web::Bytes, ApiError> {
    let broken = |error| ApiError::new(Code::BadBody, "The body broke off.").with_source(error);
    let whole = async {
        let first = payload.next().await.transpose().map_err(broken)?.unwrap_or_default();
        let mut bytes = web::BytesMut::new();
        while let Some(chunk) = payload.next().await.transpose().map_err(broken)? {
            if bytes.is_empty() {
                bytes.reserve(usize::try_from(length).unwrap_or_default());
                bytes.extend_from_slice(&first);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(if bytes.is_empty() { first } else { bytes.freeze() })
    };
    tokio::time::timeout(BODY_DEADLINE.0, whole).await.unwrap_or_else(|_| Err(too_slow(BODY_DEADLINE)))
}

/// The bytes of a body that is said to be JSON.
fn json_bytes(request: &HttpRequest, payload: &mut Payload) -> impl Future<Output = Result<Vec<u8>, ApiError>> + use<> {
    let media_type =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let payload = payload.take();
    let deadline = *request.app_data::<BodyDeadline>().unwrap_or(&BODY_DEADLINE);
    async move {
        if length.is_some_and(|length: u64| usize::try_from(length).map_or(true, |length| length > LARGEST_BODY)) {
            return Err(too_large());
        }
        let whole = tokio::time::timeout(deadline.0, read_whole(payload));
        let bytes = whole.await.unwrap_or_else(|_| Err(too_slow(deadline)))?;
        if !media_type.as_deref().is_some_and(is_json) {
            let message = "The body must be JSON: send it with `Content-Type: application/json`.";
            return Err(ApiError::new(Code::UnsupportedMediaType, message));
        }
        Ok(bytes)
    }
}

/// Any JSON value, of methods that have a body. A body of the others is passed over (contract 1.2).
pub struct AnyBody(pub Option<Value>);

impl FromRequest for AnyBody {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if matches!(request.method().as_str(), "GET" | "HEAD" | "DELETE") {
            return Box::pin(ready(Ok(Self(None))));
        }
        let body = json_bytes(request, payload);
        Box::pin(async move { read_json(&body.await?).map(Self) })
    }
}

async fn read_whole(mut payload: Payload) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| ApiError::new(Code::BadBody, "The body broke off.").with_source(error))?;
        if bytes.len().saturating_add(chunk.len()) > LARGEST_BODY {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

impl<T> Deref for JsonBody<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

const NOT_AN_OBJECT: &str = "The body must be a JSON object.";

fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // serde quotes what it did not expect, which can be a secret: only the place and the kind go out.
        let place = error.path().to_string();
        let inner = error.inner();
        let at = format!("line {}, column {}", inner.line(), inner.column());
        let message = match inner.classify() {
            serde_json::error::Category::Data if place != "." => {
                format!("The body does not fit at `{}`: the value there has the wrong type.", shortened(&place))
            }
            serde_json::error::Category::Data => NOT_AN_OBJECT.to_owned(),
            _ => format!("The body is not valid JSON: see {at}."),
        };
        ApiError::new(Code::BadBody, message)
    })?;
    deserializer.end().map_err(|_| ApiError::new(Code::BadBody, "The body has text behind its JSON value."))?;
    Ok(value)
}

/// For messages: what was sent, but not all of it.
pub fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

fn too_slow(BodyDeadline(deadline): BodyDeadline) -> ApiError {
    ApiError::new(Code::BadBody, format!("The body did not arrive within {} s.", deadline.as_secs_f32()))
}

fn too_large() -> ApiError {
    ApiError::new(Code::BodyTooLarge, format!("The body is larger than {LARGEST_BODY} bytes."))
}

/// Query parameters as sent.
pub struct Parameters(Vec<(String, String)>);

impl FromRequest for Parameters {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

impl Parameters {
    pub fn of(request: &HttpRequest) -> Self {
        Self(url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect())
    }

    /// The first value, also an empty one.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first value, unless it is empty: empty means not given (contract 1.2).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(known, value)| known == name && !value.is_empty());
        named.map(|(_, value)| value.as_str())
    }

    pub fn flag(&self, name: &str, default: bool) -> Result<bool, ApiError> {
        match self.get(name) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(ApiError::new(Code::BadParameter, format!("{name} must be true or false."))),
        }
    }

    pub fn page(&self) -> Result<Page, ApiError> {
        Page::read(self.get("pageSize"), self.get("nextPage"))
    }

    /// In the order in which they were sent.
    pub fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    pub fn into_map(self) -> BTreeMap<String, String> {
        // The first of several counts, as in `given`.
        self.0.into_iter().rev().collect()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::error::PayloadError;
    use actix_web::test::TestRequest;
    use actix_web::web::Bytes;
    use futures_util::stream::{self, BoxStream};

    use super::*;

    async fn read(body: BoxStream<'static, Result<Bytes, PayloadError>>) -> Result<Value, ApiError> {
        let request = TestRequest::default().insert_header(("content-type", "application/json"));
        let request = request.app_data(BodyDeadline(Duration::from_millis(50))).to_http_request();
        let body: Pin<Box<dyn futures_util::Stream<Item = _>>> = body;
        JsonBody::from_request(&request, &mut Payload::from(body)).await.map(|body| body.value)
    }

    #[tokio::test]
    async fn a_body_that_trickles_in_is_cut_off() {
        let whole = stream::iter(["{\"a\":", "1}"].map(|part| Ok(Bytes::from(part))));
        assert_eq!(read(whole.boxed()).await.unwrap(), serde_json::json!({ "a": 1 }));
        // Always a next byte, never the last one: no pause is long enough to be noticed as one.
        let endless = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Some((Ok(Bytes::from_static(b" ")), ()))
        });
        let refused = tokio::time::timeout(Duration::from_secs(10), read(endless.boxed())).await.expect("a deadline");
        let refused = refused.unwrap_err();
        assert_eq!((refused.code, refused.message.as_str()), (Code::BadBody, "The body did not arrive within 0.05 s."));
    }
}
