//! Requests by method, route and status, counted by each worker with what it knows already: a counter is looked up once.

use std::cell::RefCell;
use std::collections::HashMap;

use prometheus_client::metrics::counter::Counter;

use crate::service::process::traffic::Traffic;

/// Methods that are named: anybody may invent others.
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"];

/// A worker's.
pub struct RequestCounts {
    traffic: Traffic,
    by_route: RefCell<HashMap<String, Vec<(Ended, Counter)>>>,
}

/// Method and status.
type Ended = (&'static str, u16);

impl RequestCounts {
    pub fn of(traffic: Traffic) -> Self {
        Self { traffic, by_route: RefCell::default() }
    }

    /// `route`: a pattern.
    pub fn count(&self, method: &str, route: &str, status: u16) {
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
        let ended = (method, status);
        let mut by_route = self.by_route.borrow_mut();
        if let Some((_, counter)) =
            by_route.get(route).and_then(|known| known.iter().find(|(known, _)| *known == ended))
        {
            counter.inc();
            return;
        }
        let counter = self.traffic.requests_of(method, route, status);
        counter.inc();
        by_route.entry(route.to_owned()).or_default().push((ended, counter));
    }
}
