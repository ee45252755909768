//! Families that are the platform's, and an element's where it declares them by name (docs/api.md, Whose address it is): with an
//! instance's token `GET /users` is the element's if it has a resource `users`, and the platform's if it has none.

use actix_web::HttpMessage as _;
use actix_web::dev::ServiceRequest;
use actix_web::guard::GuardContext;

use super::api::hubs::path_of;
use super::extract::{presented, services};
use super::urls;

/// First segments of areas of ours that an element may have, too.
const SHARED: [&str; 1] = ["users"];

/// Marks a request that goes to the element of its token.
struct OfItsElement;

/// Asked before the router, whose guards cannot wait. Credentials that are no good are left to who answers.
pub async fn note(request: &ServiceRequest) {
    if !SHARED.iter().any(|first| urls::begins_with(request.path(), first)) {
        return;
    }
    let of_element = async {
        let request = request.request();
        let (services, path) = (services(request).ok()?, path_of(request).ok()?);
        let presented = presented(request).ok().filter(|presented| presented.element.is_some())?;
        // Which holds of no shipped element, and costs nothing.
        let declared = services.is_resource(None, &path);
        let instance = if declared { services.instance_presented(&presented).await.ok() } else { None }?;
        services.has_own_resource(instance, &path).await.ok().filter(|own| *own)
    };
    if of_element.await.is_some() {
        request.extensions_mut().insert(OfItsElement);
    }
}

/// Whether the platform's own area takes it.
pub fn is_ours(context: &GuardContext<'_>) -> bool {
    !context.req_data().contains::<OfItsElement>()
}
