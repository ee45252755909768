//! `PUT` and `PATCH`: change what was sent, keep id and token. A new code or key is proven before it replaces the old one.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::new_host::FILE_CHANGED;
use crate::catalog::element::{AuthenticationType, Element};
use crate::kernel::code::Code;
use crate::kernel::entropy::base64_token;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::protocol::variables::Replied;
use crate::service::actor::Actor;
use crate::service::audit::Deed;
use crate::service::credentials::partner_app::{PartnerApp, own_client};
use crate::service::credentials::provision::{Got, Provisioned, Provisioning, missing_code, needless};
use crate::service::ground::{PATIENCE, Races};
use crate::service::instance::answer::Answer;
use crate::service::instance::configuration::{AUTHENTICATION_TYPE, CALLBACK_URL, Configuration};
use crate::service::instance::input::InstanceInput;
use crate::service::instance::standing::Standing;
use crate::service::instance::view::InstanceView;
use crate::service::process::flight::{Flight, Lateness};
use crate::service::unstored::Held;
use crate::service::unstored::entry::{Act, Entry};
use crate::service::{Services, of_instance};
use crate::store::audit::Trail;
use crate::store::instances::{self, Stored};
use crate::store::sealed::INSTANCE_TOKEN;
use crate::store::time::UtcTime;
use crate::store::{AnyConn, StoreFault, Whose};
use crate::vault::lookup::Purpose;

impl Services {
    /// `reauthenticate`: get a new credential even if nothing that was sent asks for one.
    pub async fn change_instance(
        &self,
        actor: &Actor,
        id: i64,
        input: InstanceInput,
        reauthenticate: bool,
    ) -> Result<Answer, ApiError> {
        if input.id.is_some_and(|in_body| in_body != id) {
            return Err(ApiError::new(Code::IdMismatch, "The id in the body differs from the id in the path."));
        }
        input.refuse_denial()?;
        let (lateness, landing, mut flight) = Flight::begin();
        let lateness = if input.spends() { lateness.of_instance(id) } else { lateness };
        let by = By { actor: actor.clone(), trail: self.store.next_id().await? };
        let services = self.clone();
        self.detached.start(async move {
            let changed = services.change(&by, id, &input, reauthenticate, &lateness).await;
            landing.tell(changed.map_err(Arc::new));
        });
        flight.arrival().await
    }

    async fn change(
        &self,
        by: &By,
        id: i64,
        input: &InstanceInput,
        reauthenticate: bool,
        lateness: &Lateness,
    ) -> Result<Answer, ApiError> {
        // Got once, whatever happens to the row meanwhile: a code cannot be spent twice.
        let mut got: Option<(Provisioning, Provisioned)> = None;
        let changed = self.change_with(by, id, input, reauthenticate, &mut got, lateness).await;
        if let (Err(error), Some((provisioning, provisioned))) = (&changed, &got)
            && provisioning.spends()
        {
            tracing::error!(instance = id, ?error, "a new credential is not kept");
            // While the instance lives its own grant may be the same account's, which a revocation would end as well.
            match error.code {
                Code::InstanceNotFound => self.let_grant_go(provisioning, provisioned, lateness).await,
                _ => self.let_code_go(by.actor.owner(), provisioned.code.as_ref(), lateness).await,
            }
        }
        changed
    }

