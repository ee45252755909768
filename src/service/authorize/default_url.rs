//! `oauth/url/default` (docs/api.md, OAuth addresses): an authorization with the organization's own app. The vendor comes back to
//! us, and what it brings is forwarded to the caller, who exchanges the code with the secret that it was given at the start.

use std::collections::BTreeMap;

use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use super::url::{check_callback_url, check_state};
use super::wishes::wishes;
use crate::kernel::code::Code;
use crate::kernel::entropy::url_token;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::protocol::oauth2::authorize::{self, Authorization};
use crate::protocol::oauth2::issuer::Issuer;
use crate::protocol::variables::Values;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::credentials::partner_app::{no_app, oauth2_of};
use crate::service::credentials::scope_choice::{self, Layer};
use crate::service::grants::{DefaultWaiting, Waiting};
use crate::store::limits::Limit;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultOAuthUrl {
    /// The element's key, also when it was addressed by id.
    #[schema(example = "hubspotcrm")]
    pub element: String,
    /// Where to send the user's browser.
    pub oauth_url: String,
    pub configuration: DefaultConfiguration,
    /// Scopes that do not go together, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub warning: Option<String>,
}

/// What goes into `POST /instances`.
#[derive(Serialize, ToSchema)]
pub struct DefaultConfiguration {
    /// Goes into `providerData.secret`, beside the `code` that was forwarded. It works once, for an hour.
    pub secret: String,
}

impl Services {
    /// `given`: parameters as sent. Empty ones count as absent.
    pub async fn start_default_oauth(
        &self,
        actor: &Actor,
        key_or_id: &str,
        given: BTreeMap<String, String>,
    ) -> Result<DefaultOAuthUrl, ApiError> {
        let (element, owner) = (self.element_of(actor.owner(), key_or_id)?, actor.owner());
        let oauth2 = oauth2_of(&element)?;
        let value = |name: &str| given.get(name).map(String::as_str).filter(|text| !text.trim().is_empty());
        let app = self.usable_app(owner, &element).await?;
        let said = |key: &str| app.as_ref().and_then(|app| app.configuration.get(key).cloned());
        let sent = |name: &str| value(name).map(str::to_owned);
        let configured = |key: &str| said(key).or_else(|| sent(key));
        // What the app says is not the caller's.
        let of_app = |name: &str| {
            let mut variables = element.variables.values().filter(|it| it.parameter.as_deref() == Some(name));
            variables.any(|it| it.configuration.as_deref().and_then(said).is_some())
        };
        let parameter = |name: &str| sent(name).filter(|_| !of_app(name));
        let values = Values { element: &element, parameters: &parameter, configuration: &configured, replied: None };
        let mut missing: Vec<_> = ["callbackUrl"].into_iter().filter(|name| value(name).is_none()).collect();
        missing.extend(values.missing(&oauth2.authorize.url));
        let (Some(callback_url), true) = (value("callbackUrl"), missing.is_empty()) else {
            let message = format!("Required parameters are missing: {}.", missing.join(", "));
            return Err(ApiError::new(Code::MissingParameter, message));
        };
        check_callback_url(callback_url)?;
        let callback_url = self.allowed_callback(owner, callback_url).await?;
        let wishes = wishes((&element, oauth2), &given)?;
        let state = value("state");
        check_state(state)?;
        let app = app.as_ref().ok_or_else(|| no_app(&element))?;
        app.client(oauth2)
            .refuse_foreign_host(oauth2, values)
            .map_err(|fault| fault.into_error(&element.name, "the parameters"))?;
        let call = Layer {
            scopes: value("scope"),
            optional_scopes: value("optionalScope").or_else(|| value("optional_scope")),
            preset: value("preset"),
        };
        scope_choice::check(&element, call)?;
        let choice = scope_choice::choose(&element, &[call, Layer::of_app(app)]);
        let secret = url_token(self.entropy.as_ref());
        let waiting = Waiting::Default(DefaultWaiting {
            callback_url: callback_url.into(),
            state: Some(state.unwrap_or(&element.key).to_owned()),
            secret: secret.clone(),
        });
        let issuer = Issuer::of(oauth2, values);
        let _room = self.claim(owner.organization, Limit::Authorizations, 1).await?;
        let redirect_uri = self.redirect_url_of(app.callback.as_deref());
        let client = (app.client_id.clone(), redirect_uri.clone());
        let begun = self.begin_callback(owner, &element, client, waiting, issuer, None).await?;
        let (scope, optional_scope) = (choice.mandatory.join(" "), choice.optional.join(" "));
        let authorization = Authorization {
            client_id: app.client_id.expose(),
            redirect_uri: &redirect_uri,
            state: begun.state.expose(),
            // An empty one would mean another set of the element's.
            scope: Some(scope.as_str()).filter(|scope| !scope.is_empty()),
            optional_scope: Some(&optional_scope),
            code_challenge: begun.challenge.as_deref(),
            wishes: &wishes,
        };
        let oauth_url = authorize::url(oauth2, &authorization, values)
            .map_err(|fault| fault.into_error(&element.name, "the parameters"))?;
        Ok(DefaultOAuthUrl {
            element: element.key.clone(),
            oauth_url,
            configuration: DefaultConfiguration { secret: format!("{}.{}", begun.grant, secret.expose()) },
            warning: choice.warning,
        })
    }

    /// The address, if browsers may be sent there by now.
    pub(in crate::service) async fn allowed_callback(&self, owner: Owner, address: &str) -> Result<Url, ApiError> {
        let settings = self.organization_settings(owner.organization).await?;
        let allowed = Url::parse(address).ok().filter(|url| self.allows_address(&settings, url));
        allowed.ok_or_else(|| {
            let message = "The origin of callbackUrl is not one of the organization's: an administrator adds it to \
                           allowedOrigins of /organizations/me.";
            ApiError::new(Code::AddressNotAllowed, message)
        })
    }
}
