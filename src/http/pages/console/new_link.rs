//! `/console/links/new`: the form that makes a connect link.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use maud::html;

use super::layout::Screen;
use super::links::HERE;
use super::problems::answer;
use super::session::{Operator, Stop};
use super::{parts, texts};
use crate::http::body::RawBody;
use crate::http::extract::Parameters;
use crate::http::pages::frame::lead_to;
use crate::kernel::error::ApiError;
use crate::service::connect::link_input::LinkInput;

/// Seconds, and how a person says it.
const LIFETIMES: [(&str, &str); 5] =
    [("3600", "1 hour"), ("86400", "1 day"), ("604800", "7 days"), ("2592000", "30 days"), ("7776000", "90 days")];
const USUAL: &str = "604800";

pub async fn show(request: HttpRequest) -> HttpResponse {
    answer(&request, shown(&request).await).await
}

async fn shown(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    Ok(page(&operator, &Parameters::of(request), None))
}

pub async fn act(request: HttpRequest, body: RawBody) -> HttpResponse {
    answer(&request, made(&request, body).await).await
}

async fn made(request: &HttpRequest, body: RawBody) -> Result<HttpResponse, Stop> {
    let (operator, form) = Operator::acting(request, body).await?;
    let text = |name: &str| form.get(name).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let elements: Vec<String> = form.all("element").map(str::to_owned).collect();
    let input = LinkInput {
        elements: (!elements.is_empty()).then_some(elements),
        name: text("name"),
        external_id: text("customer"),
        redirect_url: text("redirectUrl"),
        expires_in: text("expiresIn").and_then(|text| text.parse().ok()),
        ..LinkInput::default()
    };
    match operator.services.create_link(&operator.actor, input).await {
        Ok(link) => Ok(lead_to(&format!("{HERE}/{}?done=made", link.id), &operator.services.public_url)),
        Err(error) if matches!(error.code.status(), 400 | 404) => Ok(page(&operator, &form, Some(&error))),
        Err(error) => Err(error.into()),
    }
}

fn page(operator: &Operator, entered: &Parameters, problem: Option<&ApiError>) -> HttpResponse {
    let given = |name: &str| entered.get(name).unwrap_or_default();
    let lifetime = entered.get("expiresIn").unwrap_or(USUAL);
    let chosen = |key: &str| entered.all("element").any(|chosen| chosen == key);
    let content = html! {
        p { a href=(HERE) { "Connect links" } }
        h1 { "Make a connect link" }
        (parts::told(None, problem.map(|error| error.message.as_str())))
        form method="post" action={ (HERE) "/new" } {
            (operator.sealed(None))
            fieldset {
                legend { (texts::EVERY_ELEMENT) }
                div.many {
                    @for element in operator.services.elements_of(operator.owner()).iter().filter(|element| element.active) {
                        label.check {
                            input type="checkbox" name="element" value=(element.key) checked[chosen(&element.key)];
                            span { (element.name) }
                        }
                    }
                }
            }
            (parts::Input::text("customer", "Customer", given("customer")).hint(texts::CUSTOMER_HINT).render())
            (parts::Input::text("name", "Name", given("name")).hint(texts::NAME_HINT).render())
            (parts::choice("expiresIn", "Works for", lifetime, LIFETIMES))
            (parts::Input::text("redirectUrl", "Leads back to", given("redirectUrl")).hint(texts::REDIRECT_HINT).render())
            div.buttons { button.main type="submit" { "Make the link" } }
        }
    };
    let status = problem.map_or(StatusCode::OK, parts::status_of);
    operator.respond(&Screen::at("/links", "Make a connect link", content).with_status(status))
}
