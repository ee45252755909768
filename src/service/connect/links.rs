//! `/connect/links`: make, list, show and withdraw connect links; and the job that notices the end of their time.

use std::sync::Arc;

use chrono::TimeDelta;
use url::Url;

use super::link_input::LinkInput;
use super::link_view::LinkView;
use super::offer::authentication_of;
use crate::catalog::element::{AuthenticationType, Element};
use crate::kernel::code::Code;
use crate::kernel::entropy::url_token;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::paging::Page;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::audit::Deed;
use crate::service::authorize::wishes;
use crate::service::ground::Races;
use crate::service::keys::unopened::unless_unopened;
use crate::service::links::outcome::Outcome;
use crate::service::links::settings::LinkSettings;
use crate::service::links::status::Status;
use crate::service::links::{Link, of_link, stored_outcome};
use crate::store::audit::Trail;
use crate::store::limits::Limit;
use crate::store::links::{self as rows, Filter, LinkRow, StatusFilter};
use crate::store::sealed::{LINK_SETTINGS, LINK_TOKEN};
use crate::store::time::UtcTime;
use crate::store::{StoreFault, Whose};
use crate::vault::lookup::Purpose;

const MOST_ELEMENTS: usize = 100;
/// How long a link is shown after its end. What is sealed in it goes with it.
const KEPT_FOR: TimeDelta = TimeDelta::days(90);
/// Links in one round of the job.
const BATCH: i64 = 1000;
/// Which links a list wants.
#[derive(Debug, Clone, Default)]
pub struct LinkQuery {
    pub external_id: Option<String>,
    pub status: Option<String>,
    pub newest_first: bool,
}

impl Services {
    pub async fn create_link(&self, actor: &Actor, input: LinkInput) -> Result<LinkView, ApiError> {
        let (caller, owner) = (actor.principal()?, actor.owner());
        input.check()?;
        let lifetime = input.lifetime()?;
        let (settings, external_id, chosen, warning) = self.link_settings(owner, &input).await?;
        let (id, now, token) = (self.store.next_id().await?, self.now(), url_token(self.entropy.as_ref()));
        let kept = self.kept_secret(Purpose::LinkToken, LINK_TOKEN.place(owner.organization, id), &token)?;
        let outcome = Outcome::default();
        let row = LinkRow {
            id,
            organization_id: owner.organization,
            account_id: owner.account,
            token_hash: kept.hash,
            token_sealed: kept.sealed,
            settings_sealed: self.vault.seal_document(LINK_SETTINGS.place(owner.organization, id), &settings)?,
            status: Status::Pending.as_str().to_owned(),
            external_id,
            element_id: chosen,
            instance_id: settings.instance_id,
            outcome: serde_json::to_string(&outcome).map_err(|error| ApiError::internal(error))?,
            created_by: caller.user,
            version: 1,
            created_at: UtcTime(now),
            updated_at: UtcTime(now),
            expires_at: UtcTime(now.checked_add_signed(lifetime).unwrap_or(now)),
        };
        let _room = self.claim(owner.organization, Limit::Links, 1).await?;
        let _bytes = self.claim_bytes(owner.organization, row.settings_sealed.len()).await?;
        let trail = self.audit(actor, Deed::LinkCreated, (id, &row.external_id)).await?;
        let stored = row.clone();
        let whose = Whose::from(owner).writing(stored.settings_sealed.len());
        self.store.write_for(whose, move |conn| rows::insert(conn, &stored, &trail)).await?;
        let view = self.link_view(Link { row, token, status: Status::Pending, settings, outcome });
        Ok(LinkView { warning, ..view })
    }

