//! A code that came back to its caller, with what the caller began.

use super::provision::Provisioning;
use crate::catalog::oauth2::{OAuth2, Pkce};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::protocol::oauth2::client::Client;
use crate::service::Services;
use crate::service::grants::{Proof, Started, Told};
use crate::service::instance::configuration::CALLBACK_URL;
use crate::store::grants;
use crate::store::sealed::GRANT;
use crate::vault::lookup::Purpose;

impl Services {
    /// As the caller began it, with a callback URL of its own.
    pub(super) async fn started_by_caller(
        &self,
        input: &Provisioning,
        oauth2: &OAuth2,
        client: &Client,
    ) -> Result<Started, ApiError> {
        let redirect_uri = input.configuration.get(CALLBACK_URL).unwrap_or_default().to_owned();
        let below = redirect_uri.strip_prefix(&self.redirect_url());
        if below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) {
            // Without it nobody knows whose flow the code is of.
            let message =
                "A code that came back to this server goes with the providerData.secret of oauth/url/default.";
            return Err(ApiError::new(Code::UnknownGrant, message));
        }
        let (grant, verifier) = match oauth2.pkce {
            Pkce::S256 => Some(self.open_grant(input, client, &redirect_uri).await?).unzip(),
            Pkce::None | Pkce::Optional => (None, None),
        };
        let told = Told::of(&input.element, |name| input.provider_data.text(name));
        Ok(Started { grant, verifier, redirect_uri, told, redirect: None })
    }

    /// The open grant that `providerData.state` names, with its verifier.
    async fn open_grant(
        &self,
        input: &Provisioning,
        client: &Client,
        redirect_uri: &str,
    ) -> Result<(i64, Secret), ApiError> {
        let unknown = |message: &str| ApiError::new(Code::UnknownGrant, message);
        let state = input.provider_data.secret("state").ok_or_else(|| {
            unknown("This element uses PKCE: send the state that the vendor's redirect carried as providerData.state.")
        })?;
        let (owner, element, now) = (input.owner, input.element.id, self.now());
        let mut found = None;
        for hash in self.lookup.hashes(Purpose::State, &state) {
            found = self.store.read_for(owner, move |conn| grants::find(conn, owner, element, &hash, now)).await?;
            if found.is_some() {
                break;
            }
        }
        let gone = || {
            unknown(
                "No open authorization has this state: ask for a new authorization URL and send the user there again.",
            )
        };
        let grant = found.ok_or_else(gone)?;
        let proof: Proof = self.vault.open_document(GRANT.place(owner.organization, grant.id), &grant.sealed)?;
        if proof.found_by.is_some_and(|found_by| !found_by.fits(&state, None)) {
            tracing::error!(
                grant = grant.id,
                "oauth_grant.state_hash was altered: it is not of the state that was begun"
            );
            return Err(gone());
        }
        if proof.client_id != client.id || proof.redirect_uri != redirect_uri {
            return Err(unknown(
                "The authorization with this state was started with another client id or callback URL.",
            ));
        }
        Ok((grant.id, proof.verifier))
    }
}
