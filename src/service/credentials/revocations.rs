//! What is kept of a grant that is to be ended at its vendor.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::provision::with_values;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::{self, Secret};
use crate::protocol::Credential;
use crate::protocol::variables::{Replied, Values};
use crate::service::Services;
use crate::service::instance::configuration::Configuration;
use crate::store::instances::{self, Stored};
use crate::store::revocations::{self, Revocation};
use crate::store::sealed::REVOCATION;
use crate::store::{AnyConn, StoreFault};
use crate::vault::Document;
use crate::vault::lookup::Purpose;

/// What the job needs, as it is sealed.
#[derive(Serialize, Deserialize)]
pub(in crate::service) struct GrantToEnd {
    #[serde(serialize_with = "secret::sealed")]
    pub token: Secret,
    pub hint: String,
    #[serde(flatten)]
    pub replied: Replied,
    pub configuration: Configuration,
    /// As the credential said.
    #[serde(default, rename = "givenFor")]
    pub given_for: Option<String>,
}

impl Document for GrantToEnd {
    const KIND: &'static str = "grantToEnd";
}

/// What a job needs to revoke a grant, with the hashes that other instances with the same grant have.
pub(in crate::service) type GrantToRevoke = (Revocation, Vec<Vec<u8>>);

/// A grant that another instance holds, whoever owns it, lives on.
pub(in crate::service) fn revoke_unless_shared(
    conn: &mut AnyConn,
    owner: Owner,
    (revocation, hashes): GrantToRevoke,
    now: DateTime<Utc>,
) -> Result<(), StoreFault> {
    let shared = instances::any_with_grant(conn, &hashes)?;
    if shared { Ok(()) } else { revocations::insert(conn, owner, revocation, now) }
}

/// The token whose end is the grant's, and what it is (RFC 7009 section 2.1).
pub(super) fn token_to_revoke<'a>(access: &'a Secret, refresh: Option<&'a Secret>) -> (&'a Secret, &'static str) {
    refresh.map_or((access, "access_token"), |token| (token, "refresh_token"))
}

impl Services {
    /// What the job needs to revoke the grant, where the element says how.
    pub(in crate::service) async fn revocation_of(&self, stored: &Stored) -> Result<Option<GrantToRevoke>, ApiError> {
        let credential = self.credential_of(&stored.instance, &stored.credential)?;
        let (owner, about) = (stored.instance.owner(), (stored.instance.element_id, stored.instance.id));
        self.revocation(owner, about, &credential, &self.configuration_of(stored)?).await
    }

    /// As `revocation_of`, of a credential that may never have been stored. `about`: element and instance.
    pub(in crate::service) async fn revocation(
        &self,
        owner: Owner,
        about: (i64, i64),
        credential: &Credential,
        configuration: &Configuration,
    ) -> Result<Option<GrantToRevoke>, ApiError> {
        let Some(document) = self.revocation_document((owner, about.0), credential, configuration) else {
            return Ok(None);
        };
        let hashes = credential.grant().map(|grant| self.lookup.hashes(Purpose::VendorGrant, grant));
        let id = self.store.next_id().await?;
        Ok(Some((self.sealed_revocation(owner, id, about, &document)?, hashes.unwrap_or_default())))
    }

    /// What the job needs, in the clear; none where the vendor has no address for it.
    pub(in crate::service) fn revocation_document(
        &self,
        (owner, element): (Owner, i64),
        credential: &Credential,
        configuration: &Configuration,
    ) -> Option<GrantToEnd> {
        let element = self.element_by_id(owner, element)?;
        let address = &element.authentication.oauth2.as_ref()?.revoke.as_ref()?.url;
        // Where an app or a customer says it, there may be none.
        let known = |values: Values<'_>| Ok(values.missing(address).is_empty());
        if !with_values(&element, configuration, Some(credential.replied()), known).unwrap_or_default() {
            return None;
        }
        let Credential::OAuth2 { access_token, refresh_token, replied, .. } = credential else {
            return None;
        };
        let (token, hint) = token_to_revoke(access_token, refresh_token.as_ref());
        Some(GrantToEnd {
            token: token.clone(),
            hint: hint.to_owned(),
            replied: replied.clone(),
            configuration: configuration.clone(),
            given_for: credential.given_for().map(str::to_owned),
        })
    }

    pub(in crate::service) fn sealed_revocation(
        &self,
        owner: Owner,
        id: i64,
        (element_id, instance): (i64, i64),
        document: &GrantToEnd,
    ) -> Result<Revocation, ApiError> {
        let sealed = self.vault.seal_document(REVOCATION.place(owner.organization, id), document)?;
        Ok(Revocation { id, element_id, sealed, attempts: 0, instance_id: Some(instance) })
    }

    /// Queues the revocation of a grant that is not kept, whatever the database does meanwhile.
    pub(in crate::service) async fn revoke_surely(
        &self,
        owner: Owner,
        about: (i64, i64),
        credential: &Credential,
        configuration: &Configuration,
    ) {
        let now = self.now();
        let queued = match self.retry_while_passing(|| self.revocation(owner, about, credential, configuration)).await {
            Ok(Some(grant)) => {
                let queue = move |conn: &mut AnyConn| revoke_unless_shared(conn, owner, grant, now);
                self.commit_until_decided(owner, "a revocation", queue).await.map_err(|fault| fault.into())
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = queued {
            tracing::error!(instance = about.1, ?error, "a grant that nobody keeps lives on at its vendor");
        }
    }
}
