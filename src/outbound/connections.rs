//! The connections to vendors that one worker thread keeps: HTTP/1.1, one exchange at a time on each. They do not leave
//! their thread, because handing work from one to another costs more than all the rest of the way.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use http::Request;
use http::uri::PathAndQuery;
use hyper::client::conn::http1::{self, SendRequest};
use tokio::time::Instant;

use super::answer::Answer;
use super::dial::{Dialer, with_causes};
use super::upload::{BrokenUpload, Upload};
use crate::protocol::VendorFault;
use crate::protocol::destination::Destination;

/// Vendors close what is silent for a minute or two: a connection older than this is not tried again.
const KEPT_FOR: Duration = Duration::from_secs(50);
/// How many wait for the next call, for each origin.
const KEPT: usize = 256;

type Kept = HashMap<Box<str>, Vec<(SendRequest<Upload>, Instant)>>;

#[derive(Default)]
pub struct Connections {
    kept: RefCell<Kept>,
    swept_at: Cell<Option<Instant>>,
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
    origin: Box<str>,
    connection: SendRequest<Upload>,
}

impl Lent {
    pub(super) fn give_back(self) {
        let Self { to, origin, connection } = self;
        if connection.is_closed() {
            return;
        }
        to.sweep();
        let mut kept = to.kept.borrow_mut();
        match kept.get_mut(&origin) {
            Some(of_origin) if of_origin.len() < KEPT => of_origin.push((connection, Instant::now())),
            Some(_) => {}
            None => drop(kept.insert(origin, vec![(connection, Instant::now())])),
        }
    }
}

impl Connections {
    /// One request and the head of its answer. `request` has a path and a query for an address; `Host` is added here.
    /// `patience`: without any progress.
    pub async fn exchange(
        self: &Rc<Self>,
        dialer: &Dialer,
        to: &Destination,
        mut request: Request<Upload>,
        patience: Duration,
    ) -> Result<Answer, ExchangeFault> {
        let host = to.authority().parse().map_err(|_| malformed("a bad host"))?;
        request.headers_mut().insert(http::header::HOST, host);
        let progress = request.body().progress();
        loop {
            let kept = self.take(to.origin());
            let reused = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => Self::open(dialer, to.origin()).await.map_err(ExchangeFault::Vendor)?,
            };
            let mut answer = std::pin::pin!(connection.try_send_request(request));
            let outcome = loop {
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
            };
            match outcome {
                Ok(response) => {
                    let lent = Lent { to: Rc::clone(self), origin: to.origin().into(), connection };
                    return Answer::of(response, lent, patience).await.map_err(ExchangeFault::Vendor);
                }
                Err(mut error) => match error.take_message() {
                    // Never left this side: another connection will do.
                    Some(unsent) if reused => request = unsent,
                    _ => return Err(fault(error.error(), reused)),
                },
            }
        }
    }

    fn take(&self, origin: &str) -> Option<SendRequest<Upload>> {
        let mut kept = self.kept.borrow_mut();
        let of_origin = kept.get_mut(origin)?;
        // The one used last: it is the least likely to have ended.
        let at =
            of_origin.iter().rposition(|(connection, since)| connection.is_ready() && since.elapsed() < KEPT_FOR)?;
        Some(of_origin.swap_remove(at).0)
    }

    async fn open(dialer: &Dialer, origin: &str) -> Result<SendRequest<Upload>, VendorFault> {
        let wire = dialer.connect(origin).await?;
        let (connection, driver) = http1::handshake(wire)
            .await
            .map_err(|error| VendorFault::Unreachable { reason: with_causes(&error), sent: false })?;
        tokio::task::spawn_local(async move {
            if let Err(error) = driver.await {
                tracing::debug!(reason = with_causes(&error), "a vendor's connection ended");
            }
        });
        Ok(connection)
    }

    /// Forgets what ended or grew old, of vendors too that nobody calls any more.
    fn sweep(&self) {
        if self.swept_at.get().is_some_and(|at| at.elapsed() < KEPT_FOR) {
            return;
        }
        self.swept_at.set(Some(Instant::now()));
        self.kept.borrow_mut().retain(|_, of_origin| {
            of_origin.retain(|(connection, since)| !connection.is_closed() && since.elapsed() < KEPT_FOR);
            !of_origin.is_empty()
        });
    }
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
    let text = [to.prefix(), path, query_mark, query.unwrap_or_default()].concat();
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).map_err(|_| malformed("a bad path"))
}
