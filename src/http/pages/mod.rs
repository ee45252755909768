//! What people see: the customers' pages (`connect`), the vendor's way back (`connector`), the operator's (`console`), and
//! what they share.

mod account;
mod assets;
mod connect;
mod connector;
mod console;
mod frame;

use actix_web::web;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(connector::routes)
        .configure(connect::script::routes)
        .configure(connect::routes)
        .configure(console::routes);
}
