//! A line to vendors: whatever carries one call there and holds its answer in memory.

use std::future::Future;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method};

use crate::protocol::{VendorFault, VendorReply, VendorRequest};

pub(super) const PRODUCT: &str = concat!("Ligand/", env!("CARGO_PKG_VERSION"));

/// A worker's own connections, which do not leave their thread, or the sender that all threads share: over that one a call may
/// be made from any task, because the future of a call is `Send` where its line is.
pub trait Line {
    /// Sends once; again only where a kept connection ended under a call that changes nothing. Redirects are answers, not
    /// followed.
    fn call(&self, request: &VendorRequest) -> impl Future<Output = Result<VendorReply, VendorFault>>;
}

/// A request but for its address, which each line writes in its own way.
pub(super) struct Outgoing {
    pub method: Method,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
}

impl Outgoing {
    pub fn of(request: &VendorRequest) -> Result<Self, VendorFault> {
        let method =
            Method::from_bytes(request.method.as_bytes()).map_err(|_| VendorFault::Malformed("a bad method"))?;
        let mut headers = HeaderMap::with_capacity(request.headers.len().saturating_add(1));
        headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
        for (name, value) in &request.headers {
            let name = HeaderName::try_from(name).map_err(|_| VendorFault::Malformed("a bad header name"))?;
            let mut value =
                HeaderValue::try_from(value.expose()).map_err(|_| VendorFault::Malformed("a bad header value"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let body = request.body.as_ref().map(|body| Bytes::copy_from_slice(body.expose().as_bytes()));
        Ok(Self { method, headers, body })
    }
}
