//! A key is proven by a call before it is stored.

use super::provision::{Provisioned, Provisioning};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::protocol::variables::{Replied, given_by_verification};
use crate::protocol::{Credential, account, api_key, verification};
use crate::service::Services;
use crate::service::instance::connected::Connected;
use crate::service::process::traffic;

impl Services {
    pub(super) async fn verify_key(&self, input: &Provisioning) -> Result<Provisioned, ApiError> {
        let declared = input.api_key()?;
        let key = input.key(declared);
        let form = api_key::form_of(declared, &key).ok_or_else(|| {
            let message = format!("{} knows no keys of this form.", input.element.name);
            ApiError::new(Code::BadConfiguration, message)
        })?;
        let mut connected = Connected::default();
        let mut replied = Replied::by_vendor(Default::default());
        if let Some(call) = &input.element.verification {
            let request = input.with_values(|values| api_key::verification_request(call, form, &key, values))?;
            let sent = self.sender.send(&request);
            let reply = self.metrics.traffic.observe(&input.element, traffic::Purpose::Check, sent).await;
            let hint = form.refused_hint.as_deref();
            let told = reply.and_then(|reply| verification::read(&input.element, call, hint, &request, &reply));
            let told = told.map_err(|fault| fault.into_error(&input.element.name, "the API key"))?;
            connected.account = account::read(&call.account, &call.account_name, Some(&told));
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
            external: false,
            connected,
        })
    }
}
