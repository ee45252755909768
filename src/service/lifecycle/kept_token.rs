//! What a new grant's reply leaves out and the grant before has. Vendors that remember a consent give no refresh token with the next
//! one: Google says so of its own, "store the refresh token for future use" (Using OAuth 2.0 for Web Server Applications).

use std::borrow::Cow;

use super::change::Change;
use crate::protocol::Credential;
use crate::service::Services;
use crate::service::credentials::partner_app::own_client;
use crate::service::credentials::provision::{Provisioned, Provisioning};
use crate::service::instance::connected::Connected;
use crate::service::instance::input::InstanceInput;
use crate::store::instances::Stored;

impl Services {
    /// A new grant as it is stored: with the refresh token of the one before, where the reply brought none and both are certainly of
    /// one account and one client. A refused refresh token is not kept, nor one that would go to another host.
    pub(in crate::service) fn with_kept_token<'a>(
        &self,
        (stored, change): (&Stored, &Change),
        input: &InstanceInput,
        (provisioning, provisioned): (&Provisioning, &'a Provisioned),
    ) -> Cow<'a, Provisioned> {
        let Credential::OAuth2 { refresh_token: None, .. } = &provisioned.credential else {
            return Cow::Borrowed(provisioned);
        };
        let refreshes = change.element.refresh().is_some() && !provisioned.external;
        let is_refused = stored.instance.invalid_reason.is_some();
        let same_client = match own_client(&change.before) {
            Some(before) => before.id == provisioning.client().id,
            None => provisioning.app.is_some(),
        };
        let before = Connected::of_row_or_unknown(&stored.instance).account;
        let same_account = before.zip(provisioned.connected.account.as_ref()).is_some_and(|(a, b)| a.id == b.id);
        if !refreshes || is_refused || !same_client || !same_account || change.moves_host(input) {
            return Cow::Borrowed(provisioned);
        }
        let kept = match self.credential_of(&stored.instance, &stored.credential) {
            Ok(Credential::OAuth2 { refresh_token: Some(kept), given_for, .. })
                if given_for.as_deref() == provisioned.credential.given_for() =>
            {
                kept
            }
            Ok(_) => return Cow::Borrowed(provisioned),
            Err(error) => {
                tracing::warn!(instance = stored.instance.id, ?error, "the refresh token before cannot be kept");
                return Cow::Borrowed(provisioned);
            }
        };
        let mut whole = provisioned.clone();
        if let Credential::OAuth2 { refresh_token, .. } = &mut whole.credential {
            *refresh_token = Some(kept);
        }
        Cow::Owned(whole)
    }
}
