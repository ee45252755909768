//! `/connect`: the customer's pages, and what they are made of. The pages are rendered here,
//! work without a script, and load nothing from elsewhere but the organization's logo.

pub mod assets;
mod colour;
mod cookie;
pub mod page;
pub mod parts;
mod problems;
mod result;
pub mod script;
mod start;
mod strays;
pub mod texts;
mod visitor;

use actix_web::web;

pub use cookie::browser;
pub use problems::{other_app, other_browser, trouble};
pub use result::address_of as result_address;
pub use strays::{Stray, send_on, sent_again};

/// The pages. They come behind the API: `/connect/links` is no token.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/connect/assets/{file}", web::get().to(assets::asset))
        .route("/connect/{token}", web::get().to(start::show))
        .route("/connect/{token}", web::post().to(start::begin))
        .route("/connect/{token}/result", web::get().to(result::show))
        .route("/connect/{token}/status", web::get().to(result::status))
        .route("/connect/{token}/brand.css", web::get().to(assets::brand));
}
