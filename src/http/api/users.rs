//! `/users`: the people of the caller's organization (docs/api.md, Users).

use actix_web::{HttpResponse, delete, get, patch, post, put, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::elements::page_of;
use crate::http::administrator::{Administrator, Then};
use crate::http::body::JsonBody;
use crate::http::extract::{Caller, Parameters};
use crate::http::openapi::queries::PageQuery;
use crate::http::path::{UserPath, UserRolePath};
use crate::kernel::error::ApiError;
use crate::service::people::roles::{self, Role};
use crate::service::people::user_account::{UserAccount, UserDraft, UserPatch};
use crate::vault::password_rules::Rules;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(list_users)
        .service(create_user)
        .service(get_user)
        .service(update_user)
        .service(delete_user)
        .service(list_user_roles)
        .service(grant_user_role)
        .service(revoke_user_role);
}

/// List the users of the organization
///
/// For administrators of the organization. In ascending order of ids, those that are disabled included.
#[utoipa::path(params(PageQuery), responses((status = 200, description = "The users", body = Vec<UserAccount>)),
    extensions(("x-failures" = json!(["page", "not_allowed"]))))]
#[get("/users")]
async fn list_users(caller: Administrator, parameters: Parameters) -> Result<HttpResponse, ApiError> {
    let Administrator(caller) = caller;
    let (users, next) = caller.services.list_users(&caller.actor, parameters.page()?).await?;
    Ok(page_of(&users, next))
}

/// Make a user
///
/// For administrators of the organization. The reply is the only one that shows the user's secret. No mail is sent.
#[utoipa::path(request_body = UserDraft, responses((status = 200, description = "The user", body = UserAccount)),
    extensions(("x-failures" = json!(["body", "not_allowed", "unknown_role", "bad_password", "user_exists"]))))]
#[post("/users")]
async fn create_user(
    Then(Administrator(caller), body): Then<Administrator, JsonBody<UserDraft>>,
) -> Result<web::Json<UserAccount>, ApiError> {
    caller.services.make_user(&caller.actor, Rules::Made, body.value).await.map(web::Json)
}

/// Get a user
///
/// For administrators of the organization, and of oneself.
#[utoipa::path(params(UserPath), responses((status = 200, description = "The user", body = UserAccount)),
    extensions(("x-failures" = json!(["user_not_found", "not_allowed"]))))]
#[get("/users/{emailOrId}")]
async fn get_user(caller: Caller, path: web::Path<UserPath>) -> Result<web::Json<UserAccount>, ApiError> {
    caller.services.show_user(&caller.actor, path.by()).await.map(web::Json)
}

/// Change a user
///
/// For administrators of the organization. What is absent stays. With `active: false` the user's secret, bearers and sessions
/// are refused from now on; with `active: true` the secret works again. The last administrator who is active stays one.
#[utoipa::path(params(UserPath), request_body = UserPatch,
    responses((status = 200, description = "The user", body = UserAccount)),
    extensions(("x-failures" = json!([
        "body", "user_not_found", "not_allowed", "unknown_role", "bad_password", "current_password_required",
        "too_many_requests", "user_exists", "last_administrator"
    ]))))]
#[patch("/users/{emailOrId}")]
async fn update_user(
    path: web::Path<UserPath>,
    Then(Administrator(caller), body): Then<Administrator, JsonBody<UserPatch>>,
) -> Result<web::Json<UserAccount>, ApiError> {
    caller.services.change_user(&caller.actor, path.by(), body.value).await.map(web::Json)
}

/// Remove a user
///
/// For administrators of the organization. The user's secret, bearers and sessions are refused from now on, and this is not
/// undone. Instances, connect links and webhooks that the user made are the organization's and stay. The address is free for
/// a new user, who begins with nothing.
#[utoipa::path(params(UserPath), responses((status = 200, description = "Removed; the body is empty")),
    extensions(("x-failures" = json!(["user_not_found", "not_allowed", "last_administrator"]))))]
#[delete("/users/{emailOrId}")]
async fn delete_user(
    Administrator(caller): Administrator,
    path: web::Path<UserPath>,
) -> Result<HttpResponse, ApiError> {
    caller.services.remove_user(&caller.actor, path.by()).await?;
    Ok(HttpResponse::Ok().finish())
}

/// List the roles of a user
///
/// Those that were granted. For administrators of the organization, and of oneself.
#[utoipa::path(params(UserPath), responses((status = 200, description = "The roles", body = Vec<Role>)),
    extensions(("x-failures" = json!(["user_not_found", "not_allowed"]))))]
#[get("/users/{emailOrId}/roles")]
async fn list_user_roles(caller: Caller, path: web::Path<UserPath>) -> Result<web::Json<Vec<Role>>, ApiError> {
    caller.services.user_roles(&caller.actor, path.by()).await.map(web::Json)
}

/// Grant a role to a user
///
/// For administrators of the organization; nobody changes their own roles.
#[utoipa::path(params(UserRolePath), responses((status = 200, description = "The role", body = Role)),
    extensions(("x-failures" = json!(["user_not_found", "not_allowed", "unknown_role", "role_granted"]))))]
#[put("/users/{emailOrId}/roles/{roleKey}")]
async fn grant_user_role(caller: Administrator, path: web::Path<UserRolePath>) -> Result<web::Json<Role>, ApiError> {
    set(&caller, &path, true).await?;
    Ok(web::Json(roles::organization_admin()))
}

/// Take a role away from a user
///
/// For administrators of the organization; nobody changes their own roles. The last administrator who is active stays one.
#[utoipa::path(params(UserRolePath), responses((status = 200, description = "Taken away; the body is empty")),
    extensions(("x-failures" = json!([
        "user_not_found", "not_allowed", "unknown_role", "role_not_granted", "last_administrator"
    ]))))]
#[delete("/users/{emailOrId}/roles/{roleKey}")]
async fn revoke_user_role(caller: Administrator, path: web::Path<UserRolePath>) -> Result<HttpResponse, ApiError> {
    set(&caller, &path, false).await?;
    Ok(HttpResponse::Ok().finish())
}

async fn set(caller: &Administrator, path: &UserRolePath, granted: bool) -> Result<(), ApiError> {
    roles::grantable(&path.role_key)?;
    let Administrator(caller) = caller;
    caller.services.set_administrator(&caller.actor, path.by(), granted).await
}
