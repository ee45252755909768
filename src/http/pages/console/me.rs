//! `/console/me`: a person's own password, sessions and secrets.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::instance::row;
use super::layout::Screen;
use super::problems::answer;
use super::session::{Operator, Stop};
use super::{parts, texts};
use crate::http::body::RawBody;
use crate::http::extract::Parameters;
use crate::http::pages::frame::lead_to;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::actor::action::Action;
use crate::service::people::passwords::PasswordChange;
use crate::service::people::resets::NewSecret;
use crate::service::people::sessions::{OtherSessions, SessionView};

pub const HERE: &str = "/console/me";
/// The boxes that say what ends with the old proof.
const END_SESSIONS: &str = "endSessions";

/// What the page says first.
#[derive(Default)]
struct Told {
    done: Option<String>,
    problem: Option<ApiError>,
    /// Its name, and itself: seen this once.
    secret: Option<(&'static str, String)>,
}

pub async fn show(request: HttpRequest) -> HttpResponse {
    answer(&request, shown(&request).await).await
}

async fn shown(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    let done = Parameters::of(request).get("done").map(str::to_owned);
    Ok(page(&operator, &Told { done, ..Told::default() }).await?)
}

pub async fn act(request: HttpRequest, body: RawBody) -> HttpResponse {
    answer(&request, acted(&request, body).await).await
}

async fn acted(request: &HttpRequest, body: RawBody) -> Result<HttpResponse, Stop> {
    let (mut operator, mut form) = Operator::acting(request, body).await?;
    // A password is proven by its own form, and to end a session protects.
    if form.get("do").is_some_and(|act| act.starts_with("reset-")) {
        form = operator.require_proof(request, form).await?;
    }
    match done(request, &mut operator, &form).await {
        Ok(told) if told.secret.is_some() => Ok(page(&operator, &told).await?),
        Ok(told) => {
            let word = told.done.unwrap_or_default();
            Ok(lead_to(&format!("{HERE}?done={word}"), &operator.services.public_url))
        }
        Err(Stop::Failed(error)) if is_told_on_the_page(&error) => {
            Ok(page(&operator, &Told { problem: Some(error), ..Told::default() }).await?)
        }
        Err(stop) => Err(stop),
    }
}

fn is_told_on_the_page(error: &ApiError) -> bool {
    error.code == Code::LoginRefused || matches!(error.code.status(), 400 | 404)
}

async fn done(request: &HttpRequest, operator: &mut Operator, form: &Parameters) -> Result<Told, Stop> {
    let services = operator.services.clone();
    let actor = operator.actor.clone();
    let others = if form.get(END_SESSIONS).is_some() { OtherSessions::End } else { OtherSessions::Keep };
    let given = |name: &str| Secret::new(form.given(name).unwrap_or_default());
    let word = match form.get("do") {
        Some("set-password") => {
            let change = PasswordChange { password: given("new"), current: Some(given("current")), others };
            let token = services.change_own_password(&actor, change).await?;
            operator.go_on(request, token).await?;
            "password-set"
        }
        Some("end-session") => {
            let id = form.get("session").unwrap_or_default().to_owned();
            services.end_session_by_id(&actor, id).await?;
            "session-ended"
        }
        Some("end-others") => {
            let token = services.end_other_sessions(&actor).await?;
            operator.go_on(request, token).await?;
            "sessions-ended"
        }
        Some("reset-user-secret") => {
            let new = services.reset_user_secret(&actor, others).await?;
            return told_secret(request, operator, texts::USER_SECRET, new).await;
        }
        Some("reset-organization-secret") => {
            let new = services.reset_organization_secret(&actor, others).await?;
            return told_secret(request, operator, texts::ORGANIZATION_SECRET, new).await;
        }
        _ => return Err(ApiError::new(Code::BadBody, texts::UNKNOWN_ACTION).into()),
    };
    Ok(Told { done: Some(word.to_owned()), ..Told::default() })
}

async fn told_secret(
    request: &HttpRequest,
    operator: &mut Operator,
    name: &'static str,
    new: NewSecret,
) -> Result<Told, Stop> {
    operator.go_on(request, new.token.map(Secret::new)).await?;
    Ok(Told { secret: Some((name, new.secret)), ..Told::default() })
}

async fn page(operator: &Operator, told: &Told) -> Result<HttpResponse, ApiError> {
    let caller = &operator.principal;
    let sessions = operator.services.sessions(&operator.actor).await?;
    let others = sessions.iter().filter(|session| !session.current).count();
    let content = html! {
        h1 { (texts::YOU) }
        (parts::told(told.done.as_deref(), told.problem.as_ref().map(|error| error.message.as_str())))
        @if let Some((name, secret)) = &told.secret {
            p.told role="status" { (texts::SECRET_ONCE) }
            (parts::to_copy("secret", name, secret))
        }
        dl {
            (row("Name", html! { (caller.first_name) " " (caller.last_name) }))
            (row("E-mail address", html! { (caller.email) }))
            (row("Organization", html! { (caller.organization_name) }))
            (row("Role", html! { @if caller.organization_admin { (texts::ADMINISTRATOR) } @else { (texts::USER) } }))
        }
        section aria-labelledby="password" {
            h2 #password { "Password" }
            (password(operator, others))
        }
        section aria-labelledby="sessions" {
            h2 #sessions { "Sessions" }
            p.soft { (texts::SESSIONS_HINT) }
            (table(operator, &sessions))
            @if others > 0 {
                form.buttons method="post" action=(HERE) {
                    (operator.sealed(Some("end-others")))
                    button type="submit" { (texts::end_others(others)) }
                }
            }
        }
        section aria-labelledby="secrets" {
            h2 #secrets { "Secrets of the API" }
            p.soft { (texts::SECRETS_HINT) }
            (reset(operator, "reset-user-secret", texts::USER_SECRET, texts::USER_SECRET_ENDS, &texts::end_other_sessions(others)))
            @if operator.actor.may(Action::ResetOrganizationSecret) {
                (reset(
                    operator, "reset-organization-secret", texts::ORGANIZATION_SECRET, texts::ORGANIZATION_SECRET_ENDS,
                    texts::END_EVERYBODYS,
                ))
            }
        }
    };
    let status = told.problem.as_ref().map_or(StatusCode::OK, parts::status_of);
    Ok(operator.respond(&Screen::at("/me", texts::YOU, content).with_status(status)))
}

fn password(operator: &Operator, others: usize) -> Markup {
    html! {
        form method="post" action=(HERE) {
            (operator.sealed(Some("set-password")))
            div.field {
                label for="current" { "Current password" }
                input #current name="current" type="password" required autocomplete="current-password";
            }
            div.field {
                label for="new" { "New password" }
                input #new name="new" type="password" required minlength="12" autocomplete="new-password" aria-describedby="new-hint";
                p.soft #new-hint { (texts::PASSWORD_HINT) }
            }
            (parts::check(END_SESSIONS, &texts::end_other_sessions(others), true))
            div.buttons { button.main type="submit" { "Set the password" } }
        }
    }
}

fn table(operator: &Operator, sessions: &[SessionView]) -> Markup {
    let rows: Vec<_> = sessions.iter().map(|session| line(operator, session)).collect();
    parts::table(&["Began (UTC)", "Kind", "From", "Ends (UTC)", "Actions"], &rows, texts::NOTHING_HERE)
}

fn line(operator: &Operator, session: &SessionView) -> Markup {
    let kind = if session.kind == "console" { "Console" } else { "API" };
    let action = html! {
        @if session.current {
            (parts::badge("good", "this one"))
        } @else {
            form.inline method="post" action=(HERE) {
                (operator.sealed(Some("end-session")))
                input type="hidden" name="session" value=(session.id);
                button.small type="submit" aria-label={ "End the session that began " (session.began_at) } { "End" }
            }
        }
    };
    html! {
        (parts::first(&parts::date(Some(&session.began_at))))
        (parts::cell("Kind", &html! { (kind) }))
        (parts::cell("From", &html! { (session.address.as_deref().unwrap_or(texts::UNTOLD)) }))
        (parts::cell("Ends", &parts::date(Some(&session.expires_at))))
        (parts::cell("Actions", &action))
    }
}

fn reset(operator: &Operator, what: &str, name: &str, ends: &str, sessions: &str) -> Markup {
    html! {
        h3 { (name) }
        form method="post" action=(HERE) {
            (operator.sealed(Some(what)))
            p.soft { (ends) }
            (parts::check(END_SESSIONS, sessions, true))
            div.buttons { button.danger type="submit" { "Replace the " (name.to_lowercase()) } }
        }
    }
}
