//! What an organization chooses for all its callers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Services;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::store::principals::{self, OrganizationSettings, Principal};

/// The caller's organization.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Organization)]
pub struct OrganizationView {
    pub id: i64,
    pub name: String,
    /// Whether calls to `/vendor` may carry an instance's token where the vendor's credential would travel. `Element <token>`
    /// is always accepted.
    pub vendor_bearer: bool,
}

/// What is to change.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UpdateOrganization)]
pub struct OrganizationPatch {
    /// Whether calls to `/vendor` may carry an instance's token where the vendor's credential would travel.
    #[schema(nullable = false)]
    pub vendor_bearer: Option<bool>,
}

impl Services {
    pub async fn organization(&self, caller: &Principal) -> Result<OrganizationView, ApiError> {
        let id = caller.owner.organization;
        let settings = self.store.read(move |conn| principals::organization_settings(conn, id)).await?;
        Ok(view(caller, settings))
    }

    /// For administrators of the organization.
    pub async fn change_organization(
        &self,
        caller: &Principal,
        patch: OrganizationPatch,
    ) -> Result<OrganizationView, ApiError> {
        if !caller.organization_admin {
            let message = "Only an administrator of the organization may change it.";
            return Err(ApiError::new(Code::NotAllowed, message));
        }
        let (id, now) = (caller.owner.organization, self.now());
        let changed = self.store.write(move |conn| {
            let mut settings = principals::organization_settings(conn, id)?;
            settings.vendor_bearer = patch.vendor_bearer.unwrap_or(settings.vendor_bearer);
            principals::set_organization_settings(conn, id, settings, now)?;
            Ok(settings)
        });
        let changed = changed.await?;
        self.warm.forget_organizations();
        Ok(view(caller, changed))
    }

    /// From memory when warm.
    pub(super) async fn organization_settings(&self, id: i64) -> Result<Arc<OrganizationSettings>, ApiError> {
        if let Some(known) = self.warm.organization(id, self.now().timestamp()) {
            return Ok(known);
        }
        let generation = self.warm.organizations.generation();
        let read = self.store.read(move |conn| principals::organization_settings(conn, id)).await?;
        Ok(self.warm.organizations.remember(id, read, generation))
    }
}

fn view(caller: &Principal, settings: OrganizationSettings) -> OrganizationView {
    OrganizationView {
        id: caller.owner.organization,
        name: caller.organization_name.clone(),
        vendor_bearer: settings.vendor_bearer,
    }
}
