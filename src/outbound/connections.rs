//! The connections to vendors that one worker thread keeps: HTTP/1.1, one exchange at a time on each. They do not leave
//! their thread, because handing work from one to another costs more than all the rest of the way.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HOST, HeaderValue, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{Method, Request};
use http_body::Body as _;
use tokio::time::Instant;

use super::answer::Answer;
use super::connection::Connection;
use super::dial::{Dialer, with_causes};
use super::kept::{KEPT_FOR, Kept};
use super::upload::{BrokenUpload, Upload};
use crate::kernel::clock::Clock;
use crate::protocol::VendorFault;
use crate::protocol::destination::Destination;

/// Of one worker thread.
pub struct Connections {
    dialer: Dialer,
    kept: RefCell<Kept>,
    /// Whether somebody looks after the kept ones.
    swept: Cell<bool>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum ExchangeFault {
    Vendor(VendorFault),
    /// A kept connection ended when it was used: a request that may be repeated is worth it.
    Stale(VendorFault),
    /// The caller's body did not come.
    Caller(String),
}

/// A connection that serves one exchange.
pub(super) struct Lent {
    to: Rc<Connections>,
    origin: Arc<str>,
    pub(super) connection: Connection,
    /// Whether another exchange may follow.
    reusable: bool,
}

impl Lent {
    pub(super) fn give_back(self) {
        if self.reusable {
            self.to.keep(self.origin, self.connection);
        }
    }
}

impl Connections {
    pub fn new(dialer: Dialer, clock: Arc<dyn Clock>) -> Self {
        Self { dialer, kept: RefCell::default(), swept: Cell::default(), clock }
    }

    /// One request and the head of its answer. `request` has a path and a query for an address; `Host` is added here.
    /// `patience`: without any progress.
    pub async fn exchange(
        self: &Rc<Self>,
        to: &Destination,
        mut request: Request<Upload>,
        patience: Duration,
    ) -> Result<Answer, ExchangeFault> {
        let host = to.authority().ok_or_else(|| malformed("a bad host"))?;
        request.headers_mut().insert(HOST, host.clone());
        if matches!(request.body(), Upload::Stream { length: None, .. }) {
            // Said, because otherwise a GET's body would be left out.
            request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let progress = request.body().progress();
        let reusable = request.body().is_end_stream() || defines_content(request.method());
        loop {
            let kept = self.kept.borrow_mut().take(to.origin());
            let reused = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                // Boxed, because it is rare: its room would be part of every call.
                None => Box::pin(open(&self.dialer, to)).await.map_err(ExchangeFault::Vendor)?,
            };
            // The way to the vendor is not the vendor's time.
            progress.restart();
            let outcome = {
                let mut answer = std::pin::pin!(connection.send(request));
                loop {
                    let end = progress.at().checked_add(patience).unwrap_or_else(Instant::now);
                    match tokio::time::timeout_at(end, &mut answer).await {
                        Ok(outcome) => break outcome,
                        Err(_) if progress.at().elapsed() < patience => {}
                        Err(_) if progress.waits_for_caller() => {
                            let silence = format!("The body stopped for {} s.", patience.as_secs());
                            return Err(ExchangeFault::Caller(silence));
                        }
                        Err(_) => return Err(ExchangeFault::Vendor(VendorFault::Timeout)),
                    }
                }
            };
            match outcome {
                Ok(response) if response.status().is_informational() => {
                    return Err(malformed("an upgrade that nobody asked for"));
                }
                Ok(response) => {
                    let lent = Lent { to: Rc::clone(self), origin: Arc::clone(to.origin()), connection, reusable };
                    return Answer::of(response, lent, patience).await.map_err(ExchangeFault::Vendor);
                }
                Err(mut error) => match error.take_message() {
                    // Never left this side: another connection will do.
                    Some(unsent) if reused => request = unsent,
                    _ => {
                        if reused {
                            self.kept.borrow_mut().forget(to.origin());
                        }
                        return Err(fault(error.error(), reused));
                    }
                },
            }
        }
    }

    fn keep(self: Rc<Self>, origin: Arc<str>, connection: Connection) {
        self.kept.borrow_mut().put(origin, connection);
        if !self.swept.replace(true) {
            // A worker without calls must let go, too.
            tokio::task::spawn_local(async move {
                while !self.kept.borrow().is_empty() {
                    tokio::time::sleep(KEPT_FOR).await;
                    self.kept.borrow_mut().sweep();
                }
                self.swept.set(false);
            });
        }
    }
}

/// Whether the method says what content means. A vendor that passes over the content of others (RFC 9110 section 9.3.1 knows
/// such) takes it for the next request, and whoever came next on the connection would get that one's answer.
fn defines_content(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

async fn open(dialer: &Dialer, to: &Destination) -> Result<Connection, VendorFault> {
    Connection::open(dialer.connect(to.origin()).await?).await
}

fn malformed(what: &'static str) -> ExchangeFault {
    ExchangeFault::Vendor(VendorFault::Malformed(what))
}

fn fault(error: &hyper::Error, reused: bool) -> ExchangeFault {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(broken) = inner.downcast_ref::<BrokenUpload>() {
            return ExchangeFault::Caller(broken.to_string());
        }
        cause = inner.source();
    }
    if error.is_parse() {
        tracing::debug!(reason = with_causes(error), "a vendor's answer is not HTTP");
        return malformed("an answer that is not HTTP");
    }
    let fault = VendorFault::Unreachable { reason: with_causes(error), sent: true };
    if reused { ExchangeFault::Stale(fault) } else { ExchangeFault::Vendor(fault) }
}

/// The address of a call below a destination: its prefix, then the caller's path and query byte for byte.
pub fn target(to: &Destination, path: &str, query: Option<&str>) -> Result<PathAndQuery, ExchangeFault> {
    let query_mark = if query.is_some() { "?" } else { "" };
    let path = if path.is_empty() && to.prefix().is_empty() { "/" } else { path };
    let text = [to.prefix(), path, query_mark, query.unwrap_or_default()].concat();
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).map_err(|_| malformed("a bad path"))
}