    async fn change_with(
        &self,
        by: &By,
        id: i64,
        input: &InstanceInput,
        reauthenticate: bool,
        got: &mut Option<(Provisioning, Provisioned)>,
        lateness: &Lateness,
    ) -> Result<Answer, ApiError> {
        let owner = by.actor.owner();
        // What the end of the process would keep: each try makes it anew, on the row as it is by then.
        let mut _held: Option<Held> = None;
        let mut races = Races::default();
        loop {
            // What was spent is stored whoever else changes the row: that may take as long as an outage, and nobody waits for it.
            let turn = if got.is_none() { Some(self.turn_to_change(id).await?) } else { None };
            let (stored, mut change) = self.changed_instance(owner, id, input, got.is_some()).await?;
            if got.is_none() && input.version.is_some_and(|meant| meant != stored.instance.version) {
                return Err(Code::InstanceChanged.into());
            }
            change.refuse_secrets_of_old_host(input, input.renews(self.now())?)?;
            let growth = change.stored.instance.bytes().saturating_sub(stored.instance.bytes());
            let _room = match growth {
                0 => None,
                // What was spent is stored.
                _ if got.is_some() => None,
                growth => Some(self.claim_bytes(owner.organization, growth).await?),
            };
            if got.is_none()
                && let Some(provisioning) = self.new_credential(&stored, &change, input, reauthenticate)?
            {
                if self.refuse_element_changed_since(&change.element, &stored).is_err() {
                    change.refuse_kept_secrets(input, input.renews(self.now())?, FILE_CHANGED)?;
                }
                // Others need not wait for the vendor; what they change meanwhile is read again.
                drop(turn);
                match self.provision(&provisioning, lateness).await? {
                    Got::New(provisioned) => *got = Some((provisioning, *provisioned)),
                    // Only the same change of the same instance is the same request.
                    Got::Instance(id) => {
                        let instance = self.view(&self.stored_instance(owner, id).await?, true)?;
                        let trace = provisioning.provider_data.debug();
                        return Ok(Answer { instance, without_effect: change.without_effect, trace });
                    }
                }
                continue;
            }
            let deed = change.deed(&stored, got.is_some());
            let of = (id, &change.stored.instance.external_id);
            let trail = self.audit_with(by.trail, &by.actor, deed, of)?;
            let written = match got.as_ref() {
                None => self.write_change(owner, &change, trail).await,
                Some((provisioning, provisioned)) => {
                    let version = stored.credential.version;
                    let provisioned = self.with_kept_token((&stored, &change), input, (provisioning, provisioned));
                    let credential = self.credential_row(id, version, &change.element, owner, &provisioned)?;
                    let recovers = change.renew(&provisioned);
                    change.stored.credential = credential.clone();
                    let entry = Entry {
                        tags: change.stored.tags()?,
                        grant: provisioned.grant,
                        code: provisioned.code.clone(),
                        recovers,
                        trail: trail.record(),
                        ..Entry::new(owner, Act::Change, change.stored.instance.clone(), credential)
                    };
                    let entry = self.telling(entry);
                    _held =
                        provisioning.spends().then(|| self.unstored.hold(Arc::clone(&entry), provisioning.client()));
                    self.store_entry(&entry, provisioning.spends(), lateness).await.map(drop)
                }
            };
            match written {
                Err(StoreFault::Conflict(_)) => races.lost().map_err(|_| changed_meanwhile())?,
                Err(fault) => return Err(of_instance(id)(fault)),
                Ok(()) => {
                    let instance = self.view_with(&change.stored, Some(&change.configuration))?;
                    let trace = input.provider_data.as_ref().is_some_and(|data| data.debug());
                    return Ok(Answer { instance, without_effect: change.without_effect, trace });
                }
            }
        }
    }

    /// One change of an instance at a time in this process.
    async fn turn_to_change(&self, id: i64) -> Result<OwnedSemaphorePermit, ApiError> {
        let turn = tokio::time::timeout(PATIENCE, self.changes.wait(id, 1)).await;
        turn.map_err(|_| ApiError::from(Code::Busy).with_retry_after(1))?.map_err(|error| ApiError::internal(error))
    }

    /// The instance as it is, and as it will be. `surely`: something was spent for the change, so only a verdict ends it.
    pub(in crate::service) async fn changed_instance(
        &self,
        owner: Owner,
        id: i64,
        input: &InstanceInput,
        surely: bool,
    ) -> Result<(Stored, Change), ApiError> {
        let read = || async {
            let stored = self.stored_instance(owner, id).await?;
            let change = self.planned_change(&stored, input).await?;
            Ok((stored, change))
        };
        if surely { self.retry_while_passing(read).await } else { read().await }
    }

    async fn write_change(&self, owner: Owner, change: &Change, trail: Trail) -> Result<(), StoreFault> {
        let (row, tags) = (change.stored.instance.clone(), change.stored.tags()?);
        let whose = Whose::from(owner).writing(row.configuration_sealed.len());
        let committed = self.commit(whose, move |conn| instances::update(conn, owner, &row, &tags, &trail)).await;
        self.warm.forget([&change.stored.instance.id]);
        committed
    }

