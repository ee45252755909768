//! The end of an attempt: the code or key is spent, and either instance and link are committed together, or nothing is, and
//! the new grant is queued for revocation.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::settle::Revoked;
use super::{Link, Outcome, Reason, Services, Status, stored_status};
use crate::catalog::element::{AuthenticationType, Element};
use crate::kernel::code::Code;
use crate::kernel::entropy::base64_token;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::protocol::Credential;
use crate::service::callback::{LinkWaiting, Redirected, UnderWay};
use crate::service::configuration::Configuration;
use crate::service::create_instance::Draft;
use crate::service::delete_instance::revoke_unless_shared;
use crate::service::instance_input::{InstanceInput, ProviderData};
use crate::protocol::account::VendorAccount;
use crate::service::introspect::Connected;
use crate::service::partner_app::PartnerApp;
use crate::service::provision::{Provisioned, Provisioning, Started};
use crate::store::instances::{self, Creator, Stored};
use crate::store::links::{self as rows, LinkRow};
use crate::store::time::UtcTime;
use crate::store::{AnyConn, StoreFault};

/// How often a commit is tried again because somebody else changed the link or the instance meanwhile.
const TRIES: usize = 8;

/// Everything that an instance will be made of.
pub(super) struct Attempt {
    pub owner: Owner,
    pub link: i64,
    pub element: Arc<Element>,
    pub authentication: AuthenticationType,
    pub given: Map<String, Value>,
    /// The organization's app, where it speaks.
    pub app: Option<PartnerApp>,
    pub provider_data: ProviderData,
    pub started: Option<Started>,
    /// Scopes without which there is no connection.
    pub mandatory: Vec<String>,
}

/// Why there is no connection, and the grant that nobody may keep.
pub(super) struct Refusal {
    pub outcome: Outcome,
    pub revoked: Revoked,
}

/// What became of a transaction.
enum Written {
    Done,
    /// The link came to an end before; it is as it is here.
    TooLate(Box<LinkRow>),
}

impl Services {
    /// The vendor's redirect was here. Gives the link's token: its result page says what came of it.
    pub(in crate::service) async fn finish_link(
        &self,
        owner: Owner,
        element: Option<Arc<Element>>,
        under_way: &UnderWay,
        waiting: &LinkWaiting,
        redirected: Redirected,
    ) -> Result<Secret, ApiError> {
        let link = self.link(owner, waiting.link).await?;
        if !link.status.is_open() {
            // Revoked, expired or connected meanwhile: the code is not spent.
            return Ok(link.token);
        }
        let name = element.as_ref().map_or("The vendor", |element| element.name.as_str()).to_owned();
        let (status, refusal) = match (element, redirected.code) {
            (None, _) => (Status::Failed, Refusal::of(Reason::NotOffered, "The element is no longer offered.")),
            (Some(element), Some(code)) => {
                let attempt = Attempt {
                    owner,
                    link: waiting.link,
                    app: self.partner_app(owner, &element).await?,
                    element,
                    authentication: AuthenticationType::OAuth2,
                    given: waiting.configuration.clone(),
                    provider_data: ProviderData::of_code(&code),
                    started: Some(under_way.started(None)),
                    mandatory: waiting.scopes.clone(),
                };
                match self.conclude(&attempt).await {
                    Ok(None) => return Ok(link.token),
                    Ok(Some(refusal)) => (Status::Failed, refusal),
                    Err(error) => (Status::Failed, Refusal::of_error(error)?),
                }
            }
            (Some(_), None) => refused_by_redirect(&name, &redirected.error, redirected.error_description),
        };
        self.settle(owner, waiting.link, (status, &refusal.outcome), None, refusal.revoked).await?;
        Ok(link.token)
    }

    /// Spends the code or the key and commits. `Some`: there is no connection. Runs detached.
    pub(super) async fn conclude(&self, attempt: &Attempt) -> Result<Option<Refusal>, ApiError> {
        let link = self.link(attempt.owner, attempt.link).await?;
        match link.settings.instance_id {
            Some(instance) => self.authorise_anew(attempt, &link, instance).await,
            None => self.make_instance(attempt, &link).await,
        }
    }

