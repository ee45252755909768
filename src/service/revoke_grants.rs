//! Revoking the grants of deleted instances at their vendors. Best effort: eight tries over two days, then given up.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Deserialize;

use super::Services;
use super::configuration::Configuration;
use super::delete_instance::token_to_revoke;
use super::provision::with_values;
use crate::catalog::element::Element;
use crate::catalog::oauth2::{OAuth2, Revoke};
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::protocol::Credential;
use crate::protocol::oauth2::token::{self, Client};
use crate::store::revocations::{self, Revocation};
use crate::vault::seal::Place;

const TRIES: i64 = 8;
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(20);

pub(super) fn revocation_place(row: i64) -> Place {
    Place { table: "revocation", column: "sealed", row }
}

/// What `delete_instance` wrote down.
#[derive(Deserialize)]
struct Remembered {
    token: Secret,
    hint: String,
    variables: BTreeMap<String, String>,
    configuration: Configuration,
}

impl Services {
    /// Revokes everything that is due. How many were dealt with.
    pub async fn revoke_due_grants(&self) -> Result<usize, ApiError> {
        let mut dealt_with: usize = 0;
        while let Some((owner, revocation)) = self.take_due_revocation().await? {
            dealt_with = dealt_with.saturating_add(1);
            let (id, attempts) = (revocation.id, revocation.attempts);
            match self.revoke(owner, &revocation).await {
                Ok(()) => tracing::info!(revocation = id, "a grant was revoked at its vendor"),
                Err(error) if attempts < TRIES => {
                    tracing::warn!(revocation = id, attempts, ?error, "a grant could not be revoked yet");
                    continue;
                }
                Err(error) => tracing::warn!(revocation = id, ?error, "a grant could not be revoked, given up"),
            }
            self.store.write(move |conn| revocations::delete(conn, id)).await?;
        }
        Ok(dealt_with)
    }

    async fn take_due_revocation(&self) -> Result<Option<(Owner, Revocation)>, ApiError> {
        let now = self.now();
        // Twice as long after every try; the first answer of a slow vendor is awaited before anybody tries again.
        let again = move |attempt: i64| {
            let factor = u32::try_from(attempt.saturating_sub(1)).map_or(1, |exponent| 2_i32.saturating_pow(exponent));
            FIRST_PAUSE.checked_mul(factor).and_then(|pause| now.checked_add_signed(pause)).unwrap_or(now)
        };
        Ok(self.store.write(move |conn| revocations::take_due(conn, now, again)).await?)
    }

    async fn revoke(&self, owner: Owner, revocation: &Revocation) -> Result<(), ApiError> {
        let document = self.vault.open(revocation_place(revocation.id), &revocation.sealed)?;
        let remembered: Remembered = serde_json::from_slice(&document).map_err(|error| ApiError::internal(error))?;
        // The element or its rule may be gone by now: then there is nothing to do.
        let Some(element) = self.catalog.by_id(revocation.element_id) else { return Ok(()) };
        let Some(oauth2) = &element.authentication.oauth2 else { return Ok(()) };
        let Some(rule) = &oauth2.revoke else { return Ok(()) };
        let client = self.client_of(owner, element, &remembered.configuration).await?;
        let Remembered { token, hint, variables, configuration } = &remembered;
        self.send_revocation(element, (oauth2, rule), &client, (token, hint), (variables, configuration)).await
    }

    /// Revokes a grant without asking the database, where the element says how.
    pub(super) async fn revoke_now(
        &self,
        element: i64,
        credential: &Credential,
        configuration: &Configuration,
        client: &Client,
    ) -> Result<(), ApiError> {
        let Some(element) = self.catalog.by_id(element) else { return Ok(()) };
        let Some(oauth2) = &element.authentication.oauth2 else { return Ok(()) };
        let Some(rule) = &oauth2.revoke else { return Ok(()) };
        let Credential::OAuth2 { access_token, refresh_token, variables, .. } = credential else { return Ok(()) };
        let token = token_to_revoke(access_token, refresh_token.as_ref());
        self.send_revocation(element, (oauth2, rule), client, token, (variables, configuration)).await
    }

    async fn send_revocation(
        &self,
        element: &Element,
        (oauth2, rule): (&OAuth2, &Revoke),
        client: &Client,
        (token, hint): (&Secret, &str),
        (variables, configuration): (&BTreeMap<String, String>, &Configuration),
    ) -> Result<(), ApiError> {
        let request = with_values(element, configuration, Some(variables), |values| {
            token::revoke(oauth2, rule, client, (token, hint), values)
        })?;
        let reply =
            self.sender.send(&request).await.map_err(|fault| fault.into_error(&element.name, "the revocation"))?;
        // Any refusal means that the grant is gone already (RFC 7009 section 2.2).
        if reply.is_transient() {
            return Err(ApiError::internal(format!("the vendor answered {}", reply.status)));
        }
        Ok(())
    }
}
