//! What has no route, or not for this method.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};

use super::extract::shared;
use super::urls::{DOCS, READ_ONLY};
use super::{Shared, openapi, public_path};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

/// 404, or 405 where another method would do.
pub async fn no_route(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let page = READ_ONLY.contains(&request.path());
    let allowed = if page { vec![Method::GET] } else { openapi::methods_of(request.path()) };
    if allowed.is_empty() {
        return Err(not_there(request.method(), shared(&request).ok().map(|shared| shared.get_ref())));
    }
    let allowed: Vec<&str> = allowed.iter().map(Method::as_str).collect();
    Err(wrong_method(&request, &allowed.join(", ")))
}

pub fn not_there(method: &Method, shared: Option<&Shared>) -> ApiError {
    let path = shared.map_or("", |shared| public_path::of(&shared.services.public_url));
    let message = format!("There is no {method} at this address: see {path}{DOCS}.");
    ApiError::new(Code::RouteNotFound, message)
}

/// `allowed`: what the address takes, with commas between.
pub fn wrong_method(request: &HttpRequest, allowed: &str) -> ApiError {
    let message = format!("This address does not take {}: it takes {allowed}.", request.method());
    ApiError::new(Code::MethodNotAllowed, message).with_allow(allowed)
}
