//! What the vendor told beside the token, as far as the element keeps it (`kept`).

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::token_sight::TokensRead;
use crate::catalog::element::Element;
use crate::catalog::variable::Kept;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::MASK;
use crate::protocol::variables::Replied;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::store::instances::{CredentialRow, InstanceRow};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VendorValue)]
pub struct VendorValue {
    /// As the element calls it.
    #[schema(example = "webhookUrl")]
    pub name: String,
    /// `********` of a secret, for who may not see the instance's token.
    pub value: String,
    pub secret: bool,
}

impl Services {
    /// By name, with what is to be noted of who read secrets.
    pub async fn vendor_values(
        &self,
        actor: &Actor,
        id: i64,
    ) -> Result<(Vec<VendorValue>, Option<TokensRead>), ApiError> {
        let stored = self.stored_instance(actor.owner(), id).await?;
        let row = &stored.instance;
        // Without its element nobody knows what is kept.
        let Some(element) = self.element_by_id(row.owner(), row.element_id) else { return Ok((Vec::new(), None)) };
        let sees = self.sees_every_token(actor).await? || Some(stored.creator.id) == actor.user_id();
        let credential = self.credential_of(row, &stored.credential)?;
        let values: Vec<VendorValue> = kept(&element, credential.replied())
            .map(|(name, value, kept)| {
                let secret = kept == Kept::Secret;
                let value = if secret && !sees { MASK } else { value };
                VendorValue { name: name.to_owned(), value: value.to_owned(), secret }
            })
            .collect();
        let count = values.iter().filter(|value| value.secret && sees).count();
        Ok((values, (count > 0).then_some(TokensRead { instance: id, count })))
    }

    /// Those that are no secrets, of one that is stored.
    pub async fn shown_vendor_values(&self, owner: Owner, id: i64) -> Result<BTreeMap<String, String>, ApiError> {
        let stored = self.stored_instance(owner, id).await?;
        Ok(self.plain_vendor_values(&stored.instance, &stored.credential))
    }

    /// Those that are no secrets, of a credential that is still to be stored. What does not open tells nothing.
    pub(in crate::service) fn plain_vendor_values(
        &self,
        row: &InstanceRow,
        credential: &CredentialRow,
    ) -> BTreeMap<String, String> {
        let element = self.element_by_id(row.owner(), row.element_id);
        let keeps = |element: &Element| element.variables.values().any(|variable| variable.kept == Some(Kept::Plain));
        let Some(element) = element.filter(|element| keeps(element)) else { return BTreeMap::new() };
        let Ok(credential) = self.credential_of(row, credential) else { return BTreeMap::new() };
        let plain = kept(&element, credential.replied()).filter(|(_, _, kept)| *kept == Kept::Plain);
        plain.map(|(name, value, _)| (name.to_owned(), value.to_owned())).collect()
    }
}

fn kept<'a>(element: &'a Element, replied: &'a Replied) -> impl Iterator<Item = (&'a str, &'a str, Kept)> {
    let kept = element.variables.iter();
    kept.filter_map(|(name, variable)| Some((name.as_str(), replied.get(name)?, variable.kept?)))
}
