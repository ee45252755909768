//! `/console/deliveries`: what the organization was told, and what became of it.

use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::instances::ALL;
use super::layout::Screen;
use super::problems::answer;
use super::session::{Operator, Stop};
use super::{PAGE_SIZE, parts, texts};
use crate::http::body::RawBody;
use crate::http::extract::Parameters;
use crate::http::pages::frame::lead_to;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::paging::Page;
use crate::service::notices::deliveries::{DeliveryQuery, DeliveryView};

pub const HERE: &str = "/console/deliveries";
const CONDITIONS: [&str; 3] = ["status", "instanceId", "linkId"];
const STATUSES: [&str; 4] = ["waiting", "parked", "delivered", "failed"];

pub async fn show(request: HttpRequest) -> HttpResponse {
    answer(&request, shown(&request).await).await
}

async fn shown(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    let parameters = Parameters::of(request);
    let given = |name: &str| parameters.get(name).unwrap_or_default();
    let query = DeliveryQuery {
        status: parameters.get("status").map(str::to_owned),
        instance_id: parameters.number("instanceId")?,
        link_id: parameters.number("linkId")?,
    };
    let page = Page::read(Some(PAGE_SIZE), parameters.get("nextPage"))?;
    let (deliveries, next) = operator.services.deliveries(operator.owner(), query, page).await?;
    let number = |name, label| parts::Input::text(name, label, given(name)).number().render();
    let statuses = STATUSES.map(|status| (status, status));
    let content = html! {
        h1 { "Deliveries" }
        (parts::told(parameters.get("done"), None))
        form.search role="search" action=(HERE) {
            (number("instanceId", "Instance"))
            (number("linkId", "Connect link"))
            (parts::choice("status", "Status", given("status"), ALL.into_iter().chain(statuses)))
            button type="submit" { "Search" }
        }
        div #list data-live {
            (table(&operator, &deliveries))
            (parts::further(HERE, &parameters, &CONDITIONS, next.as_deref()))
        }
    };
    Ok(operator.respond(&Screen::at("/deliveries", "Deliveries", content)))
}

fn table(operator: &Operator, deliveries: &[DeliveryView]) -> Markup {
    let names = ["Notice", "About", "Status", "Attempts", "Created (UTC)", "Next attempt (UTC)", "Actions"];
    let rows: Vec<_> = deliveries.iter().map(|delivery| line(operator, delivery)).collect();
    parts::table(&names, &rows, texts::NO_DELIVERIES)
}

fn line(operator: &Operator, delivery: &DeliveryView) -> Markup {
    let kind = match delivery.status {
        "delivered" => "good",
        "waiting" => "busy",
        _ => "bad",
    };
    let status = html! {
        (parts::badge(kind, delivery.status))
        @if let Some(error) = &delivery.last_error { p.reason { (error) } }
    };
    let next = html! { @if let Some(at) = &delivery.next_attempt_at { (parts::date(Some(at))) } };
    let actions = html! {
        form method="post" action=(HERE) {
            (operator.sealed(Some("retry")))
            input type="hidden" name="id" value=(delivery.id);
            button.small id={ "retry-" (delivery.id) } type="submit" aria-label={ "Send again: " (delivery.message) } {
                "Send again"
            }
        }
    };
    html! {
        (parts::first(&html! { (delivery.kind) p { code { (delivery.message) } } }))
        (parts::cell("About", &subject(&delivery.subject, delivery.id)))
        (parts::cell("Status", &status))
        (parts::cell("Attempts", &html! { (delivery.attempts) }))
        (parts::cell("Created", &parts::date(Some(&delivery.created_at))))
        (parts::cell("Next attempt", &next))
        (parts::cell("Actions", &actions))
    }
}

/// `instance:4711`, with a way there.
fn subject(subject: &str, delivery: i64) -> Markup {
    let place = match subject.split_once(':') {
        Some(("instance", id)) => Some(("instances", id)),
        Some(("link", id)) => Some(("links", id)),
        _ => None,
    };
    html! {
        @match place {
            Some((place, id)) => a id={ "about-" (delivery) } href={ "/console/" (place) "/" (id) } { (subject) },
            None => (subject),
        }
    }
}

pub async fn act(request: HttpRequest, body: RawBody) -> HttpResponse {
    answer(&request, acted(&request, body).await).await
}

async fn acted(request: &HttpRequest, body: RawBody) -> Result<HttpResponse, Stop> {
    let (operator, form) = Operator::acting(request, body).await?;
    let id = form.number("id")?.filter(|_| form.get("do") == Some("retry"));
    let id = id.ok_or_else(|| ApiError::new(Code::BadBody, texts::UNKNOWN_ACTION))?;
    operator.services.retry_delivery(&operator.actor, id).await?;
    Ok(lead_to(&format!("{HERE}?done=retried"), &operator.services.public_url))
}
