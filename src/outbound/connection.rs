//! One HTTP/1.1 connection to a vendor. Whoever uses it drives it, so that no piece is handed from task to task.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};

use super::dial::{Wire, with_causes};
use super::upload::Upload;
use crate::protocol::VendorFault;

pub struct Connection {
    sender: SendRequest<Upload>,
    /// None once it has ended. Boxed, because connections move with every call.
    driver: Option<Box<http1::Connection<Box<dyn Wire>, Upload>>>,
}

impl Connection {
    pub async fn open(wire: Box<dyn Wire>) -> Result<Self, VendorFault> {
        let opened = http1::handshake(wire).await;
        let (sender, driver) =
            opened.map_err(|error| VendorFault::Unreachable { reason: with_causes(&error), sent: false })?;
        Ok(Self { sender, driver: Some(Box::new(driver)) })
    }

    /// Moves bytes both ways, as far as they go.
    pub fn drive(&mut self, context: &mut Context<'_>) {
        let Some(driver) = &mut self.driver else { return };
        if let Poll::Ready(end) = Pin::new(driver).poll(context) {
            if let Err(error) = end {
                tracing::debug!(reason = with_causes(&error), "a vendor's connection ended");
            }
            self.driver = None;
        }
    }

    /// Whether the next request can go out here. Nobody looks while it waits, so this does.
    pub fn is_idle(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && self.sender.is_ready()
    }

    /// The head of the answer.
    pub async fn send(
        &mut self,
        request: Request<Upload>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Upload>>> {
        let mut answer = std::pin::pin!(self.sender.try_send_request(request));
        std::future::poll_fn(|context| {
            self.drive(context);
            answer.as_mut().poll(context)
        })
        .await
    }
}
