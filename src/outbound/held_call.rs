//! A call whose answer is held in memory, over a worker's own connections.

use std::rc::Rc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};
use url::Position;

use super::answer::{Answer, AnswerBody};
use super::connections::{Connections, ExchangeFault};
use super::dial::Dialer;
use super::send::{PRODUCT, TOO_LARGE, head};
use super::upload::Upload;
use crate::protocol::destination::Destination;
use crate::protocol::{VendorFault, VendorReply, VendorRequest};

/// Bytes that an announcement alone is worth.
const AT_ONCE: usize = 1 << 20;

impl Connections {
    /// Sends once; again only where a kept connection ended under a call that changes nothing. Redirects are answers, not
    /// followed.
    pub async fn call(self: &Rc<Self>, dialer: &Dialer, request: &VendorRequest) -> Result<VendorReply, VendorFault> {
        let answered = tokio::time::timeout(request.timeout, self.held_answer(dialer, request));
        answered.await.unwrap_or(Err(VendorFault::Timeout))
    }

    async fn held_answer(
        self: &Rc<Self>,
        dialer: &Dialer,
        request: &VendorRequest,
    ) -> Result<VendorReply, VendorFault> {
        let to = Destination::of(&request.url);
        let first = outgoing(request)?;
        let harmless = first.method().is_safe();
        let answer = match self.exchange(dialer, &to, first, request.timeout).await {
            Err(ExchangeFault::Stale(_)) if harmless => {
                self.exchange(dialer, &to, outgoing(request)?, request.timeout).await
            }
            answer => answer,
        };
        match answer {
            Ok(answer) => held(answer, request.largest_reply).await,
            Err(ExchangeFault::Vendor(fault) | ExchangeFault::Stale(fault)) => Err(fault),
            Err(ExchangeFault::Caller(_)) => Err(VendorFault::Malformed("a body that did not come")),
        }
    }
}

fn outgoing(request: &VendorRequest) -> Result<Request<Upload>, VendorFault> {
    let body = request.body.as_ref().map_or_else(Bytes::new, |body| Bytes::copy_from_slice(body.expose().as_bytes()));
    let mut outgoing = Request::new(Upload::Whole(body));
    *outgoing.method_mut() =
        Method::from_bytes(request.method.as_bytes()).map_err(|_| VendorFault::Malformed("a bad method"))?;
    let target = &request.url[Position::BeforePath..Position::AfterQuery];
    *outgoing.uri_mut() = target.parse::<Uri>().map_err(|_| VendorFault::Malformed("a bad path"))?;
    let headers = outgoing.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
    for (name, value) in &request.headers {
        let name = HeaderName::try_from(name).map_err(|_| VendorFault::Malformed("a bad header name"))?;
        let mut value =
            HeaderValue::try_from(value.expose()).map_err(|_| VendorFault::Malformed("a bad header value"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(outgoing)
}

async fn held(answer: Answer, most: usize) -> Result<VendorReply, VendorFault> {
    let mut reply = head(answer.status, &answer.headers);
    match answer.body {
        AnswerBody::Whole(bytes) if bytes.len() > most => return Err(TOO_LARGE),
        AnswerBody::Whole(bytes) => reply.body = bytes.into(),
        AnswerBody::Stream(mut flow) => {
            let announced = flow.length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
            reply.body.reserve(announced.min(AT_ONCE));
            while let Some(chunk) = flow.next().await.transpose()? {
                if reply.body.len().saturating_add(chunk.len()) > most {
                    return Err(TOO_LARGE);
                }
                reply.body.extend_from_slice(&chunk);
            }
        }
    }
    Ok(reply)
}
