//! How far this server is in its life: what it tells its callers when it stops, and how much it still does for them.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::{Bytes, Data};

use super::Shared;
use crate::kernel::request_id::RequestId;

#[derive(Default)]
pub struct Lifetime {
    stopping: AtomicBool,
    open: AtomicUsize,
}

/// A request that was begun and is not answered to its end.
pub(super) struct Open {
    shared: Data<Shared>,
    id: RequestId,
}

impl Lifetime {
    /// From now on whoever asks is told to go elsewhere, and every answer ends its connection.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// How many requests were begun and not answered to their end.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Open {
    pub fn begin(shared: Data<Shared>, id: RequestId) -> Self {
        shared.lifetime.open.fetch_add(1, Ordering::Relaxed);
        Self { shared, id }
    }

    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Ends with the answer: at once when its body is there, else with the body's end.
    pub fn until_the_end_of(self, body: BoxBody) -> BoxBody {
        if body.size() == BodySize::None {
            return body;
        }
        match body.try_into_bytes() {
            Ok(bytes) => BoxBody::new(bytes),
            Err(body) => BoxBody::new(Counted { body, open: self }),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.lifetime.open.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Counted {
    body: BoxBody,
    open: Open,
}

impl MessageBody for Counted {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let Self { body, open } = &mut *self;
        open.id.scope_now(|| Pin::new(body).poll_next(cx))
    }
}
