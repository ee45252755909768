//! `/connect/{token}`: choose the system, see what will be asked for, enter what is needed, and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::SET_COOKIE;
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::page::Page;
use super::parts::Mark;
use super::problems::{notice, notice_of, trouble};
use super::visitor::{POPUP, Visitor};
use super::{cookie, parts, result, texts};
use crate::catalog::element::Element;
use crate::http::body::{LARGEST_PUBLIC_FORM, RawBody};
use crate::http::extract::services;
use crate::http::pages::account::account_name;
use crate::http::pages::frame::lead_to;
use crate::kernel::entropy::url_token;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::connect::presentation::Presentation;
use crate::service::connect::{Chosen, Field, Link, Next, Offer, Status, is_correctable};

/// Before the names of fields, so that no configuration key can be taken for one of the form's own.
const FIELD: &str = "field.";
/// Proves that the form is of a page that this browser was shown.
const FORM_TOKEN: &str = "form";

/// `GET`: also the way back from a try that failed.
pub async fn show(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let public_url = services(&request)?.public_url.clone();
    Ok(shown(&request).await.unwrap_or_else(|error| trouble(&error, &public_url)))
}

/// `POST`: the form of the page.
pub async fn begin(request: HttpRequest, body: RawBody) -> Result<HttpResponse, ApiError> {
    let public_url = services(&request)?.public_url.clone();
    Ok(begun(&request, body).await.unwrap_or_else(|error| trouble(&error, &public_url)))
}

async fn shown(request: &HttpRequest) -> Result<HttpResponse, ApiError> {
    let visitor = Visitor::of(request)?;
    let services = &visitor.services;
    let link = visitor.link(request).await?;
    let presentation = services.presentation(link.owner()).await?;
    if !link.status.is_open() {
        return Ok(ended(&link, &presentation).respond(&services.public_url));
    }
    // Scanners of mail and previews look at links too: a browser that opens a page says so, and the rest opens it by its form.
    let opened = request.headers().get("sec-fetch-dest").is_some_and(|destination| destination == "document");
    let link = if opened { services.note_opened(link).await? } else { link };
    let known = cookie::browser(request, &services.public_url);
    let browser = known.clone().unwrap_or_else(|| url_token(services.entropy.as_ref()));
    let chosen = visitor.parameters.get("element");
    let elements = services.offered_elements(link.owner(), &link.settings).await?;
    let form_token = services.form_token(&form_of(&link, &browser));
    let ask = Ask { elements, link: &link, presentation: &presentation, popup: visitor.popup(), form_token };
    let mut response = match ask.chosen(chosen) {
        Some(element) => {
            let offer = services.offer(link.owner(), &element, &link.settings).await?;
            ask.page(&offer, &BTreeMap::new(), None).respond(&services.public_url)
        }
        None => ask.choice().respond(&services.public_url),
    };
    if known.is_none() {
        response.headers_mut().insert(SET_COOKIE, cookie::set(&browser, &services.public_url)?);
    }
    Ok(response)
}

