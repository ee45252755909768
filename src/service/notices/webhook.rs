//! Where an organization is told what happens, and the secrets that this is signed with.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use crate::kernel::clock::api_date;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::{self, Secret};
use crate::protocol::standard_webhooks::new_secret;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::actor::action::Action;
use crate::service::audit::Deed;
use crate::service::ground::Races;
use crate::store::audit::Trail;
use crate::store::sealed::{WEBHOOK_ADDRESS, WEBHOOK_SECRETS};
use crate::store::time::UtcTime;
use crate::store::webhooks::{self, WebhookRow};
use crate::store::{StoreFault, Whose};

const LONGEST_ADDRESS: usize = 2000;
/// The one in use, and the one that follows it.
const MOST_SECRETS: usize = 2;
/// Where the organization is told what happens.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookView {
    /// Null: nowhere.
    #[schema(required, example = "https://app.example/ligand-notices")]
    pub url: Option<String>,
    /// One signature is sent for each.
    pub secrets: Vec<SecretView>,
}

/// A secret that notices are signed with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookSecret)]
pub struct SecretView {
    pub id: i64,
    #[schema(example = "2026-03-01T12:00:00Z")]
    pub created_at: String,
    /// Only in the reply that makes it: `whsec_…`, as the Standard Webhooks specification has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub secret: Option<String>,
}

/// A new address.
#[derive(Deserialize, ToSchema)]
pub struct WebhookAddress {
    /// Absolute, by https. What is inside your network the operator must allow.
    #[schema(example = "https://app.example/ligand-notices")]
    pub url: String,
}

/// As it rests in the document.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    id: i64,
    created_at: DateTime<Utc>,
    #[serde(serialize_with = "secret::sealed")]
    secret: Secret,
    /// False: made for a link's notices, and no administrator has seen it.
    shown: bool,
}

impl Kept {
    fn shown(&self, shown: bool) -> SecretView {
        let secret = shown.then(|| self.secret.expose().to_owned());
        SecretView { id: self.id, created_at: api_date(self.created_at), secret }
    }
}

fn of_administrators(actor: &Actor) -> Result<i64, ApiError> {
    actor.require(Action::ChangeWebhook)?;
    Ok(actor.organization())
}

impl Services {
    /// For administrators of the organization, as all that follows.
    pub async fn webhook(&self, actor: &Actor) -> Result<WebhookView, ApiError> {
        let organization = of_administrators(actor)?;
        let row = self.store.read_for(Whose::of(organization), move |conn| webhooks::find(conn, organization)).await?;
        row.map_or(Ok(WebhookView { url: None, secrets: Vec::new() }), |row| self.webhook_view(&row, None))
    }

    /// Sets the address. The reply shows the secret that nobody has seen before.
    pub async fn set_webhook(&self, actor: &Actor, address: &WebhookAddress) -> Result<WebhookView, ApiError> {
        let organization = of_administrators(actor)?;
        let url = self.checked_receiver(&address.url)?;
        self.write_address(actor, &url).await?;
        self.warm.forget_settings(Some(&[organization]));
        let unseen =
            self.show_unseen(organization, |_| Ok(Trail::Not("shown with the address, whose row it has"))).await?;
        self.webhook_view(&self.webhook_row(organization).await?, unseen.map(|kept| kept.id))
    }

    async fn write_address(&self, actor: &Actor, url: &Url) -> Result<(), ApiError> {
        let (organization, trail) = (actor.organization(), self.audit(actor, Deed::WebhookSet, ()).await?);
        let mut races = Races::default();
        loop {
            let id = self.webhook_row(organization).await?.id;
            let place = WEBHOOK_ADDRESS.place(organization, id);
            let (sealed, now) = (self.vault.seal(place, url.as_str().as_bytes())?, self.now());
            let trail = trail.clone();
            let write = move |conn: &mut _| webhooks::set_address(conn, organization, (id, &sealed), now, &trail);
            match self.store.write_for(Whose::of(organization), write).await {
                // Somebody removed it meanwhile: the next one has a row, and secrets, of its own.
                Err(StoreFault::Conflict(_)) => races.lost()?,
                other => return Ok(other?),
            }
        }
    }

