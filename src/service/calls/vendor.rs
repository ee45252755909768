//! One call to a vendor with a fresh credential, its answer held in memory; once more when the vendor says that the token
//! is over.

use std::rc::Rc;
use std::sync::Arc;

use crate::catalog::element::Element;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::outbound::Connections;
use crate::protocol::variables::Values;
use crate::protocol::{Credential, VendorFault, VendorReply, VendorRequest, api_key};
use crate::service::Services;
use crate::service::refresh::warm_instances::LiveInstance;

/// What a call goes through: an instance, and the connections of the worker that serves the caller.
pub struct Through<'a> {
    pub owner: Owner,
    pub instance: i64,
    pub connections: &'a Rc<Connections>,
}

/// Makes the request, without its credential.
pub type Build<'a> = dyn Fn(&LiveInstance) -> Result<VendorRequest, ApiError> + 'a;

/// An answer, whatever its status, and what it answers.
pub struct Answered {
    pub request: VendorRequest,
    pub reply: VendorReply,
    /// With the credential that the vendor took.
    pub live: Arc<LiveInstance>,
}

impl Services {
    pub async fn call_vendor(&self, through: &Through<'_>, build: &Build<'_>) -> Result<Answered, ApiError> {
        let live = self.fresh_token(through.owner, through.instance).await?;
        let first = self.send_with(through, live, build).await?;
        // Nobody reads the body of a success here, and a list is long.
        let said = if first.reply.is_success() { None } else { first.reply.json() };
        match self.after_refusal(&first.live, first.reply.status, said.as_ref()).await? {
            Some(newer) => self.send_with(through, newer, build).await,
            None => Ok(first),
        }
    }

    async fn send_with(
        &self,
        through: &Through<'_>,
        live: Arc<LiveInstance>,
        build: &Build<'_>,
    ) -> Result<Answered, ApiError> {
        let mut request = build(&live)?;
        place_credential(&live.element, &live.credential, &mut request)?;
        let reply = through.connections.call(&self.dialer, &request).await;
        let reply = reply.map_err(|fault| fault.into_error(&live.element.name, "the call"))?;
        Ok(Answered { request, reply, live })
    }
}

fn place_credential(element: &Element, credential: &Credential, request: &mut VendorRequest) -> Result<(), ApiError> {
    let declared = &element.authentication;
    match credential {
        Credential::OAuth2 { access_token, .. } => {
            let oauth2 = declared.oauth2.as_ref().ok_or_else(|| undeclared(element))?;
            request.place(&oauth2.placement, access_token);
        }
        Credential::ApiKey { key, .. } => {
            let form = declared.api_key.as_ref().and_then(|declared| api_key::form_of(declared, key));
            request.place(&form.ok_or_else(|| undeclared(element))?.placement, key);
        }
    }
    Ok(())
}

fn undeclared(element: &Element) -> ApiError {
    VendorFault::Malformed("the element no longer offers the credential's type").into_error(&element.name, "the call")
}

impl LiveInstance {
    /// The values of the element's templates for this instance.
    pub fn with_values<T>(&self, build: impl FnOnce(Values<'_>) -> T) -> T {
        let configuration = |key: &str| self.configuration(key).map(str::to_owned);
        build(Values {
            element: &self.element,
            parameters: &|_| None,
            configuration: &configuration,
            replied: Some(self.credential.replied()),
        })
    }
}
