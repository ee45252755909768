//! Which instance a call to the passthrough means.

use std::sync::Arc;

use actix_web::HttpRequest;

use super::extract::{authorization, presented};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::protocol::instance_token::{FoundAt, of_authorization, of_query};
use crate::service::Services;
use crate::service::calls::pass_through::Candidate;
use crate::service::refresh::warm_instances::LiveInstance;

/// By `Element <token>`, or by the token in a place where some vendor's credential would travel.
pub async fn named_instance(services: &Services, request: &HttpRequest) -> Result<Arc<LiveInstance>, ApiError> {
    let value = authorization(request)?;
    if value.is_some_and(is_ours) {
        return services.instance_of_element(&presented(request)?).await;
    }
    let candidates = match value {
        Some(value) => {
            let tokens = of_authorization(value).into_iter();
            tokens.map(|token| Candidate { token, found_at: FoundAt::Authorization }).collect()
        }
        None => elsewhere(services, request),
    };
    if candidates.is_empty() {
        let message = "Name the instance: send `Authorization: Element <token>`, or the token in the place where the \
                       vendor's own credential would travel.";
        return Err(ApiError::new(Code::MissingCredentials, message));
    }
    services.instance_of_candidates(&candidates).await
}

/// `User …, Organization …, Element …` in any order (docs/api.md, Authentication).
fn is_ours(value: &str) -> bool {
    value
        .split(',')
        .filter_map(|part| part.trim().split_once(char::is_whitespace))
        .any(|(label, _)| ["user", "organization", "element"].iter().any(|known| label.eq_ignore_ascii_case(known)))
}

/// A name may be another element's, and hold something else: all that are there are tried, within reason.
fn elsewhere(services: &Services, request: &HttpRequest) -> Vec<Candidate> {
    const MOST: usize = 8;
    let names = services.credential_names();
    let headers = names.headers.iter().filter_map(|name| {
        let value = request.headers().get(name.as_str())?.to_str().ok()?;
        Some(Candidate { token: Secret::new(value.trim()), found_at: FoundAt::Header(name.clone()) })
    });
    let query = request.uri().query();
    let parameters = names.parameters.iter().filter_map(|name| {
        Some(Candidate { token: of_query(query?, name)?, found_at: FoundAt::Parameter(name.clone()) })
    });
    headers.chain(parameters).take(MOST).collect()
}