    /// The row as it will be, but for its credential.
    pub(super) async fn planned_change(&self, stored: &Stored, input: &InstanceInput) -> Result<Change, ApiError> {
        let element = self.element_of_row(&stored.instance)?;
        self.refuse_move(&element, input)?;
        let before = self.configuration_of(stored)?;
        let mut configuration = before.clone();
        let without_effect = configuration.merge(&element, input.configuration.clone().unwrap_or_default())?;
        let authentication = configuration.authentication_type(&element)?;
        let brought = input.brought(self.now())?;
        let external = stored.instance.brings_tokens() || brought.is_some();
        let owner = Owner { organization: stored.instance.organization_id, account: stored.instance.account_id };
        let app = self.app_for(owner, &element, authentication, &configuration).await?;
        let secret = input.provider_data.as_ref().and_then(|data| data.text("secret"));
        if let Some(app) = app.as_ref().filter(|_| input.has_code() && secret.is_some()) {
            configuration.set(CALLBACK_URL, Some(self.redirect_url_of(app.callback.as_deref())));
        }
        // What was connected with the organization's app can be renamed when that is gone.
        let brings_tokens = brought.is_some_and(|brought| !brought.is_empty());
        let asks = input.has_code() || brings_tokens;
        if let Some(app) = app.as_ref().filter(|_| asks) {
            app.fill(&mut configuration);
        }
        let replied_before = brings_tokens.then(|| self.replied_before(stored));
        let served = app.is_some() || (own_client(&before).is_none() && own_client(&configuration).is_none() && !asks);
        configuration.require(&element, authentication, &needless(external && !input.has_code(), served))?;
        let mut stored = stored.clone();
        let row = &mut stored.instance;
        if let Some(name) = input.plain_name()? {
            row.name = name;
        }
        if let Some(tags) = input.plain_tags()? {
            row.tags = serde_json::to_string(&tags).map_err(|error| ApiError::internal(error))?;
        }
        if let Some(external_id) = input.checked_external_id()? {
            row.external_id = external_id;
        }
        if let Some(disabled) = input.disabled {
            row.enabled = !disabled;
        }
        row.authentication_type = authentication.as_str().to_owned();
        row.configuration_sealed = self.seal_configuration(row.organization_id, row.id, &configuration)?;
        row.updated_at = UtcTime(self.now());
        Ok(Change { stored, before, replied_before, configuration, element, authentication, app, without_effect })
    }

    /// What a new credential is got from, where the change asks for one.
    fn new_credential(
        &self,
        stored: &Stored,
        change: &Change,
        input: &InstanceInput,
        reauthenticate: bool,
    ) -> Result<Option<Provisioning>, ApiError> {
        // An instance that is sent back as it was returned says `initial` too, and brings nothing.
        let brought = input.brought(self.now())?.filter(|brought| !brought.is_empty());
        let switched = stored.instance.authentication_type != change.authentication.as_str();
        let asked = match change.authentication {
            AuthenticationType::OAuth2 => {
                let brings = input.renews(self.now())?;
                if (switched || reauthenticate) && !brings {
                    return Err(missing_code(&change.element));
                }
                brings
            }
            AuthenticationType::ApiKey => {
                let differing = change.configuration.differing(&change.before);
                let declared = change.element.authentication.api_key.as_ref();
                let mut keys = declared.into_iter().flat_map(|it| it.keys());
                switched || reauthenticate || keys.any(|key| differing.contains_key(key)) || change.moves_address()
            }
        };
        if !asked {
            return Ok(None);
        }
        let provider_data = input.provider_data.clone().unwrap_or_default();
        let (secret, state, row) = (provider_data.text("secret"), provider_data.text("state"), &change.stored.instance);
        let row = (row.id, &row.name, &row.tags, &row.external_id, row.enabled);
        let request = serde_json::to_vec(&(row, &change.configuration, secret, state));
        Ok(Some(Provisioning {
            owner: Owner { organization: stored.instance.organization_id, account: stored.instance.account_id },
            element: Arc::clone(&change.element),
            authentication: change.authentication,
            configuration: change.configuration.clone(),
            app: change.app.clone(),
            provider_data,
            brought,
            started: None,
            request: request.map_err(|error| ApiError::internal(error))?,
            dead: None,
        }))
    }

