//! `/console/organization`: what administrators choose for all callers.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::layout::Screen;
use super::problems::answer;
use super::session::{Operator, Stop};
use super::webhook::{self, Done};
use super::{parts, texts};
use crate::http::body::RawBody;
use crate::http::extract::Parameters;
use crate::http::pages::frame::lead_to;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::patch::Patch;
use crate::service::organization::profile::{BrandPatch, OrganizationPatch, OrganizationView};

const HERE: &str = "/console/organization";

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
    let (operator, form) = Operator::administering(request, body).await?;
    match done(&operator, &form).await {
        Ok(Done::Word(word)) => Ok(lead_to(&format!("{HERE}?done={word}"), &operator.services.public_url)),
        // Nothing keeps it: this page is the only one that shows it.
        Ok(Done::Secret(secret)) => Ok(page(&operator, &Told { secret: Some(secret), ..Told::default() }).await?),
        Err(error) if matches!(error.code.status(), 400 | 404 | 409) => {
            Ok(page(&operator, &Told { problem: Some(error), entered: Some(form), ..Told::default() }).await?)
        }
        Err(error) => Err(error.into()),
    }
}

async fn done(operator: &Operator, form: &Parameters) -> Result<Done, ApiError> {
    if form.get("do") == Some("save") {
        operator.services.change_organization(&operator.actor, read(form)).await?;
        return Ok(Done::Word("saved"));
    }
    webhook::act(operator, form).await?.ok_or_else(|| ApiError::new(Code::BadBody, texts::UNKNOWN_ACTION))
}

fn read(form: &Parameters) -> OrganizationPatch {
    let member = |name: &str| match form.get(name).map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => Patch::Value(text.to_owned()),
        None => Patch::Null,
    };
    OrganizationPatch {
        vendor_bearer: Some(form.get("vendorBearer").is_some()),
        users_see_tokens: Some(form.get("usersSeeTokens").is_some()),
        allowed_origins: Some(parts::lines_of(form.given("allowedOrigins").unwrap_or_default())),
        brand: Some(BrandPatch {
            display_name: member("displayName"),
            logo_url: member("logoUrl"),
            colour: member("colour"),
        }),
        application_url: member("applicationUrl"),
    }
}

/// What the page says first, and what was entered when it was refused.
#[derive(Default)]
struct Told {
    done: Option<String>,
    secret: Option<String>,
    problem: Option<ApiError>,
    entered: Option<Parameters>,
}

async fn page(operator: &Operator, told: &Told) -> Result<HttpResponse, ApiError> {
    operator.require_administrator()?;
    let view = operator.services.organization_view(&operator.actor).await?;
    let receiver = operator.services.webhook(&operator.actor).await?;
    let entered = |what: &str| told.entered.as_ref().filter(|form| form.get("do") == Some(what));
    let content = html! {
        h1 { (view.name) }
        (parts::told(told.done.as_deref(), told.problem.as_ref().map(|error| error.message.as_str())))
        @if let Some(secret) = &told.secret {
            p.told role="status" { (texts::SECRET_ONCE) }
            (parts::to_copy("secret", "Secret", secret))
        }
        (form(operator, &view, entered("save")))
        (webhook::render(operator, HERE, &receiver, entered("set-webhook")))
    };
    let status = told.problem.as_ref().map_or(StatusCode::OK, parts::status_of);
    Ok(operator.respond(&Screen::at("/organization", "Organization", content).with_status(status)))
}

fn form(operator: &Operator, view: &OrganizationView, entered: Option<&Parameters>) -> Markup {
    let own = |name: &str, stored: Option<&str>| {
        entered.and_then(|form| form.given(name)).or(stored).unwrap_or_default().to_owned()
    };
    let brand = &view.brand;
    let (name, logo) = (own("displayName", brand.display_name.as_deref()), own("logoUrl", brand.logo_url.as_deref()));
    let origins = own("allowedOrigins", Some(&view.allowed_origins.join("\n")));
    let colour = own("colour", brand.colour.as_deref());
    let application = own("applicationUrl", view.application_url.as_deref());
    let bearer = entered.map_or(view.vendor_bearer, |form| form.get("vendorBearer").is_some());
    let tokens = entered.map_or(view.users_see_tokens, |form| form.get("usersSeeTokens").is_some());
    html! {
        form method="post" action=(HERE) {
            (operator.sealed(Some("save")))
            (parts::lines("allowedOrigins", "Allowed origins", &origins, texts::ORIGINS_HINT))
            (parts::Input::text("displayName", "Name on the pages of connect links", &name).hint(texts::BRAND_HINT).render())
            (parts::Input { kind: "url", ..parts::Input::text("logoUrl", "Logo", &logo) }.hint(texts::LOGO_HINT).render())
            (parts::Input::text("colour", "Colour", &colour).hint(texts::COLOUR_HINT).render())
            (parts::Input { kind: "url", ..parts::Input::text("applicationUrl", "Address of the application", &application) }
                .hint(texts::APPLICATION_HINT).render())
            (parts::check("vendorBearer", texts::VENDOR_BEARER, bearer))
            (parts::check("usersSeeTokens", texts::USERS_SEE_TOKENS, tokens))
            div.buttons { button.main type="submit" { "Save" } }
        }
    }
}