    async fn make_instance(&self, attempt: &Attempt, link: &Link) -> Result<Option<Refusal>, ApiError> {
        let mut configuration = Configuration::of(&attempt.element);
        configuration.merge(&attempt.element, attempt.given.clone())?;
        // First: once the code is spent nothing may fail but the commit, which is tried again.
        let id = self.store.next_id().await?;
        let provisioning = attempt.provisioning(configuration);
        let provisioned = self.provision(&provisioning).await?;
        if let Some(outcome) = attempt.lacking(&provisioned.connected) {
            let revoked = self.new_grant(&provisioning, &provisioned.credential).await?;
            return Ok(Some(Refusal { outcome, revoked }));
        }
        let name = link.settings.name.clone().unwrap_or_else(|| attempt.element.name.clone());
        let draft = Draft {
            tags: link.settings.tags.clone().unwrap_or_else(|| vec![name.clone()]),
            name,
            external_id: link.row.external_id.clone(),
            provisioning: provisioning.clone(),
            without_effect: Vec::new(),
            trace: false,
            creator: Creator {
                id: link.row.created_by,
                email: String::new(),
                first_name: String::new(),
                last_name: String::new(),
            },
        };
        let stored = self.stored(id, &base64_token(self.entropy.as_ref()), &draft, &provisioned)?;
        let (stored, tags, owner) = (Arc::new(stored), draft.tags, attempt.owner);
        let outcome = Outcome::connected(&provisioned.connected);
        let insert = {
            let stored = Arc::clone(&stored);
            move |conn: &mut AnyConn| instances::insert(conn, owner, &stored.instance, &stored.credential, &tags)
        };
        match self.write_connected(attempt, link, (id, &outcome), insert).await? {
            Written::Done => Ok(None),
            Written::TooLate(row) => self.give_up(&provisioning, &provisioned, &row).await.map(|()| None),
        }
    }

    async fn authorise_anew(&self, attempt: &Attempt, link: &Link, id: i64) -> Result<Option<Refusal>, ApiError> {
        // Got once, whatever happens to the row meanwhile: a code cannot be spent twice.
        let mut got: Option<(Provisioning, Provisioned)> = None;
        let input = link.settings.of_instance(attempt, link.row.external_id.as_deref());
        for _ in 0..TRIES {
            let stored = match self.stored_instance(attempt.owner, id).await {
                Err(error) if error.code == Code::InstanceNotFound => {
                    let outcome = Outcome::of(Reason::InstanceGone, "The connection that was to be renewed is gone.");
                    let revoked = match &got {
                        Some((provisioning, new)) => self.new_grant(provisioning, &new.credential).await?,
                        None => None,
                    };
                    return Ok(Some(Refusal { outcome, revoked }));
                }
                other => other?,
            };
            let mut change = self.apply(&stored, &input, attempt.app.as_ref())?;
            if got.is_none() {
                let provisioning = attempt.provisioning(change.configuration.clone());
                let provisioned = self.provision(&provisioning).await?;
                if let Some(refusal) = self.refused_anew(attempt, link, &stored, &provisioning, &provisioned).await? {
                    return Ok(Some(refusal));
                }
                got = Some((provisioning, provisioned));
            }
            let Some((provisioning, provisioned)) = &got else { continue };
            let before = Connected::read(stored.instance.connected.as_deref());
            let swapped = swaps(before.account.as_ref(), provisioned.connected.account.as_ref());
            let old = if swapped { self.revocation_of(&stored).await? } else { None };
            let version = stored.credential.version;
            change.stored.credential =
                self.credential_row(id, version, &change.element, attempt.owner, provisioned)?;
            change.stored.instance.invalid_reason = None;
            change.stored.instance.external_authentication = provisioned.external_authentication().to_owned();
            change.stored.instance.connected = provisioned.connected.document();
            let (tags, owner, now) = (change.stored.tags(), attempt.owner, self.now());
            let outcome = Outcome::connected(&provisioned.connected);
            let changed = Arc::new(change.stored);
            let update = move |conn: &mut AnyConn| {
                instances::update(conn, owner, &changed.instance, &tags)?;
                instances::update_credential(conn, owner, &changed.credential, now)?;
                old.map_or(Ok(()), |old| revoke_unless_shared(conn, owner, old, now))
            };
            let written = self.write_connected(attempt, link, (id, &outcome), update).await;
            self.warm.forget([&id]);
            match written {
                // The instance was changed meanwhile.
                Err(error) if error.code == Code::DatabaseUnavailable && error.retry_after == Some(0) => continue,
                Err(error) => return Err(error),
                Ok(Written::Done) => return Ok(None),
                Ok(Written::TooLate(row)) => {
                    return self.give_up(provisioning, provisioned, &row).await.map(|()| None);
                }
            }
        }
        Err(ApiError::from(Code::DatabaseUnavailable).with_retry_after(1))
    }
}
