//! Partner apps: the OAuth app of an organization for an element, which serves every instance that brings none of its own.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::app_view::PartnerAppView;
use crate::catalog::element::{AuthenticationType, Element};
use crate::catalog::oauth2::OAuth2;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::{self, MASK, Secret};
use crate::protocol::oauth2::client::{Client, Hosts};
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::actor::action::Action;
use crate::service::audit::Deed;
use crate::service::ground::Races;
use crate::service::instance::configuration::{CLIENT_ID, CLIENT_SECRET, Configuration};
use crate::service::keys::unopened::unless_unopened;
use crate::store::StoreFault;
use crate::store::audit::Trail;
use crate::store::partner_apps::{self, SealedApp};
use crate::store::sealed::PARTNER_APP;
use crate::vault::Document;

/// An app of before apps had hosts: nobody changes it, and the log says to which hosts it is bound.
const BOUND_BY_ITSELF: &str = "bound to the hosts at which it is in use";

/// The app as it is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartnerApp {
    #[serde(serialize_with = "secret::sealed")]
    pub client_id: Secret,
    #[serde(serialize_with = "secret::sealed")]
    pub client_secret: Secret,
    pub scopes: Option<String>,
    pub optional_scopes: Option<String>,
    pub preset: Option<String>,
    /// What every instance that uses the app is given: entries that the element's file leaves to it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configuration: BTreeMap<String, String>,
    /// Where the client may authenticate, where that is the customer's to name; none before apps had hosts.
    pub hosts: Option<Vec<String>>,
    /// For which secret places of the element the secret was given; none before apps said so.
    pub given_for: Option<String>,
    /// Since when the client id is this one; none before apps said so.
    pub client_since: Option<DateTime<Utc>>,
    /// The end of the redirect URI that is registered for it; none: the one that all apps had before each had its own.
    #[serde(default)]
    pub callback: Option<String>,
}

/// What is to be stored.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SavePartnerApp, example = json!({
    "clientId": "sandbox-client", "clientSecret": "sandbox-secret", "preset": "granular"
}))]
pub struct PartnerAppInput {
    #[schema(value_type = String)]
    pub client_id: Option<String>,
    /// Required the first time; absent or `********`: the stored one stays. None where the app's `secretNeeded` is false.
    #[schema(value_type = Option<String>, nullable = false)]
    pub client_secret: Option<Secret>,
    /// Without one of these there is no connection. Separated by spaces or commas; they replace those of the preset and of the element.
    pub scopes: Option<String>,
    /// Those that the vendor may leave out. An empty text asks for none.
    pub optional_scopes: Option<String>,
    /// A set of scopes that the element names.
    pub preset: Option<String>,
    /// What every instance that uses the app is given, by configuration key, where the element leaves that to its app (`privateoauth`:
    /// the vendor's addresses). Instances keep what the app said when they were connected. Absent: the stored one stays.
    #[schema(nullable = false)]
    pub configuration: Option<BTreeMap<String, String>>,
    /// The hosts that the app was made for (`acme.acmedesk.example`), where every customer of the vendor has a host of its
    /// own: id and secret are sent to these alone. Where customers run servers of their own, with the port (`git.acme.example:8443`). A
    /// further host wants the secret anew. Absent: the stored ones stay; where `configuration` names the addresses, the app is for their
    /// hosts.
    #[schema(nullable = false)]
    pub hosts: Option<Vec<String>>,
    /// Which of this server's two addresses is registered at the vendor: the app's own (`…/connector/callback/17-hubspotcrm`), or the one of
    /// all apps of before (`…/connector/callback`). Absent: it stays as it is, and a new app has its own.
    #[schema(nullable = false)]
    pub redirect_url: Option<String>,
}

impl PartnerApp {
    pub fn client(&self, oauth2: &OAuth2) -> Client {
        let hosts = match oauth2.binds_apps_to_hosts() {
            true => Hosts::These(self.hosts.clone().unwrap_or_default().into()),
            false => Hosts::Any,
        };
        Client { id: self.client_id.clone(), secret: self.client_secret.clone(), hosts }
    }
}

