//! A call whose answer is held in memory, over a worker's own connections.

use std::rc::Rc;

use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;
use http::{Request, Uri};
use url::Position;

use super::answer::{Answer, AnswerBody};
use super::connections::{Connections, ExchangeFault};
use super::line::{Line, Outgoing};
use super::send::{TOO_LARGE, codings, head, plain};
use super::upload::Upload;
use crate::protocol::destination::Destination;
use crate::protocol::{VendorFault, VendorReply, VendorRequest};

/// Bytes that an announcement alone is worth.
const AT_ONCE: usize = 1 << 20;

impl Line for Rc<Connections> {
    async fn call(&self, request: &VendorRequest) -> Result<VendorReply, VendorFault> {
        let answered = tokio::time::timeout(request.timeout, self.held_answer(request));
        answered.await.unwrap_or(Err(VendorFault::Timeout))
    }
}

impl Connections {
    async fn held_answer(self: &Rc<Self>, request: &VendorRequest) -> Result<VendorReply, VendorFault> {
        let to = Destination::of(&request.url);
        let first = outgoing(request)?;
        let harmless = first.method().is_safe();
        let answer = match self.exchange(&to, first, request.timeout).await {
            Err(ExchangeFault::Stale(_)) if harmless => self.exchange(&to, outgoing(request)?, request.timeout).await,
            answer => answer,
        };
        match answer {
            Ok(answer) => held(answer, request.largest_reply, self.clock.now()).await,
            Err(ExchangeFault::Vendor(fault) | ExchangeFault::Stale(fault)) => Err(fault),
            Err(ExchangeFault::Caller(_)) => Err(VendorFault::Malformed("a body that did not come")),
        }
    }
}

fn outgoing(request: &VendorRequest) -> Result<Request<Upload>, VendorFault> {
    let Outgoing { method, headers, body } = Outgoing::of(request)?;
    let target = &request.url[Position::BeforePath..Position::AfterQuery];
    let mut outgoing = Request::new(Upload::Whole(body.unwrap_or_default()));
    *outgoing.method_mut() = method;
    *outgoing.uri_mut() = target.parse::<Uri>().map_err(|_| VendorFault::Malformed("a bad path"))?;
    *outgoing.headers_mut() = headers;
    Ok(outgoing)
}

async fn held(answer: Answer, most: usize, now: DateTime<Utc>) -> Result<VendorReply, VendorFault> {
    let mut reply = head(answer.status, &answer.headers, now);
    let packed = codings(&answer.headers);
    reply.headers = answer.headers;
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
    reply.body = plain(reply.body, &packed, most)?;
    Ok(reply)
}
