//! `/console`: what the operator of an organization sees and does. Pages made here, in the look of the customers' pages.
//! Each address shows with GET and acts with POST, and every form says with `do` what is meant. Nothing needs a script
//! but to copy, and to stay true without being asked anew.

mod app_form;
mod assets;
mod audit;
mod deliveries;
mod element;
mod elements;
mod instance;
mod instance_actions;
mod instance_form;
mod instances;
mod layout;
mod link;
mod links;
mod me;
mod new_link;
mod organization;
mod origin;
mod parts;
mod people;
mod problems;
mod proof;
mod session;
mod sign_in;
mod texts;
mod webhook;

use actix_web::{Resource, web};

pub const ROOT: &str = "/console";
/// Rows of a list.
const PAGE_SIZE: &str = "50";

pub fn routes(config: &mut web::ServiceConfig) {
    let scope = web::scope(ROOT)
        .service(reads("").get(instances::show))
        .service(reads("/assets/{file}").get(assets::asset))
        .service(both("/sign-in").get(sign_in::show).post(sign_in::act))
        .service(acts("/sign-out").post(sign_in::leave))
        .service(reads("/connected").get(link::connected))
        .service(both("/instances/{id}").get(instance::show).post(instance_actions::act))
        .service(both("/instances/{id}/delete").get(instance::ask).post(instance_actions::delete))
        .service(reads("/elements").get(elements::show))
        .service(both("/elements/{key}").get(element::show).post(element::act))
        .service(reads("/links").get(links::show))
        .service(both("/links/new").get(new_link::show).post(new_link::act))
        .service(both("/links/{id}").get(link::show).post(links::act))
        .service(reads("/audit").get(audit::show))
        .service(both("/organization").get(organization::show).post(organization::act))
        .service(reads("/people").get(people::list))
        .service(both("/people/new").get(people::show_new).post(people::add))
        .service(both("/people/{id}").get(people::show).post(people::act))
        .service(both("/people/{id}/remove").get(people::ask).post(people::remove))
        .service(both("/me").get(me::show).post(me::act))
        .service(both("/deliveries").get(deliveries::show).post(deliveries::act))
        .default_service(web::to(problems::nothing_here));
    config.service(scope);
}

fn reads(path: &str) -> Resource {
    web::resource(path).default_service(web::to(problems::only_get))
}

fn acts(path: &str) -> Resource {
    web::resource(path).default_service(web::to(problems::only_post))
}

fn both(path: &str) -> Resource {
    web::resource(path).default_service(web::to(problems::get_or_post))
}
