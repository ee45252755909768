//! A request body on its way to the vendor: whole, or as the caller sends it.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, BrokenUpload>>>>;

/// The caller's body broke off or cannot be read: the vendor's side of the exchange is given up.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the caller's body broke off: {0}")]
pub struct BrokenUpload(pub String);

pub enum Upload {
    /// Can be sent again.
    Whole(Bytes),
    /// Passes by once. `length`: where the caller said so.
    Stream { chunks: Chunks, length: Option<u64>, progress: Progress },
}

/// When a body last moved, and who holds it up. Shared with whoever waits for the answer.
#[derive(Clone)]
pub struct Progress(Rc<Cell<(Instant, bool)>>);

impl Progress {
    fn start() -> Self {
        Self(Rc::new(Cell::new((Instant::now(), false))))
    }

    pub(super) fn at(&self) -> Instant {
        self.0.get().0
    }

    /// Whether the next bytes have to come from the caller.
    pub(super) fn waits_for_caller(&self) -> bool {
        self.0.get().1
    }

    /// From now on, and it is nobody's turn yet.
    pub(super) fn restart(&self) {
        self.note(false);
    }

    fn note(&self, waits_for_caller: bool) {
        self.0.set((Instant::now(), waits_for_caller));
    }
}

impl Upload {
    pub fn stream(chunks: impl Stream<Item = Result<Bytes, BrokenUpload>> + 'static, length: Option<u64>) -> Self {
        Self::Stream { chunks: Box::pin(chunks), length, progress: Progress::start() }
    }

    /// The same body once more, where that is possible.
    pub fn again(&self) -> Option<Self> {
        match self {
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Stream { .. } => None,
        }
    }

    pub(super) fn progress(&self) -> Progress {
        match self {
            Self::Whole(_) => Progress::start(),
            Self::Stream { progress, .. } => progress.clone(),
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BrokenUpload;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenUpload>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream { chunks, progress, .. } => {
                let polled = chunks.as_mut().poll_next(context);
                progress.note(polled.is_pending());
                polled.map(|next| next.map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Stream { length: Some(length), .. } => SizeHint::with_exact(*length),
            Self::Stream { length: None, .. } => SizeHint::default(),
        }
    }
}
