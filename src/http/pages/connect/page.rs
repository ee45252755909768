//! A page for a customer: under the name, logo and colour of the organization that sent the link.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::{Markup, html};
use url::Url;

use super::texts;
use crate::http::pages::frame::{STYLE, document, headers};
use crate::http::public_path::text_of;
use crate::service::connect::presentation::Presentation;

pub const RESULT_SCRIPT: &str = "/connect/assets/result.js";
pub const SEND_ON_SCRIPT: &str = "/connect/assets/send_on.js";

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
        response.content_type("text/html; charset=utf-8").body(text_of(body, public_url))
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
