//! How the vendor says no.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};

/// A refused token call. HubSpot answers 400 with the fields of RFC 6749 section 5.2 and, beside them, its older
/// `status` and `message` (vendor's changelog, early 2026).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("missing or unknown auth code")]
    BadAuthCode,
    #[error("the auth code has expired")]
    ExpiredAuthCode,
    #[error("redirect URI does not match the one that was used to get the auth code")]
    MismatchRedirectUri,
    #[error("missing or invalid redirect URI")]
    BadRedirectUri,
    #[error("missing or unknown client id")]
    BadClientId,
    #[error("missing or invalid client secret")]
    BadClientSecret,
    #[error("refresh token is invalid, expired or revoked")]
    BadRefreshToken,
    #[error("missing or unsupported grant type")]
    BadGrantType,
    #[error("missing or invalid code verifier")]
    BadCodeVerifier,
    #[error("missing token")]
    MissingToken,
    /// Stricter than HubSpot, so that a client which sends too much is noticed.
    #[error("unexpected field: {0}")]
    UnexpectedField(String),
    #[error("field sent more than once: {0}")]
    RepeatedField(String),
    #[error("the body must be application/x-www-form-urlencoded, without a query string or an Authorization header")]
    NotAForm,
}

impl Refusal {
    /// The `error` of RFC 6749 and HubSpot's `status`.
    pub fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::BadAuthCode => ("invalid_grant", "BAD_AUTH_CODE"),
            Self::ExpiredAuthCode => ("invalid_grant", "EXPIRED_AUTH_CODE"),
            Self::MismatchRedirectUri => ("invalid_grant", "MISMATCH_REDIRECT_URI_AUTH_CODE"),
            Self::BadCodeVerifier => ("invalid_grant", "BAD_CODE_VERIFIER"),
            Self::BadRefreshToken => ("invalid_grant", "BAD_REFRESH_TOKEN"),
            Self::BadRedirectUri => ("invalid_request", "BAD_REDIRECT_URI"),
            Self::BadClientId => ("invalid_client", "BAD_CLIENT_ID"),
            Self::BadClientSecret => ("invalid_client", "BAD_CLIENT_SECRET"),
            Self::BadGrantType => ("unsupported_grant_type", "BAD_GRANT_TYPE"),
            Self::MissingToken => ("invalid_request", "BAD_TOKEN"),
            Self::UnexpectedField(_) => ("invalid_request", "UNEXPECTED_FIELD"),
            Self::RepeatedField(_) => ("invalid_request", "REPEATED_FIELD"),
            Self::NotAForm => ("invalid_request", "UNSUPPORTED_MEDIA_TYPE"),
        }
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }

    fn error_response(&self) -> HttpResponse {
        let (error, status) = self.names();
        let message = self.to_string();
        let body = json!({"error": error, "error_description": message, "status": status, "message": message});
        HttpResponse::build(self.status_code()).insert_header(("cache-control", "no-store")).json(body)
    }
}

/// An error of the vendor's other APIs: `{"status":"error","message","correlationId","category"?}` and members of
/// `more`. The correlation id is in a header too.
pub fn api_error(status: StatusCode, correlation_id: &str, message: &str, more: Value) -> HttpResponse {
    let mut body = json!({"status": "error", "message": message, "correlationId": correlation_id});
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    let mut reply = HttpResponse::build(status);
    reply.insert_header(("x-hubspot-correlation-id", correlation_id.to_owned()));
    if status == StatusCode::UNAUTHORIZED {
        reply.insert_header(("x-hubspot-auth-failure", "401 Unauthorized"));
    }
    reply.json(body)
}
