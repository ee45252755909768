//! The page that asks for the password once more, before secrets, apps, webhooks, people and deletions. What was entered comes along, and is
//! done at once when the password is right.

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpRequest, HttpResponse};
use maud::html;

use super::layout::Screen;
use super::problems::problem;
use super::session::{FORM_TOKEN, Operator, PROOF, Stop};
use super::texts;
use crate::http::extract::Parameters;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

pub async fn ask(request: &HttpRequest, form: Parameters, refused: Option<&ApiError>) -> HttpResponse {
    let operator = match Operator::of(request).await {
        Ok(operator) => operator,
        Err(Stop::Failed(error)) => return problem(request, &error).await,
        Err(_) => return problem(request, &Code::SignInAgain.into()).await,
    };
    let content = html! {
        h1 { (texts::PROVE) }
        @if let Some(error) = refused { p.problem role="alert" { (error.message) } }
        p { (texts::PROVE_WHY) }
        form method="post" action=(request.path()) {
            @for (name, value) in form.into_pairs().into_iter().filter(|(name, _)| name != FORM_TOKEN) {
                input type="hidden" name=(name) value=(value);
            }
            (operator.sealed(None))
            // Password managers look for the name beside it.
            input.unseen type="text" name="username" value=(operator.principal.email) autocomplete="username" readonly
                tabindex="-1" aria-hidden="true";
            div.field {
                label for="proof" { "Password" }
                input #proof name=(PROOF) type="password" required autofocus autocomplete="current-password";
            }
            div.buttons {
                button.main type="submit" { (texts::GO_ON) }
                a.button href=(request.path()) { (texts::NOT_NOW) }
            }
        }
    };
    let status = refused.and_then(|error| StatusCode::from_u16(error.code.status()).ok());
    let screen = Screen::new(texts::PROVE, content).with_status(status.unwrap_or(StatusCode::UNAUTHORIZED));
    let mut response = operator.respond(&screen);
    if let Some(seconds) = refused.and_then(|error| error.retry_after) {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}
