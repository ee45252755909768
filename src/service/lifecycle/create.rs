//! `POST /instances`: check everything, spend the code or the key, commit, answer.

use std::sync::Arc;

use super::rows::{Draft, Wanted};
use crate::catalog::element::{AuthenticationType, Element};
use crate::kernel::code::Code;
use crate::kernel::entropy::base64_token;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::audit::Deed;
use crate::service::credentials::provision::{Got, Provisioned};
use crate::service::ground::{PATIENCE, waits_for_database};
use crate::service::instance::answer::Answer;
use crate::service::instance::configuration::CALLBACK_URL;
use crate::service::instance::idempotency::{Begun, Claimed, IdempotencyKey};
use crate::service::instance::input::{ElementReference, InstanceInput};
use crate::service::organization::rooms::Taken;
use crate::service::process::flight::{Flight, Lateness};
use crate::service::unstored::entry::{Act, Entry};
use crate::store::instances::Creator;
use crate::store::limits::Limit;
use crate::store::{AnyConn, StoreFault, idempotency};

impl Draft {
    /// What is known of the row's size; the credential comes on top.
    fn bytes(&self) -> usize {
        let texts = self.tags.iter().chain([&self.name]).chain(&self.external_id);
        let texts: usize = texts.map(String::len).sum();
        self.provisioning.configuration.bytes().saturating_add(texts)
    }
}

impl Services {
    pub async fn create_instance(
        &self,
        actor: &Actor,
        element_in_path: Option<&str>,
        input: InstanceInput,
        key: Option<IdempotencyKey>,
    ) -> Result<Answer, ApiError> {
        let mut draft = self.draft(actor, element_in_path, input).await?;
        // First: once the code is spent nothing may fail but the commit, and whoever gives up is told the id.
        let id = self.store.next_id().await?;
        draft.trail = self.audit(actor, Deed::InstanceCreated, (id, &draft.external_id)).await?.record();
        if key.is_none() && !draft.provisioning.asks_vendor() {
            // Nothing is spent and nothing claimed: if the caller goes, all or nothing of it is stored.
            return self.create(id, draft, None, &Lateness::unheard()).await;
        }
        let owner = draft.provisioning.owner;
        let (lateness, landing, mut flight) = Flight::begin();
        let lateness = if draft.provisioning.spends() { lateness.of_instance(id) } else { lateness };
        let hashes = key.as_ref().and_then(|key| self.hashes_of(key));
        let entered = match self.creations.enter(owner, id, hashes, &flight)? {
            Ok(entered) => entered,
            Err(mut first) => return first.arrival_within(PATIENCE).await,
        };
        let services = self.clone();
        self.detached.start(async move {
            let created = services.create_once(id, draft, key, &lateness).await;
            drop(entered);
            landing.tell(created.map_err(Arc::new));
        });
        flight.arrival().await
    }

    async fn create_once(
        &self,
        id: i64,
        mut draft: Draft,
        key: Option<IdempotencyKey>,
        lateness: &Lateness,
    ) -> Result<Answer, ApiError> {
        let owner = draft.provisioning.owner;
        let claimed = match key {
            None => None,
            Some(key) => match self.begin_once(owner, &key, draft.provisioning.spends_for()).await? {
                Begun::First(claimed) => Some(claimed),
                Begun::Repeated(answer) => return Ok(*answer),
            },
        };
        draft.provisioning.dead = claimed.and_then(|claimed| claimed.dead);
        let created = self.while_claimed(claimed, self.create(id, draft, claimed, lateness)).await;
        if let (Err(_), Some(claimed)) = (&created, claimed) {
            let release = self.release_key(owner, claimed);
            lateness.within(PATIENCE, || waits_for_database(None), release).await;
        }
        created
    }

    async fn create(
        &self,
        id: i64,
        draft: Draft,
        claimed: Option<Claimed>,
        lateness: &Lateness,
    ) -> Result<Answer, ApiError> {
        // Before: once something is spent, nothing is awaited but its commit.
        let organization = draft.provisioning.owner.organization;
        let told = self.may_have_webhook(organization).await;
        let _room = self.room_for_instance(organization, draft.bytes()).await?;
        let provisioned = match self.provision(&draft.provisioning, lateness).await? {
            Got::New(provisioned) => *provisioned,
            Got::Instance(before) => return self.made_before(before, &draft, claimed, lateness).await,
        };
        let made = self.entry_of(id, &draft, &provisioned, (claimed, told));
        let (entry, answer) = match made {
            Ok(made) => made,
            Err(error) => {
                self.let_grant_go(&draft.provisioning, &provisioned, lateness).await;
                return Err(error);
            }
        };
        let spends = draft.provisioning.spends();
        let _held = spends.then(|| self.unstored.hold(Arc::clone(&entry), draft.provisioning.client()));
        match self.store_entry(&entry, spends, lateness).await {
            Ok(_) => Ok(answer),
            // A commit whose acknowledgement was lost is tried again, and meets its own row.
            Err(StoreFault::Conflict(_)) if self.has_token(&entry, spends).await? => Ok(answer),
            Err(fault) => {
                if spends {
                    self.revoke_entry(&entry).await;
                }
                Err(fault.into())
            }
        }
    }

