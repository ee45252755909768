//! A key is proven by a call before it is stored.

use super::provision::{Provisioned, Provisioning};
use crate::catalog::element::{ApiKey, ApiKeyForm, Placement};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::protocol::variables::{Replied, given_by_verification};
use crate::protocol::{Credential, account, api_key, pasted, verification};
use crate::service::Services;
use crate::service::instance::connected::Connected;
use crate::service::process::traffic;

impl Services {
    pub(super) async fn verify_key(&self, input: &Provisioning) -> Result<Provisioned, ApiError> {
        let declared = input.api_key()?;
        let (form, placement, key) = input.key(declared)?;
        let mut connected = Connected::default();
        let mut replied = Replied::by_vendor(Default::default());
        if let Some(call) = &input.element.verification {
            let request = input.with_values(|values| api_key::verification_request(call, &placement, &key, values))?;
            let sent = self.sender.send(&request);
            let reply = self.metrics.traffic.observe(&input.element, traffic::Purpose::Check, sent).await;
            let hint = form.refused_hint.as_deref();
            let told = reply.and_then(|reply| verification::read(&input.element, call, hint, &request, &reply));
            let told = told.map_err(|fault| fault.into_error(&input.element.name, "the API key"))?;
            connected.account = account::read(call.account(), Some(&told));
            replied = given_by_verification(&input.element, &told);
        }
        let credential = Credential::ApiKey { key, replied, given_for: input.given_for() };
        Ok(Provisioned {
            credential,
            lifetime: None,
            lifetime_named: false,
            expires_at: None,
            ends_at: None,
            refreshed_at: None,
            grant: None,
            code: None,
            code_alive: None,
            external: false,
            connected,
        })
    }
}

impl Provisioning {
    /// How the key travels, and the key as it is kept: behind a user name, where it travels so.
    pub(super) fn key<'a>(&self, declared: &'a ApiKey) -> Result<(&'a ApiKeyForm, Placement, Secret), ApiError> {
        let given = |key: &str| self.configuration.get(key).map(str::to_owned);
        let refused = |message: String| ApiError::new(Code::BadConfiguration, message);
        let key = Secret::new(given(&declared.configuration).unwrap_or_default());
        let form = api_key::form_of(declared, &key, &given)
            .ok_or_else(|| refused(format!("{} knows no keys of this form.", self.element.name)))?;
        let placement = form.placement.resolved(&given).ok_or_else(|| {
            let by = form.placement.named_by().unwrap_or_default();
            refused(format!("Configuration is not acceptable: {by} is no name of a header or a parameter for the key."))
        })?;
        let key = match declared.is_chosen() {
            // Only now it is known what is no part of it.
            true => pasted::placed(&placement, key.expose()).map(Secret::new).map_err(|unfit| {
                refused(format!("Configuration is not acceptable: {} {unfit}.", declared.configuration))
            })?,
            false => key,
        };
        let username = declared.username.as_deref().filter(|_| placement == Placement::Pair);
        let key = match username {
            None => key,
            Some(username) => Secret::new([given(username).unwrap_or_default().as_str(), ":", key.expose()].concat()),
        };
        Ok((form, placement, key))
    }
}
