//! Floor 5: routes, extractors, error rendering, the OpenAPI document. Handlers extract, call one use case, answer.

mod administrator;
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
mod head;
mod hubs;
mod instance_configuration;
mod instances;
mod lifetime;
mod listeners;
pub mod openapi;
mod organizations;
mod own_instance;
mod own_names;
mod path;
mod security_headers;
mod system;
mod urls;
mod users;
mod vendor;
mod vendor_reply;
mod vendor_token;
mod webhooks;

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::guard::fn_guard;
use actix_web::http::header::HeaderName;
use actix_web::web;
use ipnet::IpNet;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::kernel::entropy::Entropy;
use crate::service::Services;
use crate::service::process::budget::Budget;
use system::no_route;

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
        config
            .app_data(shared)
            .service(web::scope(urls::BASE).configure(api).default_service(web::to(hubs::bare)))
            .configure(vendor::routes)
            .configure(system::routes)
            .configure(connector::routes)
            .configure(connect::script::routes)
            .configure(connect::routes)
            .configure(console::routes)
            .default_service(web::to(no_route));
    }
}

/// A part of the API: what its operations have in common is said once.
struct Area {
    /// The first segment of all its paths.
    first: &'static str,
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
/// first and wins; areas with the same first segment stand together.
const AREAS: &[Area] = &[
    Area { first: "authentication", tag: "authentication", callers: Callers::Known, routes: authentication::routes },
    Area { first: "organizations", tag: "organizations", callers: Callers::Known, routes: organizations::routes },
    Area { first: "users", tag: "users", callers: Callers::Known, routes: users::routes },
    Area { first: "elements", tag: "elements", callers: Callers::Anyone, routes: elements::routes },
    Area { first: "elements", tag: "apps", callers: Callers::Known, routes: apps::routes },
    Area { first: "elements", tag: "instances", callers: Callers::Known, routes: element_instances::routes },
    Area { first: "instances", tag: "own-instance", callers: Callers::WithElement, routes: own_instance::routes },
    Area { first: "instances", tag: "instances", callers: Callers::Known, routes: instances::routes },
    Area { first: "instances", tag: "instances", callers: Callers::Known, routes: instance_configuration::routes },
    Area { first: "connect", tag: "connect", callers: Callers::Known, routes: connect::links::routes },
    Area { first: "notifications", tag: "notifications", callers: Callers::Known, routes: webhooks::routes },
    Area { first: "hubs", tag: "hubs", callers: Callers::WithElement, routes: hubs::routes },
    Area { first: "docs", tag: "elements", callers: Callers::Anyone, routes: documents::routes },
];

/// The API below its base path. The router tries its patterns in order, most of them regular expressions: the first segment
/// says which can match at all.
fn api(config: &mut web::ServiceConfig) {
    for areas in AREAS.chunk_by(|one, next| one.first == next.first) {
        let first = areas.iter().map(|area| area.first).next().unwrap_or_default();
        let scope = web::scope("").guard(fn_guard(move |context| {
            urls::begins_with(context.head().uri.path(), first) && own_names::is_ours(context)
        }));
        config.service(scope.configure(|config| {
            let mut config = ServiceConfig::new(config);
            for area in areas {
                config.configure(area.routes);
            }
        }));
    }
}
