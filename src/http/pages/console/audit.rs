//! `/console/audit`: who changed what, for administrators of the organization.

use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::instances::ALL;
use super::layout::Screen;
use super::problems::answer;
use super::session::{Operator, Stop};
use super::{PAGE_SIZE, parts, texts};
use crate::http::extract::Parameters;
use crate::kernel::paging::Page;
use crate::service::audit::Deed;
use crate::service::audit::deed::SubjectKind;
use crate::service::audit::list::{AuditQuery, AuditView};

pub const HERE: &str = "/console/audit";
const CONDITIONS: [&str; 8] = ["kind", "entityId", "userId", "externalId", "from", "to", "action", "requestId"];

pub async fn show(request: HttpRequest) -> HttpResponse {
    answer(&request, shown(&request).await).await
}

async fn shown(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    operator.require_administrator()?;
    let parameters = Parameters::of(request);
    let given = |name: &str| parameters.get(name).unwrap_or_default();
    let page = Page::read(Some(PAGE_SIZE), parameters.get("nextPage"))?;
    let (query, mut problem) = match AuditQuery::of(&parameters) {
        Ok(query) => (query, None),
        Err(error) => (AuditQuery::default(), Some(error.message)),
    };
    let (rows, next) = match operator.services.audit_log(&operator.actor, query, page).await {
        Err(error) if error.code.status() == 400 => {
            problem = Some(error.message);
            (Vec::new(), None)
        }
        other => other?,
    };
    let number = |name, label| parts::Input::text(name, label, given(name)).number().render();
    let kinds = SubjectKind::ALL.map(|kind| (kind.as_str(), kind.as_str()));
    let content = html! {
        h1 { "Audit log" }
        (parts::told(None, problem.as_deref()))
        form.search role="search" action=(HERE) {
            (parts::choice("kind", "What was changed", given("kind"), ALL.into_iter().chain(kinds)))
            (number("entityId", "Its id"))
            (number("userId", "By the user"))
            (parts::Input { kind: "date", ..parts::Input::text("from", "From (UTC)", given("from")) }.render())
            (parts::Input { kind: "date", ..parts::Input::text("to", "To (UTC)", given("to")) }.render())
            (parts::Input::text("externalId", "Customer", given("externalId")).render())
            button type="submit" { "Search" }
        }
        p.soft { (texts::AUDIT) }
        div #list data-live {
            (table(&rows))
            (parts::further(HERE, &parameters, &CONDITIONS, next.as_deref()))
        }
    };
    Ok(operator.respond(&Screen::at("/audit", "Audit log", content)))
}

fn table(rows: &[AuditView]) -> Markup {
    let names = ["What", "Of", "By", "From", "When (UTC)", "Request"];
    let rows: Vec<_> = rows.iter().map(line).collect();
    parts::table(&names, &rows, texts::NO_CHANGES)
}

fn line(row: &AuditView) -> Markup {
    let words = match Deed::read(&row.action) {
        Some(deed) => deed.words(),
        // Of a newer version.
        None => row.action.as_str(),
    };
    let by = html! {
        @match (&row.actor_name, row.user_id) {
            (Some(name), _) => (name),
            (None, Some(user)) => { "user " (user) },
            (None, None) => (row.actor),
        }
        @if let (Some(_), None) = (&row.actor_name, row.user_id) { p.soft { (row.actor) } }
    };
    // To the second: a phone has no room for more.
    let at = row.timestamp.split_once('.').map(|(seconds, _)| format!("{seconds}Z"));
    let request = html! { @if let Some(id) = &row.request_id { code { (id) } } };
    html! {
        (parts::first(&html! { (words) p { code { (row.action) } } }))
        (parts::cell("Of", &of(row)))
        (parts::cell("By", &by))
        (parts::cell("From", &html! { @if let Some(address) = &row.ip_address { (address) } }))
        (parts::cell("When", &parts::date(Some(at.as_ref().unwrap_or(&row.timestamp)))))
        (parts::cell("Request", &request))
    }
}

/// What was changed, with a way there where the console has one.
fn of(row: &AuditView) -> Markup {
    let place = match SubjectKind::read(&row.entity_kind) {
        Some(SubjectKind::Instance) => Some("instances"),
        Some(SubjectKind::Link) => Some("links"),
        Some(SubjectKind::User) => Some("people"),
        _ => None,
    };
    html! {
        @match (place, row.entity_id) {
            (Some(place), Some(id)) => {
                a id={ "of-" (row.id) } href={ "/console/" (place) "/" (id) } { (row.entity_kind) " " (id) }
            },
            (None, Some(id)) => { (row.entity_kind) " " (id) },
            (_, None) => (row.entity_kind),
        }
        @if let Some(customer) = &row.external_id { p.soft { (customer) } }
    }
}
