//! `/console/elements`: what can be connected.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::instances::ALL;
use super::layout::Screen;
use super::problems::answer;
use super::session::{Operator, Stop};
use super::{PAGE_SIZE, parts, texts};
use crate::catalog::element::Element;
use crate::http::extract::Parameters;
use crate::kernel::paging::Page;

const COLUMNS: [&str; 6] = ["Name", "Key", "Hub", "Authentication", "OAuth app", "Connect"];
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
    let (elements, next) = services.find_elements(operator.owner(), parameters.get("q"), parameters.get("hub"), page);
    let with_app = services.elements_with_app(operator.owner()).await?;
    let hubs = services.hubs(operator.owner());
    let hubs = ALL.into_iter().chain(hubs.iter().map(|hub| (hub.as_str(), hub.as_str())));
    let rows: Vec<_> = elements.iter().map(|element| line(&operator, element, &with_app)).collect();
    let content = html! {
        h1 { "Elements" }
        form.search role="search" action=(HERE) {
            (parts::Input { kind: "search", ..parts::Input::text("q", "Name, key or description", given("q")) }.render())
            (parts::choice("hub", "Hub", given("hub"), hubs))
            button type="submit" { "Search" }
        }
        (parts::table(&COLUMNS, &rows, texts::NO_ELEMENTS))
        (parts::further(HERE, &parameters, &["q", "hub"], next.as_deref()))
    };
    Ok(operator.respond(&Screen::at("/elements", "Elements", content)))
}

fn line(operator: &Operator, element: &Element, with_app: &BTreeSet<i64>) -> Markup {
    let address = format!("{HERE}/{}", element.key);
    let stored = with_app.contains(&element.id);
    let oauth = element.authentication.oauth2.is_some();
    let app = match (oauth, stored) {
        (false, _) => html! { span.soft { "not needed" } },
        (true, true) => parts::badge("good", "stored"),
        (true, false) => parts::badge("idle", "none"),
    };
    let connect = html! {
        @if can_connect(element, stored) {
            form method="post" action=(address) {
                (operator.sealed(Some("connect")))
                button.small type="submit" aria-label={ "Connect " (element.name) } { "Connect" }
            }
        } @else {
            a href=(address) aria-label={ "Set up " (element.name) } { "Set up" }
        }
    };
    html! {
        (parts::first(&html! { a href=(address) { (element.name) } p.soft { (element.description) } }))
        (parts::cell("Key", &html! { code { (element.key) } }))
        (parts::cell("Hub", &html! { (element.hub) }))
        (parts::cell("Authentication", &html! { (authentication(element)) }))
        (parts::cell("OAuth app", &app))
        (parts::cell("Connect", &connect))
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
