//! `/authentication`: passwords, sessions, secrets (contract 2.2).

use actix_web::{get, post, web};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::JsonBody;
use super::extract::{Anonymous, Caller};
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::sign_in::{AuthenticatedUser, NewSecret, Secrets};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(sign_in)
        .service(get_secrets)
        .service(set_password)
        .service(reset_user_secret)
        .service(reset_organization_secret);
}

/// A user name and its password.
#[derive(Deserialize, ToSchema)]
pub struct SignIn {
    #[schema(example = "jo@example.com")]
    username: String,
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// A password to be.
#[derive(Deserialize, ToSchema)]
pub struct NewPassword {
    #[schema(value_type = String, format = Password, min_length = 8)]
    password: Secret,
}

/// Sign in with user name and password
///
/// Gives a session token, to be sent as `Authorization: Bearer`. Who fails too often, by address and by user name, waits: 429
/// with `Retry-After`. Attempts that succeed are not counted.
#[utoipa::path(security(()), request_body = SignIn,
    responses((status = 200, description = "Who signed in, with a session token", body = AuthenticatedUser)))]
#[post("/authentication")]
async fn sign_in(anonymous: Anonymous, body: JsonBody<SignIn>) -> Result<web::Json<AuthenticatedUser>, ApiError> {
    let SignIn { username, password } = body.value;
    anonymous.services.sign_in(anonymous.address, &username, password).await.map(web::Json)
}

/// Show the caller's user and organization secrets
///
/// They make the `Authorization: User …, Organization …` header.
#[utoipa::path(responses((status = 200, description = "The two secrets", body = Secrets)))]
#[get("/authentication/secrets")]
async fn get_secrets(caller: Caller) -> Result<web::Json<Secrets>, ApiError> {
    caller.services.secrets(&caller.principal).await.map(web::Json)
}

/// Set the caller's password
///
/// Sessions that the old password opened end; the reply has a new token.
#[utoipa::path(request_body = NewPassword,
    responses((status = 200, description = "The caller, with a session token", body = AuthenticatedUser)))]
#[post("/authentication/passwords")]
async fn set_password(caller: Caller, body: JsonBody<NewPassword>) -> Result<web::Json<AuthenticatedUser>, ApiError> {
    caller.services.set_password(&caller.principal, body.value.password).await.map(web::Json)
}

/// Replace the caller's user secret
///
/// The old one is refused from now on.
#[utoipa::path(responses((status = 200, description = "The new secret", body = NewSecret)))]
#[post("/authentication/user-secret-reset")]
async fn reset_user_secret(caller: Caller) -> Result<web::Json<NewSecret>, ApiError> {
    caller.services.reset_user_secret(&caller.principal).await.map(web::Json)
}

/// Replace the organization's secret
///
/// For administrators of the organization. The old one is refused from now on, for every user.
#[utoipa::path(responses((status = 200, description = "The new secret", body = NewSecret)))]
#[post("/authentication/organization-secret-reset")]
async fn reset_organization_secret(caller: Caller) -> Result<web::Json<NewSecret>, ApiError> {
    caller.services.reset_organization_secret(&caller.principal).await.map(web::Json)
}