impl Document for PartnerApp {
    const KIND: &'static str = "partnerApp";
}

impl Services {
    pub async fn partner_app(&self, owner: Owner, element: &Element) -> Result<Option<PartnerApp>, ApiError> {
        Ok(self.stored_app(owner, element).await?.map(|(_, app)| app))
    }

    /// The app, where its secret may be sent.
    pub(in crate::service) async fn usable_app(
        &self,
        owner: Owner,
        element: &Element,
    ) -> Result<Option<PartnerApp>, ApiError> {
        let app = self.partner_app(owner, element).await?;
        if let Some(app) = &app {
            self.refuse_changed_element(element, app.given_for.as_deref())?;
        }
        Ok(app)
    }

    async fn stored_app(&self, owner: Owner, element: &Element) -> Result<Option<(SealedApp, PartnerApp)>, ApiError> {
        let id = element.id;
        let mut races = Races::default();
        loop {
            let Some(stored) = self.store.read_for(owner, move |conn| partner_apps::find(conn, owner, id)).await?
            else {
                return Ok(None);
            };
            let app = self.open_app(owner, &stored)?;
            let bound = element.authentication.oauth2.as_ref().is_some_and(OAuth2::binds_apps_to_hosts);
            if !bound || app.hosts.is_some() {
                return Ok(Some((stored, app)));
            }
            // Stored when apps had no hosts: from now on it has those at which it is in use.
            let hosts = self.hosts_in_use(owner, element).await?;
            let app = PartnerApp { hosts: Some(hosts.clone()), ..app };
            if let Some(saved) =
                self.replace_app(owner, element, Some(stored), &app, Trail::Not(BOUND_BY_ITSELF)).await?
            {
                tracing::warn!(
                    organization = owner.organization,
                    element = element.key,
                    ?hosts,
                    "an OAuth app from before apps had hosts is bound to those of its instances: what is missing, an \
                     administrator adds to the app with its secret"
                );
                return Ok(Some((saved, app)));
            }
            races.lost()?;
        }
    }

    /// All of the owner's, by element id.
    pub(in crate::service) async fn partner_apps(&self, owner: Owner) -> Result<BTreeMap<i64, PartnerApp>, ApiError> {
        let stored = self.store.read_for(owner, move |conn| partner_apps::list(conn, owner)).await?;
        let opened = stored
            .into_iter()
            .map(|(element, stored)| unless_unopened(self.open_app(owner, &stored).map(|app| (element, app))));
        opened.filter_map(Result::transpose).collect()
    }

    fn open_app(&self, owner: Owner, stored: &SealedApp) -> Result<PartnerApp, ApiError> {
        Ok(self.vault.open_document(PARTNER_APP.place(owner.organization, stored.id), &stored.sealed)?)
    }

    /// For administrators of the organization.
    pub async fn save_partner_app(
        &self,
        actor: &Actor,
        key_or_id: &str,
        input: &PartnerAppInput,
    ) -> Result<PartnerAppView, ApiError> {
        actor.require(Action::ChangeApps)?;
        let element = self.element_of(actor.owner(), key_or_id)?;
        let oauth2 = oauth2_of(&element)?;
        let (owner, trail) = (actor.owner(), self.store.next_id().await?);
        let mut races = Races::default();
        loop {
            let (before, stored) = self.stored_app(owner, &element).await?.unzip();
            let app = input.checked(&element, stored.as_ref(), self.now())?;
            let callback = self.registered_callback(owner, &element, input.redirect_url.as_deref(), stored.as_ref())?;
            let app = PartnerApp { callback, ..app };
            // What keeps an old secret is of no use.
            self.refuse_changed_element(&element, app.given_for.as_deref())?;
            let trail = self.audit_with(trail, actor, Deed::AppSaved, element.id)?;
            if self.replace_app(owner, &element, before, &app, trail).await?.is_some() {
                return Ok(self.partner_app_view(owner, &element, oauth2, Some(&app)));
            }
            races.lost()?;
        }
    }

