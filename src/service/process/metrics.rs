//! Counters for an operator's monitoring, in the text format of Prometheus.

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::traffic::Traffic;
use crate::store::Waits;

/// What happened since the process started. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    pub refreshes: Family<RefreshLabels, Counter>,
    /// 1 while a restored database waits for the operator's word.
    pub refreshes_held: Gauge,
    /// As they were counted last.
    pub work: Family<WorkLabels, Gauge>,
    pub oldest_work: Family<KindLabel, Gauge>,
    pub attempts: Family<AttemptLabels, Counter>,
    pub traffic: Traffic,
    registry: std::sync::Arc<Registry>,
}

/// Of a kind of work and the state of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkLabels {
    pub kind: String,
    pub state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KindLabel {
    pub kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttemptLabels {
    pub kind: &'static str,
    pub outcome: &'static str,
}

impl EncodeLabelSet for WorkLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        [("kind", self.kind.as_str()), ("state", self.state.as_str())].encode(encoder)
    }
}

impl EncodeLabelSet for KindLabel {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        [("kind", self.kind.as_str())].encode(encoder)
    }
}

impl EncodeLabelSet for AttemptLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        [("kind", self.kind), ("outcome", self.outcome)].encode(encoder)
    }
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
    /// `dropped_lines`: counted where the log is written. `database_waits`: observed where the database is asked.
    pub fn new(dropped_lines: Counter, database_waits: Waits) -> Self {
        let refreshes = Family::default();
        let mut registry = Registry::with_prefix("ligand");
        registry.register("log_lines_dropped", "Lines of the log that could not be written", dropped_lines);
        registry.register("refreshes", "Token refreshes by element, outcome and cause", refreshes.clone());
        let refreshes_held = Gauge::default();
        let held = "Whether refresh tokens are held back, because the database was restored";
        registry.register("refreshes_held", held, refreshes_held.clone());
        let (work, oldest_work, attempts) = (Family::default(), Family::default(), Family::default());
        registry.register("work", "Due work of all processes by kind and state", work.clone());
        let oldest = "For how many seconds the oldest work that waits has been due, by kind";
        registry.register("work_oldest_seconds", oldest, oldest_work.clone());
        let made = "Attempts of this process at due work, by kind and outcome";
        registry.register("work_attempts", made, attempts.clone());
        let traffic = Traffic::registered(&mut registry);
        let waits = "How long queries waited for a connection, or for SQLite's writer, by lane";
        registry.register_with_unit("database_wait", waits, Unit::Seconds, database_waits);
        Self {
            refreshes,
            refreshes_held,
            work,
            oldest_work,
            attempts,
            traffic,
            registry: std::sync::Arc::new(registry),
        }
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
