//! Pages for what went wrong before anybody could go on.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use maud::html;
use url::Url;

use super::page::Page;
use super::parts::said;
use super::texts::{self, Notice, Said};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::connect::presentation::Presentation;

pub fn notice(notice: &Notice, status: StatusCode) -> Page<'static> {
    let text = Said::from(notice);
    Page::new(notice.title, said(&text, &html! {})).with_status(status)
}

/// A page of an organization.
pub fn notice_of<'a>(
    text: &Notice,
    status: StatusCode,
    (presentation, token): (&'a Presentation, &'a str),
) -> Page<'a> {
    Page { of: Some((presentation, token)), ..notice(text, status) }
}

pub fn other_browser(public_url: &Url) -> HttpResponse {
    notice(&texts::OTHER_BROWSER, StatusCode::BAD_REQUEST).respond(public_url)
}

pub fn other_app(public_url: &Url) -> HttpResponse {
    notice(&texts::OTHER_APP, StatusCode::CONFLICT).respond(public_url)
}

/// A failure below the pages. People learn what to do, the log what it was.
pub fn trouble(error: &ApiError, public_url: &Url) -> HttpResponse {
    let (text, status) = match error.code {
        Code::LinkNotFound => (&texts::UNKNOWN_LINK, StatusCode::NOT_FOUND),
        Code::TooManyRequests => (&texts::TOO_MANY, StatusCode::TOO_MANY_REQUESTS),
        Code::InstanceNotFound => (&texts::GONE, StatusCode::GONE),
        Code::AppNotFound
        | Code::ElementNotFound
        | Code::BadConfiguration
        | Code::AddressNotAllowed
        | Code::SecretNeededForNewHost
        | Code::LimitReached => (&texts::NOT_SET_UP, StatusCode::CONFLICT),
        Code::BodyTooLarge | Code::BadBody | Code::BadParameter => (&texts::TROUBLE, StatusCode::BAD_REQUEST),
        Code::Busy => (&texts::TROUBLE, StatusCode::SERVICE_UNAVAILABLE),
        _ => {
            tracing::error!(?error, "a page of a connect link failed");
            let status = StatusCode::from_u16(error.code.status()).ok().filter(StatusCode::is_server_error);
            (&texts::TROUBLE, status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        }
    };
    let mut response = notice(text, status).respond(public_url);
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}