async fn begun(request: &HttpRequest, body: RawBody) -> Result<HttpResponse, ApiError> {
    let visitor = Visitor::of(request)?;
    let services = &visitor.services;
    let link = visitor.link(request).await?;
    let presentation = services.presentation(link.owner()).await?;
    let mut sent = body.form(request, LARGEST_PUBLIC_FORM).await?.into_map();
    let popup = sent.get("display").is_some_and(|display| display == POPUP);
    if !link.status.is_open() {
        return Ok(lead_to(&result::address(&link, popup), &services.public_url));
    }
    let Some(browser) = cookie::browser(request, &services.public_url) else {
        let page = notice_of(&texts::COOKIES_BLOCKED, StatusCode::BAD_REQUEST, (&presentation, link.token.expose()));
        return Ok(page.respond(&services.public_url));
    };
    let elements = services.offered_elements(link.owner(), &link.settings).await?;
    let form_token = services.form_token(&form_of(&link, &browser));
    let ask = Ask { elements, link: &link, presentation: &presentation, popup, form_token };
    let Some(element) = ask.chosen(sent.get("element").map(String::as_str)) else {
        return Ok(ask.choice().respond(&services.public_url));
    };
    let fields: BTreeMap<String, String> = sent
        .iter_mut()
        .filter_map(|(name, value)| Some((name.strip_prefix(FIELD)?.to_owned(), std::mem::take(value))))
        .collect();
    let offer = services.offer(link.owner(), &element, &link.settings).await?;
    // A form of another page's making, or of a cookie that was replaced meanwhile: the person sees the page and decides.
    if !sent.get(FORM_TOKEN).is_some_and(|token| services.is_form_token(&form_of(&link, &browser), token)) {
        return Ok(ask.page(&offer, &fields, None).respond(&services.public_url));
    }
    let entered = Chosen { popup, fields: fields.clone() };
    match services.begin_link(&link, &offer, entered, (&browser, visitor.address)).await {
        Ok(Next::Vendor(address)) => Ok(lead_to(&address, &services.public_url)),
        Ok(Next::Result) => Ok(lead_to(&result::address(&link, popup), &services.public_url)),
        Err(error) if is_correctable(&error) => {
            let page = ask.page(&offer, &fields, Some(&error.message)).with_status(StatusCode::BAD_REQUEST);
            Ok(page.respond(&services.public_url))
        }
        Err(error) => Err(error),
    }
}

/// The form of one link in one browser.
fn form_of(link: &Link, browser: &Secret) -> Secret {
    Secret::new(format!("{} {}", browser.expose(), link.row.id))
}

/// A link that works no more.
pub fn ended<'a>(link: &'a Link, presentation: &'a Presentation) -> Page<'a> {
    let text = match link.status {
        Status::Expired => &texts::EXPIRED,
        Status::Revoked => &texts::REVOKED,
        _ => &texts::SPENT,
    };
    notice_of(text, StatusCode::GONE, (presentation, link.token.expose()))
}

struct Ask<'a> {
    elements: Vec<Arc<Element>>,
    link: &'a Link,
    presentation: &'a Presentation,
    popup: bool,
    form_token: String,
}

impl<'a> Ask<'a> {
    /// What the person chose, or the only choice.
    fn chosen(&self, key: Option<&str>) -> Option<Arc<Element>> {
        match self.elements.as_slice() {
            [only] => Some(Arc::clone(only)),
            several => several.iter().find(|element| Some(element.key.as_str()) == key).cloned(),
        }
    }

    fn of(&self) -> (&'a Presentation, &'a str) {
        (self.presentation, self.link.token.expose())
    }

    /// For whom the link was made, where nobody confirms whose account it was in the end.
    fn whose(&self) -> Markup {
        let settings = &self.link.settings;
        let customer = settings.customer_name.as_deref().or(self.link.row.external_id.as_deref());
        html! {
            @if !settings.confirm && !settings.to_console { p { (texts::made_for(customer, &self.presentation.name)) } }
        }
    }

    fn here(&self) -> String {
        format!("/connect/{}", self.link.token.expose())
    }