    /// What is kept of the input, the customer, the element where there is no choice, and what is odd about the scopes.
    async fn link_settings(
        &self,
        owner: Owner,
        input: &LinkInput,
    ) -> Result<(LinkSettings, Option<String>, Option<i64>, Option<String>), ApiError> {
        let instance_input = input.of_instance();
        let name = instance_input.plain_name()?;
        let tags = instance_input.plain_tags()?;
        let mut external_id = instance_input.checked_external_id()?.flatten();
        let mut elements = self.named_elements(owner, input)?;
        if let Some(id) = input.instance_id {
            let stored = self.stored_instance(owner, id).await?;
            let own = self.element_of_row(&stored.instance)?;
            if !elements.is_empty() && elements.iter().all(|element| element.id != own.id) {
                let message = format!("The instance {id} is of {}: it cannot move to another element.", own.key);
                return Err(ApiError::new(Code::IdMismatch, message));
            }
            elements = vec![own];
            // Two customers never meet.
            let of_instance = stored.instance.external_id;
            if external_id.is_some() && of_instance.is_some() && external_id != of_instance {
                let message = format!("The instance {id} belongs to another customer: its externalId differs.");
                return Err(ApiError::new(Code::IdMismatch, message));
            }
            external_id = external_id.or(of_instance);
        }
        let every: Vec<_> = self.elements_of(owner).iter().filter(|element| element.active).cloned().collect();
        let offered = if elements.is_empty() { &every } else { &elements };
        input.check_configuration(offered.iter().map(AsRef::as_ref))?;
        let authentication = self.named_authentication(input, offered)?;
        if let Some(preset) = &input.preset {
            let knows = |element: &Arc<Element>| {
                element.authentication.oauth2.as_ref().is_some_and(|oauth2| oauth2.presets.contains_key(preset))
            };
            if !offered.iter().any(knows) {
                let message = "No element of the link has a preset of this name.";
                return Err(ApiError::new(Code::BadLink, message));
            }
        }
        let origin = match &input.origin {
            Some(text) => Some(self.allowed_origin(owner, text).await?),
            None => None,
        };
        if let Some(text) = &input.redirect_url {
            self.require_allowed(owner, "redirectUrl", text).await?;
        }
        if let Some(text) = &input.notify_url {
            self.checked_receiver(text)?;
        }
        let settings = LinkSettings {
            elements: elements.iter().map(|element| element.key.clone()).collect(),
            authentication_type: authentication,
            preset: input.preset.clone(),
            name,
            tags,
            origin,
            scopes: input.scopes.clone(),
            optional_scopes: input.optional_scopes.clone(),
            authorize: input.authorize.clone().unwrap_or_default(),
            configuration: input.configuration.clone().unwrap_or_default(),
            redirect_url: input.redirect_url.clone(),
            confirm: input.is_confirmed(),
            customer_name: input.customer_name.clone().filter(|name| !name.trim().is_empty()),
            notify_url: input.notify_url.clone(),
            allow_other_account: input.allow_other_account.unwrap_or(false),
            instance_id: input.instance_id,
            to_console: input.to_console,
            given_for: self
                .elements_of(owner)
                .iter()
                .filter(|_| input.configuration.is_some())
                .map(|element| (element.key.clone(), element.secret_places.clone()))
                .collect(),
        };
        for element in offered {
            let is_asked = authentication_of(element, &settings) == AuthenticationType::OAuth2;
            let oauth2 = element.authentication.oauth2.as_ref().filter(|_| is_asked);
            wishes::check((element, oauth2), &settings.authorize, Code::BadLink)?;
        }
        let mut warning = None;
        for element in &elements {
            let odd = self.check_offer(owner, element, &settings, elements.len() == 1).await?;
            warning = warning.or(odd);
        }
        let only = match elements.as_slice() {
            [only] => Some(only.id),
            _ => None,
        };
        Ok((settings, external_id, only, warning))
    }

    fn named_elements(&self, owner: Owner, input: &LinkInput) -> Result<Vec<Arc<Element>>, ApiError> {
        let named = input.elements.as_deref().unwrap_or_default();
        if named.len() > MOST_ELEMENTS {
            return Err(ApiError::new(Code::BadLink, format!("A link names at most {MOST_ELEMENTS} elements.")));
        }
        let mut elements: Vec<Arc<Element>> = Vec::new();
        for name in named {
            let element = self.element_of(owner, name)?;
            if !elements.iter().any(|known| known.id == element.id) {
                elements.push(element);
            }
        }
        Ok(elements)
    }

    fn named_authentication(
        &self,
        input: &LinkInput,
        offered: &[Arc<Element>],
    ) -> Result<Option<AuthenticationType>, ApiError> {
        let Some(text) = &input.authentication_type else { return Ok(None) };
        let wanted = AuthenticationType::read(text);
        let lacks = |element: &&Arc<Element>| wanted.is_none_or(|it| !element.authentication_types().contains(&it));
        // Without a list, those that have it are offered.
        let all = input.elements.as_deref().unwrap_or_default().is_empty() && input.instance_id.is_none();
        match offered.iter().find(lacks) {
            Some(element) if wanted.is_none() || !all => {
                let types: Vec<_> =
                    element.authentication_types().into_iter().map(AuthenticationType::as_str).collect();
                let message = format!("{} offers the authenticationType {}.", element.name, types.join(" and "));
                Err(ApiError::new(Code::BadAuthenticationType, message))
            }
            _ => Ok(wanted),
        }
    }

    async fn allowed_origin(&self, owner: Owner, text: &str) -> Result<String, ApiError> {
        let url = Url::parse(text).ok().filter(|url| url.origin().ascii_serialization() == text.trim_end_matches('/'));
        let Some(url) = url else {
            let message = "origin must be scheme, host and port alone, as in https://app.example.com.";
            return Err(ApiError::new(Code::BadLink, message));
        };
        self.require_allowed(owner, "origin", text).await?;
        Ok(url.origin().ascii_serialization())
    }

    async fn require_allowed(&self, owner: Owner, member: &str, text: &str) -> Result<(), ApiError> {
        let settings = self.organization_settings(owner.organization).await?;
        if Url::parse(text).is_ok_and(|url| self.allows_address(&settings, &url)) {
            return Ok(());
        }
        let message =
            format!("{member} is not on one of the organization's allowed origins: PATCH /organizations/me adds them.");
        Err(ApiError::new(Code::AddressNotAllowed, message))
    }

