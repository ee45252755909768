//! Which instance a call to the passthrough means.

use actix_web::HttpRequest;
use actix_web::http::header;

use super::extract::presented;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::protocol::instance_token::{FoundAt, of_authorization, of_query};
use crate::service::Services;
use crate::service::pass_through::Candidate;

type Instance = (i64, Owner);

/// The instance, and the place that its token must be taken from; none for `Element <token>`, which never travels.
pub async fn named_instance(
    services: &Services,
    request: &HttpRequest,
) -> Result<(Instance, Option<FoundAt>), ApiError> {
    let mut values = request.headers().get_all(header::AUTHORIZATION).filter_map(|value| value.to_str().ok());
    if values.clone().any(is_ours) {
        return Ok((services.instance_of_element(&presented(request)?).await?, None));
    }
    let candidates = match values.next() {
        Some(value) => candidates(of_authorization(value), &FoundAt::Authorization),
        None => elsewhere(services, request),
    };
    let Some(first) = candidates.first() else {
        let message = "Name the instance: send `Authorization: Element <token>`, or the token in the place where the \
                       vendor's own credential would travel.";
        return Err(ApiError::new(Code::MissingCredentials, message));
    };
    let found_at = first.found_at.clone();
    Ok((services.instance_of_candidates(&candidates).await?, Some(found_at)))
}

/// `User …, Organization …, Element …` in any order (contract 2.3).
fn is_ours(value: &str) -> bool {
    value
        .split(',')
        .filter_map(|part| part.trim().split_once(char::is_whitespace))
        .any(|(label, _)| ["user", "organization", "element"].iter().any(|known| label.eq_ignore_ascii_case(known)))
}

fn elsewhere(services: &Services, request: &HttpRequest) -> Vec<Candidate> {
    let names = &services.credential_names;
    let header = names.headers.iter().find_map(|name| {
        let value = request.headers().get(name.as_str())?.to_str().ok()?;
        Some(candidates(vec![Secret::new(value.trim())], &FoundAt::Header(name.clone())))
    });
    header.unwrap_or_else(|| {
        let query = request.uri().query().unwrap_or_default();
        let parameter = names.parameters.iter().find_map(|name| {
            let token = of_query(query, name)?;
            Some(candidates(vec![token], &FoundAt::Parameter(name.clone())))
        });
        parameter.unwrap_or_default()
    })
}

fn candidates(tokens: Vec<Secret>, found_at: &FoundAt) -> Vec<Candidate> {
    tokens.into_iter().map(|token| Candidate { token, found_at: found_at.clone() }).collect()
}