    /// From now on nothing is told; what waits is given up. The secrets are erased: what is told to a link's own address is
    /// signed with a new one.
    pub async fn remove_webhook(&self, actor: &Actor) -> Result<(), ApiError> {
        let (organization, now) = (of_administrators(actor)?, self.now());
        let trail = self.audit(actor, Deed::WebhookRemoved, ()).await?;
        let delete = move |conn: &mut _| webhooks::delete(conn, organization, now, &trail);
        self.store.write_for(Whose::of(organization), delete).await?;
        self.warm.forget_settings(Some(&[organization]));
        Ok(())
    }

    /// A further secret, which is shown this once.
    pub async fn add_webhook_secret(&self, actor: &Actor) -> Result<SecretView, ApiError> {
        let organization = of_administrators(actor)?;
        let id = self.store.next_id().await?;
        let added = |secret: &Kept| self.audit_with(id, actor, Deed::WebhookSecretAdded, secret.id);
        if let Some(unseen) = self.show_unseen(organization, added).await? {
            return Ok(unseen.shown(true));
        }
        let new = self.new_kept_secret(true).await?;
        let trail = added(&new)?;
        self.change_secrets(organization, &trail, |secrets| {
            if secrets.len() >= MOST_SECRETS {
                let message = "Two secrets are active already: remove the one that is no longer used first.";
                return Err(ApiError::new(Code::WebhookSecrets, message));
            }
            secrets.push(new.clone());
            Ok(true)
        })
        .await?;
        Ok(new.shown(true))
    }

    /// It no longer signs. The last one stays.
    pub async fn remove_webhook_secret(&self, actor: &Actor, id: i64) -> Result<(), ApiError> {
        let organization = of_administrators(actor)?;
        let trail = self.audit(actor, Deed::WebhookSecretRemoved, id).await?;
        self.change_secrets(organization, &trail, |secrets| {
            if !secrets.iter().any(|kept| kept.id == id) {
                let message = format!("No webhook secret found with ID {id}.");
                return Err(ApiError::new(Code::WebhookSecretNotFound, message));
            }
            if secrets.len() == 1 {
                let message = "This is the only secret: make its successor first.";
                return Err(ApiError::new(Code::WebhookSecrets, message));
            }
            secrets.retain(|kept| kept.id != id);
            Ok(true)
        })
        .await
    }

    /// An address that notices may go to: of a webhook, and of a link.
    pub fn checked_receiver(&self, text: &str) -> Result<Url, ApiError> {
        let refused = |message: &str| Err(ApiError::new(Code::BadWebhookUrl, message));
        let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
        let Some(url) = url.filter(|_| text.len() <= LONGEST_ADDRESS && !text.contains(odd)) else {
            return refused("The address must be an absolute https URL of at most 2000 bytes.");
        };
        if !self.sender.allows(&url) {
            return refused(
                "This address may not be called: it must be https and public, or in LIGAND_OUTBOUND_ALLOW.",
            );
        }
        Ok(url)
    }

    /// The organization's address, and the secrets to sign with. Made at the first need: a link has an address of its own.
    pub(super) async fn webhook_receiver(&self, organization: i64) -> Result<(Option<Secret>, Vec<Secret>), ApiError> {
        let row = self.webhook_row(organization).await?;
        let secrets = self.secrets_of(&row)?.into_iter().map(|kept| kept.secret).collect();
        Ok((self.address_of(&row)?, secrets))
    }

    fn address_of(&self, row: &WebhookRow) -> Result<Option<Secret>, ApiError> {
        let (place, sealed) = (WEBHOOK_ADDRESS.place(row.organization_id, row.id), row.url_sealed.as_ref());
        Ok(sealed.map(|sealed| self.vault.open_text(place, sealed)).transpose()?)
    }

