//! The person has chosen and entered what is needed: on to the vendor, or, with a key, connected at once.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use super::finish::{Attempt, Refusal};
use super::{Field, Offer};
use crate::catalog::element::AuthenticationType;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::{MASK, Secret};
use crate::protocol::oauth2::authorize::{self, Authorization};
use crate::protocol::oauth2::issuer::Issuer;
use crate::protocol::variables::Values;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::credentials::partner_app::own_client;
use crate::service::credentials::provision::needless;
use crate::service::credentials::scope_choice::ScopeChoice;
use crate::service::grants::{LinkWaiting, Waiting};
use crate::service::instance::input::ProviderData;
use crate::service::links::Link;
use crate::service::links::outcome::Outcome;
use crate::service::links::status::Status;
use crate::service::organization::rooms::Taken;
use crate::service::process::flight::Lateness;
use crate::store::grants;

/// What the person chose and entered. It may hold a key: no `Debug`.
pub struct Chosen {
    pub popup: bool,
    /// By configuration key.
    pub fields: BTreeMap<String, String>,
}

/// Where the browser goes from the page.
pub enum Next {
    /// To the vendor.
    Vendor(String),
    /// To the result.
    Result,
}

impl Services {
    /// The page was opened.
    pub async fn note_opened(&self, link: Link) -> Result<Link, ApiError> {
        if link.status != Status::Pending {
            return Ok(link);
        }
        self.settle_link(link.owner(), link.row.id, (Status::Opened, &link.outcome), None).await
    }

    /// `browser`: the cookie of the browser, which alone may end what it begins, and from where it asks. Fails where the person must correct
    /// something.
    pub async fn begin_link(
        &self,
        link: &Link,
        offer: &Offer,
        chosen: Chosen,
        (browser, address): (&Secret, Option<IpAddr>),
    ) -> Result<Next, ApiError> {
        if !link.status.is_open() {
            return Ok(Next::Result);
        }
        let Offer { element, authentication, scopes, fields, app, .. } = offer;
        let (authentication, mut given, mut configuration) =
            (*authentication, offer.given.clone(), offer.configuration.clone());
        self.link_limits.note_start(link.row.id)?;
        // Only what was asked for, because a form can be forged; and all of it. A mask would mean what is stored.
        let mut missing = Vec::new();
        let entered = |key: &str| chosen.fields.get(key).map(|text| text.trim().to_owned());
        let needed = |field: &&Field| field.when.as_ref().is_none_or(|when| when.holds(&entered));
        for field in fields.iter().filter(needed) {
            let value = chosen.fields.get(&field.key).map(|text| text.trim());
            match value.filter(|text| !text.is_empty() && *text != MASK) {
                Some(value) => drop(given.insert(field.key.clone(), Value::from(value))),
                None => missing.push(field.name.as_str()),
            }
        }
        if !missing.is_empty() {
            return Err(ApiError::new(Code::MissingConfiguration, format!("Please enter: {}.", missing.join(", "))));
        }
        configuration.merge(element, given.clone())?;
        configuration.require(element, authentication, &needless(false, app.is_some()))?;
        let id = link.row.id;
        let owner = link.owner();
        let mandatory = scopes.as_ref().map(|scopes| scopes.mandatory.clone()).unwrap_or_default();
        let Some(oauth2) =
            element.authentication.oauth2.as_ref().filter(|_| authentication == AuthenticationType::OAuth2)
        else {
            let room = self.room_for_link(link, configuration.bytes()).await?;
            if link.settings.confirm {
                let further_scopes = Vec::new();
                let popup = chosen.popup;
                let waiting = LinkWaiting {
                    link: id,
                    popup,
                    configuration: given,
                    authentication,
                    scopes: mandatory,
                    further_scopes,
                };
                self.hold_key(link, element, waiting, browser).await?;
                return Ok(Next::Result);
            }
            self.settle_link(owner, id, (Status::Opened, &Outcome::default()), Some(element.id)).await?;
            let attempt = Attempt {
                actor: Actor::visitor(owner, id, self.request_id(), address),
                link: id,
                element: Arc::clone(element),
                authentication,
                given,
                provider_data: ProviderData::default(),
                started: None,
                mandatory,
                further: Vec::new(),
                handle: None,
            };
            let services = self.clone();
            return self
                .detached
                .run(async move {
                    let _room = room;
                    services.connect_key(attempt).await
                })
                .await
                .map(|()| Next::Result);
        };
        // The last moment at which nothing is spent: who comes back from the vendor is not turned away. From then on the grant
        // has the place.
        let _room = self.room_for_link(link, configuration.bytes()).await?;
        let of_app = || app.as_ref().map(|app| app.client(oauth2));
        let client = own_client(&configuration).or_else(of_app).unwrap_or_default();
        let value = |key: &str| configuration.get(key).map(str::to_owned);
        let values = Values { element, parameters: &|_| None, configuration: &value, replied: None };
        // Before the person is sent there, and the code could not be exchanged.
        client.refuse_foreign_host(oauth2, values).map_err(|fault| fault.into_error(&element.name, "the settings"))?;
        let client_id = client.id;
        let further_scopes = scopes.as_ref().map(|scopes| scopes.optional.clone()).unwrap_or_default();
        let popup = chosen.popup;
        let waiting =
            LinkWaiting { link: id, popup, configuration: given, authentication, scopes: mandatory, further_scopes };
        let (waiting, issuer) = (Waiting::Link(waiting), Issuer::of(oauth2, values));
        let redirect_uri = self.redirect_url_of(app.as_ref().and_then(|app| app.callback.as_deref()));
        let client = (client_id.clone(), redirect_uri.clone());
        let begun = self.begin_callback(owner, element, client, waiting, issuer, Some(browser)).await?;
        let joined = |list: fn(&ScopeChoice) -> &Vec<String>| scopes.as_ref().map(|choice| list(choice).join(" "));
        let scope = joined(|choice| &choice.mandatory).filter(|text| !text.is_empty());
        let optional = joined(|choice| &choice.optional).filter(|text| !text.is_empty());
        let authorization = Authorization {
            client_id: client_id.expose(),
            redirect_uri: &redirect_uri,
            state: begun.state.expose(),
            scope: scope.as_deref(),
            optional_scope: optional.as_deref(),
            code_challenge: begun.challenge.as_deref(),
            wishes: &link.settings.authorize,
        };
        let url = authorize::url(oauth2, &authorization, values)
            .map_err(|fault| fault.into_error(&element.name, "the settings"))?;
        let opened = (Status::Opened, &Outcome::under_way());
        let link = self.settle_link(owner, id, opened, Some(element.id)).await?;
        // In another tab it may have come to its end meanwhile.
        Ok(if link.status.is_open() { Next::Vendor(url) } else { Next::Result })
    }

