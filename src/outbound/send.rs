//! Sends to vendors what no worker waits for: token calls, verification, revocation, calls of jobs; and notices to their
//! receivers.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode};
use reqwest::{Client, Proxy, Response, redirect};
use rustls::ClientConfig;
use url::Url;

use super::dial::with_causes;
use super::guard::{Guard, refused_address};
use super::line::{Line, Outgoing, PRODUCT};
use super::retry_after::retry_after;
use crate::kernel::clock::Clock;
use crate::protocol::content::{Packed, unpacked};
use crate::protocol::{VendorFault, VendorReply, VendorRequest};

pub(super) const TOO_LARGE: VendorFault = VendorFault::Malformed("a reply that is larger than this call may bring");

/// Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct Sender {
    client: Client,
    /// Every request over a connection of its own. A kept one may be closed by the vendor while a request is on its way (RFC
    /// 9112 section 9.5), and what is used up by being sent cannot be sent again.
    fresh: Client,
    guard: Guard,
    clock: Arc<dyn Clock>,
}

impl Sender {
    /// `proxy`: the only one that is used. The environment's would bypass the guard.
    pub fn new(
        guard: Guard,
        proxy: Option<&str>,
        tls: ClientConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, reqwest::Error> {
        let guard = guard.through(proxy);
        let builder = || {
            let builder = Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .user_agent(PRODUCT)
                .redirect(redirect::Policy::none())
                .connect_timeout(Duration::from_secs(10))
                .no_proxy();
            Ok::<_, reqwest::Error>(match proxy {
                // Its own name is the only one that is resolved here, and the operator chose it.
                Some(proxy) => builder.proxy(Proxy::all(proxy)?),
                None => builder.dns_resolver(Arc::new(guard.clone())),
            })
        };
        // Said to the vendor, too, so that it ends the connection and not this side keeps a port for its end.
        let once = HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static("close"))]);
        let fresh = builder()?.pool_max_idle_per_host(0).default_headers(once).build()?;
        Ok(Self { client: builder()?.build()?, fresh, guard, clock })
    }

    /// Sends once, over a connection of its own. Redirects are answers, not followed.
    pub async fn send(&self, request: &VendorRequest) -> Result<VendorReply, VendorFault> {
        self.send_and_wait(request, request.timeout).await
    }

    /// As `send`, with another limit than the request's own: for a reply that cannot be had again.
    pub async fn send_and_wait(&self, request: &VendorRequest, limit: Duration) -> Result<VendorReply, VendorFault> {
        self.guard.admit(&request.url)?;
        let reply = async { held(begin(&self.fresh, request).await?, request.largest_reply, self.clock.now()).await };
        tokio::time::timeout(limit, reply).await.unwrap_or(Err(VendorFault::Timeout))
    }

    /// Whether the URL itself may be called; what a name leads to is only known when it is.
    pub fn allows(&self, url: &Url) -> bool {
        self.guard.check(url).is_ok()
    }

    /// Sends once and wants to know no more than how that was taken: whatever body the reply has is left unread.
    pub async fn tell(&self, request: &VendorRequest) -> Result<VendorReply, VendorFault> {
        self.guard.admit(&request.url)?;
        let reply = async {
            let response = begin(&self.client, request).await?;
            Ok(head(response.status(), response.headers(), self.clock.now()))
        };
        tokio::time::timeout(request.timeout, reply).await.unwrap_or(Err(VendorFault::Timeout))
    }
}

async fn begin(client: &Client, request: &VendorRequest) -> Result<Response, VendorFault> {
    let Outgoing { method, headers, body } = Outgoing::of(request)?;
    let mut builder = client.request(method, request.url.clone()).headers(headers);
    if let Some(body) = body {
        builder = builder.body(body);
    }
    builder.send().await.map_err(fault)
}

impl Line for Sender {
    async fn call(&self, request: &VendorRequest) -> Result<VendorReply, VendorFault> {
        self.guard.admit(&request.url)?;
        let changes_nothing = http::Method::from_bytes(request.method.as_bytes()).is_ok_and(|method| method.is_safe());
        let answered = async {
            let begun = match begin(&self.client, request).await {
                // The library does not say whether the connection was a kept one.
                Err(VendorFault::Unreachable { sent: true, .. }) if changes_nothing => {
                    begin(&self.client, request).await
                }
                begun => begun,
            };
            held(begun?, request.largest_reply, self.clock.now()).await
        };
        tokio::time::timeout(request.timeout, answered).await.unwrap_or(Err(VendorFault::Timeout))
    }
}

async fn held(mut response: Response, most: usize, now: DateTime<Utc>) -> Result<VendorReply, VendorFault> {
    let mut reply = head(response.status(), response.headers(), now);
    let packed = codings(response.headers());
    reply.headers = std::mem::take(response.headers_mut());
    while let Some(chunk) = response.chunk().await.map_err(fault)? {
        if reply.body.len().saturating_add(chunk.len()) > most {
            return Err(TOO_LARGE);
        }
        reply.body.extend_from_slice(&chunk);
    }
    reply.body = plain(reply.body, &packed, most)?;
    Ok(reply)
}

/// How the body was packed, as the vendor says.
pub(super) fn codings(headers: &HeaderMap) -> String {
    let listed = headers.get_all(CONTENT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    listed.collect::<Vec<_>>().join(",")
}

/// The body unpacked. In what is no coding, or was not packed by it, the bytes may still be good: `Content-Encoding: utf-8` is seen.
pub(super) fn plain(body: Vec<u8>, codings: &str, most: usize) -> Result<Vec<u8>, VendorFault> {
    let unpacked = match unpacked(&body, codings, most) {
        Ok(Cow::Owned(unpacked)) => Some(unpacked),
        Ok(Cow::Borrowed(_)) | Err(Packed::Unknown | Packed::Broken) => None,
        Err(Packed::TooLarge) => return Err(TOO_LARGE),
    };
    Ok(unpacked.unwrap_or(body))
}

/// The reply without its body. `now`: when it came.
pub(super) fn head(status: StatusCode, headers: &HeaderMap, now: DateTime<Utc>) -> VendorReply {
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    VendorReply {
        status: status.as_u16(),
        content_type: header(CONTENT_TYPE).unwrap_or_default().to_owned(),
        location: header(LOCATION).map(str::to_owned),
        retry_after: retry_after(headers, now).map(|pause| pause.as_secs()),
        ..VendorReply::default()
    }
}

fn fault(error: reqwest::Error) -> VendorFault {
    if error.is_timeout() {
        return VendorFault::Timeout;
    }
    let sent = !error.is_connect();
    // A URL can hold a key (`hapikey`): it stays out of the text.
    let error = error.without_url();
    if let Some(refused) = refused_address(&error) {
        return VendorFault::Address(refused);
    }
    let reason = with_causes(&error);
    // The library tells it by its text alone.
    if reason.contains("tunnel error: ") {
        VendorFault::Proxy(reason)
    } else {
        VendorFault::Unreachable { reason, sent }
    }
}
