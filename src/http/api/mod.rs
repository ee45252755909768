//! The endpoints: the API, the passthrough, and what the server tells of itself.

mod apps;
mod audit_logs;
mod authentication;
pub mod documents;
mod element_instances;
mod elements;
pub mod hubs;
mod imports;
mod instance_configuration;
mod instances;
mod links;
mod organizations;
mod own_instance;
pub mod system;
mod users;
pub mod vendor;
pub mod vendor_reply;
mod webhooks;

use actix_web::guard::fn_guard;
use actix_web::web;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{own_names, urls};

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::scope(urls::BASE).configure(areas).default_service(web::to(hubs::bare)))
        .configure(vendor::routes)
        .configure(system::routes);
}

/// A part of the API: what its operations have in common is said once.
pub struct Area {
    /// The first segment of all its paths.
    pub first: &'static str,
    pub tag: &'static str,
    pub callers: Callers,
    pub routes: fn(&mut ServiceConfig),
}

/// Who may call; the extractors in the handlers' signatures see to it.
#[derive(Clone, Copy)]
pub enum Callers {
    Anyone,
    Known,
    /// Known, with the token of an instance.
    WithElement,
}

/// The routes and the OpenAPI document are made of the same lines. A literal that shares its place with a parameter comes
/// first and wins; areas with the same first segment stand together.
pub const AREAS: &[Area] = &[
    Area { first: "authentication", tag: "authentication", callers: Callers::Known, routes: authentication::routes },
    Area { first: "organizations", tag: "organizations", callers: Callers::Known, routes: organizations::routes },
    Area { first: "users", tag: "users", callers: Callers::Known, routes: users::routes },
    Area { first: "elements", tag: "elements", callers: Callers::Anyone, routes: elements::routes },
    Area { first: "elements", tag: "apps", callers: Callers::Known, routes: apps::routes },
    Area { first: "elements", tag: "instances", callers: Callers::Known, routes: element_instances::routes },
    Area { first: "instances", tag: "own-instance", callers: Callers::WithElement, routes: own_instance::routes },
    Area { first: "instances", tag: "instances", callers: Callers::Known, routes: imports::routes },
    Area { first: "instances", tag: "instances", callers: Callers::Known, routes: instances::routes },
    Area { first: "instances", tag: "instances", callers: Callers::Known, routes: instance_configuration::routes },
    Area { first: "connect", tag: "connect", callers: Callers::Known, routes: links::routes },
    Area { first: "notifications", tag: "notifications", callers: Callers::Known, routes: webhooks::routes },
    Area { first: "audit-logs", tag: "audit", callers: Callers::Known, routes: audit_logs::routes },
    Area { first: "hubs", tag: "hubs", callers: Callers::WithElement, routes: hubs::routes },
    Area { first: "docs", tag: "elements", callers: Callers::Anyone, routes: documents::routes },
];

/// The API below its base path. The router tries its patterns in order, most of them regular expressions: the first segment
/// says which can match at all.
fn areas(config: &mut web::ServiceConfig) {
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
