//! `/connect/{token}/result`: what came of it; and `/status`, the same for the page that opened the link.

use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};
use url::Url;

use super::page::{Page, RESULT_SCRIPT};
use super::parts::Mark;
use super::problems::trouble;
use super::texts::{self, Said};
use super::visitor::Visitor;
use super::{cookie, parts, start};
use crate::catalog::element::Element;
use crate::http::extract::services;
use crate::http::pages::account::account_name;
use crate::http::pages::frame::{headers, lead_to};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::connect::presentation::Presentation;
use crate::service::connect::{Link, Reason, Status};

/// The status with which a browser comes back that carries a handle.
const CONFIRM: &str = "confirm";
/// Seconds until a page that waits looks again.
const LOOK_AGAIN: u32 = 3;

/// Where the browser is led when something came of it.
pub fn address(link: &Link, popup: bool) -> String {
    address_of(link.token.expose(), popup)
}

pub fn address_of(token: &str, popup: bool) -> String {
    format!("/connect/{token}/result{}", if popup { "?display=popup" } else { "" })
}

pub async fn show(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let public_url = services(&request)?.public_url.clone();
    Ok(shown(&request).await.unwrap_or_else(|error| trouble(&error, &public_url)))
}

async fn shown(request: &HttpRequest) -> Result<HttpResponse, ApiError> {
    let visitor = Visitor::of(request)?;
    let services = &visitor.services;
    let link = visitor.link(request).await?;
    let popup = visitor.popup();
    let back = link.settings.redirect_url.as_deref().filter(|_| !popup);
    let handle = services.handle_for(&link, cookie::browser(request, &services.public_url).as_ref()).await?;
    if let (Some(handle), Some(back)) = (&handle, back) {
        return Ok(lead_to(&with_handle(back, handle)?, &services.public_url));
    }
    // Success is all that the integrator's page waits for; everything else is explained here first.
    if let (Status::Authorised, Some(back)) = (link.status, back) {
        return Ok(lead_to(&with_result(back, &link)?, &services.public_url));
    }
    let presentation = services.presentation(link.owner()).await?;
    let element = link.row.element_id.and_then(|id| services.element_by_id(link.owner(), id));
    let result = Shown { link: &link, presentation: &presentation, element: element.as_deref(), popup, handle };
    Ok(result.page()?.respond(&services.public_url))
}

/// `{status, instanceId, reason}`, readable for the page of the link's origin. That there is no link may be read by all.
pub async fn status(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let visitor = Visitor::of(&request)?;
    let link = match visitor.link(&request).await {
        Ok(link) => link,
        Err(error) if error.code == Code::LinkNotFound => {
            let mut response = HttpResponse::from_error(error);
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return Ok(response);
        }
        Err(error) => return Err(error),
    };
    let mut response = HttpResponse::Ok();
    for header in headers(&visitor.services.public_url) {
        response.insert_header(header);
    }
    if let Some(origin) = link.settings.origin.as_deref().and_then(|origin| HeaderValue::from_str(origin).ok()) {
        response.insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, origin));
    }
    Ok(response.json(link.state()))
}

/// The integrator's address with `status` and `instanceId` added.
fn with_result(address: &str, link: &Link) -> Result<String, ApiError> {
    let mut url = Url::parse(address).map_err(|error| ApiError::internal(error))?;
    let state = link.state();
    {
        let mut pairs = url.query_pairs_mut();
        pairs.append_pair("status", state.status.as_str());
        if let Some(id) = state.instance_id {
            pairs.append_pair("instanceId", &id.to_string());
        }
    }
    Ok(url.into())
}

/// The integrator's address with what its back end confirms.
fn with_handle(address: &str, handle: &Secret) -> Result<String, ApiError> {
    let mut url = Url::parse(address).map_err(|error| ApiError::internal(error))?;
    url.query_pairs_mut().append_pair("status", CONFIRM).append_pair("handle", handle.expose());
    Ok(url.into())
}

struct Shown<'a> {
    link: &'a Link,
    presentation: &'a Presentation,
    element: Option<&'a Element>,
    popup: bool,
    /// What this browser left waits to be confirmed.
    handle: Option<Secret>,
}

