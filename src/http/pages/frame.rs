//! The frame of every page, and the headers that go with each.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, LOCATION};
use maud::{DOCTYPE, Markup, html};
use url::Url;

use crate::http::security_headers;

pub const STYLE: &str = "/connect/assets/page.css";
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E\
                    %3Ccircle cx='12' cy='12' r='9' fill='%231f5fbf'/%3E%3C/svg%3E";

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
pub fn headers(public_url: &Url) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let not_stored = (CACHE_CONTROL, HeaderValue::from_static("no-store"));
    security_headers::all(public_url.scheme() == "https").chain([not_stored])
}

/// 303: whatever brought the browser here, it goes on with a GET.
pub fn lead_to(address: &str, public_url: &Url) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    for header in headers(public_url) {
        response.insert_header(header);
    }
    response.insert_header((LOCATION, address)).finish()
}
