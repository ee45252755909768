//! A code of the default flow, given back by whom it was begun for.

use super::provision::Provisioning;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::grants::{Started, Waiting};

impl Services {
    /// The authorization that `providerData.secret` names, if it brought this code.
    pub(super) async fn started_by_default(
        &self,
        input: &Provisioning,
        code: &Secret,
        secret: &Secret,
    ) -> Result<Started, ApiError> {
        let unknown = |message: &str| ApiError::new(Code::UnknownGrant, message);
        let (id, proof) = secret.expose().split_once('.').unwrap_or_default();
        let under_way = match id.parse() {
            Ok(id) => self.grant_under_way(input.owner, id).await?,
            Err(_) => None,
        };
        let named = under_way.filter(|(grant, under_way)| {
            let of_element = grant.element_id == input.element.id;
            of_element && matches!(&under_way.waiting, Waiting::Default(caller) if caller.secret == Secret::new(proof))
        });
        let (grant, under_way) = named.ok_or_else(|| {
            unknown("No open authorization has this providerData.secret: ask oauth/url/default anew and send the user there.")
        })?;
        if !under_way.brought(code) {
            return Err(unknown(
                "The code is not the one that this authorization brought: send the code and the secret of the same user.",
            ));
        }
        if under_way.client_id != input.client().id {
            return Err(unknown(
                "The organization's OAuth app was exchanged meanwhile: ask oauth/url/default anew and send the user there.",
            ));
        }
        Ok(under_way.started(Some(grant.id)))
    }
}