    fn secrets_of(&self, row: &WebhookRow) -> Result<Vec<Kept>, ApiError> {
        Ok(self.vault.open_json(WEBHOOK_SECRETS.place(row.organization_id, row.id), &row.secrets_sealed)?)
    }

    fn seal_secrets(&self, organization: i64, row: i64, secrets: &[Kept]) -> Result<Vec<u8>, ApiError> {
        Ok(self.vault.seal_json(WEBHOOK_SECRETS.place(organization, row), &secrets)?)
    }

    async fn new_kept_secret(&self, shown: bool) -> Result<Kept, ApiError> {
        let id = self.store.next_id().await?;
        Ok(Kept { id, created_at: self.now(), secret: new_secret(self.entropy.as_ref()), shown })
    }

    /// The secret that no administrator has seen, if there is one: from now on it counts as seen.
    async fn show_unseen(
        &self,
        organization: i64,
        trail: impl Fn(&Kept) -> Result<Trail, ApiError>,
    ) -> Result<Option<Kept>, ApiError> {
        let secrets = self.secrets_of(&self.webhook_row(organization).await?)?;
        let Some(first) = secrets.iter().find(|kept| !kept.shown) else { return Ok(None) };
        let trail = trail(first)?;
        let mut unseen = None;
        self.change_secrets(organization, &trail, |secrets| {
            unseen = secrets.iter_mut().find(|kept| !kept.shown).map(|kept| {
                kept.shown = true;
                kept.clone()
            });
            Ok(unseen.is_some())
        })
        .await?;
        Ok(unseen)
    }

    /// `shown`: the secret that is shown.
    fn webhook_view(&self, row: &WebhookRow, shown: Option<i64>) -> Result<WebhookView, ApiError> {
        let url = self.address_of(row)?.map(|url| url.expose().to_owned());
        let secrets = self.secrets_of(row)?.iter().map(|kept| kept.shown(Some(kept.id) == shown)).collect();
        Ok(WebhookView { url, secrets })
    }

    /// The organization's row; where there is none yet, one with a first secret.
    async fn webhook_row(&self, organization: i64) -> Result<WebhookRow, ApiError> {
        let find = move |conn: &mut _| webhooks::find(conn, organization);
        if let Some(row) = self.store.read_for(Whose::of(organization), find).await? {
            return Ok(row);
        }
        let (id, now) = (self.store.next_id().await?, UtcTime(self.now()));
        let first = self.new_kept_secret(false).await?;
        let row = WebhookRow {
            id,
            organization_id: organization,
            url_sealed: None,
            secrets_sealed: self.seal_secrets(organization, id, std::slice::from_ref(&first))?,
            created_at: now,
            updated_at: now,
        };
        let new = row.clone();
        match self.store.write_for(Whose::of(organization), move |conn| webhooks::insert(conn, &new)).await {
            Ok(()) => Ok(row),
            // Somebody else was first: that row counts.
            Err(StoreFault::Conflict(fault)) => {
                Ok(self.store.read_for(Whose::of(organization), find).await?.ok_or(StoreFault::Conflict(fault))?)
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// `change` says whether there is anything to write: a trail tells of what happened alone.
    async fn change_secrets(
        &self,
        organization: i64,
        trail: &Trail,
        mut change: impl FnMut(&mut Vec<Kept>) -> Result<bool, ApiError>,
    ) -> Result<(), ApiError> {
        let mut races = Races::default();
        loop {
            let row = self.webhook_row(organization).await?;
            let mut secrets = self.secrets_of(&row)?;
            if !change(&mut secrets)? {
                return Ok(());
            }
            let new = self.seal_secrets(row.organization_id, row.id, &secrets)?;
            let (old, now, trail) = (row.secrets_sealed.clone(), self.now(), trail.clone());
            match self
                .store
                .write_for(Whose::of(organization), move |conn| {
                    webhooks::set_secrets(conn, organization, (&old, &new), now, &trail)
                })
                .await
            {
                Err(StoreFault::Conflict(_)) => races.lost()?,
                other => return Ok(other?),
            }
        }
    }
}
