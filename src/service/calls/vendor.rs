//! One call to a vendor with a fresh credential, its answer held in memory; once more when the vendor says that the token
//! is over.

use std::sync::Arc;

use crate::catalog::element::Element;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::outbound::Line;
use crate::protocol::variables::Values;
use crate::protocol::{VendorFault, VendorReply, VendorRequest};
use crate::service::Services;
use crate::service::process::traffic::{Purpose, Traffic};
use crate::service::refresh::warm_instances::LiveInstance;

/// The way to a vendor: by an instance's credential, over a line. Handlers take the connections of their worker; what is not a
/// worker's takes the shared sender, and its future may be spawned.
pub struct VendorAccess<'a, L> {
    pub owner: Owner,
    pub instance: i64,
    pub line: &'a L,
}

/// Makes the request, without its credential.
pub type Build<'a> = dyn Fn(&LiveInstance) -> Result<VendorRequest, ApiError> + Sync + 'a;

/// An answer, whatever its status, and what it answers.
pub struct Answered {
    pub request: VendorRequest,
    pub reply: VendorReply,
    /// With the credential that the vendor took.
    pub live: Arc<LiveInstance>,
}

impl Services {
    pub async fn call_vendor<L: Line>(
        &self,
        access: &VendorAccess<'_, L>,
        build: &Build<'_>,
    ) -> Result<Answered, ApiError> {
        let live = self.fresh_token(access.owner, access.instance).await?;
        let first = call_with(&self.metrics.traffic, access.line, live, build).await?;
        // A list is long, and most are read for nothing here.
        let read = may_mean_expired(&first.live.element, first.reply.status);
        let said = if read { first.reply.json() } else { None };
        match self.after_refusal(&first.live, first.reply.status, said.as_ref()).await? {
            Some(newer) => call_with(&self.metrics.traffic, access.line, newer, build).await,
            None => Ok(first),
        }
    }
}

/// Whether the body tells if the token is over. Some say so under a 200.
fn may_mean_expired(element: &Element, status: u16) -> bool {
    let mut signs = element.authentication.oauth2.iter().flat_map(|oauth2| &oauth2.expired);
    signs.any(|sign| sign.status == status && sign.at.is_some())
}

async fn call_with(
    traffic: &Traffic,
    line: &impl Line,
    live: Arc<LiveInstance>,
    build: &Build<'_>,
) -> Result<Answered, ApiError> {
    let mut request = build(&live)?;
    let fault = |fault: VendorFault| fault.into_error(&live.element.name, "the call");
    let (placement, secret) = live
        .placed()
        .ok_or_else(|| fault(VendorFault::Malformed("the element no longer offers the credential's type")))?;
    request.place(placement, secret);
    let reply = traffic.observe(&live.element, Purpose::Hub, line.call(&request)).await.map_err(fault)?;
    Ok(Answered { request, reply, live })
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
