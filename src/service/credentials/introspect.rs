//! Which account at the vendor an instance is connected to, and what was granted: told by the token reply, or asked for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::provision::{Provisioning, with_values};
use crate::kernel::error::ApiError;
use crate::protocol::account::VendorAccount;
use crate::protocol::oauth2::client::Client;
use crate::protocol::oauth2::introspection::{self, Introspected};
use crate::protocol::oauth2::reply::Token;
use crate::protocol::oauth2::token;
use crate::service::Services;

/// A spent code waits for its commit meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of the vendor's account. Kept beside the instance as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Connected {
    pub account: Option<VendorAccount>,
    pub granted_scopes: Option<Vec<String>>,
}

impl Connected {
    pub fn of(token: &Token) -> Self {
        Self { account: token.account.clone(), granted_scopes: token.scopes.clone() }
    }

    /// As `text` wrote it; what cannot be read is not known.
    pub fn read(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// None where nothing is known.
    pub fn text(&self) -> Option<String> {
        if *self == Self::default() { None } else { serde_json::to_string(self).ok() }
    }

    /// With what a later reply says; what it leaves out stays.
    pub fn renewed(&self, token: &Token) -> Self {
        let told = Self::of(token);
        let same = |account: &VendorAccount| self.account.as_ref().is_some_and(|known| known.id == account.id);
        Self {
            // A reply tells less than introspection did: not the name.
            account: told.account.filter(|account| !same(account)).or_else(|| self.account.clone()),
            granted_scopes: told.granted_scopes.or_else(|| self.granted_scopes.clone()),
        }
    }

    fn is_whole(&self) -> bool {
        self.granted_scopes.is_some() && self.account.as_ref().is_some_and(|account| account.name.is_some())
    }
}

impl Services {
    /// What a fresh token says, and the vendor where the element knows how to ask. It never fails: the token is good.
    pub(in crate::service) async fn connected(
        &self,
        input: &Provisioning,
        client: &Client,
        token: &Token,
    ) -> Connected {
        let told = Connected::of(token);
        if told.is_whole() {
            return told;
        }
        match self.introspect(input, client, token).await {
            Ok(None) => told,
            Ok(Some(asked)) => Connected {
                account: asked.account.or(told.account),
                granted_scopes: told.granted_scopes.or(asked.scopes),
            },
            Err(error) => {
                tracing::warn!(element = input.element.key, ?error, "the vendor does not say what a token is good for");
                told
            }
        }
    }

    async fn introspect(
        &self,
        input: &Provisioning,
        client: &Client,
        token: &Token,
    ) -> Result<Option<Introspected>, ApiError> {
        let element = &input.element;
        let Some(oauth2) = &element.authentication.oauth2 else { return Ok(None) };
        let Some(rules) = &oauth2.introspection else { return Ok(None) };
        let mut request = with_values(element, &input.configuration, Some(&token.variables), |values| {
            token::introspect(oauth2, rules, client, &token.access_token, values)
        })?;
        request.timeout = request.timeout.min(PATIENCE);
        let reply = self.sender.send(&request).await;
        let read = reply.and_then(|reply| introspection::read(oauth2, rules, &request, &reply));
        read.map(Some).map_err(|fault| fault.into_error(&element.name, "the introspection"))
    }
}
