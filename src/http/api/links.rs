//! `/connect/links`: the integrator's side of connect links.

use actix_web::{HttpResponse, delete, get, post, web};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::api::elements::page_of;
use crate::http::body::JsonBody;
use crate::http::extract::{Caller, Parameters};
use crate::http::openapi::queries::{LinkListQuery, PageQuery};
use crate::http::path::LinkPath;
use crate::kernel::error::ApiError;
use crate::service::connect::link_input::{ConfirmLink, LinkInput};
use crate::service::connect::link_view::LinkView;
use crate::service::connect::links::LinkQuery;
use crate::service::instance::list::nothing_found;

pub fn routes(config: &mut ServiceConfig) {
    config.service(create_link).service(list_links).service(get_link).service(confirm_link).service(revoke_link);
}

/// Make a connect link
///
/// An invitation for one customer to connect one account: send the person to its `url`. It works until it expires, is
/// withdrawn, or has connected an account; denied and failed are not the end.
#[utoipa::path(request_body = LinkInput, responses((status = 200, description = "The link", body = LinkView)),
    extensions(("x-failures" = json!(["body", "link", "limit_reached"]))))]
#[post("/connect/links")]
async fn create_link(caller: Caller, body: JsonBody<LinkInput>) -> Result<web::Json<LinkView>, ApiError> {
    caller.services.create_link(&caller.actor, body.value).await.map(web::Json)
}

/// List the connect links
///
/// In ascending order of ids. An empty list is a 404 whose message reads `No links found`; `emptyList=200` gives an empty
/// array instead.
#[utoipa::path(params(LinkListQuery, PageQuery),
    responses((status = 200, description = "The links", body = Vec<LinkView>)),
    extensions(("x-failures" = json!(["page", "bad_parameter", "nothing_found"]))))]
#[get("/connect/links")]
async fn list_links(caller: Caller, parameters: Parameters) -> Result<HttpResponse, ApiError> {
    let query = LinkQuery {
        external_id: parameters.get("externalId").map(str::to_owned),
        status: parameters.get("status").map(str::to_owned),
        newest_first: false,
    };
    let (links, next) = caller.services.list_links(caller.owner(), query, parameters.page()?).await?;
    if links.is_empty() && parameters.get("emptyList") != Some("200") {
        return Err(nothing_found("links"));
    }
    Ok(page_of(&links, next))
}

/// Get a connect link
#[utoipa::path(params(LinkPath), responses((status = 200, description = "The link", body = LinkView)),
    extensions(("x-failures" = json!(["link_not_found"]))))]
#[get("/connect/links/{linkId}")]
async fn get_link(caller: Caller, path: web::Path<LinkPath>) -> Result<web::Json<LinkView>, ApiError> {
    caller.services.show_link(caller.owner(), path.id()?).await.map(web::Json)
}

/// Confirm what a customer brought back
///
/// For your back end, once the browser that it knows by its own session has brought a handle: to `redirectUrl` as
/// `?status=confirm&handle=…`, or to the page that opened the popup. Send it to the link that **your session** made, never to one that the
/// browser names: so nobody's account is connected for somebody else. Only now the code, or the key, goes to the vendor, and what the vendor
/// says is answered as by `POST /instances`. A handle is good for five minutes and for its own link; sent again it gets the same answer.
/// What nobody confirms is never sent to the vendor, and told as `link.lapsed`.
#[utoipa::path(params(LinkPath), request_body = ConfirmLink,
    responses((status = 200, description = "The link, with its instance", body = LinkView)),
    extensions(("x-failures" = json!([
        "body", "connection", "link_not_found", "handle_not_found", "link_ended", "link_failed", "handle_lapsed"
    ]))))]
#[post("/connect/links/{linkId}/confirm")]
async fn confirm_link(
    caller: Caller,
    path: web::Path<LinkPath>,
    body: JsonBody<ConfirmLink>,
) -> Result<web::Json<LinkView>, ApiError> {
    caller.services.confirm_handle(&caller.actor, path.id()?, body.value.handle).await.map(web::Json)
}

/// Withdraw a connect link
///
/// It stops working at once, also for who is at the vendor's page. What it has connected before stays.
#[utoipa::path(params(LinkPath), responses((status = 200, description = "The link, withdrawn", body = LinkView)),
    extensions(("x-failures" = json!(["link_not_found", "link_ended"]))))]
#[delete("/connect/links/{linkId}")]
async fn revoke_link(caller: Caller, path: web::Path<LinkPath>) -> Result<web::Json<LinkView>, ApiError> {
    caller.services.revoke_link(&caller.actor, path.id()?).await.map(web::Json)
}
