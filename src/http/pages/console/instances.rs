//! `/console`: the instances.

use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::layout::Screen;
use super::problems::answer;
use super::session::{Operator, Stop};
use super::{PAGE_SIZE, ROOT, parts, texts};
use crate::http::extract::Parameters;
use crate::kernel::paging::Page;
use crate::service::instance::overview::{Filter, Overview, State};

/// The choice of no condition.
pub const ALL: [(&str, &str); 1] = [("", "All")];
const CONDITIONS: [&str; 3] = ["q", "element", "state"];

pub async fn show(request: HttpRequest) -> HttpResponse {
    answer(&request, shown(&request).await).await
}

async fn shown(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    let services = &operator.services;
    let parameters = Parameters::of(request);
    let element = parameters.get("element").map(|key| services.element_of(operator.owner(), key)).transpose()?;
    let filter = Filter {
        element_id: element.map(|element| element.id),
        text: parameters.get("q").map(str::to_owned),
        state: parameters.get("state").and_then(State::read),
    };
    let page = Page::read(Some(PAGE_SIZE), parameters.get("nextPage"))?;
    let (rows, next) = services.instance_overview(operator.owner(), filter, page).await?;
    let content = html! {
        h1 { "Instances" }
        (parts::told(parameters.get("done"), None))
        (search(&operator, &parameters))
        div #list data-live {
            (table(&operator, &rows))
            (parts::further(ROOT, &parameters, &CONDITIONS, next.as_deref()))
        }
    };
    Ok(operator.respond(&Screen::at("", "Instances", content)))
}

fn search(operator: &Operator, parameters: &Parameters) -> Markup {
    let given = |name: &str| parameters.get(name).unwrap_or_default();
    let elements = operator.services.elements_of(operator.owner());
    let elements = elements.iter().map(|element| (element.key.as_str(), element.name.as_str()));
    let states = State::ALL.map(|state| (state.as_str(), state.as_str()));
    html! {
        form.search role="search" action=(ROOT) {
            (parts::Input { kind: "search", ..parts::Input::text("q", "Name or customer", given("q")) }.render())
            (parts::choice("element", "Element", given("element"), ALL.into_iter().chain(elements)))
            (parts::choice("state", "State", given("state"), ALL.into_iter().chain(states)))
            button type="submit" { "Search" }
        }
    }
}

fn table(operator: &Operator, rows: &[Overview]) -> Markup {
    let names = ["Name", "Element", "Customer", "State", "Last call (UTC)", "Last refresh (UTC)"];
    let rows: Vec<_> = rows.iter().map(|row| line(operator, row)).collect();
    parts::table(&names, &rows, texts::NO_INSTANCES)
}

fn line(operator: &Operator, row: &Overview) -> Markup {
    let name = html! { a id={ "instance-" (row.id) } href={ (ROOT) "/instances/" (row.id) } { (row.name) } };
    let state = html! {
        (parts::state(row.state()))
        @if let Some(reason) = &row.invalid_reason { p.reason { (reason) } }
    };
    let last_call = html! {
        (parts::time(row.last_used_at.map(Into::into)))
        @if let Some(status) = row.last_status { " " (status_of_call(status)) }
    };
    html! {
        (parts::first(&name))
        (parts::cell("Element", &html! { (element_name(operator, row.element_id, &row.element_key)) }))
        (parts::cell("Customer", &html! { (row.external_id.as_deref().unwrap_or_default()) }))
        (parts::cell("State", &state))
        (parts::cell("Last call", &last_call))
        (parts::cell("Last refresh", &parts::time(row.refreshed_at.map(Into::into))))
    }
}

/// What the vendor answered.
pub fn status_of_call(status: i64) -> Markup {
    parts::badge(if status < 400 { "good" } else { "bad" }, &status.to_string())
}

/// As people know it; one whose file is gone is known by its key.
pub fn element_name(operator: &Operator, id: i64, key: &str) -> String {
    operator.services.element_by_id(operator.owner(), id).map_or_else(|| key.to_owned(), |element| element.name.clone())
}
