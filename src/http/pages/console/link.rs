//! `/console/links/{id}`: one link, to be copied and watched; and where one comes back to after connecting oneself.

use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::instance::id_of;
use super::layout::Screen;
use super::links::{HERE, elements, status};
use super::problems::answer;
use super::session::{Operator, Stop};
use super::{ROOT, parts, texts};
use crate::http::extract::Parameters;
use crate::http::pages::account::account_name;
use crate::http::pages::frame::lead_to;
use crate::service::connect::link_view::LinkView;

pub async fn show(request: HttpRequest) -> HttpResponse {
    answer(&request, shown(&request).await).await
}

async fn shown(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    let link = operator.services.show_link(operator.owner(), id_of(request)?).await?;
    let title = format!("Connect link {}", link.id);
    let content = html! {
        p { a href=(HERE) { "Connect links" } }
        h1 { (title) }
        (parts::told(Parameters::of(request).get("done"), None))
        div #link data-live {
            @if link.status.is_open() {
                (parts::to_copy("address", "Address", &link.url))
                p.soft { (texts::LINK_HINT) }
            }
            (details(&link))
            @if link.status.is_open() {
                form.buttons method="post" action={ (HERE) "/" (link.id) } {
                    (operator.sealed(Some("revoke")))
                    button #revoke type="submit" { "Withdraw" }
                }
            }
        }
    };
    Ok(operator.respond(&Screen::at("/links", title, content)))
}

fn details(link: &LinkView) -> Markup {
    let row = |name: &str, value: Option<&String>| {
        html! { @if let Some(value) = value { div { dt { (name) } dd { (value) } } } }
    };
    let scopes = |names: &[String]| (!names.is_empty()).then(|| names.join(" "));
    html! {
        dl {
            div { dt { "Status" } dd { (status(link.status)) @if let Some(message) = &link.message { " " (message) } } }
            div { dt { "Elements" } dd { (elements(link)) } }
            (row("Name", link.name.as_ref()))
            (row("Customer", link.external_id.as_ref()))
            (row("Account at the vendor", link.vendor_account.as_ref().map(account_name).as_ref()))
            (row("Missing scopes", scopes(&link.missing_scopes).as_ref()))
            (row("Scopes not confirmed", scopes(&link.unconfirmed_scopes).as_ref()))
            @if let Some(id) = link.instance_id {
                div { dt { "Instance" } dd { a #instance href={ (ROOT) "/instances/" (id) } { (id) } } }
            }
            (row("Leads back to", link.redirect_url.as_ref()))
            div { dt { "Created (UTC)" } dd { (parts::date(Some(&link.created_date))) } }
            div { dt { "Expires (UTC)" } dd { (parts::date(Some(&link.expires_at))) } }
        }
    }
}

/// `/console/connected`: where the link of a Connect button leads.
pub async fn connected(request: HttpRequest) -> HttpResponse {
    answer(&request, came_back(&request).await).await
}

async fn came_back(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    let parameters = Parameters::of(request);
    let instance: Option<i64> = parameters.get("instanceId").and_then(|text| text.parse().ok());
    let target = match instance.filter(|_| parameters.get("status") == Some("authorised")) {
        Some(id) => format!("{ROOT}/instances/{id}?done=connected"),
        None => format!("{ROOT}/elements"),
    };
    Ok(lead_to(&target, &operator.services.public_url))
}