    /// The link without the addresses that the organization has stopped to allow since it was made.
    pub async fn with_allowed_addresses(&self, mut link: Link) -> Result<Link, ApiError> {
        let settings = self.organization_settings(link.owner().organization).await?;
        for address in [&mut link.settings.redirect_url, &mut link.settings.origin] {
            let allowed = |text: &String| Url::parse(text).is_ok_and(|url| self.allows_address(&settings, &url));
            *address = address.take().filter(allowed);
        }
        if link.settings.to_console {
            link.settings.redirect_url = Some(self.public("console/connected"));
        }
        Ok(link)
    }

    pub async fn show_link(&self, owner: Owner, id: i64) -> Result<LinkView, ApiError> {
        Ok(self.link_view(self.link(owner, id).await?))
    }

    pub async fn list_links(
        &self,
        owner: Owner,
        query: LinkQuery,
        page: Page,
    ) -> Result<(Vec<LinkView>, Option<String>), ApiError> {
        let status = query.status.as_deref().map(|text| {
            Status::read(text).ok_or_else(|| {
                let names: Vec<_> = Status::ALL.into_iter().map(Status::as_str).collect();
                ApiError::new(Code::BadParameter, format!("status must be one of {}.", names.join(", ")))
            })
        });
        let now = self.now();
        let status = status.transpose()?.map(|status| StatusFilter {
            status: status.as_str(),
            expired: Status::Expired.as_str(),
            now,
        });
        // No stored text holds a null byte, and PostgreSQL would not even look.
        if query.external_id.as_deref().is_some_and(|text| text.contains('\0')) {
            return Ok((Vec::new(), None));
        }
        let filter = Filter { external_id: query.external_id, status, newest_first: query.newest_first };
        let (found, page) = self.store.read_for(owner, move |conn| rows::list(conn, owner, &filter, page)).await?;
        let (found, next) = page.cut(found, |row| row.id);
        let views = found.into_iter().map(|row| unless_unopened(self.open_link(row).map(|link| self.link_view(link))));
        Ok((views.filter_map(Result::transpose).collect::<Result<_, ApiError>>()?, next))
    }

    /// Withdraws a link. One that is over already stays what it is, and that is a conflict; withdrawing twice is not.
    pub async fn revoke_link(&self, actor: &Actor, id: i64) -> Result<LinkView, ApiError> {
        let (owner, trail) = (actor.owner(), self.store.next_id().await?);
        let mut races = Races::default();
        loop {
            let mut link = self.link(owner, id).await?;
            if link.status == Status::Revoked {
                return Ok(self.link_view(link));
            }
            if !link.status.may_become(Status::Revoked) {
                let message = format!("The link is {}: it does not work any more.", link.status.as_str());
                return Err(ApiError::new(Code::LinkEnded, message));
            }
            let changed = self.changed(&link.row, Status::Revoked, &link.outcome)?;
            let trail = self.audit_with(trail, actor, Deed::LinkRevoked, (id, &changed.external_id))?;
            let (services, row) = (self.clone(), changed.clone());
            let written = self.store.write_for(owner, move |conn| {
                rows::update(conn, owner, &row, &trail)?;
                services.tell_link(conn, &row)
            });
            match written.await {
                Err(StoreFault::Conflict(_)) => {
                    races.lost()?;
                    continue;
                }
                outcome => outcome.map_err(of_link(id))?,
            }
            self.rooms.freed(owner.organization);
            link.row = changed;
            link.status = Status::Revoked;
            return Ok(self.link_view(link));
        }
    }

    /// Writes down which links have run out, so that it can be told. For all owners. How many did.
    pub async fn expire_links(&self) -> Result<usize, ApiError> {
        let now = self.now();
        let due = self.store.read(move |conn| rows::overdue(conn, now, BATCH)).await?;
        let mut expired: usize = 0;
        for row in due {
            let id = row.id;
            match self.expire_link(row).await {
                Ok(()) => expired = expired.saturating_add(1),
                Err(error) => tracing::warn!(link = id, ?error, "a connect link could not be ended"),
            }
        }
        Ok(expired)
    }

    /// Removes links that came to their end long ago. For all owners.
    pub async fn forget_links(&self) -> Result<(), ApiError> {
        let now = self.now();
        let kept_since = now.checked_sub_signed(KEPT_FOR).unwrap_or(now);
        self.store.write(move |conn| rows::purge(conn, kept_since)).await?;
        Ok(())
    }

    async fn expire_link(&self, row: LinkRow) -> Result<(), ApiError> {
        // Without opening it: what does not open runs out all the same.
        let outcome = stored_outcome(&row)?;
        let changed = self.changed(&row, Status::Expired, &outcome)?;
        let (services, owner) = (self.clone(), row.owner());
        let written = self.store.write_for(owner, move |conn| {
            rows::update(conn, owner, &changed, &Trail::Not("its time ended it, and nobody did"))?;
            services.tell_link(conn, &changed)
        });
        match written.await {
            // Somebody else did it, or the link came to another end.
            Err(StoreFault::Conflict(_)) => Ok(()),
            other => Ok(other?),
        }
    }
}
