//! The rows that an instance is made of.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::catalog::element::{AuthenticationType, Element};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::protocol::Credential;
use crate::service::Services;
use crate::service::credentials::partner_app::PartnerApp;
use crate::service::credentials::provision::{Provisioned, Provisioning, needless};
use crate::service::instance::brought::Brought;
use crate::service::instance::configuration::Configuration;
use crate::service::instance::input::{InstanceInput, ProviderData};
use crate::service::instance::schedule::{due_at, tell_end_at};
use crate::service::instance::standing::Standing;
use crate::store::audit::Record;
use crate::store::instances::{Creator, CredentialRow, InstanceRow, Stored};
use crate::store::sealed::{CONFIGURATION, CREDENTIAL, INSTANCE_TOKEN};
use crate::store::time::UtcTime;
use crate::vault::lookup::Purpose;

/// Everything about a new instance that can be known before the vendor is asked.
#[derive(Clone)]
pub(in crate::service) struct Draft {
    pub name: String,
    pub tags: Vec<String>,
    pub external_id: Option<String>,
    pub provisioning: Provisioning,
    pub without_effect: Vec<String>,
    pub trace: bool,
    pub creator: Creator,
    /// What its commit leaves in the audit log, made before anything is spent.
    pub trail: Option<Box<Record>>,
}

/// What a caller sent, as far as it can be judged without the database.
pub(in crate::service) struct Wanted {
    pub element: Arc<Element>,
    pub name: String,
    pub tags: Vec<String>,
    pub external_id: Option<String>,
    pub authentication: AuthenticationType,
    pub configuration: Configuration,
    without_effect: Vec<String>,
    pub brought: Option<Brought>,
    pub provider_data: ProviderData,
}

impl Wanted {
    pub fn of(element: Arc<Element>, input: InstanceInput, now: DateTime<Utc>) -> Result<Self, ApiError> {
        let name =
            input.plain_name()?.ok_or_else(|| ApiError::new(Code::BadName, "The name of the instance is missing."))?;
        let tags = input.plain_tags()?.unwrap_or_else(|| vec![name.clone()]);
        let external_id = input.checked_external_id()?.flatten();
        let brought = input.brought(now)?;
        input.refuse_denial()?;
        let mut configuration = Configuration::of(&element);
        let without_effect = configuration.merge(&element, input.configuration.unwrap_or_default())?;
        let authentication = configuration.authentication_type(&element)?;
        let brought = brought.filter(|_| authentication == AuthenticationType::OAuth2);
        let provider_data = input.provider_data.unwrap_or_default();
        Ok(Self {
            element,
            name,
            tags,
            external_id,
            authentication,
            configuration,
            without_effect,
            brought,
            provider_data,
        })
    }

    /// `app`: whether the organization has one that serves.
    pub fn require(&self, app: bool) -> Result<(), ApiError> {
        self.configuration.require(&self.element, self.authentication, &needless(self.brought.is_some(), app))
    }

    /// `request`: what makes two uses of one code the same.
    pub fn into_draft(self, owner: Owner, app: Option<PartnerApp>, creator: Creator, request: Vec<u8>) -> Draft {
        let Self { element, name, tags, external_id, authentication, configuration, .. } = self;
        let (brought, provider_data, trace) = (self.brought, self.provider_data.clone(), self.provider_data.debug());
        let (started, dead) = (None, None);
        let provisioning = Provisioning {
            owner,
            element,
            authentication,
            configuration,
            app,
            provider_data,
            brought,
            started,
            request,
            dead,
        };
        let without_effect = self.without_effect;
        Draft { name, tags, external_id, provisioning, without_effect, trace, creator, trail: None }
    }
}

impl Services {
    /// The rows of a new instance.
    pub(in crate::service) fn stored(
        &self,
        id: i64,
        token: &Secret,
        draft: &Draft,
        provisioned: &Provisioned,
    ) -> Result<Stored, ApiError> {
        let Provisioning { owner, element, authentication, configuration, .. } = &draft.provisioning;
        let now = self.now();
        let kept = self.kept_secret(Purpose::InstanceToken, INSTANCE_TOKEN.place(owner.organization, id), token)?;
        let instance = InstanceRow {
            id,
            organization_id: owner.organization,
            account_id: owner.account,
            element_id: element.id,
            element_key: element.key.clone(),
            name: draft.name.clone(),
            tags: serde_json::to_string(&draft.tags).map_err(|error| ApiError::internal(error))?,
            external_id: draft.external_id.clone(),
            token_hash: kept.hash,
            token_sealed: kept.sealed,
            authentication_type: authentication.as_str().to_owned(),
            external_authentication: provisioned.external_authentication().to_owned(),
            configuration_sealed: self.seal_configuration(owner.organization, id, configuration)?,
            enabled: true,
            invalid_reason: None,
            created_by: draft.creator.id,
            version: 1,
            created_at: UtcTime(now),
            updated_at: UtcTime(now),
            connected: provisioned.connected.text(),
        };
        let credential = self.credential_row(id, 1, element, *owner, provisioned)?;
        Ok(Stored { instance, credential, creator: draft.creator.clone() })
    }

    pub(in crate::service) fn seal_configuration(
        &self,
        organization: i64,
        id: i64,
        configuration: &Configuration,
    ) -> Result<Vec<u8>, ApiError> {
        Ok(self.vault.seal_json(CONFIGURATION.place(organization, id), configuration)?)
    }

    pub(in crate::service) fn credential_row(
        &self,
        instance_id: i64,
        version: i64,
        element: &Element,
        owner: Owner,
        provisioned: &Provisioned,
    ) -> Result<CredentialRow, ApiError> {
        let credential = &provisioned.credential;
        let rules = element.refresh();
        let refreshable = rules.is_some() && matches!(credential, Credential::OAuth2 { refresh_token: Some(_), .. });
        // By the vendor's own word, and nothing renews it.
        let ends_at = provisioned.expires_at.filter(|_| provisioned.lifetime_named && !refreshable);
        let standing = ends_at.and_then(|end| Standing::ending(provisioned.refreshed_at, end).text());
        Ok(CredentialRow {
            instance_id,
            organization_id: owner.organization,
            account_id: owner.account,
            version,
            sealed: self.vault.seal_document(CREDENTIAL.place(owner.organization, instance_id), credential)?,
            grant_hash: credential.grant().map(|grant| self.lookup.hash(Purpose::VendorGrant, grant)),
            refreshable,
            lifetime: provisioned.lifetime,
            expires_at: provisioned.expires_at.map(UtcTime),
            refreshed_at: provisioned.refreshed_at.map(UtcTime),
            due_at: rules
                .filter(|_| refreshable)
                .and_then(|rules| due_at(rules, instance_id, provisioned.expires_at, provisioned.refreshed_at))
                .or(ends_at)
                .map(UtcTime),
            refused_at: None,
            ends_at: provisioned.ends_at.filter(|_| refreshable).map(UtcTime),
            tell_end_at: provisioned
                .ends_at
                .filter(|_| refreshable)
                .and_then(|end| tell_end_at(end, self.now()))
                .map(UtcTime),
            standing,
        })
    }
}
