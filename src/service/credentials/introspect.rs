//! Which account at the vendor an instance is connected to, and what was granted: told by the token reply, or asked for.

use std::time::Duration;

use super::provision::{Provisioning, with_values};
use crate::kernel::error::ApiError;
use crate::protocol::oauth2::client::Client;
use crate::protocol::oauth2::introspection::{self, Introspected};
use crate::protocol::oauth2::reply::Token;
use crate::protocol::oauth2::token;
use crate::service::Services;
use crate::service::instance::connected::Connected;
use crate::service::process::traffic::Purpose;

/// A spent code waits for its commit meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

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
        let mut request = with_values(element, &input.configuration, Some(&token.replied), |values| {
            token::introspect(oauth2, rules, client, &token.access_token, values)
        })?;
        request.timeout = request.timeout.min(PATIENCE);
        let reply = self.metrics.traffic.observe(element, Purpose::Check, self.sender.send(&request)).await;
        let read = reply.and_then(|reply| introspection::read(oauth2, rules, &request, &reply));
        read.map(Some).map_err(|fault| fault.into_error(&element.name, "the introspection"))
    }
}
