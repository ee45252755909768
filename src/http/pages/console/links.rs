//! `/console/links`: the connect links.

use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::instance::id_of;
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
use crate::service::connect::Status;
use crate::service::connect::link_view::LinkView;
use crate::service::connect::links::LinkQuery;

pub const HERE: &str = "/console/links";
const CONDITIONS: [&str; 2] = ["customer", "status"];

pub async fn show(request: HttpRequest) -> HttpResponse {
    answer(&request, shown(&request).await).await
}

async fn shown(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    let parameters = Parameters::of(request);
    let given = |name: &str| parameters.get(name).unwrap_or_default();
    let query = LinkQuery {
        external_id: parameters.get("customer").map(str::to_owned),
        status: parameters.get("status").filter(|text| Status::read(text).is_some()).map(str::to_owned),
        newest_first: true,
    };
    let page = Page::read(Some(PAGE_SIZE), parameters.get("nextPage"))?;
    let (links, next) = operator.services.list_links(operator.owner(), query, page).await?;
    let statuses = Status::ALL.map(|status| (status.as_str(), status.as_str()));
    let content = html! {
        h1 { "Connect links" }
        (parts::told(parameters.get("done"), None))
        p { a.button.main href={ (HERE) "/new" } { "Make a link" } }
        form.search role="search" action=(HERE) {
            (parts::Input { kind: "search", ..parts::Input::text("customer", "Customer", given("customer")) }.render())
            (parts::choice("status", "Status", given("status"), ALL.into_iter().chain(statuses)))
            button type="submit" { "Search" }
        }
        div #list data-live {
            (table(&operator, &links))
            (parts::further(HERE, &parameters, &CONDITIONS, next.as_deref()))
        }
    };
    Ok(operator.respond(&Screen::at("/links", "Connect links", content)))
}

fn table(operator: &Operator, links: &[LinkView]) -> Markup {
    let names = ["Link", "Elements", "Customer", "Status", "Expires (UTC)", "Actions"];
    let rows: Vec<_> = links.iter().map(|link| line(operator, link)).collect();
    parts::table(&names, &rows, texts::NO_LINKS)
}

fn line(operator: &Operator, link: &LinkView) -> Markup {
    let id = link.id;
    let name = html! {
        a id={ "link-" (id) } href={ (HERE) "/" (id) } { (id) }
        @if let Some(name) = &link.name { " " (name) }
    };
    let status = html! {
        (status(link.status))
        @if let Some(message) = &link.message { p.reason { (message) } }
    };
    let actions = html! {
        @if link.status.is_open() {
            form.inline method="post" action={ (HERE) "/" (id) } {
                (operator.sealed(Some("revoke")))
                (parts::copy(&format!("copy-{id}"), &link.url, &format!("the address of link {id}")))
                button.small id={ "revoke-" (id) } type="submit" aria-label={ "Withdraw link " (id) } { "Withdraw" }
            }
        }
    };
    html! {
        (parts::first(&name))
        (parts::cell("Elements", &html! { (elements(link)) }))
        (parts::cell("Customer", &html! { (link.external_id.as_deref().unwrap_or_default()) }))
        (parts::cell("Status", &status))
        (parts::cell("Expires", &parts::date(Some(&link.expires_at))))
        (parts::cell("Actions", &actions))
    }
}

pub fn elements(link: &LinkView) -> String {
    match (&link.element_key, link.elements.as_slice()) {
        (Some(chosen), _) => chosen.clone(),
        (None, []) => "all".to_owned(),
        (None, several) => several.join(", "),
    }
}

pub fn status(status: Status) -> Markup {
    let kind = match status {
        Status::Authorised => "good",
        Status::Denied | Status::Failed => "bad",
        Status::Pending | Status::Opened => "busy",
        Status::Expired | Status::Revoked => "idle",
    };
    parts::badge(kind, status.as_str())
}

/// `POST /console/links/{id}`.
pub async fn act(request: HttpRequest, body: RawBody) -> HttpResponse {
    answer(&request, acted(&request, body).await).await
}

async fn acted(request: &HttpRequest, body: RawBody) -> Result<HttpResponse, Stop> {
    let (operator, form) = Operator::acting(request, body).await?;
    if form.get("do") != Some("revoke") {
        return Err(ApiError::new(Code::BadBody, texts::UNKNOWN_ACTION).into());
    }
    let link = operator.services.revoke_link(&operator.actor, id_of(request)?).await?;
    Ok(lead_to(&format!("{HERE}/{}?done=revoked", link.id), &operator.services.public_url))
}
