//! `/console/elements/{key}`: one element, a Connect button for oneself, and the organization's OAuth app.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::elements::{HERE, authentication, can_connect};
use super::layout::Screen;
use super::problems::answer;
use super::session::{Operator, Stop};
use super::{app_form, parts, texts};
use crate::catalog::element::{AuthenticationType, Element};
use crate::http::body::RawBody;
use crate::http::extract::Parameters;
use crate::http::pages::frame::lead_to;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::actor::action::Action;
use crate::service::connect::link_input::LinkInput;

/// Seconds that a link for oneself works.
const SOON: i64 = 3600;

pub async fn show(request: HttpRequest) -> HttpResponse {
    answer(&request, shown(&request).await).await
}

async fn shown(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    let done = Parameters::of(request).get("done").map(str::to_owned);
    Ok(page(&operator, key_of(request), done.as_deref(), None, None).await?)
}

fn key_of(request: &HttpRequest) -> &str {
    request.match_info().get("key").unwrap_or_default()
}

pub async fn act(request: HttpRequest, body: RawBody) -> HttpResponse {
    answer(&request, acted(&request, body).await).await
}

async fn acted(request: &HttpRequest, body: RawBody) -> Result<HttpResponse, Stop> {
    let (mut operator, mut form) = Operator::acting(request, body).await?;
    let key = key_of(request);
    if form.get("do") != Some("connect") {
        operator.require_administrator()?;
        form = operator.require_proof(request, form).await?;
    }
    match done(&operator, key, &form).await {
        Ok(target) => Ok(lead_to(&target, &operator.services.public_url)),
        Err(error) if error.code.status() == 400 => {
            let entered = (form.get("do") == Some("save-app")).then_some(&form);
            Ok(page(&operator, key, None, Some(&error), entered).await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Gives the page to go to.
async fn done(operator: &Operator, key: &str, form: &Parameters) -> Result<String, ApiError> {
    let (services, actor) = (&operator.services, &operator.actor);
    let element = services.element_of(operator.owner(), key)?;
    let here = format!("{HERE}/{}", element.key);
    match form.get("do") {
        Some("connect") => {
            let input = LinkInput {
                elements: Some(vec![element.key.clone()]),
                authentication_type: form.get("authentication").map(str::to_owned),
                expires_in: Some(SOON),
                to_console: true,
                ..LinkInput::default()
            };
            Ok(services.create_link(actor, input).await?.url)
        }
        Some("save-app") => {
            services.save_partner_app(actor, &element.key, &app_form::read(form)).await?;
            Ok(format!("{here}?done=saved"))
        }
        Some("remove-app") => {
            services.delete_partner_app(actor, &element.key).await?;
            Ok(format!("{here}?done=app-removed"))
        }
        _ => Err(ApiError::new(Code::BadBody, texts::UNKNOWN_ACTION)),
    }
}

async fn page(
    operator: &Operator,
    key: &str,
    done: Option<&str>,
    problem: Option<&ApiError>,
    entered: Option<&Parameters>,
) -> Result<HttpResponse, ApiError> {
    let element = operator.services.element_of(operator.owner(), key)?;
    let app = match element.authentication.oauth2 {
        Some(_) => Some(operator.services.show_partner_app(operator.owner(), &element.key).await?),
        None => None,
    };
    let stored = app.as_ref().is_some_and(|app| app.client_id.is_some());
    let content = html! {
        p { a href=(HERE) { "Elements" } }
        h1 { (element.name) }
        (parts::told(done, problem.map(|error| error.message.as_str())))
        p { (element.description) }
        dl {
            div { dt { "Key" } dd { code { (element.key) } } }
            div { dt { "Hub" } dd { (element.hub) } }
            div { dt { "Authentication" } dd { (authentication(&element)) } }
        }
        section aria-labelledby="connect" {
            h2 #connect { "Connect" }
            (connect(operator, &element, stored))
        }
        @if let Some(app) = &app {
            section aria-labelledby="app" {
                h2 #app { "OAuth app" }
                @if operator.actor.may(Action::ChangeApps) {
                    (app_form::render(operator, &element, app, entered))
                } @else {
                    p.soft { (Action::OpenPage.refusal()) }
                }
            }
        } @else {
            section aria-labelledby="setup" {
                h2 #setup { "Set-up" }
                p.text { (element.config_description) }
            }
        }
    };
    let status = problem.map_or(StatusCode::OK, parts::status_of);
    Ok(operator.respond(&Screen::at("/elements", element.name.clone(), content).with_status(status)))
}

fn connect(operator: &Operator, element: &Element, app: bool) -> Markup {
    let types = element.authentication_types();
    let usable: Vec<_> = types.into_iter().filter(|kind| *kind != AuthenticationType::OAuth2 || app).collect();
    html! {
        @if !can_connect(element, app) { p { (texts::APP_FIRST) } }
        @if !usable.is_empty() {
            p.soft { (texts::CONNECT_HINT) }
            form.buttons method="post" action={ (HERE) "/" (element.key) } {
                (operator.sealed(Some("connect")))
                @for kind in usable {
                    button.main type="submit" name="authentication" value=(kind.as_str()) {
                        @match kind {
                            AuthenticationType::OAuth2 => "Connect an account",
                            AuthenticationType::ApiKey => "Connect with a key",
                        }
                    }
                }
            }
        }
    }
}
