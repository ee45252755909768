//! Floor 5: routes, extractors, error rendering, the OpenAPI document. Handlers extract, call one use case, answer.

mod authentication;
mod cors;
mod elements;
mod envelope;
mod error;
mod extract;
mod instances;
pub mod openapi;
mod openapi_30;
mod own_instance;
mod schemas;
mod system;
mod urls;

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
    pub services: OnceLock<Services>,
    pub entropy: Arc<dyn Entropy>,
    pub cors: CorsOrigins,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
}

impl Shared {
    pub fn services(&self) -> Result<&Services, ApiError> {
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
            .configure(system::routes)
            .service(web::scope(urls::BASE).configure(plain(api)).default_service(web::to(system::no_route)))
            // For people who leave the base path out.
            .configure(plain(api))
            .default_service(web::to(system::no_route));
    }
}

/// The API below its base path; the OpenAPI document is made of the same lines.
fn api(config: &mut ServiceConfig) {
    config
        .configure(authentication::routes)
        .configure(elements::routes)
        .configure(own_instance::routes)
        .configure(instances::routes);
}

fn plain(routes: fn(&mut ServiceConfig)) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| routes(&mut ServiceConfig::new(config))
}