    fn refuse_move(&self, element: &Element, input: &InstanceInput) -> Result<(), ApiError> {
        let Some(named) = &input.element else { return Ok(()) };
        let same =
            named.key.as_ref().is_none_or(|key| *key == element.key) && named.id.is_none_or(|id| id == element.id);
        if same {
            return Ok(());
        }
        let message = format!("The instance is of {}: it cannot move to another element.", element.key);
        Err(ApiError::new(Code::IdMismatch, message))
    }

    pub async fn enable_instance(&self, actor: &Actor, id: i64, enabled: bool) -> Result<InstanceView, ApiError> {
        let input = InstanceInput { disabled: Some(!enabled), ..InstanceInput::default() };
        Ok(self.change_instance(actor, id, input, false).await?.instance)
    }

    /// A new token; the old one is refused from now on.
    pub async fn reset_instance_token(&self, actor: &Actor, id: i64) -> Result<InstanceView, ApiError> {
        let owner = actor.owner();
        let token = base64_token(self.entropy.as_ref());
        let kept = self.kept_secret(Purpose::InstanceToken, INSTANCE_TOKEN.place(owner.organization, id), &token)?;
        let _turn = self.turn_to_change(id).await?;
        let trail = self.store.next_id().await?;
        let mut races = Races::default();
        loop {
            let mut stored = self.stored_instance(owner, id).await?;
            stored.instance.token_hash.clone_from(&kept.hash);
            stored.instance.token_sealed.clone_from(&kept.sealed);
            stored.instance.updated_at = UtcTime(self.now());
            let row = stored.instance.clone();
            let trail = self.audit_with(trail, actor, Deed::InstanceTokenReset, (id, &row.external_id))?;
            let write = move |conn: &mut AnyConn| instances::update_token(conn, owner, &row, &trail);
            match self.store.write_for(owner, write).await {
                Err(StoreFault::Conflict(_)) => {
                    races.lost().map_err(|_| changed_meanwhile())?;
                    continue;
                }
                other => other?,
            }
            self.warm.forget([&id]);
            return self.view(&stored, true);
        }
    }
}

/// Who changes, and the id of the row that this leaves in the audit log: drawn before anything is spent.
struct By {
    actor: Actor,
    trail: i64,
}

pub(in crate::service) struct Change {
    pub stored: Stored,
    pub before: Configuration,
    /// For a change that brings tokens.
    pub replied_before: Option<Replied>,
    pub configuration: Configuration,
    pub element: Arc<Element>,
    pub authentication: AuthenticationType,
    /// The organization's OAuth app, where the instance has none of its own.
    pub app: Option<PartnerApp>,
    pub without_effect: Vec<String>,
}

impl Change {
    /// As the audit log has it. `renewed`: with a new credential.
    fn deed(&self, before: &Stored, renewed: bool) -> Deed {
        match (renewed, before.instance.enabled, self.stored.instance.enabled) {
            (true, ..) => Deed::InstanceAuthorised,
            (_, true, false) => Deed::InstanceDisabled,
            (_, false, true) => Deed::InstanceEnabled,
            _ => Deed::InstanceChanged,
        }
    }

    /// What a new credential makes of the row. Whether it ends an invalid state, or a failing one.
    pub fn renew(&mut self, provisioned: &Provisioned) -> bool {
        let failing = Standing::of(&self.stored.credential).failing.is_some();
        let row = &mut self.stored.instance;
        row.external_authentication = provisioned.external_authentication().to_owned();
        row.connected = provisioned.connected.text();
        row.invalid_reason.take().is_some() || failing
    }

    /// Whether a URL of the vendor changes, be it in its path alone, so that the key must be proven there.
    fn moves_address(&self) -> bool {
        let differing = self.configuration.differing(&self.before);
        let mut keys = self.element.variables.values().filter_map(|variable| variable.configuration.as_deref());
        keys.any(|key| key != AUTHENTICATION_TYPE && differing.contains_key(key))
    }
}

/// The caller looked at values that are gone, whoever won: it must look again.
fn changed_meanwhile() -> ApiError {
    ApiError::from(Code::InstanceChanged).with_retry_after(1)
}
