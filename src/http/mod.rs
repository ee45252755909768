//! Floor 5: what callers of the API (`api`) and people (`pages`) reach, and what carries both: extractors, the envelope of
//! every answer, the API document. Handlers extract, call one use case, answer.

mod administrator;
mod api;
mod audit_query;
mod body;
mod cookies;
mod cors;
mod envelope;
mod error;
mod extract;
mod head;
mod lifetime;
mod line_body;
mod listeners;
pub mod openapi;
mod own_names;
mod pages;
mod path;
mod plain_body;
pub mod public_path;
mod request_counts;
mod security_headers;
mod unrouted;
mod urls;
mod vendor_token;

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header::HeaderName;
use actix_web::web;
use ipnet::IpNet;

use request_counts::RequestCounts;
use unrouted::no_route;

use crate::kernel::entropy::Entropy;
use crate::service::Services;
use crate::service::process::budget::Budget;

pub use body::ALL_BODIES;
pub use cors::CorsOrigins;
pub use envelope::envelope;
pub use lifetime::Lifetime;
pub use listeners::{Group, Listener, Listeners};

/// Says that an answer below `/vendor` is this server's own, or that it left something out.
const ELEMENTS_ERROR: HeaderName = HeaderName::from_static("elements-error");

/// What every handler can reach.
pub struct Shared {
    pub services: Services,
    pub lifetime: Lifetime,
    pub entropy: Arc<dyn Entropy>,
    pub cors: CorsOrigins,
    pub listeners: Listeners,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// What all request bodies together may take.
    pub bodies: Budget,
}

impl Shared {
    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|net| net.contains(&address))
    }
}

/// All routes. `main` and the tests start the very same.
pub fn routes(shared: web::Data<Shared>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        let counts = RequestCounts::of(shared.services.metrics.traffic.clone());
        config
            .app_data(shared)
            .app_data(Rc::new(counts))
            .configure(api::routes)
            .configure(pages::routes)
            .default_service(web::to(no_route));
    }
}
