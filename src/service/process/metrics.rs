//! Counters for an operator's monitoring, in the text format of Prometheus.

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What happened since the process started. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    pub refreshes: Family<RefreshLabels, Counter>,
    /// 1 while a restored database waits for the operator's word.
    pub refreshes_held: Gauge,
    registry: std::sync::Arc<Registry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RefreshLabels {
    pub element: String,
    pub outcome: &'static str,
    pub cause: &'static str,
}

impl EncodeLabelSet for RefreshLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        [("element", self.element.as_str()), ("outcome", self.outcome), ("cause", self.cause)].encode(encoder)
    }
}

impl Metrics {
    /// `dropped_lines`: counted where the log is written.
    pub fn new(dropped_lines: Counter) -> Self {
        let refreshes = Family::default();
        let mut registry = Registry::with_prefix("ligand");
        registry.register("log_lines_dropped", "Lines of the log that could not be written", dropped_lines);
        registry.register("refreshes", "Token refreshes by element, outcome and cause", refreshes.clone());
        let refreshes_held = Gauge::default();
        let held = "Whether refresh tokens are held back, because the database was restored";
        registry.register("refreshes_held", held, refreshes_held.clone());
        Self { refreshes, refreshes_held, registry: std::sync::Arc::new(registry) }
    }

    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Why a refresh is wanted. Goes to the log and the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A caller needs a token, and the one there is is over.
    Expired,
    /// A caller used a token that is soon over.
    Ageing,
    /// The background job.
    Due,
    /// The vendor refused a token that should be good.
    Refused,
    /// `?refresh=true`.
    Asked,
}

impl Cause {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Ageing => "ageing",
            Self::Due => "due",
            Self::Refused => "refused",
            Self::Asked => "asked",
        }
    }
}
