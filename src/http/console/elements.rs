//! `/console/elements`: what can be connected.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::layout::Screen;
use super::problems::answer;
use super::session::{Operator, Stop};
use super::{PAGE_SIZE, parts, texts};
use crate::catalog::element::Element;
use crate::http::extract::Parameters;
use crate::kernel::paging::Page;

pub const HERE: &str = "/console/elements";

pub async fn show(request: HttpRequest) -> HttpResponse {
    answer(&request, shown(&request).await).await
}

async fn shown(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    let services = &operator.services;
    let parameters = Parameters::of(request);
    let given = |name: &str| parameters.get(name).unwrap_or_default();
    let page = Page::read(Some(PAGE_SIZE), parameters.get("nextPage"))?;
    let (elements, next) = services.find_elements(parameters.get("q"), parameters.get("hub"), page);
    let with_app = services.elements_with_app(operator.owner()).await?;
    let hubs = services.hubs();
    let content = html! {
        h1 { "Elements" }
        form.search role="search" action=(HERE) {
            (parts::Input { kind: "search", ..parts::Input::text("q", "Name, key or description", given("q")) }.render())
            (parts::choice("hub", "Hub", given("hub"), [("", "All")].into_iter().chain(hubs.iter().map(|hub| (*hub, *hub)))))
            button type="submit" { "Search" }
        }
        @if elements.is_empty() {
            p.soft { (texts::NO_ELEMENTS) }
        } @else {
            table role="table" {
                thead { tr role="row" {
                    @for name in ["Name", "Key", "Hub", "Authentication", "OAuth app", "Connect"] {
                        th role="columnheader" scope="col" { (name) }
                    }
                } }
                tbody { @for element in &elements { (line(&operator, element, &with_app)) } }
            }
        }
        (parts::further(HERE, &parameters, &["q", "hub"], next.as_deref()))
    };
    Ok(operator.respond(&Screen::at("/elements", "Elements", content)))
}

fn line(operator: &Operator, element: &Element, with_app: &BTreeSet<i64>) -> Markup {
    let address = format!("{HERE}/{}", element.key);
    let stored = with_app.contains(&element.id);
    let oauth = element.authentication.oauth2.is_some();
    html! {
        tr role="row" {
            td role="cell" { a href=(address) { (element.name) } p.soft { (element.description) } }
            td role="cell" data-label="Key" { code { (element.key) } }
            td role="cell" data-label="Hub" { (element.hub) }
            td role="cell" data-label="Authentication" { (authentication(element)) }
            td role="cell" data-label="OAuth app" {
                @match (oauth, stored) {
                    (false, _) => span.soft { "not needed" },
                    (true, true) => (parts::badge("good", "stored")),
                    (true, false) => (parts::badge("idle", "none")),
                }
            }
            td role="cell" data-label="Connect" {
                @if can_connect(element, stored) {
                    form method="post" action=(address) {
                        (operator.sealed(Some("connect")))
                        button.small type="submit" aria-label={ "Connect " (element.name) } { "Connect" }
                    }
                } @else {
                    a href=(address) aria-label={ "Set up " (element.name) } { "Set up" }
                }
            }
        }
    }
}

/// Without an app nobody is led to the vendor.
pub fn can_connect(element: &Element, with_app: bool) -> bool {
    element.authentication.oauth2.is_none() || with_app
}

pub fn authentication(element: &Element) -> String {
    let types: Vec<_> = element.authentication_types().into_iter().map(|offered| offered.as_str()).collect();
    types.join(", ")
}
