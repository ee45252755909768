//! `/console/instances/{id}`: one instance, its use and what can be done with it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::instance_form;
use super::instances::{element_name, status_of_call};
use super::layout::Screen;
use super::problems::answer;
use super::session::{Operator, Stop};
use super::{ROOT, deliveries, parts, texts};
use crate::http::extract::Parameters;
use crate::http::pages::account::account_name;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::plain_text::shortened;
use crate::service::instance::overview::State;
use crate::service::instance::usage::UsageView;
use crate::service::instance::view::InstanceView;

pub async fn show(request: HttpRequest) -> HttpResponse {
    answer(&request, shown(&request).await).await
}

async fn shown(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    let id = id_of(request)?;
    let told = Told { done: Parameters::of(request).get("done").map(str::to_owned), ..Told::default() };
    Ok(page(&operator, id, &told).await?)
}

pub fn id_of(request: &HttpRequest) -> Result<i64, ApiError> {
    let text = request.match_info().get("id").unwrap_or_default();
    text.parse().map_err(|_| {
        let message = format!("There is nothing with the id {}.", shortened(text));
        ApiError::new(Code::RouteNotFound, message)
    })
}

/// What the page says first, and what was entered when it was refused.
#[derive(Default)]
pub struct Told {
    pub done: Option<String>,
    pub problem: Option<ApiError>,
    pub entered: Option<Parameters>,
    /// What was entered over values that are no longer there.
    pub unsaved: Option<Parameters>,
}

pub async fn page(operator: &Operator, id: i64, told: &Told) -> Result<HttpResponse, ApiError> {
    let services = &operator.services;
    let view = services.get_instance(operator.owner(), id).await?;
    let usage = services.instance_usage(operator.owner(), id).await?;
    let told_by_vendor = services.shown_vendor_values(operator.owner(), id).await?;
    let element = services.element_by_id(operator.owner(), view.element_id);
    let problem = told.problem.as_ref().map(|error| error.message.as_str());
    let moves = told.problem.as_ref().is_some_and(|error| error.code == Code::SecretNeededForNewHost);
    let content = html! {
        p { a href=(ROOT) { "Instances" } }
        h1 { (view.name) }
        (parts::told(told.done.as_deref(), problem))
        div #state data-live { (state(&view, &usage)) }
        (actions(operator, &view))
        section aria-labelledby="details" {
            h2 #details { "Details" }
            (details(operator, &view))
            p.soft { (texts::INSTANCE_TOKEN) }
            @if !told_by_vendor.is_empty() {
                h3 { (texts::TOLD_BY_VENDOR) }
                dl { @for (name, value) in &told_by_vendor { (row(name, html! { (value) })) } }
            }
            p { a href={ (deliveries::HERE) "?instanceId=" (view.id) } { (texts::DELIVERIES_OF_IT) } }
        }
        @if let Some(element) = &element {
            section aria-labelledby="edit" {
                h2 #edit { "Edit" }
                @if let Some(unsaved) = &told.unsaved { (instance_form::unsaved(element, &view, unsaved)) }
                (instance_form::render(operator, element, &view, (told.entered.as_ref(), moves)))
            }
        }
    };
    let status = match &told.problem {
        Some(error) if error.code == Code::InstanceChanged => StatusCode::CONFLICT,
        problem => problem.as_ref().map_or(StatusCode::OK, parts::status_of),
    };
    Ok(operator.respond(&Screen::at("", view.name.clone(), content).with_status(status)))
}

fn state(view: &InstanceView, usage: &UsageView) -> Markup {
    html! {
        dl {
            (row("State", html! {
                (parts::state(State::of(view.disabled, !view.valid)))
                @if let Some(reason) = &view.invalid_reason { " " (reason) }
            }))
            @if let Some(warning) = &view.warning { (row("Ends by itself", html! { (warning) })) }
            @if view.failing_since.is_some() {
                (row("Failing since (UTC)", parts::date(view.failing_since.as_deref())))
                (row("Refused refreshes", html! { (view.refused_refreshes) }))
                @if let Some(said) = &view.last_refusal { (row("Last refusal", html! { (said) })) }
            }
            (row("Last call (UTC)", html! {
                (parts::date(usage.last_used_at.as_deref()))
                @if let Some(status) = usage.last_status { " " (status_of_call(status)) }
            }))
            (row("Calls", html! { (usage.calls) ", " (usage.failures) " failed" }))
            (row("Last refresh (UTC)", parts::date(view.last_refresh_at.as_deref())))
            @if view.expires_at.is_some() { (row("Access token until (UTC)", parts::date(view.expires_at.as_deref()))) }
            @if let Some(end) = &view.refresh_token_expires_at {
                (row("Refresh token until (UTC)", html! { (parts::date(Some(end))) " " (texts::TOKEN_ENDS) }))
            }
        }
    }
}

fn details(operator: &Operator, view: &InstanceView) -> Markup {
    html! {
        dl {
            (row("Id", html! { (view.id) }))
            (row("Element", html! { (element_name(operator, view.element_id, "")) }))
            @if let Some(customer) = &view.external_id { (row("Customer", html! { (customer) })) }
            (row("Account at the vendor", html! {
                @match &view.vendor_account {
                    Some(known) => (account_name(known)),
                    None => span.soft { (texts::ACCOUNT_UNTOLD) },
                }
            }))
            @if let Some(scopes) = &view.granted_scopes {
                (row("Granted scopes", html! { @for scope in scopes { code { (scope) } " " } }))
            }
            (row("Authentication", html! { (instance_form::authentication(operator, view)) }))
            (row("Created (UTC)", parts::date(Some(&view.created_date))))
            (row("Created by", html! { (made_by(view)) }))
        }
    }
}

/// Who was removed has no address any more.
fn made_by(view: &InstanceView) -> String {
    let user = &view.user;
    match user.email_address.contains('@') {
        true => user.email_address.clone(),
        false => format!("{} {} ({})", user.first_name, user.last_name, texts::REMOVED),
    }
}

pub fn row(name: &str, value: Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn actions(operator: &Operator, view: &InstanceView) -> Markup {
    let here = format!("{ROOT}/instances/{}", view.id);
    let button = |what: &str, name: &str| {
        html! { button type="submit" name="do" value=(what) { (name) } }
    };
    html! {
        form.buttons method="post" action=(here) {
            (operator.sealed(None))
            @if view.disabled { (button("enable", "Enable")) } @else { (button("disable", "Disable")) }
            (button("refresh", "Refresh now"))
            (button("renew", "Make a link to authorise anew"))
            a.button.danger href={ (here) "/delete" } { "Delete …" }
        }
    }
}

/// `/console/instances/{id}/delete`: asks once more.
pub async fn ask(request: HttpRequest) -> HttpResponse {
    answer(&request, asked(&request).await).await
}

async fn asked(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    let view = operator.services.get_instance(operator.owner(), id_of(request)?).await?;
    let here = format!("{ROOT}/instances/{}", view.id);
    let content = html! {
        h1 { "Delete " (view.name) "?" }
        p { (texts::DELETE_WARNING) }
        form.buttons method="post" action={ (here) "/delete" } {
            (operator.sealed(Some("delete")))
            button.danger type="submit" { "Delete" }
            a.button href=(here) { "Keep it" }
        }
    };
    Ok(operator.respond(&Screen { narrow: true, ..Screen::at("", format!("Delete {}", view.name), content) }))
}
