//! An instance is authorised anew: id and token stay, the account too unless the link allows another one.

use std::sync::Arc;

use super::finish::{Attempt, Checked, Refusal, TRIES, differ};
use super::{Link, Outcome, Reason, Services};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::patch::Patch;
use crate::service::delete_instance::revoke_unless_shared;
use crate::service::instance_input::{InstanceInput, Tag, Tags};
use crate::service::introspect::Connected;
use crate::service::notices::{self, Event};
use crate::service::provision::{Provisioned, Provisioning};
use crate::store::StoreFault;
use crate::store::instances::{self, Stored};

impl Services {
    /// The same instance with a new credential: id, token and what the link does not speak of stay.
    pub(super) async fn authorise_anew(
        &self,
        attempt: &Attempt,
        link: &Link,
        id: i64,
    ) -> Result<Option<Refusal>, ApiError> {
        let (owner, now, input) = (attempt.owner, self.now(), attempt.changes(link));
        // Got once, whatever happens to the row meanwhile: a code cannot be spent twice.
        let mut got: Option<Arc<(Provisioning, Provisioned)>> = None;
        for _ in 0..TRIES {
            let stored = match self.stored_instance(owner, id).await {
                Err(error) if error.code == Code::InstanceNotFound => {
                    return self.refuse_gone("The connection that was to be renewed is gone.", got.as_deref()).await;
                }
                other => other?,
            };
            // Two customers never meet: it may have been given to another one since the link was made.
            if stored.instance.external_id.is_some() && stored.instance.external_id != link.row.external_id {
                return self.refuse_gone("The connection belongs to another customer by now.", got.as_deref()).await;
            }
            let mut change = self.apply(&stored, &input).await?;
            let known = match &got {
                Some(known) => Arc::clone(known),
                None => {
                    let provisioning = self.provisioning(attempt, change.configuration.clone()).await?;
                    let provisioned = self.provision(&provisioning).await?;
                    Arc::clone(got.insert(Arc::new((provisioning, provisioned))))
                }
            };
            // Each time: the row may have another account by now.
            if let Some(refusal) = self.refused_anew(attempt, link, &stored, &known).await? {
                return Ok(Some(refusal));
            }
            let (provisioning, provisioned) = (&known.0, &known.1);
            let before = Connected::read(stored.instance.connected.as_deref());
            // The account that makes room for another one is let go.
            let swapped = differ(before.account.as_ref(), provisioned.connected.account.as_ref());
            let old = if swapped { self.revocation_of(&stored).await? } else { None };
            let version = stored.credential.version;
            change.stored.credential = self.credential_row(id, version, &change.element, owner, provisioned)?;
            let row = &mut change.stored.instance;
            let recovered = row.invalid_reason.take().is_some();
            row.external_authentication = provisioned.external_authentication().to_owned();
            row.connected = provisioned.connected.text();
            let event = Event::of_instance(notices::Kind::InstanceRecovered, row, None).by_link(attempt.link);
            let told = if recovered { self.notices(owner, &event, None) } else { Vec::new() };
            let (tags, stored) = (change.stored.tags(), Arc::new(change.stored));
            let outcome = Outcome::of_connection(&attempt.element.name, &provisioned.connected);
            let end = self.authorised(attempt, id, &outcome)?;
            let commit = self.commit(move |conn| match end.check(conn, now)? {
                Checked::Open(link) => {
                    instances::update(conn, owner, &stored.instance, &tags)?;
                    instances::update_credential(conn, owner, &stored.credential, now)?;
                    old.map_or(Ok(()), |old| revoke_unless_shared(conn, owner, old, now))?;
                    notices::enqueue(conn, &told)?;
                    end.write(conn, *link).map(|()| None)
                }
                Checked::Ended(link) => Ok(Some(link)),
            });
            let committed = commit.await;
            self.warm.forget([&id]);
            return match committed {
                Err(StoreFault::Conflict(_)) => continue,
                Err(fault) => Err(fault.into()),
                Ok(None) => Ok(None),
                Ok(Some(link)) => self.give_up(provisioning, provisioned, &link).await.map(|()| None),
            };
        }
        Err(ApiError::from(Code::DatabaseUnavailable).with_retry_after(1))
    }

    /// Why the instance keeps the credential that it has. A vendor that knows one grant for an account would end the old one
    /// with the new one, so nothing is revoked where both are of the same account.
    async fn refused_anew(
        &self,
        attempt: &Attempt,
        link: &Link,
        stored: &Stored,
        (provisioning, provisioned): &(Provisioning, Provisioned),
    ) -> Result<Option<Refusal>, ApiError> {
        let before = Connected::read(stored.instance.connected.as_deref());
        let now = &provisioned.connected;
        let other = differ(before.account.as_ref(), now.account.as_ref());
        let untold = before.account.is_some() && now.account.is_none();
        let outcome = match attempt.lacking(now) {
            Some(outcome) => outcome,
            None if link.settings.allow_other_account => return Ok(None),
            None if other => Outcome::wrong_account(before.account, now),
            // Nobody knows whose it is, so it may be a swap.
            None if untold => {
                let message = format!("{} did not say which account it is. Try again.", attempt.element.name);
                Outcome::of(Reason::VendorUnavailable, message)
            }
            None => return Ok(None),
        };
        let revoked = if other { self.new_grant(provisioning, provisioned).await? } else { None };
        Ok(Some(Refusal { outcome, revoked }))
    }

    /// There is nothing to renew any more; `got`: what the vendor gave already.
    async fn refuse_gone(
        &self,
        message: &str,
        got: Option<&(Provisioning, Provisioned)>,
    ) -> Result<Option<Refusal>, ApiError> {
        let revoked = match got {
            Some((provisioning, provisioned)) => self.new_grant(provisioning, provisioned).await?,
            None => None,
        };
        Ok(Some(Refusal { outcome: Outcome::of(Reason::InstanceGone, message), revoked }))
    }
}

impl Attempt {
    /// What the link changes of an instance.
    fn changes(&self, link: &Link) -> InstanceInput {
        let tags = link.settings.tags.clone().map(|tags| Tags::Many(tags.into_iter().map(Tag::Text).collect()));
        let value = |text: &Option<String>| text.clone().map_or(Patch::Absent, Patch::Value);
        InstanceInput {
            name: value(&link.settings.name),
            tags: tags.map_or(Patch::Absent, Patch::Value),
            external_id: value(&link.row.external_id),
            configuration: Some(self.given.clone()),
            ..InstanceInput::default()
        }
    }
}
