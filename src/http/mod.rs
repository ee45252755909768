//! Floor 5: routes, extractors, error rendering, the OpenAPI document. Handlers extract, call one use case, answer.

mod apps;
mod authentication;
mod body;
mod connect;
mod connector;
mod console;
mod cookies;
mod cors;
mod documents;
mod element_instances;
mod elements;
mod envelope;
mod error;
mod extract;
mod hubs;
mod instance_configuration;
mod instances;
pub mod openapi;
mod organizations;
mod own_instance;
mod path;
mod system;
mod urls;
mod vendor;
mod vendor_token;
mod webhooks;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use actix_web::web;
use ipnet::IpNet;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::kernel::code::Code;
use crate::kernel::entropy::Entropy;
use crate::kernel::error::ApiError;
use crate::service::Services;

pub use cors::CorsOrigins;
pub use envelope::envelope;

/// What every handler can reach. The services come when the database is ready; until then calls answer 503.
pub struct Shared {
    pub services: OnceLock<Arc<Services>>,
    pub entropy: Arc<dyn Entropy>,
    pub cors: CorsOrigins,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
}

impl Shared {
    pub fn services(&self) -> Result<&Arc<Services>, ApiError> {
        self.services.get().ok_or_else(|| ApiError::from(Code::NotReady).with_retry_after(1))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|net| net.contains(&address))
    }
}

/// All routes. `main` and the tests start the very same.
pub fn routes(shared: web::Data<Shared>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .app_data(shared)
            .configure(vendor::routes)
            .configure(system::routes)
            .configure(connector::routes)
            .configure(connect::script::routes)
            .service(web::scope(urls::BASE).configure(api).default_service(web::to(hubs::bare)))
            // For people who leave the base path out.
            .configure(api)
            // Behind the API, whose `/connect/links` is no token.
            .configure(connect::routes)
            .configure(console::routes)
            .default_service(web::to(hubs::bare));
    }
}

/// A part of the API: what its operations have in common is said once.
struct Area {
    tag: &'static str,
    callers: Callers,
    routes: fn(&mut ServiceConfig),
}

/// Who may call; the extractors in the handlers' signatures see to it.
#[derive(Clone, Copy)]
enum Callers {
    Anyone,
    Known,
    /// Known, with the token of an instance.
    WithElement,
}

/// The routes and the OpenAPI document are made of the same lines. A literal that shares its place with a parameter comes
/// first and wins.
const AREAS: &[Area] = &[
    Area { tag: "authentication", callers: Callers::Known, routes: authentication::routes },
    Area { tag: "organizations", callers: Callers::Known, routes: organizations::routes },
    Area { tag: "elements", callers: Callers::Anyone, routes: elements::routes },
    Area { tag: "apps", callers: Callers::Known, routes: apps::routes },
    Area { tag: "connect", callers: Callers::Known, routes: connect::links::routes },
    Area { tag: "own-instance", callers: Callers::WithElement, routes: own_instance::routes },
    Area { tag: "instances", callers: Callers::Known, routes: instances::routes },
    Area { tag: "instances", callers: Callers::Known, routes: instance_configuration::routes },
    Area { tag: "instances", callers: Callers::Known, routes: element_instances::routes },
    Area { tag: "notifications", callers: Callers::Known, routes: webhooks::routes },
    Area { tag: "hubs", callers: Callers::WithElement, routes: hubs::routes },
];

/// The API below its base path.
fn api(config: &mut web::ServiceConfig) {
    let mut config = ServiceConfig::new(config);
    for area in AREAS {
        config.configure(area.routes);
    }
}
