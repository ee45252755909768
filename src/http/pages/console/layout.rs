//! The frame of the console's pages, and the headers that go with each.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::REFERRER_POLICY;
use maud::{Markup, html};
use url::Url;

use super::assets::{SCRIPT, STYLE};
use super::session::{FORM_TOKEN, Operator};
use super::{ROOT, me, texts};
use crate::http::pages::frame::{self, document};
use crate::http::public_path::text_of;
use crate::service::actor::action::Action;

/// Scripts may ask here alone; everything else is as on the customers' pages, but nothing is loaded from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The places of the console, as the navigation names them.
const PLACES: [(&str, &str); 7] = [
    ("", "Instances"),
    ("/elements", "Elements"),
    ("/links", "Connect links"),
    ("/deliveries", "Deliveries"),
    ("/people", "People"),
    ("/organization", "Organization"),
    ("/audit", "Audit log"),
];
/// For administrators alone.
const OF_ADMINISTRATORS: [&str; 3] = ["/people", "/organization", "/audit"];

/// What stands in the frame.
pub struct Screen {
    pub title: String,
    pub status: StatusCode,
    pub content: Markup,
    /// The entry of the navigation that leads here.
    pub place: Option<&'static str>,
    /// A few words that need little room.
    pub narrow: bool,
}

impl Screen {
    pub fn new(title: impl Into<String>, content: Markup) -> Self {
        Self { title: title.into(), status: StatusCode::OK, content, place: None, narrow: true }
    }

    /// A page of the navigation, or below it.
    pub fn at(place: &'static str, title: impl Into<String>, content: Markup) -> Self {
        Self { place: Some(place), narrow: false, ..Self::new(title, content) }
    }

    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

impl Operator {
    pub fn respond(&self, screen: &Screen) -> HttpResponse {
        respond(&self.services.public_url, Some(self), screen)
    }

    /// Hidden fields that every form has; `what`: the meaning of `do`, unless a button says it.
    pub fn sealed(&self, what: Option<&str>) -> Markup {
        html! {
            input type="hidden" name=(FORM_TOKEN) value=(self.form_token());
            @if let Some(what) = what { input type="hidden" name="do" value=(what); }
        }
    }
}

pub fn respond(public_url: &Url, operator: Option<&Operator>, screen: &Screen) -> HttpResponse {
    let title = html! { (screen.title) " · Ligand" };
    let body = html! {
        body.console.narrow[screen.narrow] {
            header {
                a.name href=(ROOT) { "Ligand" }
                @if let Some(operator) = operator { (navigation(operator, screen.place)) }
            }
            main { (screen.content) }
            p #said .unseen role="status" {}
        }
    };
    let markup = document(&title, &[frame::STYLE, STYLE], Some(SCRIPT), &body);
    let mut response = HttpResponse::build(screen.status);
    response.insert_header(("content-security-policy", POLICY));
    for header in frame::headers(public_url) {
        response.insert_header(header);
    }
    // With `no-referrer` browsers would send our own forms with `Origin: null` (Fetch, "append a request Origin header").
    response.insert_header((REFERRER_POLICY, "same-origin"));
    response.content_type("text/html; charset=utf-8").body(text_of(markup, public_url))
}

fn navigation(operator: &Operator, place: Option<&str>) -> Markup {
    let seen = |path: &str| operator.actor.may(Action::OpenPage) || !OF_ADMINISTRATORS.contains(&path);
    html! {
        nav aria-label="Console" {
            ul {
                @for (path, name) in PLACES.iter().filter(|(path, _)| seen(path)) {
                    li { a href={ (ROOT) (path) } aria-current=[(place == Some(*path)).then_some("page")] { (name) } }
                }
            }
        }
        form.who method="post" action={ (ROOT) "/sign-out" } {
            (operator.sealed(None))
            span {
                (operator.principal.organization_name) " · "
                a href=(me::HERE) aria-current=[(place == Some("/me")).then_some("page")] { (operator.principal.email) }
            }
            button.small type="submit" { (texts::SIGN_OUT) }
        }
    }
}
