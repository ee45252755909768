//! `/console`: what the operator of an organization sees and does. Pages made here, in the look of the customers' pages.
//! Each address shows with GET and acts with POST, and every form says with `do` what is meant. Nothing needs a script
//! but to copy, and to stay true without being asked anew.

mod app_form;
mod assets;
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
mod new_link;
mod organization;
mod origin;
mod parts;
mod problems;
mod session;
mod sign_in;
mod texts;

use actix_web::dev::HttpServiceFactory;
use actix_web::{FromRequest, Handler, Resource, Responder, web};

pub const ROOT: &str = "/console";
/// Rows of a list.
const PAGE_SIZE: &str = "50";

pub fn routes(config: &mut web::ServiceConfig) {
    let scope = web::scope(ROOT)
        .service(reads("").get(instances::show))
        .service(reads("/assets/{file}").get(assets::asset))
        .service(both("/sign-in", sign_in::show, sign_in::act))
        .service(acts("/sign-out").post(sign_in::leave))
        .service(reads("/connected").get(link::connected))
        .service(both("/instances/{id}", instance::show, instance_actions::act))
        .service(both("/instances/{id}/delete", instance::ask, instance_actions::delete))
        .service(reads("/elements").get(elements::show))
        .service(both("/elements/{key}", element::show, element::act))
        .service(both("/links", links::show, links::act))
        .service(both("/links/new", new_link::show, new_link::act))
        .service(both("/links/{id}", link::show, links::act))
        .service(both("/organization", organization::show, organization::act))
        .service(both("/deliveries", deliveries::show, deliveries::act))
        .default_service(web::to(problems::nothing_here));
    config.service(scope);
}

fn reads(path: &str) -> Resource {
    web::resource(path).default_service(web::to(problems::only_get))
}

fn acts(path: &str) -> Resource {
    web::resource(path).default_service(web::to(problems::only_post))
}

fn both<A, S>(path: &str, show: impl Handler<S, Output = A>, act: impl Handler<S, Output = A>) -> impl HttpServiceFactory + 'static
where
    A: Responder + 'static,
    S: FromRequest + 'static,
{
    web::resource(path).get(show).post(act).default_service(web::to(problems::get_or_post))
}
