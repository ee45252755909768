//! How refreshes end: one line of log and one count for each.

use std::time::Duration;

use super::single_flight::Wanted;
use crate::catalog::element::Element;
use crate::service::process::metrics::{Metrics, RefreshLabels};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::service) enum Outcome {
    Refreshed,
    /// Somebody put in another credential meanwhile.
    Overtaken,
    /// The grant is gone.
    Terminal {
        code: Option<String>,
    },
    /// It may work later.
    Transient {
        fault: String,
    },
    /// A new token is lost.
    Dropped {
        reason: String,
    },
}

impl Outcome {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Refreshed => "refreshed",
            Self::Overtaken => "overtaken",
            Self::Terminal { .. } => "terminal",
            Self::Transient { .. } => "transient",
            Self::Dropped { .. } => "dropped",
        }
    }

    pub fn note(&self, metrics: &Metrics, element: &Element, wanted: Wanted, elapsed: Duration) {
        let (outcome, cause) = (self.as_str(), wanted.cause.as_str());
        let (instance, element, elapsed_ms) = (wanted.id, element.key.as_str(), elapsed.as_millis());
        let labels = RefreshLabels { element: element.to_owned(), outcome, cause };
        metrics.refreshes.get_or_create(&labels).inc();
        match self {
            Self::Refreshed | Self::Overtaken => {
                tracing::info!(instance, element, cause, outcome, elapsed_ms, "refresh");
            }
            Self::Terminal { code } => {
                tracing::warn!(instance, element, cause, outcome, elapsed_ms, code, "refresh");
            }
            Self::Transient { fault } => {
                tracing::warn!(instance, element, cause, outcome, elapsed_ms, fault, "refresh");
            }
            Self::Dropped { reason } => {
                tracing::error!(
                    instance,
                    element,
                    cause,
                    outcome,
                    elapsed_ms,
                    reason,
                    "refresh: the new token is lost"
                );
            }
        }
    }
}