    /// The same request made this instance already, with the same code.
    async fn made_before(
        &self,
        id: i64,
        draft: &Draft,
        claimed: Option<Claimed>,
        lateness: &Lateness,
    ) -> Result<Answer, ApiError> {
        let owner = draft.provisioning.owner;
        let stored = self.stored_instance(owner, id).await.map_err(|error| match error.code {
            Code::InstanceNotFound => {
                let message = format!("This code made the instance {id}, which was deleted since: send the user to the vendor again for a new one.");
                ApiError::new(Code::CodeUsed, message)
            }
            _ => error,
        })?;
        let instance = self.view(&stored, true)?;
        let answer = Answer { instance, without_effect: draft.without_effect.clone(), trace: draft.trace };
        if let Some(claimed) = claimed {
            let sealed = self.seal_answer(owner, claimed, &answer)?;
            let finish = move |conn: &mut AnyConn| idempotency::finish(conn, owner, claimed.id, &sealed);
            let finishing = self.commit_until_decided(owner, "the answer to an idempotency key", finish);
            lateness.within(PATIENCE, || waits_for_database(None), finishing).await?;
        }
        Ok(answer)
    }

    /// Before anything is spent. `documents`: bytes that are known by then; the credential comes on top.
    pub(in crate::service) async fn room_for_instance(
        &self,
        organization: i64,
        documents: usize,
    ) -> Result<[Taken; 2], ApiError> {
        let one = self.claim(organization, Limit::Instances, 1).await?;
        Ok([one, self.claim_bytes(organization, documents).await?])
    }

    /// What is stored and what is answered.
    fn entry_of(
        &self,
        id: i64,
        draft: &Draft,
        provisioned: &Provisioned,
        (claimed, told): (Option<Claimed>, bool),
    ) -> Result<(Arc<Entry>, Answer), ApiError> {
        let owner = draft.provisioning.owner;
        let token = base64_token(self.entropy.as_ref());
        let stored = self.stored(id, &token, draft, provisioned)?;
        let answer = Answer {
            instance: self.view_of(&stored, &token, Some(&draft.provisioning.configuration))?,
            without_effect: draft.without_effect.clone(),
            trace: draft.trace,
        };
        let sealed = claimed.map(|claimed| Ok::<_, ApiError>((claimed.id, self.seal_answer(owner, claimed, &answer)?)));
        let entry = Entry {
            tags: draft.tags.clone(),
            grant: provisioned.grant,
            code: provisioned.code.clone(),
            answer: sealed.transpose()?,
            trail: draft.trail.clone(),
            ..Entry::new(owner, Act::Create, stored.instance, stored.credential)
        };
        Ok((if told { self.telling(entry) } else { Arc::new(entry) }, answer))
    }

    async fn has_token(&self, entry: &Entry, spends: bool) -> Result<bool, ApiError> {
        let (owner, id) = (entry.owner, entry.instance.id);
        let stored =
            if spends { self.stored_once_readable(owner, id).await } else { self.stored_instance(owner, id).await };
        match stored {
            Ok(stored) => Ok(stored.instance.token_hash == entry.instance.token_hash),
            Err(gone) if gone.code == Code::InstanceNotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn draft(
        &self,
        actor: &Actor,
        element_in_path: Option<&str>,
        input: InstanceInput,
    ) -> Result<Draft, ApiError> {
        let caller = actor.principal()?;
        let element = self.named_element(actor.owner(), element_in_path, input.element.as_ref())?;
        let mut wanted = Wanted::of(element, input, self.now())?;
        let owner = actor.owner();
        let app = self.app_for(owner, &wanted.element, wanted.authentication, &wanted.configuration).await?;
        if let Some(app) = &app {
            app.fill(&mut wanted.configuration);
        }
        let is_told = wanted.brought.is_none() && wanted.provider_data.text("secret").is_some();
        if let Some(app) = app.as_ref().filter(|_| is_told) {
            wanted.configuration.set(CALLBACK_URL, Some(self.redirect_url_of(app.callback.as_deref())));
        }
        wanted.require(app.is_some())?;
        if wanted.authentication == AuthenticationType::OAuth2
            && wanted.brought.is_none()
            && wanted.provider_data.code().is_none()
        {
            return Err(crate::service::credentials::provision::missing_code(&wanted.element));
        }
        let creator = Creator::from(&**caller);
        let (secret, state) = (wanted.provider_data.text("secret"), wanted.provider_data.text("state"));
        let request = (&wanted.name, &wanted.tags, &wanted.external_id, &wanted.configuration, secret, state);
        let request = serde_json::to_vec(&request).map_err(|error| ApiError::internal(error))?;
        Ok(wanted.into_draft(owner, app, creator, request))
    }

    /// The element that path and body name. Both may, if they agree.
    pub(super) fn named_element(
        &self,
        owner: Owner,
        in_path: Option<&str>,
        in_body: Option<&ElementReference>,
    ) -> Result<Arc<Element>, ApiError> {
        let in_body = in_body.and_then(|body| body.key.clone().or_else(|| body.id.map(|id| id.to_string())));
        let named = in_path.map(str::to_owned).or_else(|| in_body.clone()).ok_or_else(|| {
            let message = "The body names no element: send {\"element\":{\"key\":\"…\"}} or {\"element\":{\"id\":…}}.";
            ApiError::new(Code::MissingElement, message)
        })?;
        let element = self.element_of(owner, &named)?;
        if in_body.is_some_and(|body| self.element_of(owner, &body).map(|other| other.id).ok() != Some(element.id)) {
            return Err(ApiError::new(Code::IdMismatch, "The element in the body differs from the one in the path."));
        }
        Ok(element)
    }
}
