//! Who calls and what was sent, as types in the handlers' signatures. A route without one of them does not compile into
//! anything useful: the services come with the caller.

use std::collections::BTreeMap;
use std::future::{Future, Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use futures_util::future::Either;

use super::Shared;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::paging::Page;
use crate::kernel::secret::Secret;
use crate::outbound::Connections;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::calls::vendor::VendorAccess;
use crate::service::instance::token_sight::TokensRead;
use crate::service::people::authenticate::Presented;

pub(super) type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// A caller with User and Organization, or with a session token.
pub struct Caller {
    pub services: Services,
    pub actor: Actor,
    request: HttpRequest,
}

impl Caller {
    pub fn owner(&self) -> Owner {
        self.actor.owner()
    }

    /// For the log line of the request.
    pub fn note(&self, read: TokensRead) {
        self.request.extensions_mut().insert(Reader { read, by: self.actor.clone() });
    }
}

/// Who read tokens, by this request.
pub(super) struct Reader {
    pub read: TokensRead,
    pub by: Actor,
}

/// A caller whose Element token names one of its instances.
pub struct CallerInstance {
    pub caller: Caller,
    pub instance: i64,
}

/// A caller of a hub: the instance that the Element token names, and the user. The organization may stay away (docs/api.md,
/// Authentication).
pub struct HubCaller {
    pub services: Services,
    owner: Owner,
    pub instance: i64,
    connections: Rc<Connections>,
}

impl HubCaller {
    pub fn owner(&self) -> Owner {
        self.owner
    }

    pub fn vendor_access(&self) -> VendorAccess<'_, Rc<Connections>> {
        VendorAccess { owner: self.owner(), instance: self.instance, line: &self.connections }
    }
}

/// Anybody; who presents credentials must present good ones.
pub struct Public {
    pub services: Services,
    pub actor: Option<Actor>,
}

impl Public {
    /// Whose elements it sees.
    pub fn owner(&self) -> Option<Owner> {
        self.actor.as_ref().map(Actor::owner)
    }
}

/// A route that takes no credentials at all.
pub struct Anonymous {
    pub services: Services,
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
            let (principal, proof) = services.prove(&presented(&request)?).await?;
            services.count_request(principal.owner.organization).await?;
            let actor = Actor::user(principal, proof, services.request_id(), address(&request));
            Ok(Self { services, actor, request })
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
            services.count_request(principal.owner.organization).await?;
            let token = presented.element.ok_or_else(|| {
                let message =
                    "The Authorization header lacks Element: this call goes through the instance of that token.";
                ApiError::new(Code::MissingCredentials, message)
            })?;
            let instance = services.instance_of_token(principal.owner, &token).await?;
            let connections = Rc::clone(connections(&request)?);
            Ok(Self { services, owner: principal.owner, instance, connections })
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
            return Either::Left(ready(Ok(Self { services, actor: None })));
        }
        let address = address(request);
        Either::Right(Box::pin(async move {
            let (principal, proof) = services.prove(&presented).await?;
            services.count_request(principal.owner.organization).await?;
            let actor = Actor::user(principal, proof, services.request_id(), address);
            Ok(Self { services, actor: Some(actor) })
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

pub(super) fn services(request: &HttpRequest) -> Result<Services, ApiError> {
    Ok(shared(request)?.services.clone())
}

/// The worker's connections to vendors.
pub(super) fn connections(request: &HttpRequest) -> Result<&Rc<Connections>, ApiError> {
    request.app_data().ok_or_else(|| ApiError::internal("the routes were set up without their connections"))
}

/// The one Authorization header. Of two, somebody in front may have read the other one (RFC 9110 section 5.3: it is no list).
pub(super) fn authorization(request: &HttpRequest) -> Result<Option<&str>, ApiError> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    match (headers.next(), headers.next()) {
        (None, _) => Ok(None),
        (Some(header), None) => header.to_str().map(Some).map_err(|_| broken_header()),
        (Some(_), Some(_)) => {
            let message = "The Authorization header stands there twice: send one, with its parts behind commas.";
            Err(ApiError::new(Code::BadCredentials, message))
        }
    }
}

/// The parts of the Authorization header in any order (docs/api.md, Authentication).
pub(super) fn presented(request: &HttpRequest) -> Result<Presented, ApiError> {
    let mut presented = Presented::default();
    if let Some(text) = authorization(request)? {
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
pub(super) fn address(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let shared = shared(request).ok()?;
    let forwarded = request.headers().get_all("x-forwarded-for").map(|value| value.as_bytes());
    // As bytes: what a client wrote in front may be no text, and the proxy's own entry stands behind it.
    let hops: Vec<&[u8]> = forwarded.flat_map(|bytes| bytes.split(|byte| *byte == b',')).collect();
    let mut nearest = peer.to_canonical();
    // From the nearest hop outwards, as far as trusted proxies vouch; what cannot be read ends the chain.
    for hop in hops.into_iter().rev() {
        if !shared.trusts(nearest) {
            break;
        }
        match std::str::from_utf8(hop).ok().and_then(|hop| hop_address(hop.trim())) {
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

/// More than anybody means: a parameter takes two bytes to send and fifty to hold.
const MOST_PARAMETERS: usize = 5000;

/// Query parameters as sent.
pub struct Parameters(Vec<(String, String)>);

impl FromRequest for Parameters {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request.query_string().as_bytes()))
    }
}

impl Parameters {
    /// Of a query, where nobody minds what is too many.
    pub fn of(request: &HttpRequest) -> Self {
        let pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
        Self(pairs.take(MOST_PARAMETERS).map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// Of a query, or of a form.
    pub fn read(encoded: &[u8]) -> Result<Self, ApiError> {
        if encoded.iter().filter(|byte| **byte == b'&').count() >= MOST_PARAMETERS {
            let message = format!("At most {MOST_PARAMETERS} parameters are read.");
            return Err(ApiError::new(Code::BadParameter, message));
        }
        Ok(Self(url::form_urlencoded::parse(encoded).into_owned().collect()))
    }

    /// The first value, also an empty one.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first value, unless it is empty: empty means not given (docs/api.md, Requests and replies).
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

    pub fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let bad = |_| ApiError::new(Code::BadParameter, format!("{name} must be a whole number."));
        self.get(name).map(|text| text.parse().map_err(bad)).transpose()
    }

    pub fn page(&self) -> Result<Page, ApiError> {
        Page::read(self.get("pageSize"), self.get("nextPage"))
    }

    /// The first value that is not empty, which is none of the parameters from then on.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let value = self.get(name).map(str::to_owned);
        self.0.retain(|(known, _)| known != name);
        value
    }

    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
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