    /// Writes the app in the place of what was read; none when somebody else was quicker.
    async fn replace_app(
        &self,
        owner: Owner,
        element: &Element,
        before: Option<SealedApp>,
        app: &PartnerApp,
        trail: Trail,
    ) -> Result<Option<SealedApp>, ApiError> {
        let (now, element_id) = (self.now(), element.id);
        let id = match &before {
            Some(before) => before.id,
            None => self.store.next_id().await?,
        };
        let place = PARTNER_APP.place(owner.organization, id);
        let sealed = SealedApp { id, sealed: self.vault.seal_document(place, app)? };
        let saved = sealed.clone();
        let save =
            move |conn: &mut _| partner_apps::save(conn, owner, element_id, before.as_ref(), (&sealed, now), &trail);
        match self.store.write_for(owner, save).await {
            Err(StoreFault::Conflict(_)) => Ok(None),
            other => Ok(other.map(|()| Some(saved))?),
        }
    }

    /// For administrators of the organization. Instances that use it cannot renew their tokens until there is another.
    pub async fn delete_partner_app(&self, actor: &Actor, key_or_id: &str) -> Result<(), ApiError> {
        actor.require(Action::ChangeApps)?;
        let element = self.element_of(actor.owner(), key_or_id)?;
        oauth2_of(&element)?;
        let (owner, id) = (actor.owner(), element.id);
        let trail = self.audit(actor, Deed::AppDeleted, id).await?;
        let deleted = self.store.write_for(owner, move |conn| partner_apps::delete(conn, owner, id, &trail)).await?;
        if deleted { Ok(()) } else { Err(no_app(&element)) }
    }

    /// The organization's app, where an instance with this configuration would use it.
    pub(in crate::service) async fn app_for(
        &self,
        owner: Owner,
        element: &Element,
        authentication: AuthenticationType,
        configuration: &Configuration,
    ) -> Result<Option<PartnerApp>, ApiError> {
        if authentication != AuthenticationType::OAuth2 || own_client(configuration).is_some() {
            return Ok(None);
        }
        self.partner_app(owner, element).await
    }

    /// The OAuth app that speaks for an instance: its own, or else the organization's as it is now.
    pub(in crate::service) async fn client_of(
        &self,
        owner: Owner,
        element: &Element,
        configuration: &Configuration,
    ) -> Result<Client, ApiError> {
        if let Some(own) = own_client(configuration) {
            return Ok(own);
        }
        let app = self.usable_app(owner, element).await?;
        let oauth2 = oauth2_of(element)?;
        app.map(|app| app.client(oauth2)).ok_or_else(|| {
            let message = format!(
                "The connection uses the organization's OAuth app for {}, which is gone: PUT /elements/{}/app.",
                element.name, element.key
            );
            ApiError::new(Code::MissingConfiguration, message)
        })
    }
}

/// The app that an instance's configuration names; none where it names neither id nor secret.
pub(in crate::service) fn own_client(configuration: &Configuration) -> Option<Client> {
    let value = |key: &str| configuration.get(key).filter(|value| *value != MASK).map(Secret::new);
    let (id, secret) = (value(CLIENT_ID), value(CLIENT_SECRET));
    (id.is_some() || secret.is_some()).then(|| Client {
        id: id.unwrap_or_default(),
        secret: secret.unwrap_or_default(),
        hosts: Hosts::Any,
    })
}

pub(in crate::service) fn oauth2_of(element: &Element) -> Result<&OAuth2, ApiError> {
    element.authentication.oauth2.as_ref().ok_or_else(|| {
        let message = format!("{} does not use OAuth: create the instance with its API key.", element.name);
        ApiError::new(Code::NoOauth, message)
    })
}

pub(in crate::service) fn no_app(element: &Element) -> ApiError {
    let message =
        format!("The organization has no OAuth app for {}: PUT /elements/{}/app first.", element.name, element.key);
    ApiError::new(Code::AppNotFound, message)
}