impl<'a> Shown<'a> {
    fn page(&self) -> Result<Page<'a>, ApiError> {
        let link = self.link;
        let held = self.handle.is_some();
        let (text, between, again) = match link.status {
            _ if held && self.popup => (texts::almost_done(&self.presentation.name), html! {}, false),
            _ if held => (texts::untold(self.vendor(), &self.presentation.name), html! {}, true),
            Status::Authorised => (self.connected(), html! {}, false),
            Status::Denied | Status::Failed => {
                let (text, between) = self.failed();
                (text, between, link.outcome.reason() != Some(Reason::InstanceGone))
            }
            Status::Pending | Status::Opened => (texts::under_way(self.vendor()), html! {}, true),
            Status::Expired | Status::Revoked => {
                let page = start::ended(link, self.presentation);
                return if self.popup { self.telling(page) } else { Ok(page) };
            }
        };
        let waits = !held && matches!(link.status, Status::Pending | Status::Opened);
        let content = html! {
            @if link.status == Status::Authorised { (parts::done()) }
            (parts::said(&text, &between))
            (self.told()?)
            div.buttons {
                @if again {
                    a.button.main href=(self.again()) { (if waits { texts::CHECK_AGAIN } else { texts::TRY_AGAIN }) }
                }
                @if self.popup { button #close type="button" hidden { (texts::CLOSE) } }
                @if let Some(back) = link.settings.redirect_url.as_deref().filter(|_| !self.popup) {
                    a.button href=(with_result(back, link)?) { (texts::back_to(&self.presentation.name)) }
                }
            }
        };
        let page = Page::new(text.title, content).of(self.presentation, link.token.expose());
        let page = Page { refresh: waits.then_some(LOOK_AGAIN), ..page };
        Ok(Page { script: self.popup.then_some(RESULT_SCRIPT), ..page })
    }

    /// A page of another module, with what the script needs.
    fn telling(&self, page: Page<'a>) -> Result<Page<'a>, ApiError> {
        let content = html! { (page.content) (self.told()?) div.buttons { button #close type="button" hidden { (texts::CLOSE) } } };
        Ok(Page { content, script: Some(RESULT_SCRIPT), ..page })
    }

    /// What the script tells the page that opened this one, and nobody else.
    fn told(&self) -> Result<Markup, ApiError> {
        let (state, settings, handle) = (self.link.state(), &self.link.settings, self.handle.as_ref());
        let status = if handle.is_some() { CONFIRM } else { state.status.as_str() };
        // Where the window was cut off from that page, it goes the way of those that are no popups.
        let back = handle.zip(settings.redirect_url.as_deref()).map(|(handle, back)| with_handle(back, handle));
        let back = back.transpose()?;
        Ok(html! {
            @if self.popup {
                div #result data-link=(self.link.row.id) data-status=(status) data-instance=[state.instance_id]
                    data-handle=[handle.map(Secret::expose)] data-back=[back] data-origin=[settings.origin.as_deref()] {}
            }
        })
    }

    fn vendor(&self) -> &str {
        self.element.map_or("the other system", |element| element.name.as_str())
    }

    fn connected(&self) -> Said {
        let account = self.link.outcome.vendor_account.as_ref().map(account_name);
        Said {
            title: texts::connected(self.vendor()),
            happened: texts::connected_account(self.vendor(), account.as_deref(), &self.presentation.name),
            advice: texts::CLOSE_BY_HAND.to_owned(),
        }
    }

    fn failed(&self) -> (Said, Markup) {
        let (vendor, outcome) = (self.vendor(), &self.link.outcome);
        let words = html! { @if let Some(message) = &outcome.message { blockquote { (message) } } };
        match outcome.reason() {
            Some(Reason::AccessDenied) => (texts::denied(vendor, &self.presentation.name), html! {}),
            Some(Reason::MissingScope) => {
                let missing = match self.element {
                    Some(element) => parts::scopes(element, &outcome.missing_scopes, Mark::Missing),
                    None => words,
                };
                (texts::missing_scope(vendor), missing)
            }
            Some(Reason::WrongAccount) => {
                let [chosen, expected] = [&outcome.vendor_account, &outcome.expected_account]
                    .map(|account| account.as_ref().map(account_name));
                (texts::wrong_account(vendor, chosen.as_deref(), expected.as_deref()), html! {})
            }
            Some(Reason::VendorConfiguration) => (texts::vendor_configuration(vendor), words),
            Some(Reason::VendorUnavailable) => (texts::vendor_unavailable(vendor), words),
            Some(Reason::InstanceGone) => ((&texts::GONE).into(), html! {}),
            Some(Reason::NotConfirmed) => (texts::not_confirmed(&self.presentation.name), html! {}),
            Some(Reason::VendorError | Reason::NotOffered | Reason::ServerError) | None => {
                (texts::vendor_error(vendor), words)
            }
        }
    }

    fn again(&self) -> String {
        let mut address = format!("/connect/{}", self.link.token.expose());
        let element = self.element.map(|element| format!("element={}", element.key));
        let display = self.popup.then(|| "display=popup".to_owned());
        let query: Vec<_> = element.into_iter().chain(display).collect();
        if !query.is_empty() {
            address = format!("{address}?{}", query.join("&"));
        }
        address
    }
}
