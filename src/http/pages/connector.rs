//! `/connector/callback`, and `/connector/callback/{app}`: where vendors send browsers back to.

use actix_web::{HttpRequest, HttpResponse, web};

use super::connect::{Stray, browser, other_app, other_browser, result_address, send_on, sent_again, trouble};
use crate::http::body::{LARGEST_PUBLIC_FORM, RawBody};
use crate::http::extract::{Parameters, address, services};
use crate::http::pages::frame::lead_to;
use crate::kernel::error::ApiError;
use crate::service::callback::CallbackEnd;
use crate::service::grants::Redirected;

pub fn routes(config: &mut web::ServiceConfig) {
    for path in ["/connector/callback", "/connector/callback/{app}"] {
        config.route(path, web::get().to(callback)).route(path, web::post().to(posted));
    }
}

async fn callback(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    came_back(&request, Parameters::of(&request).into_pairs()).await
}

/// By a form of the vendor's page (OAuth 2.0 Form Post Response Mode).
async fn posted(request: HttpRequest, body: RawBody) -> Result<HttpResponse, ApiError> {
    let public_url = services(&request)?.public_url.clone();
    let form = match body.form(&request, LARGEST_PUBLIC_FORM).await {
        Ok(form) => form.into_pairs(),
        Err(error) => return Ok(trouble(&error, &public_url)),
    };
    let (parameters, whole) = sent_again(form, browser(&request, &public_url).as_ref());
    if !whole {
        return Ok(send_on(&request, &parameters, &public_url));
    }
    came_back(&request, parameters).await
}

async fn came_back(request: &HttpRequest, parameters: Vec<(String, String)>) -> Result<HttpResponse, ApiError> {
    let services = services(request)?;
    let public_url = &services.public_url;
    let app = request.match_info().get("app").map(str::to_owned);
    let redirected = Redirected { callback: app, ..Redirected::of(parameters) };
    let (stray, said) = (Stray::of(&redirected), redirected.error.clone());
    let end = services.finish_callback(browser(request, public_url), address(request), redirected).await;
    Ok(match end {
        Ok(CallbackEnd::Forward(address)) => lead_to(&address, public_url),
        Ok(CallbackEnd::Link { token, popup }) => lead_to(&result_address(token.expose(), popup), public_url),
        Ok(CallbackEnd::OtherBrowser) => other_browser(public_url),
        Ok(CallbackEnd::OtherApp) => other_app(public_url),
        Ok(CallbackEnd::Unknown) => match strayed(request, stray, said.as_deref()).await {
            Ok(page) => page,
            Err(error) => trouble(&error, public_url),
        },
        Err(error) => trouble(&error, public_url),
    })
}

/// Whoever comes too often is told to wait.
async fn strayed(request: &HttpRequest, stray: Stray, said: Option<&str>) -> Result<HttpResponse, ApiError> {
    let services = services(request)?;
    let plain = |text: &&str| {
        text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    tracing::info!(?stray, error = said.filter(plain), "the callback was reached without a known state");
    services.link_limits.note_miss(address(request))?;
    let host = services.host_of_stray(browser(request, &services.public_url).as_ref()).await?;
    Ok(stray.page(host.as_ref(), &services.public_url))
}
