//! An instance is authorised anew: id and token stay, the account too unless the link allows another one.

use std::sync::Arc;

use super::finish::{Attempt, Refusal};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::patch::Patch;
use crate::service::Services;
use crate::service::audit::Deed;
use crate::service::credentials::provision::{Got, Provisioned, Provisioning};
use crate::service::ground::Races;
use crate::service::instance::connected::Connected;
use crate::service::instance::input::{InstanceInput, Tag, Tags};
use crate::service::keys::unopened::unless_unopened;
use crate::service::lifecycle::new_host::FILE_CHANGED;
use crate::service::links::outcome::{Outcome, Reason};
use crate::service::links::{Link, differ};
use crate::service::process::flight::Lateness;
use crate::service::unstored::Held;
use crate::service::unstored::entry::{Act, Entry};
use crate::store::StoreFault;

impl Services {
    /// The same instance with a new credential: id, token and what the link does not speak of stay.
    pub(super) async fn authorise_anew(
        &self,
        attempt: &Attempt,
        link: &Link,
        id: i64,
        lateness: &Lateness,
    ) -> Result<Option<Refusal>, ApiError> {
        // Got once, whatever happens to the row meanwhile: a code cannot be spent twice.
        let mut got = None;
        let renewed = self.authorise_anew_with(attempt, link, id, &mut got, lateness).await;
        if let (Err(error), Some(got)) = (&renewed, &got) {
            tracing::error!(instance = id, ?error, "a new credential is not kept");
            self.let_code_go(attempt.actor.owner(), got.1.code.as_ref(), lateness).await;
        }
        renewed
    }

    async fn authorise_anew_with(
        &self,
        attempt: &Attempt,
        link: &Link,
        id: i64,
        got: &mut Option<Arc<(Provisioning, Provisioned)>>,
        lateness: &Lateness,
    ) -> Result<Option<Refusal>, ApiError> {
        let (owner, input) = (attempt.actor.owner(), attempt.changes(link));
        // Drawn before anything is spent.
        let (of_instance, of_link) = (self.store.next_id().await?, self.store.next_id().await?);
        // What the end of the process would keep: each try makes it anew, on the row as it is by then.
        let mut _held: Option<Held> = None;
        let mut races = Races::default();
        loop {
            let (stored, mut change) = match self.changed_instance(owner, id, &input, got.is_some()).await {
                Err(error) if error.code == Code::InstanceNotFound => {
                    let message = "The connection that was to be renewed is gone.";
                    return self.refuse(Outcome::of(Reason::InstanceGone, message), got.as_deref(), lateness).await;
                }
                other => other?,
            };
            let before = Connected::of_row(&stored.instance)?;
            let tags = change.stored.tags()?;
            // Two customers never meet: it may have been given to another one since the link was made.
            if stored.instance.external_id.is_some() && stored.instance.external_id != link.row.external_id {
                let message = "The connection belongs to another customer by now.";
                return self.refuse(Outcome::of(Reason::InstanceGone, message), got.as_deref(), lateness).await;
            }
            // The link brings a code or a key, but other secrets may have been stored for another host.
            let kept = change.refuse_secrets_of_old_host(&input, true).and_then(|()| {
                // What was got for this very attempt is anew.
                let changed = got.is_none() && self.refuse_element_changed_since(&change.element, &stored).is_err();
                if changed { change.refuse_kept_secrets(&input, true, FILE_CHANGED) } else { Ok(()) }
            });
            if let Err(error) = kept {
                return self
                    .refuse(Outcome::of(Reason::VendorConfiguration, error.to_string()), got.as_deref(), lateness)
                    .await;
            }
            let known = match &*got {
                Some(known) => Arc::clone(known),
                None => {
                    let provisioning = self.provisioning(attempt, change.configuration.clone()).await?;
                    let provisioned = match self.provision(&provisioning, lateness).await? {
                        Got::New(provisioned) => *provisioned,
                        // By this very link, which is connected.
                        Got::Instance(_) => return Ok(None),
                    };
                    Arc::clone(got.insert(Arc::new((provisioning, provisioned))))
                }
            };
            // Each time: the row may have another account by now.
            if let Some(refusal) = self.refused_anew(attempt, link, &before, &known, lateness).await {
                return Ok(Some(refusal));
            }
            let (provisioning, provisioned) = (&known.0, &known.1);
            // The account that makes room for another one is let go.
            let swapped = differ(before.account.as_ref(), provisioned.connected.account.as_ref());
            let version = stored.credential.version;
            let whole = self.with_kept_token((&stored, &change), &input, (provisioning, provisioned));
            let credential = self.credential_row(id, version, &change.element, owner, &whole)?;
            let recovers = change.renew(&whole);
            let outcome = attempt.connected(&whole);
            let customer = &link.row.external_id;
            let of_link = self.audit_with(of_link, &attempt.actor, Deed::LinkAuthorised, (attempt.link, customer))?;
            let trail = self.audit_with(of_instance, &attempt.actor, Deed::InstanceAuthorised, (id, customer))?;
            let mut entry = Entry {
                tags,
                recovers,
                code: provisioned.code.clone(),
                link: Some(attempt.authorised(id, &outcome, of_link)?),
                trail: trail.record(),
                ..Entry::new(owner, Act::Change, change.stored.instance, credential)
            };
            let client = provisioning.client();
            if swapped {
                let meanwhile = self.unstored.hold(Arc::new(entry.clone()), client.clone());
                // One that does not open cannot be revoked, and must not keep the new one out.
                let replaced = self.retry_while_passing(|| self.revocation_of(&stored)).await;
                entry.replaces = unless_unopened(replaced)?.flatten();
                drop(meanwhile);
            }
            let entry = self.telling(entry);
            _held = provisioning.spends().then(|| self.unstored.hold(Arc::clone(&entry), client));
            return match self.store_entry(&entry, provisioning.spends(), lateness).await {
                Err(StoreFault::Conflict(_)) => {
                    races.lost()?;
                    continue;
                }
                Err(fault) => Err(fault.into()),
                Ok(None) => Ok(None),
                Ok(Some(link)) => {
                    self.give_up(provisioning, provisioned, &link, lateness).await;
                    Ok(None)
                }
            };
        }
    }