    /// For the instance that the link makes, where it makes one. A link that was begun before has its place already.
    async fn room_for_link(&self, link: &Link, documents: usize) -> Result<Vec<Taken>, ApiError> {
        if link.settings.instance_id.is_some() {
            return Ok(Vec::new());
        }
        let (owner, id, now) = (link.owner(), link.row.id, self.now());
        if self.store.read_for(owner, move |conn| grants::is_begun(conn, owner, id, now)).await? {
            return Ok(vec![self.claim_bytes(owner.organization, documents).await?]);
        }
        Ok(self.room_for_instance(owner.organization, documents).await?.into())
    }

    /// With a key there is nobody to come back from: what is wrong with it is said on the page, where it can be corrected.
    async fn connect_key(&self, attempt: Attempt) -> Result<(), ApiError> {
        match self.conclude(&attempt, &Lateness::unheard()).await? {
            None => Ok(()),
            Some(Refusal(outcome)) => {
                self.settle_link(attempt.actor.owner(), attempt.link, (Status::Failed, &outcome), None).await.map(drop)
            }
        }
    }
}

/// Whether the person can correct it on the page.
pub fn is_correctable(error: &ApiError) -> bool {
    matches!(
        error.code,
        Code::BadConfiguration
            | Code::MissingConfiguration
            | Code::VendorHost
            | Code::AppNotForHost
            | Code::VendorRefused
            | Code::VendorUnreachable
            | Code::VendorAnswer
            | Code::VendorTimeout
            | Code::VendorAddressRefused
    )
}
