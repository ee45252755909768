//! What token replies leave open: the element's `verification` call, made with the new access token, tells variables and the account.

use std::time::Duration;

use serde_json::Value;

use super::provision::{Provisioned, Provisioning, with_values};
use crate::catalog::verification::Verification;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::protocol::account::{self, VendorAccount};
use crate::protocol::api_key::verification_call;
use crate::protocol::variables::{Replied, Values, given_by_verification};
use crate::protocol::{Credential, VendorFault, verification};
use crate::service::Services;
use crate::service::process::traffic::Purpose;

/// Somebody waits meanwhile, after an exchange with a spent code.
pub(in crate::service) const PATIENCE: Duration = Duration::from_secs(5);

/// What the call is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    /// Without it there is a connection, too.
    Something,
    /// A variable that nobody else tells.
    Variable,
}

impl Services {
    /// Asks for what is open. Fails where a variable stays without a value: nothing of the vendor could be called then.
    pub(super) async fn follow_up(&self, input: &Provisioning, provisioned: &mut Provisioned) -> Result<(), ApiError> {
        let Some(call) = &input.element.verification else { return Ok(()) };
        let Provisioned { credential: Credential::OAuth2 { access_token, replied, .. }, connected, .. } = provisioned
        else {
            return Ok(());
        };
        let open = input.open(call, replied, connected.account.as_ref());
        if open == Open::Nothing {
            return Ok(());
        }
        let asked = match self.call_verification(input, call, access_token, replied).await {
            // Once more, since the code is spent.
            Err(fault) if fault.may_pass() => self.call_verification(input, call, access_token, replied).await,
            other => other,
        };
        match asked {
            Ok(told) => {
                let known = std::mem::take(replied);
                *replied = known.renewed(given_by_verification(&input.element, &told));
                let told = account::read(call.account(), Some(&told));
                connected.account = completed(connected.account.take(), told);
                Ok(())
            }
            Err(fault) if open == Open::Something => {
                tracing::warn!(element = input.element.key, %fault, "the vendor does not say whose a token is");
                Ok(())
            }
            Err(fault) => Err(fault.into_error(&input.element.name, "the new access token")),
        }
    }

    async fn call_verification(
        &self,
        input: &Provisioning,
        call: &Verification,
        access_token: &Secret,
        replied: &Replied,
    ) -> Result<Value, VendorFault> {
        let element = &input.element;
        let configured = |key: &str| input.configuration.get(key).map(str::to_owned);
        let values = Values { element, parameters: &|_| None, configuration: &configured, replied: Some(replied) };
        let mut request = verification_call(call, values)?;
        if let Some(oauth2) = &element.authentication.oauth2 {
            request.place(&oauth2.placement, access_token);
        }
        request.timeout = request.timeout.min(PATIENCE);
        let reply = self.metrics.traffic.observe(element, Purpose::Check, self.sender.send(&request)).await?;
        verification::read_of_token(element, call, &request, &reply)
    }
}

impl Provisioning {
    /// What the call would tell and nobody has said. Of tokens that a caller brings as little is asked as can be: imports are long.
    fn open(&self, call: &Verification, replied: &Replied, account: Option<&VendorAccount>) -> Open {
        let told = self.element.variables.iter().filter(|(_, variable)| variable.verification.is_some());
        let untold: Vec<&str> =
            told.map(|(name, _)| name.as_str()).filter(|name| replied.get(name).is_none()).collect();
        let known = |name: &str| {
            with_values(&self.element, &self.configuration, Some(replied), |values| Ok(values.value(name).is_some()))
        };
        // What is kept, and no call needs, may be missing.
        if untold.iter().any(|name| self.element.needs(name) && !known(name).unwrap_or_default()) {
            return Open::Variable;
        }
        let unnamed = |account: &VendorAccount| account.name.is_none() && !call.account_name.is_empty();
        let whose = !call.account.is_empty() && account.is_none_or(unnamed);
        match self.brought.is_none() && (whose || !untold.is_empty()) {
            true => Open::Something,
            false => Open::Nothing,
        }
    }
}

/// What is known stays, with the name that the call tells.
fn completed(known: Option<VendorAccount>, told: Option<VendorAccount>) -> Option<VendorAccount> {
    let Some(known) = known else { return told };
    let name = told.filter(|told| told.is(&known)).and_then(|told| told.name);
    Some(VendorAccount { name: known.name.or(name), ..known })
}
