//! `/authentication`: passwords, sessions, secrets (docs/api.md, Authentication).

use actix_web::{HttpResponse, delete, get, post, web};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::body::JsonBody;
use crate::http::extract::{Anonymous, Caller, Parameters};
use crate::http::openapi::queries::ResetQuery;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::people::passwords::PasswordChange;
use crate::service::people::resets::NewSecret;
use crate::service::people::sessions::{OtherSessions, SessionView};
use crate::service::people::sign_in::{AuthenticatedUser, Secrets};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(sign_in)
        .service(get_secrets)
        .service(set_password)
        .service(reset_user_secret)
        .service(reset_organization_secret)
        .service(list_sessions)
        .service(end_session);
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
#[serde(rename_all = "camelCase")]
pub struct NewPassword {
    /// Not one of those that are tried first, and more than one's own name or address.
    #[schema(value_type = String, format = Password, min_length = 12)]
    password: Secret,
    /// The present one. Without it the call wants a session whose person gave it in the last five minutes.
    #[schema(value_type = Option<String>, format = Password, nullable = false)]
    current_password: Option<Secret>,
    /// Whether all of the caller's sessions end, here and in the console.
    #[serde(default = "yes")]
    #[schema(default = true)]
    end_sessions: bool,
}

fn yes() -> bool {
    true
}

fn others(end: bool) -> OtherSessions {
    if end { OtherSessions::End } else { OtherSessions::Keep }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct SessionPath {
    /// The session's id
    #[serde(rename = "sessionId")]
    session_id: String,
}

/// Sign in with user name and password
///
/// Gives a session token, to be sent as `Authorization: Bearer`. Who fails too often, by address and by user name, waits: 429
/// with `Retry-After`. Attempts that succeed are not counted.
#[utoipa::path(security(()), request_body = SignIn,
    responses((status = 200, description = "Who signed in, with a session token", body = AuthenticatedUser)),
    extensions(("x-failures" = json!(["body", "login_refused", "too_many_requests"]))))]
#[post("/authentication")]
async fn sign_in(anonymous: Anonymous, body: JsonBody<SignIn>) -> Result<web::Json<AuthenticatedUser>, ApiError> {
    let SignIn { username, password } = body.value;
    anonymous.services.sign_in(anonymous.address, &username, password).await.map(web::Json)
}

/// Show the caller's user and organization secrets
///
/// They make the `Authorization: User …, Organization …` header. For a session whose person gave the password in the last
/// 15 minutes; the log says who read them.
#[utoipa::path(responses((status = 200, description = "The two secrets", body = Secrets)),
    extensions(("x-failures" = json!(["sign_in_again"]))))]
#[get("/authentication/secrets")]
async fn get_secrets(caller: Caller) -> Result<web::Json<Secrets>, ApiError> {
    caller.services.show_secrets(&caller.actor).await.map(web::Json)
}

/// Set the caller's password
///
/// Proven by the present password, or by a session that began with it in the last five minutes. Sessions that were open
/// before end, unless `endSessions` is false; the reply has a new token.
#[utoipa::path(request_body = NewPassword,
    responses((status = 200, description = "The caller, with a session token", body = AuthenticatedUser)),
    extensions(("x-failures" = json!([
        "body", "bad_password", "current_password_required", "login_refused", "too_many_requests"
    ]))))]
#[post("/authentication/passwords")]
async fn set_password(caller: Caller, body: JsonBody<NewPassword>) -> Result<web::Json<AuthenticatedUser>, ApiError> {
    let NewPassword { password, current_password, end_sessions } = body.value;
    let change = PasswordChange { password, current: current_password, others: others(end_sessions) };
    caller.services.change_password(&caller.actor, change).await.map(web::Json)
}

/// Replace the caller's user secret
///
/// The old one is refused from now on, and the caller's sessions end. One that made this call goes on with the `token` of the
/// reply.
#[utoipa::path(params(ResetQuery), responses((status = 200, description = "The new secret", body = NewSecret)),
    extensions(("x-failures" = json!(["bad_parameter"]))))]
#[post("/authentication/user-secret-reset")]
async fn reset_user_secret(caller: Caller, parameters: Parameters) -> Result<web::Json<NewSecret>, ApiError> {
    let others = others(parameters.flag("endSessions", true)?);
    caller.services.reset_user_secret(&caller.actor, others).await.map(web::Json)
}

/// Replace the organization's secret
///
/// For administrators of the organization. The old one is refused from now on, for every user, and the sessions of all of them
/// end. One that made this call goes on with the `token` of the reply.
#[utoipa::path(params(ResetQuery), responses((status = 200, description = "The new secret", body = NewSecret)),
    extensions(("x-failures" = json!(["bad_parameter", "not_allowed"]))))]
#[post("/authentication/organization-secret-reset")]
async fn reset_organization_secret(caller: Caller, parameters: Parameters) -> Result<web::Json<NewSecret>, ApiError> {
    let others = others(parameters.flag("endSessions", true)?);
    caller.services.reset_organization_secret(&caller.actor, others).await.map(web::Json)
}

/// List the caller's sessions
///
/// Those that go on, of the API and of the console; the newest first, 200 at most.
#[utoipa::path(responses((status = 200, description = "The sessions", body = Vec<SessionView>)))]
#[get("/authentication/sessions")]
async fn list_sessions(caller: Caller) -> Result<web::Json<Vec<SessionView>>, ApiError> {
    caller.services.sessions(&caller.actor).await.map(web::Json)
}

/// End one of the caller's sessions
///
/// Its token is refused from now on.
#[utoipa::path(params(SessionPath), responses((status = 200, description = "Ended; the body is empty")),
    extensions(("x-failures" = json!(["session_not_found"]))))]
#[delete("/authentication/sessions/{sessionId}")]
async fn end_session(caller: Caller, path: web::Path<SessionPath>) -> Result<HttpResponse, ApiError> {
    caller.services.end_session_by_id(&caller.actor, path.into_inner().session_id).await?;
    Ok(HttpResponse::Ok().finish())
}
