//! What a caller brings and nobody proves: the vendor is not asked, so a refresh token that another system still uses stays good.

use chrono::{DateTime, Utc};

use super::provision::{Provisioned, Provisioning};
use super::told_hosts::told_by_caller;
use crate::catalog::element::AuthenticationType;
use crate::catalog::oauth2::OAuth2;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::protocol::Credential;
use crate::protocol::oauth2::lifetime;
use crate::service::Services;
use crate::service::instance::brought::Brought;
use crate::service::instance::connected::Connected;

impl Services {
    /// For what comes from another system as it is. A refresh token is first sent when somebody uses the instance.
    pub(in crate::service) fn take_unproven(&self, input: &Provisioning) -> Result<Provisioned, ApiError> {
        self.refuse_app_elsewhere(input)?;
        input.refuse_told_hosts()?;
        let provisioned = match input.authentication {
            AuthenticationType::ApiKey => input.unproven_key()?,
            AuthenticationType::OAuth2 => input.unproven_tokens(self.now())?,
        };
        input.is_callable(provisioned.credential.replied())?;
        Ok(provisioned)
    }
}

impl Provisioning {
    fn unproven_key(&self) -> Result<Provisioned, ApiError> {
        let (_, _, key) = self.key(self.api_key()?)?;
        let replied = told_by_caller(&self.element, Some(&self.provider_data));
        Ok(Provisioned {
            credential: Credential::ApiKey { key, replied, given_for: self.given_for() },
            lifetime: None,
            lifetime_named: false,
            expires_at: None,
            ends_at: None,
            refreshed_at: None,
            grant: None,
            code: None,
            code_alive: None,
            external: false,
            connected: Connected::default(),
        })
    }

    fn unproven_tokens(&self, now: DateTime<Utc>) -> Result<Provisioned, ApiError> {
        let (oauth2, brought) = (self.oauth2()?, self.brought.clone().unwrap_or_default());
        let renews = brought.refresh_token.is_some() && self.element.refresh().is_some();
        let access_token = match &brought.access_token {
            Some(token) => token.clone(),
            // The first use renews it.
            None if renews => Secret::default(),
            None => {
                let message = "providerData has neither access_token nor refresh_token.";
                return Err(ApiError::new(Code::MissingConfiguration, message));
            }
        };
        let is_there = !access_token.is_empty();
        let taken = self.as_brought(oauth2, &brought, access_token, now);
        // Of a token that lives for a while nobody knows how much of that is left: the first use renews it.
        let is_of_unknown_age = renews && !brought.is_dated() && oauth2.refresh.default_lifetime.is_some();
        let expires_at = if is_there && !is_of_unknown_age { taken.expires_at } else { Some(now) };
        // Without a time nothing is known of when its refresh token would die unused.
        Ok(Provisioned { expires_at, refreshed_at: brought.since, ends_at: brought.ends_at, ..taken })
    }

    /// An access token as it is.
    pub(super) fn as_brought(
        &self,
        oauth2: &OAuth2,
        brought: &Brought,
        access_token: Secret,
        now: DateTime<Utc>,
    ) -> Provisioned {
        let since = brought.since.unwrap_or(now);
        let assumed = || oauth2.refresh.default_lifetime.and_then(|seconds| i64::try_from(seconds).ok());
        // Who says when it was got, and not for how long, leaves that to the element.
        let assumed =
            brought.since.filter(|_| brought.lifetime.is_none() && brought.expires_at.is_none()).and(assumed());
        let assumed_end = assumed.and_then(|seconds| lifetime::expiry(since, seconds));
        let replied = told_by_caller(&self.element, Some(&self.provider_data));
        let refresh_token = brought.refresh_token.clone();
        Provisioned {
            credential: Credential::OAuth2 {
                access_token,
                refresh_token,
                replied,
                scopes: None,
                given_for: self.given_for(),
            },
            lifetime: brought.lifetime.or(assumed),
            lifetime_named: brought.lifetime.is_some() || brought.expires_at.is_some(),
            expires_at: brought.expires_at.or(assumed_end),
            ends_at: brought.ends_at,
            refreshed_at: Some(since),
            grant: None,
            code: None,
            code_alive: None,
            external: true,
            connected: Connected::default(),
        }
    }
}

pub(super) fn no_tokens() -> ApiError {
    let message = "externalAuthentication is `initial`: the configuration needs oauth.user.refresh_token, or \
                   oauth.user.token with oauth.user.refresh_interval.";
    ApiError::new(Code::MissingConfiguration, message)
}
