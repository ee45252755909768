//! Replies that break on their way: cut off, stalled, nonsense, compressed, with a length that is not theirs.

use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody, to_bytes};
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use actix_web::web::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use tokio::time::{Sleep, sleep};

/// What happens to the reply to one call; status and headers stay.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spoil {
    pub route: String,
    pub how: How,
    /// How many calls; absent means until it is switched off.
    #[serde(default)]
    pub times: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum How {
    /// The connection ends in the middle of the body, whose length was told.
    Cut,
    /// The same in a body of chunks, without the last one.
    CutChunks,
    /// Head and half of the body, then nothing more.
    Stall,
    /// The head alone, then nothing more.
    StallBody,
    /// JSON that ends too early.
    Garbage,
    /// `Content-Encoding: gzip`.
    Gzip,
    /// The body is shorter than its `Content-Length` says, and the connection ends.
    LongLength,
    /// The body is longer than its `Content-Length` says: what is over is not sent.
    ShortLength,
    /// Without a `Content-Length`.
    Chunked,
}

/// Replaces the body of a reply.
pub async fn with_broken_body(reply: HttpResponse, how: How) -> HttpResponse {
    let (mut head, body) = reply.into_parts();
    let whole = to_bytes(body).await.unwrap_or_default();
    let half = whole.slice(..whole.len() / 2);
    let size = |length: usize| BodySize::Sized(u64::try_from(length).unwrap_or(u64::MAX));
    let body = match how {
        How::Cut => Broken { size: size(whole.len()), left: Some(half), end: End::fault() },
        How::CutChunks => Broken { size: BodySize::Stream, left: Some(half), end: End::fault() },
        How::Stall => Broken { size: size(whole.len()), left: Some(half), end: End::Never },
        How::StallBody => Broken { size: size(whole.len()), left: None, end: End::Never },
        How::Garbage => Broken { size: size(half.len()), left: Some(half), end: End::Normal },
        How::Gzip => {
            head.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            let packed = Bytes::from(gzip(&whole));
            Broken { size: size(packed.len()), left: Some(packed), end: End::Normal }
        }
        How::LongLength => Broken { size: size(whole.len() + 10), left: Some(whole), end: End::fault() },
        How::ShortLength => Broken { size: size(half.len()), left: Some(whole), end: End::Normal },
        How::Chunked => Broken { size: BodySize::Stream, left: Some(whole), end: End::Normal },
    };
    if head.headers().get(CONTENT_TYPE).is_none() {
        head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    head.set_body(body).map_into_boxed_body()
}

/// Packed; how well is not the point.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // A vector takes whatever is written to it.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

struct Broken {
    size: BodySize,
    left: Option<Bytes>,
    end: End,
}

enum End {
    Normal,
    /// What came before is on its way by then: actix throws away what it has not written when a body fails.
    Fault(Pin<Box<Sleep>>),
    Never,
}

impl End {
    fn fault() -> Self {
        Self::Fault(Box::pin(sleep(Duration::from_millis(20))))
    }
}

impl MessageBody for Broken {
    type Error = std::io::Error;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Some(bytes) = self.left.take().filter(|bytes| !bytes.is_empty()) {
            return Poll::Ready(Some(Ok(bytes)));
        }
        match &mut self.end {
            End::Normal => Poll::Ready(None),
            End::Fault(moment) => {
                moment.as_mut().poll(context).map(|()| Some(Err(std::io::Error::other("told to break off"))))
            }
            // Ends with the connection.
            End::Never => Poll::Pending,
        }
    }
}
