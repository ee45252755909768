//! What a creation answers.

use serde::{Deserialize, Serialize};

use super::view::InstanceView;
use crate::vault::Document;

/// An instance, and what else the reply must say.
#[derive(Clone, Serialize, Deserialize)]
pub struct Answer {
    pub instance: InstanceView,
    /// Configuration that was stored but has no effect yet, as `key=value`.
    pub without_effect: Vec<String>,
    /// The caller asked for an `elements-trace-id`.
    pub trace: bool,
}

impl Document for Answer {
    const KIND: &'static str = "answer";
}
