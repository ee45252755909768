//! What a new grant's reply leaves out and the grant before has. Vendors that remember a consent give no refresh token with the next
//! one: Google says so of its own, "store the refresh token for future use" (Using OAuth 2.0 for Web Server Applications).

use std::borrow::Cow;

use super::change::Change;
use crate::catalog::element::Element;
use crate::protocol::Credential;
use crate::protocol::variables::Replied;
use crate::service::Services;
use crate::service::credentials::partner_app::own_client;
use crate::service::credentials::provision::{Provisioned, Provisioning, with_values};
use crate::service::instance::configuration::Configuration;
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
        let before = Connected::of_row_or_unknown(&stored.instance).account;
        let same_account = before.zip(provisioned.connected.account.as_ref()).is_some_and(|(a, b)| a.is(b));
        if !refreshes || is_refused || !same_account || change.moves_host(input) {
            return Cow::Borrowed(provisioned);
        }
        let (kept, replied) = match self.credential_of(&stored.instance, &stored.credential) {
            Ok(Credential::OAuth2 { refresh_token: Some(kept), replied, given_for, .. })
                if given_for.as_deref() == provisioned.credential.given_for() =>
            {
                (kept, replied)
            }
            Ok(_) => return Cow::Borrowed(provisioned),
            Err(error) => {
                tracing::warn!(instance = stored.instance.id, ?error, "the refresh token before cannot be kept");
                return Cow::Borrowed(provisioned);
            }
        };
        let before = refreshing_server(&change.element, &change.before, &replied);
        let after = refreshing_server(&change.element, &provisioning.configuration, provisioned.credential.replied());
        let same_server = before.is_some() && before == after;
        if !same_server || !is_of_same_client(stored, change, provisioning) {
            tracing::warn!(
                instance = stored.instance.id,
                "the refresh token before is not kept: it is not certainly of the same client and server"
            );
            return Cow::Borrowed(provisioned);
        }
        let mut whole = provisioned.clone();
        if let Credential::OAuth2 { refresh_token, .. } = &mut whole.credential {
            *refresh_token = Some(kept);
            // The end goes with the token.
            whole.ends_at = whole.ends_at.or(stored.credential.ends_at.map(Into::into));
        }
        Cow::Owned(whole)
    }
}

/// Whether the stored token is certainly of the client that the new one is of. Of an organization's app that is so where the token was
/// got since the app has its client id; of tokens that a caller brought nobody knows.
fn is_of_same_client(stored: &Stored, change: &Change, provisioning: &Provisioning) -> bool {
    if let Some(before) = own_client(&change.before) {
        return before.id == provisioning.client().id;
    }
    let since = provisioning.app.as_ref().and_then(|app| app.client_since);
    let got_at = stored.credential.refreshed_at.filter(|_| !stored.instance.brings_tokens());
    since.zip(got_at).is_some_and(|(since, got_at)| got_at.0 >= since)
}

/// Where a refresh token is sent.
fn refreshing_server(element: &Element, configuration: &Configuration, replied: &Replied) -> Option<String> {
    let template = element.authentication.oauth2.as_ref()?.refresh_url();
    let url = with_values(element, configuration, Some(replied), |values| values.url(template)).ok()?;
    Some(element.hosts.server_of(&url))
}
