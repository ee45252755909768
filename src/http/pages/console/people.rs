//! `/console/people`: who belongs to the organization, for its administrators.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::instance::row;
use super::layout::Screen;
use super::problems::answer;
use super::session::{Operator, Stop};
use super::{PAGE_SIZE, me, parts, texts};
use crate::http::body::RawBody;
use crate::http::extract::Parameters;
use crate::http::pages::frame::lead_to;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::paging::Page;
use crate::service::people::bootstrap::random_password;
use crate::service::people::roles::organization_admin;
use crate::service::people::user_account::{UserAccount, UserDraft, UserPatch};
use crate::store::users::By;
use crate::vault::password_rules::Rules;

pub const HERE: &str = "/console/people";

pub async fn list(request: HttpRequest) -> HttpResponse {
    answer(&request, listed(&request).await).await
}

async fn listed(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    operator.require_administrator()?;
    let parameters = Parameters::of(request);
    let page = Page::read(Some(PAGE_SIZE), parameters.get("nextPage"))?;
    let (people, next) = operator.services.list_users(&operator.actor, page).await?;
    let rows: Vec<_> = people.iter().map(line).collect();
    let content = html! {
        h1 { "People" }
        (parts::told(parameters.get("done"), None))
        p { a.button.main href={ (HERE) "/new" } { "Add a person" } }
        (parts::table(&["Person", "E-mail address", "Role", "Access", "Last sign-in (UTC)"], &rows, texts::NOTHING_HERE))
        (parts::further(HERE, &parameters, &[], next.as_deref()))
    };
    Ok(operator.respond(&Screen::at("/people", "People", content)))
}

fn line(person: &UserAccount) -> Markup {
    let name = html! { a id={ "person-" (person.id) } href={ (HERE) "/" (person.id) } { (called(person)) } };
    html! {
        (parts::first(&name))
        (parts::cell("E-mail address", &html! { (person.email) }))
        (parts::cell("Role", &html! { (role(person)) }))
        (parts::cell("Access", &access(person)))
        (parts::cell("Last sign-in", &last_sign_in(person)))
    }
}

/// Who was made on a command line may have no name.
fn called(person: &UserAccount) -> &str {
    if person.full_name.is_empty() { &person.email } else { &person.full_name }
}

fn is_administrator(person: &UserAccount) -> bool {
    !person.roles.is_empty()
}

fn role(person: &UserAccount) -> &'static str {
    if is_administrator(person) { texts::ADMINISTRATOR } else { texts::USER }
}

fn access(person: &UserAccount) -> Markup {
    if person.active { parts::badge("good", "enabled") } else { parts::badge("idle", "disabled") }
}

fn last_sign_in(person: &UserAccount) -> Markup {
    parts::date(Some(&person.last_login_date).filter(|day| *day != "1970-01-01").map(String::as_str))
}

/// What the page of a person says first.
#[derive(Default)]
struct Told {
    done: Option<String>,
    problem: Option<ApiError>,
    /// Seen this once.
    password: Option<String>,
}

pub async fn show(request: HttpRequest) -> HttpResponse {
    answer(&request, shown(&request).await).await
}

async fn shown(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    operator.require_administrator()?;
    let done = Parameters::of(request).get("done").map(str::to_owned);
    Ok(page(&operator, by(request), &Told { done, ..Told::default() }).await?)
}

/// What is no number is nobody here.
fn by(request: &HttpRequest) -> By {
    By::Id(request.match_info().get("id").and_then(|text| text.parse().ok()).unwrap_or_default())
}

