//! The frame of every page, and the headers that go with each.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue, LOCATION};
use maud::{DOCTYPE, Markup, html};
use url::Url;

use super::texts;
use crate::service::connect::presentation::Presentation;

pub const STYLE: &str = "/connect/assets/page.css";
pub const RESULT_SCRIPT: &str = "/connect/assets/result.js";
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E\
                    %3Ccircle cx='12' cy='12' r='9' fill='%231f5fbf'/%3E%3C/svg%3E";

/// What stands in the frame.
pub struct Page<'a> {
    pub title: String,
    pub status: StatusCode,
    /// Whose page it is, where that is known, with the token of the link for its style.
    pub of: Option<(&'a Presentation, &'a str)>,
    pub content: Markup,
    /// An address of a script of ours.
    pub script: Option<&'static str>,
    /// Seconds after which the browser asks again.
    pub refresh: Option<u32>,
    /// The way of the form leads over plain http: to localhost alone, while somebody develops.
    pub plain_http: bool,
}

impl<'a> Page<'a> {
    pub fn new(title: impl Into<String>, content: Markup) -> Self {
        Self {
            title: title.into(),
            status: StatusCode::OK,
            of: None,
            content,
            script: None,
            refresh: None,
            plain_http: false,
        }
    }

    #[must_use]
    pub fn of(self, presentation: &'a Presentation, token: &'a str) -> Self {
        Self { of: Some((presentation, token)), ..self }
    }

    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub fn respond(self, public_url: &Url) -> HttpResponse {
        let body = self.render();
        // Browsers hold the redirects behind a form to `form-action` too, and a vendor's go where they like.
        let local = if self.plain_http { " http://localhost:* http://127.0.0.1:*" } else { "" };
        let policy = format!(
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' https: data:; form-action 'self' \
             https:{local}; frame-ancestors 'none'; base-uri 'none'"
        );
        let mut response = HttpResponse::build(self.status);
        response.insert_header(("content-security-policy", policy));
        for header in headers(public_url) {
            response.insert_header(header);
        }
        if let Some(seconds) = self.refresh {
            response.insert_header(("refresh", seconds.to_string()));
        }
        response.content_type("text/html; charset=utf-8").body(body.into_string())
    }

    fn render(&self) -> Markup {
        let name = self.of.map(|(presentation, _)| presentation.name.as_str());
        let title = html! { (self.title) @if let Some(name) = name { " · " (name) } };
        let own = self.of.filter(|(presentation, _)| presentation.colour.is_some());
        let own = own.map(|(_, token)| format!("/connect/{token}/brand.css"));
        let styles: Vec<&str> = [STYLE].into_iter().chain(own.as_deref()).collect();
        let body = html! {
            body {
                @if let Some((presentation, _)) = self.of {
                    header {
                        @if let Some(logo) = &presentation.logo { img src=(logo) alt="" referrerpolicy="no-referrer"; }
                        span { (presentation.name) }
                    }
                }
                main { (self.content) }
                footer { (texts::FOOTER) }
            }
        };
        document(&title, &styles, self.script, &body)
    }
}

/// Styles and script are addresses of ours.
pub fn document(title: &Markup, styles: &[&str], script: Option<&str>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) }
                link rel="icon" href=(ICON);
                @for style in styles { link rel="stylesheet" href=(style); }
                @if let Some(script) = script { script src=(script) defer {} }
            }
            (body)
        }
    }
}

/// What goes with every reply here, also with those that lead on.
pub fn headers(public_url: &Url) -> Vec<(HeaderName, HeaderValue)> {
    let fixed = [
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-robots-tag", "noindex"),
        ("cache-control", "no-store"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ];
    // Promised only where it is kept (RFC 6797 section 7.2).
    let strict = (public_url.scheme() == "https").then_some(("strict-transport-security", "max-age=31536000"));
    let all = fixed.into_iter().chain(strict);
    all.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

/// 303: whatever brought the browser here, it goes on with a GET.
pub fn lead_to(address: &str, public_url: &Url) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    for header in headers(public_url) {
        response.insert_header(header);
    }
    response.insert_header((LOCATION, address)).finish()
}
