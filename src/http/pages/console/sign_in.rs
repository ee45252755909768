//! `/console/sign-in` and `/console/sign-out`.

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse};
use maud::html;

use super::layout::{self, Screen};
use super::origin::require_own;
use super::problems::answer;
use super::session::{FORM_TOKEN, LAST_USE, Operator, SESSION, Stop, local, require_token};
use super::{ROOT, texts};
use crate::http::body::{LARGEST_PUBLIC_FORM, RawBody};
use crate::http::cookies::Cookie;
use crate::http::extract::{Parameters, address, services};
use crate::http::pages::frame::lead_to;
use crate::kernel::code::Code;
use crate::kernel::entropy::url_token;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::Services;

/// Before anybody is signed in: without it another site could sign a person in as somebody else.
const BEFORE: Cookie = Cookie("ligand-sign-in");

pub async fn show(request: HttpRequest) -> HttpResponse {
    answer(&request, shown(&request).await).await
}

async fn shown(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let services = services(request)?;
    let parameters = Parameters::of(request);
    let back = local(parameters.get("return").unwrap_or(ROOT));
    match Operator::of(request).await {
        Ok(_) => Ok(lead_to(back, &services.public_url)),
        Err(Stop::SignIn) => Ok(page(request, &services, &Entered { back, ..Entered::default() })?),
        Err(stop) => Err(stop),
    }
}

pub async fn act(request: HttpRequest, body: RawBody) -> HttpResponse {
    answer(&request, signed_in(&request, body).await).await
}

async fn signed_in(request: &HttpRequest, body: RawBody) -> Result<HttpResponse, Stop> {
    let services = services(request)?;
    require_own(request, &services.public_url)?;
    let form = body.form(request, LARGEST_PUBLIC_FORM).await?;
    let back = local(form.get("return").unwrap_or(ROOT));
    let email = form.get("email").unwrap_or_default();
    let entered = |problem, status| Entered { email, back, problem: Some(problem), status };
    let Some(before) = BEFORE.read(request, &services.public_url) else {
        let entered = entered(texts::NO_COOKIES.to_owned(), StatusCode::BAD_REQUEST);
        return Ok(page(request, &services, &entered)?);
    };
    require_token(&services, &before, &form)?;
    let password = Secret::new(form.get("password").unwrap_or_default());
    match services.sign_in_to_console(address(request), email, password).await {
        Ok(session) => {
            let mut response = lead_to(back, &services.public_url);
            let session = SESSION.set(&session, &services.public_url)?;
            for cookie in [session, BEFORE.remove(&services.public_url)?] {
                response.headers_mut().append(SET_COOKIE, cookie);
            }
            Ok(response)
        }
        Err(error) if matches!(error.code, Code::LoginRefused | Code::TooManyRequests) => {
            let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::UNAUTHORIZED);
            let mut response = page(request, &services, &entered(error.message, status))?;
            if let Some(seconds) = error.retry_after {
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            Ok(response)
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /console/sign-out`.
pub async fn leave(request: HttpRequest, body: RawBody) -> HttpResponse {
    answer(&request, left(&request, body).await).await
}

async fn left(request: &HttpRequest, body: RawBody) -> Result<HttpResponse, Stop> {
    let (operator, _) = Operator::acting(request, body).await?;
    operator.leave().await?;
    let public_url = &operator.services.public_url;
    let mut response = lead_to(&format!("{ROOT}/sign-in"), public_url);
    for cookie in [SESSION.remove(public_url)?, LAST_USE.remove(public_url)?] {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// What comes back to be corrected; never the password.
#[derive(Default)]
struct Entered<'a> {
    email: &'a str,
    /// Where to go afterwards.
    back: &'a str,
    problem: Option<String>,
    status: StatusCode,
}

fn page(request: &HttpRequest, services: &Services, entered: &Entered<'_>) -> Result<HttpResponse, ApiError> {
    let known = BEFORE.read(request, &services.public_url);
    let before = known.clone().unwrap_or_else(|| url_token(services.entropy.as_ref()));
    let content = html! {
        h1 { (texts::SIGN_IN) }
        @if let Some(problem) = &entered.problem { p.problem role="alert" { (problem) } }
        form method="post" action={ (ROOT) "/sign-in" } {
            input type="hidden" name=(FORM_TOKEN) value=(services.form_token(&before));
            input type="hidden" name="return" value=(entered.back);
            div.field {
                label for="email" { "E-mail address" }
                input #email name="email" type="email" value=(entered.email) required autocomplete="username";
            }
            div.field {
                label for="password" { "Password" }
                input #password name="password" type="password" required autocomplete="current-password";
            }
            div.buttons { button.main type="submit" { (texts::SIGN_IN) } }
        }
    };
    let screen = Screen { status: entered.status, ..Screen::new(texts::SIGN_IN, content) };
    let mut response = layout::respond(&services.public_url, None, &screen);
    if known.is_none() {
        response.headers_mut().insert(SET_COOKIE, BEFORE.set(&before, &services.public_url)?);
    }
    Ok(response)
}