async fn page(operator: &Operator, by: By, told: &Told) -> Result<HttpResponse, ApiError> {
    let person = operator.services.show_user(&operator.actor, by).await?;
    let content = html! {
        p { a href=(HERE) { "People" } }
        h1 { (called(&person)) }
        (parts::told(told.done.as_deref(), told.problem.as_ref().map(|error| error.message.as_str())))
        @if let Some(password) = &told.password {
            p.told role="status" { (texts::PASSWORD_ONCE) }
            (parts::to_copy("password", "Password", password))
        }
        dl {
            (row("E-mail address", html! { (person.email) }))
            (row("Role", html! { (role(&person)) }))
            (row("Access", access(&person)))
            (row("Added (UTC)", parts::date(Some(&person.created_date))))
            (row("Last sign-in (UTC)", last_sign_in(&person)))
        }
        @if person.id == operator.principal.user {
            p { (texts::THIS_IS_YOU) " " a href=(me::HERE) { (texts::TO_ME) } }
        } @else {
            (actions(operator, &person))
        }
    };
    let status = told.problem.as_ref().map_or(StatusCode::OK, parts::status_of);
    Ok(operator.respond(&Screen::at("/people", called(&person).to_owned(), content).with_status(status)))
}

/// Each with what comes of it.
fn actions(operator: &Operator, person: &UserAccount) -> Markup {
    let here = format!("{HERE}/{}", person.id);
    let act = |what: &str, name: &str, hint: &str| {
        html! {
            form method="post" action=(here) {
                (operator.sealed(Some(what)))
                p.soft { (hint) }
                div.buttons { button type="submit" { (name) } }
            }
        }
    };
    html! {
        section aria-labelledby="access" {
            h2 #access { "Access" }
            @if person.active { (act("disable", "Disable", texts::DISABLE_PERSON)) }
            @else { (act("enable", "Enable", texts::ENABLE_PERSON)) }
        }
        section aria-labelledby="role" {
            h2 #role { "Role" }
            @if is_administrator(person) { (act("demote", "Make a plain user", texts::DEMOTE)) }
            @else { (act("promote", "Make an administrator", texts::PROMOTE)) }
        }
        section aria-labelledby="password-section" {
            h2 #password-section { "Password" }
            (act("reset-password", "Make a new password", texts::RESET_PASSWORD))
        }
        section aria-labelledby="removal" {
            h2 #removal { "Removal" }
            p.soft { (texts::REMOVE_PERSON) }
            p.buttons { a.button.danger href={ (here) "/remove" } { "Remove …" } }
        }
    }
}

pub async fn act(request: HttpRequest, body: RawBody) -> HttpResponse {
    answer(&request, acted(&request, body).await).await
}

async fn acted(request: &HttpRequest, body: RawBody) -> Result<HttpResponse, Stop> {
    let (operator, form) = Operator::administering(request, body).await?;
    match done(request, &operator, &form).await {
        Ok(told) if told.password.is_some() => Ok(page(&operator, by(request), &told).await?),
        Ok(told) => {
            let word = told.done.unwrap_or_default();
            Ok(lead_to(&format!("{}?done={word}", request.path()), &operator.services.public_url))
        }
        Err(error) if matches!(error.code.status(), 400 | 409) => {
            Ok(page(&operator, by(request), &Told { problem: Some(error), ..Told::default() }).await?)
        }
        Err(error) => Err(error.into()),
    }
}

async fn done(request: &HttpRequest, operator: &Operator, form: &Parameters) -> Result<Told, ApiError> {
    let (services, actor) = (&operator.services, &operator.actor);
    let active = |active| UserPatch { active: Some(active), ..UserPatch::default() };
    let word = match form.get("do") {
        Some("enable") => services.change_user(actor, by(request), active(true)).await.map(|_| "enabled")?,
        Some("disable") => services.change_user(actor, by(request), active(false)).await.map(|_| "person-disabled")?,
        Some("promote") => services.set_administrator(actor, by(request), true).await.map(|()| "promoted")?,
        Some("demote") => services.set_administrator(actor, by(request), false).await.map(|()| "demoted")?,
        Some("reset-password") => {
            let password = services.give_new_password(actor, by(request)).await?;
            return Ok(Told { password: Some(password.expose().to_owned()), ..Told::default() });
        }
        _ => return Err(ApiError::new(Code::BadBody, texts::UNKNOWN_ACTION)),
    };
    Ok(Told { done: Some(word.to_owned()), ..Told::default() })
}

