//! `/connector/callback`: where every vendor sends browsers back to.

use actix_web::{HttpRequest, HttpResponse, web};

use super::connect::{browser, lost, other_browser, result_address, trouble};
use crate::http::extract::{Parameters, address, services};
use crate::http::pages::frame::lead_to;
use crate::kernel::error::ApiError;
use crate::service::callback::CallbackEnd;
use crate::service::grants::Redirected;

pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/connector/callback", web::get().to(callback));
}

async fn callback(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let services = services(&request)?;
    let public_url = &services.public_url;
    let redirected = Redirected::of(Parameters::of(&request).into_pairs());
    let end = services.finish_callback(browser(&request, public_url), address(&request), redirected).await;
    Ok(match end {
        Ok(CallbackEnd::Forward(address)) => lead_to(&address, public_url),
        Ok(CallbackEnd::Link { token, popup }) => lead_to(&result_address(token.expose(), popup), public_url),
        Ok(CallbackEnd::OtherBrowser) => other_browser(public_url),
        Ok(CallbackEnd::Unknown) => match services.link_limits.note_miss(address(&request)) {
            Ok(()) => lost(public_url),
            Err(error) => trouble(&error, public_url),
        },
        Err(error) => trouble(&error, public_url),
    })
}
