//! What the forms of an instance's page do.

use actix_web::{HttpRequest, HttpResponse};

use super::instance::{self, Told, id_of};
use super::instance_form::{self, BY, VERSION};
use super::problems::answer;
use super::session::{Operator, Stop};
use super::{ROOT, texts};
use crate::http::body::RawBody;
use crate::http::extract::Parameters;
use crate::http::pages::frame::lead_to;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::connect::link_input::LinkInput;

pub async fn act(request: HttpRequest, body: RawBody) -> HttpResponse {
    answer(&request, acted(&request, body).await).await
}

async fn acted(request: &HttpRequest, body: RawBody) -> Result<HttpResponse, Stop> {
    let (operator, form) = Operator::acting(request, body).await?;
    let id = id_of(request)?;
    match done(&operator, id, &form).await {
        Ok(target) => Ok(lead_to(&format!("{ROOT}{target}"), &operator.services.public_url)),
        Err(error) if is_told_on_the_page(&error) => {
            let saved = (form.get("do") == Some("save")).then_some(form);
            let stale = error.code == Code::InstanceChanged;
            let (entered, unsaved) = if stale { (None, saved) } else { (saved, None) };
            let told = Told { problem: Some(error), entered, unsaved, ..Told::default() };
            Ok(instance::page(&operator, id, &told).await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Gives the page to go to.
async fn done(operator: &Operator, id: i64, form: &Parameters) -> Result<String, ApiError> {
    let (services, actor, owner) = (&operator.services, &operator.actor, operator.owner());
    let word = match form.get("do") {
        Some("save") => {
            let view = services.get_instance(owner, id).await?;
            if form.number(VERSION)? != Some(view.version) {
                return Err(Code::InstanceChanged.into());
            }
            let element = services.element_by_id(owner, view.element_id);
            let input = instance_form::read(element.as_deref(), &view, form);
            if form.get(BY) == Some("link") {
                let configuration = input.configuration;
                let input = LinkInput { instance_id: Some(id), configuration, ..LinkInput::default() };
                let link = services.create_link(actor, input).await?;
                return Ok(format!("/links/{}?done=made", link.id));
            }
            let answer = services.change_instance(actor, id, input, false).await?;
            if answer.without_effect.is_empty() { "saved" } else { "saved-partly" }
        }
        Some("enable") => services.enable_instance(actor, id, true).await.map(|_| "enabled")?,
        Some("disable") => services.enable_instance(actor, id, false).await.map(|_| "disabled")?,
        Some("refresh") => {
            let before = services.get_instance(owner, id).await?.last_refresh_at;
            let (view, failure) = services.refresh_instance(actor, id).await?;
            match (failure, view.invalid_reason) {
                (Some(error), _) => return Err(error),
                (None, Some(reason)) => return Err(ApiError::new(Code::ReauthorizationRequired, reason)),
                (None, None) if view.last_refresh_at.is_none() => {
                    return Err(ApiError::new(Code::BadBody, texts::REFRESH_NOT_NEEDED));
                }
                (None, None) if view.last_refresh_at == before => "fresh",
                (None, None) => "refreshed",
            }
        }
        Some("renew") => {
            let input = LinkInput { instance_id: Some(id), ..LinkInput::default() };
            let link = services.create_link(actor, input).await?;
            return Ok(format!("/links/{}?done=made", link.id));
        }
        _ => return Err(ApiError::new(Code::BadBody, texts::UNKNOWN_ACTION)),
    };
    Ok(format!("/instances/{id}?done={word}"))
}

/// Whether the page can still be shown, with the failure on it.
fn is_told_on_the_page(error: &ApiError) -> bool {
    error.code != Code::InstanceNotFound && !matches!(error.code.status(), 500 | 503)
}

/// `POST /console/instances/{id}/delete`.
pub async fn delete(request: HttpRequest, body: RawBody) -> HttpResponse {
    answer(&request, deleted(&request, body).await).await
}

async fn deleted(request: &HttpRequest, body: RawBody) -> Result<HttpResponse, Stop> {
    let (operator, _) = Operator::proven(request, body).await?;
    operator.services.delete_instance(&operator.actor, id_of(request)?).await?;
    Ok(lead_to(&format!("{ROOT}?done=deleted"), &operator.services.public_url))
}
