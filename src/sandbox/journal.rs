//! What was asked of the vendor: enough to prove what a client sends, never a secret itself.

use std::collections::{BTreeMap, VecDeque};

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::account::PRIVATE_APP;
use super::fields::Fields;
use crate::kernel::entropy::hex_of;

const KEPT: usize = 10_000;

/// One call.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    pub number: u64,
    /// RFC 3339, microseconds.
    pub at: String,
    pub method: String,
    /// As sent, but for routes with a token in the path, where the pattern stands.
    pub path: String,
    /// Method and pattern, e.g. `POST /oauth/v1/token`.
    pub route: String,
    /// Names only.
    pub query: Vec<String>,
    /// Names of the form's fields, in the order sent.
    pub form: Vec<String>,
    pub authorization: Option<PresentedCredential>,
    /// Absent while there is no answer, and for good when the client went away before it.
    pub status: Option<u16>,
}

/// How a call authenticated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PresentedCredential {
    /// `Bearer`, `Basic` …, `private-app` for the header, or `hapikey` for the query parameter.
    pub scheme: String,
    /// Hex SHA-256 of what follows the scheme.
    pub sha256: String,
}

impl PresentedCredential {
    pub fn new(scheme: &str, credential: &str) -> Self {
        Self { scheme: scheme.to_owned(), sha256: hex_of(&Sha256::digest(credential)) }
    }

    pub fn of(request: &HttpRequest) -> Option<Self> {
        let header = request.headers().get(AUTHORIZATION).map(|value| String::from_utf8_lossy(value.as_bytes()));
        if let Some(header) = header {
            let (scheme, credential) = header.split_once(' ').unwrap_or(("", &header));
            return Some(Self::new(scheme, credential.trim()));
        }
        if let Some(key) = request.headers().get(PRIVATE_APP) {
            return Some(Self::new(PRIVATE_APP, &String::from_utf8_lossy(key.as_bytes())));
        }
        Fields::parse(request.query_string().as_bytes()).get("hapikey").map(|key| Self::new("hapikey", key))
    }
}

/// How often a route was called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RouteCounts {
    pub total: u64,
    /// Without an answer yet.
    pub running: u64,
    /// The most that ran at once.
    pub peak: u64,
}

#[derive(Debug, Default)]
pub struct Journal {
    calls: VecDeque<Call>,
    counts: BTreeMap<String, RouteCounts>,
    last: u64,
}

impl Journal {
    /// Notes a call that begins, and numbers it.
    pub fn begin(&mut self, mut call: Call) -> u64 {
        self.last += 1;
        call.number = self.last;
        let counts = self.counts.entry(call.route.clone()).or_default();
        counts.total += 1;
        counts.running += 1;
        counts.peak = counts.peak.max(counts.running);
        if self.calls.len() >= KEPT {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
        self.last
    }

    /// Notes that a call ended; without a status when the client went away.
    pub fn end(&mut self, number: u64, route: &str, status: Option<u16>) {
        if let Some(counts) = self.counts.get_mut(route) {
            counts.running = counts.running.saturating_sub(1);
        }
        let position = self.calls.binary_search_by_key(&number, |call| call.number);
        if let Some(call) = position.ok().and_then(|index| self.calls.get_mut(index)) {
            call.status = status;
        }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.iter().cloned().collect()
    }

    pub fn counts(&self, route: &str) -> RouteCounts {
        self.counts.get(route).copied().unwrap_or_default()
    }

    pub fn all_counts(&self) -> BTreeMap<String, RouteCounts> {
        self.counts.clone()
    }

    /// The field names of the latest token call.
    pub fn last_token_fields(&self) -> Option<Vec<String>> {
        self.calls.iter().rev().find(|call| call.route.ends_with("/token")).map(|call| call.form.clone())
    }

    /// Starts anew; calls that still run stay counted as running, and numbers go on.
    pub fn forget(&mut self) {
        self.calls.clear();
        self.counts.retain(|_, counts| counts.running > 0);
        for counts in self.counts.values_mut() {
            counts.total = 0;
            counts.peak = counts.running;
        }
    }
}
