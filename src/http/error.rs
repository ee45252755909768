//! Failures as replies: one body for all, framework errors included.

use std::num::NonZeroI64;

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use serde::Serialize;
use utoipa::ToSchema;

use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::request_id::RequestId;

/// What every failure looks like.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Error)]
pub struct ErrorBody {
    /// The `Elements-Request-Id` of the reply; the log has more under it.
    #[schema(example = "53dbca9430045c016b46566c")]
    pub request_id: String,
    /// One sentence: what was wrong and what to do.
    pub message: String,
    /// A stable name for the failure; each reply lists those that it can have.
    #[schema(example = "missing_parameter")]
    pub code: String,
    /// The vendor's own words, when its refusal caused the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub provider_message: Option<String>,
    /// The instance that the call is still making or changing: ask for it after `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub instance_id: Option<i64>,
}

/// The envelope renders the body: only it knows the request id.
impl actix_web::ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        HttpResponse::new(self.status_code())
    }
}

/// Renders a failure under a request id.
pub fn render(error: &ApiError, request_id: RequestId, headers: &mut HeaderMap) -> String {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = error.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(Ok(methods)) = error.allow.as_deref().map(HeaderValue::from_str) {
        // RFC 9110 section 15.5.6 wants it with every 405.
        headers.insert(header::ALLOW, methods);
    }
    if error.code.status() == 401 {
        // RFC 9110 section 11.6.1 wants a challenge with every 401.
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ligand\""));
    }
    let body = ErrorBody {
        request_id: request_id.to_string(),
        message: error.message.clone(),
        code: error.code.name().to_owned(),
        provider_message: error.provider_message.clone(),
        instance_id: error.instance_id.map(NonZeroI64::get),
    };
    serde_json::to_string(&body).unwrap_or_default()
}

/// A failure that the framework noticed, by its status.
pub fn of_framework(status: StatusCode) -> ApiError {
    let code = match status.as_u16() {
        404 => Code::RouteNotFound,
        405 => Code::MethodNotAllowed,
        413 => Code::BodyTooLarge,
        415 => Code::UnsupportedMediaType,
        400..=499 => Code::BadBody,
        _ => Code::Internal,
    };
    code.into()
}
