//! A vendor's answer on its way to the caller.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::connections::Lent;
use super::dial::with_causes;
use crate::protocol::VendorFault;

/// Bytes up to which an answer of known length is read whole: one write to the caller instead of two, and a vendor that
/// breaks off is an error instead of half an answer.
const SMALL: u64 = 16 * 1024;

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: AnswerBody,
}

/// Bytes as the vendor sends them. The connection goes back when the last one was read, and ends when this is dropped before.
pub enum AnswerBody {
    Whole(Bytes),
    Stream(Flow),
}

pub struct Flow {
    /// Bytes, where the vendor said so.
    pub length: Option<u64>,
    /// Read ahead already.
    start: Option<Bytes>,
    incoming: Incoming,
    lent: Option<Lent>,
    patience: Duration,
    silence: Option<Pin<Box<Sleep>>>,
}

impl Answer {
    pub(super) async fn of(
        response: http::Response<Incoming>,
        lent: Lent,
        patience: Duration,
    ) -> Result<Self, VendorFault> {
        let (head, incoming) = response.into_parts();
        let length = incoming.size_hint().exact();
        let mut flow = Flow { length, start: None, incoming, lent: Some(lent), patience, silence: None };
        let body = match length {
            Some(length) if length <= SMALL => AnswerBody::Whole(flow.rest(length).await?),
            _ => AnswerBody::Stream(flow),
        };
        Ok(Self { status: head.status, headers: head.headers, body })
    }

    /// The length that the vendor announced, also where no body follows (HEAD, 304).
    pub fn announced_length(&self) -> Option<u64> {
        self.headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// Reads up to `most` bytes ahead. The text is the whole body, or nothing when it is longer.
    pub async fn whole(mut self, most: usize) -> Result<(Self, Option<Bytes>), VendorFault> {
        let AnswerBody::Stream(flow) = &mut self.body else {
            let AnswerBody::Whole(bytes) = &self.body else { return Ok((self, None)) };
            let bytes = bytes.clone();
            return Ok((self, Some(bytes)));
        };
        let mut read = BytesMut::new();
        while read.len() <= most {
            match flow.next().await.transpose()? {
                Some(chunk) => read.extend_from_slice(&chunk),
                None => {
                    let bytes = read.freeze();
                    self.body = AnswerBody::Whole(bytes.clone());
                    return Ok((self, Some(bytes)));
                }
            }
        }
        flow.start = Some(read.freeze());
        Ok((self, None))
    }
}

impl Flow {
    async fn rest(&mut self, length: u64) -> Result<Bytes, VendorFault> {
        let Some(first) = self.next().await.transpose()? else { return Ok(Bytes::new()) };
        let Some(second) = self.next().await.transpose()? else { return Ok(first) };
        let mut whole = BytesMut::with_capacity(usize::try_from(length).unwrap_or_default());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(chunk) = self.next().await.transpose()? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let asked = Pin::new(&mut self.incoming).poll_frame(context);
        let (Poll::Pending, Some(lent)) = (&asked, &mut self.lent) else { return asked };
        // The connection brings what was asked for, when somebody drives it.
        lent.connection.drive(context);
        Pin::new(&mut self.incoming).poll_frame(context)
    }

    /// The vendor has its element's time for every next piece.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let patience = self.patience;
        let silence = self.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        silence.as_mut().poll(context)
    }

    fn end_silence(&mut self) {
        if let Some(silence) = &mut self.silence
            && let Some(end) = Instant::now().checked_add(self.patience)
        {
            silence.as_mut().reset(end);
        }
    }
}

impl Stream for Flow {
    type Item = Result<Bytes, VendorFault>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let flow = self.get_mut();
        if let Some(start) = flow.start.take() {
            return Poll::Ready(Some(Ok(start)));
        }
        loop {
            let Poll::Ready(next) = flow.poll_frame(context) else {
                ready!(flow.poll_silence(context));
                flow.lent = None;
                return Poll::Ready(Some(Err(VendorFault::Timeout)));
            };
            flow.end_silence();
            return Poll::Ready(match next {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        if flow.incoming.is_end_stream() {
                            flow.give_back();
                        }
                        Some(Ok(data))
                    }
                    // Trailers belong to the connection's encoding, which ends here.
                    Err(_) => continue,
                },
                Some(Err(error)) => {
                    flow.lent = None;
                    Some(Err(VendorFault::Unreachable { reason: with_causes(&error), sent: true }))
                }
                None => {
                    flow.give_back();
                    None
                }
            });
        }
    }
}

impl Flow {
    fn give_back(&mut self) {
        if let Some(lent) = self.lent.take() {
            lent.give_back();
        }
    }
}
