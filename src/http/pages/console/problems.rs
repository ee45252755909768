//! Pages for what cannot be shown, in one sentence.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse};
use maud::html;

use super::layout::{self, Screen};
use super::session::{Operator, Stop, local, with_told};
use super::{ROOT, proof, texts};
use crate::http::extract::services;
use crate::http::pages::frame::lead_to;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

/// What a handler gives: its page, or why there is none.
pub async fn answer(request: &HttpRequest, outcome: Result<HttpResponse, Stop>) -> HttpResponse {
    let response = match outcome {
        Ok(response) => response,
        Err(Stop::SignIn) => to_sign_in(request),
        Err(Stop::Prove { form, problem }) => proof::ask(request, form, problem.as_ref()).await,
        Err(Stop::Failed(error)) => problem(request, &error).await,
    };
    with_told(request, response)
}

/// And back to where one was.
fn to_sign_in(request: &HttpRequest) -> HttpResponse {
    let public_url = match services(request) {
        Ok(services) => services.public_url.clone(),
        Err(error) => return HttpResponse::from_error(error),
    };
    let target = request.uri().path_and_query().map_or(ROOT, |target| local(target.as_str()));
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("return", target).finish();
    lead_to(&format!("{ROOT}/sign-in?{query}"), &public_url)
}

pub async fn problem(request: &HttpRequest, error: &ApiError) -> HttpResponse {
    let Ok(services) = services(request) else { return HttpResponse::from_error(error.copy()) };
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_server_error() {
        tracing::error!(?error, "a page of the console failed");
    }
    let operator = Operator::of(request).await.ok();
    let content = html! {
        h1 { (texts::problem(error.code)) }
        p { (error.message) }
        @if let Some(words) = &error.provider_message { blockquote { (words) } }
        p { a href=(ROOT) { (texts::TO_THE_START) } }
    };
    let screen = Screen { status, ..Screen::new(texts::problem(error.code), content) };
    let mut response = layout::respond(&services.public_url, operator.as_ref(), &screen);
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

pub async fn nothing_here(request: HttpRequest) -> HttpResponse {
    problem(&request, &ApiError::new(Code::RouteNotFound, texts::NOTHING_HERE)).await
}

pub async fn only_get(request: HttpRequest) -> HttpResponse {
    wrong_method(&request, "GET").await
}

pub async fn only_post(request: HttpRequest) -> HttpResponse {
    wrong_method(&request, "POST").await
}

pub async fn get_or_post(request: HttpRequest) -> HttpResponse {
    wrong_method(&request, "GET, POST").await
}

async fn wrong_method(request: &HttpRequest, allowed: &'static str) -> HttpResponse {
    let error = ApiError::new(Code::MethodNotAllowed, texts::wrong_method(request.method().as_str(), allowed));
    let mut response = problem(request, &error).await;
    // RFC 9110 section 15.5.6 wants it with every 405.
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