    fn choice(&self) -> Page<'a> {
        if self.elements.is_empty() {
            return Page { of: Some(self.of()), ..notice(&texts::NOTHING_OFFERED, StatusCode::CONFLICT) };
        }
        let title = texts::connect_account(&self.presentation.name);
        let display = if self.popup { "&display=popup" } else { "" };
        let content = html! {
            h1 { (title) }
            (self.whose())
            p #question { (texts::CHOOSE) }
            ul.choice aria-labelledby="question" {
                @for element in &self.elements {
                    li {
                        a href={ (self.here()) "?element=" (element.key) (display) } {
                            b { (element.name) }
                            small { (element.description) }
                        }
                    }
                }
            }
        };
        Page { of: Some(self.of()), ..Page::new(title, content) }
    }

    fn page(&self, offer: &Offer, entered: &BTreeMap<String, String>, problem: Option<&str>) -> Page<'a> {
        let element = &offer.element;
        let organization = self.presentation.name.as_str();
        let anew = self.link.settings.instance_id.is_some();
        let title = if anew {
            texts::reconnect(&element.name, organization)
        } else {
            texts::connect_to(&element.name, organization)
        };
        let display = if self.popup { "?display=popup" } else { "" };
        let button = match offer.scopes {
            Some(_) => texts::go_to(&element.name),
            None => texts::CONNECT.to_owned(),
        };
        let content = html! {
            h1 { (title) }
            (self.whose())
            @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
            @match offer.account.as_ref().map(account_name) {
                Some(account) => p { (texts::choose_account(&account)) },
                None if anew => p { (texts::account_untold(&element.name)) },
                None => {}
            }
            @if let Some(text) = offer.beforehand() { h2 { (texts::BEFOREHAND) } p { (text) } }
            @if let Some(url) = &offer.element.signup_url {
                p { (texts::NO_ACCOUNT) " " a href=(url) rel="noopener noreferrer" target="_blank" { (url) } }
            }
            (asked(offer, organization))
            form method="post" action=(self.here()) {
                input type="hidden" name="element" value=(element.key);
                input type="hidden" name=(FORM_TOKEN) value=(self.form_token);
                @if self.popup { input type="hidden" name="display" value=(POPUP); }
                @if !offer.fields.is_empty() { h2 { (texts::ENTER) } }
                @for (number, field) in offer.fields.iter().enumerate() { (input(number, field, entered)) }
                @if offer.scopes.is_some() { p.soft { (texts::goes_on(&element.name)) } }
                div.buttons { button.main type="submit" { (button) } }
            }
            @if self.elements.len() > 1 { p { a href={ (self.here()) (display) } { (texts::CHOOSE_OTHER) } } }
        };
        let plain_http = |address: &str| address.starts_with("http:");
        let vendor = element.authentication.oauth2.as_ref().map(|oauth2| oauth2.authorize.url.as_str());
        let redirect = self.link.settings.redirect_url.as_deref();
        let plain_http = vendor.into_iter().chain(redirect).any(plain_http);
        Page { of: Some(self.of()), plain_http, ..Page::new(title, content) }
    }
}

/// What the organization will be able to do.
fn asked(offer: &Offer, organization: &str) -> Markup {
    let element = &offer.element;
    html! {
        @match &offer.scopes {
            None => { p { (texts::able_to_by_key(organization, &element.name)) } }
            Some(scopes) if scopes.mandatory.is_empty() && scopes.optional.is_empty() => {
                p { (texts::able_to_all(organization, &element.name)) }
            }
            Some(scopes) => {
                @if !scopes.mandatory.is_empty() {
                    h2 { (texts::able_to(organization)) }
                    (parts::scopes(element, &scopes.mandatory, Mark::Asked))
                }
                @if !scopes.optional.is_empty() {
                    h2 { (texts::OPTIONAL) }
                    (parts::scopes(element, &scopes.optional, Mark::Asked))
                }
            }
        }
    }
}

/// What was entered comes back to be corrected, but for secrets.
fn input(number: usize, field: &Field, entered: &BTreeMap<String, String>) -> Markup {
    let (id, hint) = (format!("field-{number}"), format!("hint-{number}"));
    let name = format!("{FIELD}{}", field.key);
    let value = entered.get(&field.key).filter(|_| !field.secret).map(String::as_str).unwrap_or_default();
    html! {
        div.field {
            label for=(id) { (field.name) }
            @if field.options.is_empty() {
                input #(id) name=(name) type=(if field.secret { "password" } else { "text" }) value=(value)
                    required[field.when.is_none()] autocomplete="off" spellcheck="false" autocapitalize="none" aria-describedby=(hint);
            } @else {
                select #(id) name=(name) required[field.when.is_none()] aria-describedby=(hint) {
                    option value="" { (texts::SELECT) }
                    @for option in &field.options {
                        option value=(option.value) selected[option.value == value] { (option.description) }
                    }
                }
            }
            p.soft #(hint) { (field.description) }
        }
    }
}