    /// Why the instance keeps the credential that it has. A vendor that knows one grant for an account would end the old one
    /// with the new one, so nothing is revoked where both are of the same account.
    async fn refused_anew(
        &self,
        attempt: &Attempt,
        link: &Link,
        before: &Connected,
        (provisioning, provisioned): &(Provisioning, Provisioned),
        lateness: &Lateness,
    ) -> Option<Refusal> {
        let now = &provisioned.connected;
        let other = differ(before.account.as_ref(), now.account.as_ref());
        let untold = before.account.is_some() && now.account.is_none();
        let outcome = match attempt.lacking(now) {
            Some(outcome) => outcome,
            None if link.settings.allow_other_account => return None,
            None if other => Outcome::wrong_account(before.account.clone(), now),
            // Nobody knows whose it is, so it may be a swap.
            None if untold => {
                let message = format!("{} did not say which account it is. Try again.", attempt.element.name);
                Outcome::of(Reason::VendorUnavailable, message)
            }
            None => return None,
        };
        if other {
            self.let_grant_go(provisioning, provisioned, lateness).await;
        } else {
            self.let_code_go(provisioning.owner, provisioned.code.as_ref(), lateness).await;
        }
        Some(Refusal(outcome))
    }

    /// There is nothing to renew, or it cannot be; `got`: what the vendor gave already.
    async fn refuse(
        &self,
        outcome: Outcome,
        got: Option<&(Provisioning, Provisioned)>,
        lateness: &Lateness,
    ) -> Result<Option<Refusal>, ApiError> {
        if let Some((provisioning, provisioned)) = got {
            self.let_grant_go(provisioning, provisioned, lateness).await;
        }
        Ok(Some(Refusal(outcome)))
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
