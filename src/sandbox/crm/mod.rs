//! HubSpot's CRM API, on records kept in memory. Every path comes in two families: `/crm/v3/objects/deals`, and the dated
//! `/crm/objects/2026-03/0-3`.

mod associations;
mod batch;
mod definitions;
mod fault;
mod kinds;
mod objects;
mod owners;
mod paging;
mod pipelines;
mod properties;
mod records;
mod search;
mod values;

use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};

use self::associations::Associations;
use self::definitions::Definitions;
use self::fault::Fault;
pub use self::kinds::Kind;
use self::pipelines::Pipelines;
use self::records::Records;
use super::{Sandbox, admission};

/// A batch of a hundred records with long texts.
const BODY_LIMIT: usize = 10 << 20;

#[derive(Debug, Default)]
pub struct Crm {
    records: Records,
    definitions: Definitions,
    pipelines: Pipelines,
    associations: Associations,
}

type Answer = Result<HttpResponse, Fault>;

impl Sandbox {
    /// Works on the account's records.
    fn crm(&self, work: impl FnOnce(&mut Crm, DateTime<Utc>) -> Answer) -> HttpResponse {
        let now = self.clock.now();
        self.locked(|inner| work(&mut inner.crm, now))
            .unwrap_or_else(|fault| self.api_error(fault.status, &fault.message, fault.more))
    }
}

fn kind(request: &HttpRequest) -> Result<Kind, Fault> {
    Kind::read(request.match_info().get("kind").unwrap_or_default())
}

pub fn scope() -> impl HttpServiceFactory + use<> {
    web::scope("/crm")
        .wrap(from_fn(admission::admit))
        .app_data(web::PayloadConfig::new(BODY_LIMIT))
        .configure(association_routes)
        .configure(|config| ["/v3/objects", "/objects/{version}"].iter().for_each(|base| object_routes(config, base)))
        .configure(|config| {
            ["/v3/properties", "/properties/{version}"].iter().for_each(|base| property_routes(config, base))
        })
        .configure(|config| {
            ["/v3/pipelines", "/pipelines/{version}"].iter().for_each(|base| pipeline_routes(config, base))
        })
        .configure(|config| {
            for base in ["/v3/owners", "/owners/{version}"] {
                config.route(&format!("{base}{{slash:/?}}"), web::get().to(owners::list));
                config.route(&format!("{base}/{{id}}{{slash:/?}}"), web::get().to(owners::show));
            }
        })
        .default_service(web::to(super::not_found))
}

/// A trailing slash is forgiven, as HubSpot forgives it: one of its own clients sends it.
fn object_routes(config: &mut web::ServiceConfig, base: &str) {
    let kind = |tail: &str| format!("{base}/{{kind}}{tail}{{slash:/?}}");
    config
        .service(web::resource(kind("")).route(web::get().to(objects::list)).route(web::post().to(objects::create)))
        .route(&kind("/search"), web::post().to(search::run))
        .route(&kind("/merge"), web::post().to(objects::merge))
        .route(&kind("/gdpr-delete"), web::post().to(objects::forget))
        .route(&kind("/batch/{verb}"), web::post().to(batch::run))
        .service(
            web::resource(kind("/{id}"))
                .route(web::get().to(objects::show))
                .route(web::patch().to(objects::update))
                .route(web::delete().to(objects::archive)),
        );
}

fn property_routes(config: &mut web::ServiceConfig, base: &str) {
    let kind = |tail: &str| format!("{base}/{{kind}}{tail}{{slash:/?}}");
    config
        .service(
            web::resource(kind("")).route(web::get().to(properties::list)).route(web::post().to(properties::create)),
        )
        .route(&kind("/groups"), web::to(properties::groups))
        .route(&kind("/groups/{name}"), web::to(properties::groups))
        .service(
            web::resource(kind("/{name}"))
                .route(web::get().to(properties::show))
                .route(web::patch().to(properties::update))
                .route(web::delete().to(properties::remove)),
        );
}

fn pipeline_routes(config: &mut web::ServiceConfig, base: &str) {
    let kind = |tail: &str| format!("{base}/{{kind}}{tail}{{slash:/?}}");
    config
        .service(web::resource(kind("")).route(web::get().to(pipelines::all)).route(web::post().to(pipelines::all)))
        .service(
            web::resource(kind("/{id}"))
                .route(web::get().to(pipelines::one))
                .route(web::put().to(pipelines::one))
                .route(web::patch().to(pipelines::one))
                .route(web::delete().to(pipelines::one)),
        )
        .service(
            web::resource(kind("/{id}/stages"))
                .route(web::get().to(pipelines::stages))
                .route(web::post().to(pipelines::stages)),
        );
}

fn association_routes(config: &mut web::ServiceConfig) {
    let of_record = "/v4/objects/{from}/{id}/associations";
    config
        .route(&format!("{of_record}/{{to}}"), web::get().to(associations::list))
        .route(&format!("{of_record}/default/{{to}}/{{toId}}"), web::put().to(associations::put_default))
        .route(&format!("{of_record}/{{to}}/{{toId}}"), web::put().to(associations::put))
        .route(&format!("{of_record}/{{to}}/{{toId}}"), web::delete().to(associations::remove))
        .route("/v4/associations/{from}/{to}/batch/{verb}", web::post().to(associations::batch));
}
