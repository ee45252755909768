//! What goes through the server, for an operator's monitoring: requests, calls to vendors, and what is kept in memory. On the
//! way of every call, so a label is a number or a pointer where that is possible.

use std::future::Future;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::catalog::element::Element;
use crate::protocol::{VendorFault, VendorReply};

/// Seconds: a vendor nearby answers in milliseconds, and no call lasts longer than a few minutes.
const OF_VENDORS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

type Labels<const N: usize> = [(&'static str, String); N];

/// Cheap to clone.
#[derive(Clone)]
pub struct Traffic {
    requests: Family<Labels<3>, Counter>,
    vendor_calls: Family<VendorCall, Counter>,
    vendor_seconds: Family<VendorCall, Histogram, fn() -> Histogram>,
    remembered: Family<Labels<1>, Gauge>,
}

/// Why a vendor is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    Passthrough,
    Hub,
    /// A code or a refresh token is exchanged.
    Token,
    /// A key is verified, an account asked for.
    Check,
    Revocation,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Passthrough => "passthrough",
            Self::Hub => "hub",
            Self::Token => "token",
            Self::Check => "check",
            Self::Revocation => "revocation",
        }
    }
}

#[derive(Debug, Clone)]
struct VendorCall {
    element: Arc<Element>,
    purpose: Purpose,
    /// Of the counter alone; zero: there was no answer.
    status: Option<u16>,
}

impl VendorCall {
    fn key(&self) -> (i64, Purpose, Option<u16>) {
        (self.element.id, self.purpose, self.status)
    }
}

impl PartialEq for VendorCall {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for VendorCall {}

impl Hash for VendorCall {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl EncodeLabelSet for VendorCall {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        [("element", self.element.key.as_str()), ("purpose", self.purpose.as_str())].encode(encoder)?;
        match self.status {
            None => Ok(()),
            Some(0) => [("status", "none")].encode(encoder),
            Some(status) => [("status", status.to_string())].encode(encoder),
        }
    }
}

impl Traffic {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(OF_VENDORS);
        let traffic = Self {
            requests: Family::default(),
            vendor_calls: Family::default(),
            vendor_seconds: Family::new_with_constructor(seconds),
            remembered: Family::default(),
        };
        registry.register("requests", "Requests by method, route and status", traffic.requests.clone());
        let calls = "Calls to vendors by element, purpose and status";
        registry.register("vendor_calls", calls, traffic.vendor_calls.clone());
        let times = "How long vendors took to answer, by element and purpose";
        registry.register_with_unit("vendor_call", times, Unit::Seconds, traffic.vendor_seconds.clone());
        let remembered = "Entries of each memory of this process, such as warm instances";
        registry.register("remembered", remembered, traffic.remembered.clone());
        traffic
    }

    /// The counter of requests that end so. `route`: a pattern, of which there is a bounded number.
    pub fn requests_of(&self, method: &str, route: &str, status: u16) -> Counter {
        let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
        self.requests.get_or_create_owned(&labels)
    }

    /// A call whose answer is read whole.
    pub async fn observe(
        &self,
        element: &Arc<Element>,
        purpose: Purpose,
        call: impl Future<Output = Result<VendorReply, VendorFault>>,
    ) -> Result<VendorReply, VendorFault> {
        let began = Instant::now();
        let reply = call.await;
        let status = reply.as_ref().ok().map(|reply| reply.status);
        self.vendor_called(element, purpose, status, began.elapsed());
        reply
    }

    /// `status`: none where there was no answer. `took`: to the answer's head, or to its end where it is read whole.
    pub fn vendor_called(&self, element: &Arc<Element>, purpose: Purpose, status: Option<u16>, took: Duration) {
        let counted = VendorCall { element: Arc::clone(element), purpose, status: Some(status.unwrap_or_default()) };
        self.vendor_calls.get_or_create(&counted).inc();
        let timed = VendorCall { status: None, ..counted };
        self.vendor_seconds.get_or_create(&timed).observe(took.as_secs_f64());
    }

    /// As they were counted now.
    pub fn remember(&self, counts: impl IntoIterator<Item = (&'static str, u64)>) {
        for (memory, count) in counts {
            let gauge = self.remembered.get_or_create_owned(&[("memory", memory.to_owned())]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
