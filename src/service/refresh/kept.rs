//! A refresh that ends after its instance was connected anew: where the new grant kept the refresh token that this one spent, what the
//! vendor gave for it takes its place.

use super::attempt::Call;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::protocol::Credential;
use crate::service::Services;
use crate::service::unstored::entry::Entry;
use crate::store::instances::{CredentialRow, Stored};
use crate::store::sealed::CREDENTIAL;
use crate::vault::lookup::Purpose;

impl Services {
    /// Whether a newer credential, of an instance that is valid, has the very refresh token that was sent.
    pub(super) fn kept_what_was_sent(&self, call: &Call, stored: &Stored) -> bool {
        let is_newer = stored.credential.version > call.stored.credential.version;
        if !is_newer || stored.instance.invalid_reason.is_some() {
            return false;
        }
        let kept = self.credential_of(&stored.instance, &stored.credential);
        kept.is_ok_and(|kept| refresh_token(&kept).is_some() && refresh_token(&kept) == refresh_token(&call.credential))
    }

    /// The newer credential with the refresh token of this one, over the version that there is now.
    pub(super) fn with_newer_refresh_token(&self, entry: &Entry, stored: &Stored) -> Result<Entry, ApiError> {
        let row = &stored.credential;
        let ours = self.credential_of(&entry.instance, &entry.credential)?;
        let mut credential = self.credential_of(&stored.instance, row)?;
        if let Credential::OAuth2 { refresh_token: kept, .. } = &mut credential {
            *kept = refresh_token(&ours).cloned();
        }
        let place = CREDENTIAL.place(stored.instance.organization_id, row.instance_id);
        let credential = CredentialRow {
            sealed: self.vault.seal_document(place, &credential)?,
            grant_hash: credential.grant().map(|grant: &Secret| self.lookup.hash(Purpose::VendorGrant, grant)),
            // The end is the token's, and not the newer grant's.
            ends_at: entry.credential.ends_at,
            tell_end_at: entry.credential.tell_end_at,
            ..row.clone()
        };
        // What is known of the account is the newer grant's.
        let mut instance = stored.instance.clone();
        instance.connected = None;
        Ok(Entry { credential, instance, ..entry.clone() })
    }
}

fn refresh_token(credential: &Credential) -> Option<&Secret> {
    match credential {
        Credential::OAuth2 { refresh_token, .. } => refresh_token.as_ref(),
        Credential::ApiKey { .. } => None,
    }
}