/// `/console/people/{id}/remove`: asks once more.
pub async fn ask(request: HttpRequest) -> HttpResponse {
    answer(&request, asked(&request).await).await
}

async fn asked(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    operator.require_administrator()?;
    let person = operator.services.show_user(&operator.actor, by(request)).await?;
    let here = format!("{HERE}/{}", person.id);
    let title = format!("Remove {}?", called(&person));
    let content = html! {
        h1 { (title) }
        p { (texts::REMOVE_PERSON) }
        form.buttons method="post" action={ (here) "/remove" } {
            (operator.sealed(Some("remove")))
            button.danger type="submit" { "Remove" }
            a.button href=(here) { "Keep" }
        }
    };
    Ok(operator.respond(&Screen { narrow: true, ..Screen::at("/people", title, content) }))
}

pub async fn remove(request: HttpRequest, body: RawBody) -> HttpResponse {
    answer(&request, removed(&request, body).await).await
}

async fn removed(request: &HttpRequest, body: RawBody) -> Result<HttpResponse, Stop> {
    let (operator, _) = Operator::administering(request, body).await?;
    match operator.services.remove_user(&operator.actor, by(request)).await {
        Ok(()) => Ok(lead_to(&format!("{HERE}?done=person-removed"), &operator.services.public_url)),
        Err(error) if error.code.status() == 409 => {
            Ok(page(&operator, by(request), &Told { problem: Some(error), ..Told::default() }).await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// `/console/people/new`.
pub async fn show_new(request: HttpRequest) -> HttpResponse {
    answer(&request, shown_new(&request).await).await
}

async fn shown_new(request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let operator = Operator::of(request).await?;
    operator.require_administrator()?;
    Ok(new_page(&operator, &Parameters::of(request), None))
}

fn new_page(operator: &Operator, entered: &Parameters, problem: Option<&ApiError>) -> HttpResponse {
    let given = |name: &str| entered.get(name).unwrap_or_default();
    let email = parts::Input { kind: "email", ..parts::Input::text("email", "E-mail address", given("email")) };
    let content = html! {
        p { a href=(HERE) { "People" } }
        h1 { "Add a person" }
        (parts::told(None, problem.map(|error| error.message.as_str())))
        form method="post" action={ (HERE) "/new" } {
            (operator.sealed(None))
            (parts::Input::text("firstName", "First name", given("firstName")).required().render())
            (parts::Input::text("lastName", "Last name", given("lastName")).required().render())
            (email.required().hint(texts::SIGNS_IN_WITH).render())
            (parts::check("administrator", texts::IS_ADMINISTRATOR, entered.get("administrator").is_some()))
            div.buttons { button.main type="submit" { "Add" } }
        }
    };
    let status = problem.map_or(StatusCode::OK, parts::status_of);
    operator.respond(&Screen { narrow: true, ..Screen::at("/people", "Add a person", content).with_status(status) })
}

pub async fn add(request: HttpRequest, body: RawBody) -> HttpResponse {
    answer(&request, added(&request, body).await).await
}

async fn added(request: &HttpRequest, body: RawBody) -> Result<HttpResponse, Stop> {
    let (operator, form) = Operator::administering(request, body).await?;
    let services = &operator.services;
    let text = |name: &str| form.get(name).unwrap_or_default().to_owned();
    let password = random_password(services.entropy.as_ref());
    let roles = form.get("administrator").map(|_| organization_admin().into());
    let draft = UserDraft {
        first_name: text("firstName"),
        last_name: text("lastName"),
        email: text("email"),
        password: password.clone(),
        roles: roles.into_iter().collect(),
    };
    match services.make_user(&operator.actor, Rules::Typed, draft).await {
        Ok(made) => {
            let told = Told { password: Some(password.expose().to_owned()), ..Told::default() };
            Ok(page(&operator, By::Id(made.id), &told).await?)
        }
        Err(error) if matches!(error.code.status(), 400 | 409) => Ok(new_page(&operator, &form, Some(&error))),
        Err(error) => Err(error.into()),
    }
}
