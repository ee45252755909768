//! What only administrators of the organization call: refused before anything else of the call is looked at.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::extract::{Caller, Extraction};
use crate::kernel::error::ApiError;
use crate::service::actor::action::Action;

/// A caller who administers the organization.
pub struct Administrator(pub Caller);

impl FromRequest for Administrator {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        Box::pin(async move {
            let caller = caller.await?;
            caller.actor.require(Action::Administer)?;
            Ok(Self(caller))
        })
    }
}

/// One after the other. Of several extractors the framework takes whichever fails first.
pub struct Then<First, Second>(pub First, pub Second);

impl<First, Second> FromRequest for Then<First, Second>
where
    First: FromRequest<Error = ApiError> + 'static,
    Second: FromRequest<Error = ApiError> + 'static,
{
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (first, second) = (First::from_request(request, payload), Second::from_request(request, payload));
        Box::pin(async move { Ok(Self(first.await?, second.await?)) })
    }
}
