//! The end of an attempt: the code or key is spent, and either instance and link are committed together, or nothing is, and
//! the new grant is queued for revocation. `renew` does so for an instance that there is already.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::catalog::element::{AuthenticationType, Element};
use crate::kernel::code::Code;
use crate::kernel::entropy::base64_token;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::protocol::Credential;
use crate::protocol::oauth2::granted::{self, Lacking};
use crate::protocol::oauth2::refusal::{is_outage, means};
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::audit::Deed;
use crate::service::credentials::provision::{Got, Provisioned, Provisioning};
use crate::service::grants::{LinkWaiting, Redirected, Started, UnderWay, Waiting};
use crate::service::ground::Races;
use crate::service::instance::configuration::Configuration;
use crate::service::instance::connected::Connected;
use crate::service::instance::input::ProviderData;
use crate::service::instance::standing::ends_by_itself;
use crate::service::lifecycle::rows::Draft;
use crate::service::links::outcome::{Outcome, Reason};
use crate::service::links::status::Status;
use crate::service::links::{Link, ended_with};
use crate::service::process::flight::Lateness;
use crate::service::unstored::entry::{Act, Entry};
use crate::service::unstored::link_end::LinkEnd;
use crate::store::StoreFault;
use crate::store::audit::Trail;
use crate::store::instances::Creator;
use crate::store::links::LinkRow;

/// Everything that an instance will be made of.
pub(super) struct Attempt {
    pub actor: Actor,
    pub link: i64,
    pub element: Arc<Element>,
    pub authentication: AuthenticationType,
    pub given: Map<String, Value>,
    pub provider_data: ProviderData,
    pub started: Option<Started>,
    /// Scopes without which there is no connection.
    pub mandatory: Vec<String>,
    /// What was asked for beside them.
    pub further: Vec<String>,
    /// The handle that confirmed it, digested.
    pub handle: Option<String>,
}

/// Why there is no connection.
pub(super) struct Refusal(pub Outcome);

impl Services {
    /// The vendor's redirect was here. The link's result page says what came of it.
    pub(in crate::service) async fn finish_link(
        &self,
        actor: &Actor,
        element: Option<Arc<Element>>,
        under_way: &UnderWay,
        redirected: Redirected,
        lateness: &Lateness,
    ) -> Result<(), ApiError> {
        let Waiting::Link(waiting) = &under_way.waiting else { return Ok(()) };
        let owner = actor.owner();
        let link = self.link(owner, waiting.link).await?;
        if !link.status.is_open() {
            // Revoked, expired or connected meanwhile: the code is not spent.
            return Ok(());
        }
        if let Some(held) = &under_way.held {
            return self.note_held(owner, waiting.link, held.until, None).await;
        }
        let (status, refusal) = match (element, redirected.code) {
            (None, _) => (Status::Failed, Refusal::of(Reason::NotOffered, "The element is no longer offered.")),
            (Some(element), Some(code)) => {
                let started = Started { redirect: Some(redirected.parameters.into()), ..under_way.started(None) };
                let attempt = Attempt::of(actor, element, waiting, Some((&code, started)));
                let concluded = self.conclude_told(&attempt, lateness).await;
                return match concluded {
                    Err(error) if Refusal::of_error(&error).is_none() => Err(error),
                    _ => Ok(()),
                };
            }
            (Some(element), None) => {
                let error = redirected.error.as_deref().unwrap_or_default();
                match redirected.error_description {
                    Some(words) if redirected.found_here => (Status::Failed, Refusal::of(Reason::VendorError, words)),
                    words => refused_by_redirect(&element, error, words),
                }
            }
        };
        self.settle_surely(owner, waiting.link, (status, &refusal.0), lateness).await.map(drop)
    }

    /// As `conclude`; and the link says why there is no connection, also where that is a failure of ours: who waits must not wait for ever.
    pub(super) async fn conclude_told(
        &self,
        attempt: &Attempt,
        lateness: &Lateness,
    ) -> Result<Option<Refusal>, ApiError> {
        let concluded = self.conclude(attempt, lateness).await;
        let outcome = match &concluded {
            Ok(None) => return concluded,
            // The same was confirmed a moment before, and comes to an end there.
            Err(error) if attempt.handle.is_some() && is_under_way(error) => return concluded,
            Ok(Some(Refusal(outcome))) => outcome.clone(),
            Err(error) => match Refusal::of_error(error) {
                Some(Refusal(outcome)) => outcome,
                None => Outcome::of(Reason::ServerError, "Something went wrong here."),
            },
        };
        let (owner, failed) = (attempt.actor.owner(), (Status::Failed, &outcome));
        self.settle_surely(owner, attempt.link, failed, lateness).await?;
        concluded
    }

    /// Spends the code or the key and commits. `Some`: there is no connection. Runs detached.
    pub(super) async fn conclude(&self, attempt: &Attempt, lateness: &Lateness) -> Result<Option<Refusal>, ApiError> {
        let link = self.link(attempt.actor.owner(), attempt.link).await?;
        self.refuse_secrets_of_old_file(&attempt.element, &link.settings)?;
        match link.settings.instance_id {
            Some(instance) => self.authorise_anew(attempt, &link, instance, lateness).await,
            None => self.make_instance(attempt, &link, lateness).await,
        }
    }

    async fn make_instance(
        &self,
        attempt: &Attempt,
        link: &Link,
        lateness: &Lateness,
    ) -> Result<Option<Refusal>, ApiError> {
        let mut configuration = Configuration::of(&attempt.element);
        configuration.merge(&attempt.element, attempt.given.clone())?;
        // First: once the code is spent nothing may fail but the commit, which is tried again.
        let id = self.store.next_id().await?;
        let trail = self.audit(&attempt.actor, Deed::InstanceCreated, (id, &link.row.external_id)).await?.record();
        let of_link = self.audit(&attempt.actor, Deed::LinkAuthorised, (attempt.link, &link.row.external_id)).await?;
        let provisioning = self.provisioning(attempt, configuration).await?;
        let provisioned = match self.provision(&provisioning, lateness).await? {
            Got::New(provisioned) => *provisioned,
            // By this very link, which is connected.
            Got::Instance(_) => return Ok(None),
        };
        if let Some(outcome) = attempt.lacking(&provisioned.connected) {
            self.let_grant_go(&provisioning, &provisioned, lateness).await;
            return Ok(Some(Refusal(outcome)));
        }
        let name = link.settings.name.clone().unwrap_or_else(|| attempt.element.name.clone());
        let draft = Draft {
            tags: link.settings.tags.clone().unwrap_or_else(|| vec![name.clone()]),
            name,
            external_id: link.row.external_id.clone(),
            provisioning,
            without_effect: Vec::new(),
            trace: false,
            creator: Creator { id: link.row.created_by, ..Creator::default() },
            trail,
        };
        let stored = self.stored(id, &base64_token(self.entropy.as_ref()), &draft, &provisioned);
        let outcome = attempt.connected(&provisioned);
        let made = stored.and_then(|stored| Ok((stored, attempt.authorised(id, &outcome, of_link)?)));
        let (stored, end) = match made {
            Ok(made) => made,
            Err(error) => {
                self.let_grant_go(&draft.provisioning, &provisioned, lateness).await;
                return Err(error);
            }
        };
        let entry = Entry {
            tags: draft.tags.clone(),
            code: provisioned.code.clone(),
            link: Some(end),
            trail: draft.trail.clone(),
            ..Entry::new(attempt.actor.owner(), Act::Create, stored.instance, stored.credential)
        };
        let entry = self.telling(entry);
        let spends = draft.provisioning.spends();
        let _held = spends.then(|| self.unstored.hold(Arc::clone(&entry), draft.provisioning.client()));
        let mut races = Races::default();
        loop {
            return match self.store_entry(&entry, spends, lateness).await {
                Err(StoreFault::Conflict(_)) => match races.lost() {
                    Ok(()) => continue,
                    Err(error) => {
                        self.revoke_entry(&entry).await;
                        Err(error)
                    }
                },
                Err(fault) => {
                    if spends {
                        self.revoke_entry(&entry).await;
                    }
                    Err(fault.into())
                }
                Ok(None) => Ok(None),
                Ok(Some(link)) => {
                    self.give_up(&draft.provisioning, &provisioned, &link, lateness).await;
                    Ok(None)
                }
            };
        }
    }

    pub(super) async fn provisioning(
        &self,
        attempt: &Attempt,
        configuration: Configuration,
    ) -> Result<Provisioning, ApiError> {
        let (owner, element, authentication) = (attempt.actor.owner(), &attempt.element, attempt.authentication);
        Ok(Provisioning {
            owner,
            app: self.app_for(owner, element, authentication, &configuration).await?,
            element: Arc::clone(element),
            authentication,
            configuration,
            provider_data: attempt.provider_data.clone(),
            brought: None,
            started: attempt.started.clone(),
            request: format!("link {}", attempt.link).into_bytes(),
            dead: None,
        })
    }

    /// The link came to an end while the vendor was asked: what it gave is let go, unless the link was connected with the
    /// same account in another tab.
    pub(super) async fn give_up(
        &self,
        provisioning: &Provisioning,
        provisioned: &Provisioned,
        link: &LinkRow,
        lateness: &Lateness,
    ) {
        if ended_with(link, provisioned.connected.account.as_ref()) {
            self.let_code_go(provisioning.owner, provisioned.code.as_ref(), lateness).await;
        } else {
            self.let_grant_go(provisioning, provisioned, lateness).await;
        }
    }
}

impl Attempt {
    /// `code`: with how its authorization was begun; none: a key, which stands in the configuration.
    pub(super) fn of(
        actor: &Actor,
        element: Arc<Element>,
        waiting: &LinkWaiting,
        code: Option<(&Secret, Started)>,
    ) -> Self {
        let (code, started) = code.unzip();
        Self {
            actor: actor.clone(),
            link: waiting.link,
            element,
            authentication: waiting.authentication,
            given: waiting.configuration.clone(),
            provider_data: code.map(ProviderData::of_code).unwrap_or_default(),
            started,
            mandatory: waiting.scopes.clone(),
            further: waiting.further_scopes.clone(),
            handle: None,
        }
    }

    /// How the link will be once it is authorised.
    pub(super) fn authorised(&self, instance: i64, outcome: &Outcome, trail: Trail) -> Result<LinkEnd, ApiError> {
        let outcome = serde_json::to_string(outcome).map_err(|error| ApiError::internal(error))?;
        Ok(LinkEnd { link: self.link, element: self.element.id, instance, outcome, trail: trail.record() })
    }

    /// How the link ends where the vendor surely refused a mandatory scope.
    pub(super) fn lacking(&self, connected: &Connected) -> Option<Outcome> {
        let missing = self.compared(connected).refused;
        (!missing.is_empty()).then(|| {
            let message = format!("{} did not grant what is needed: {}.", self.element.name, missing.join(", "));
            let missing_scopes = missing.into_iter().map(str::to_owned).collect();
            Outcome { missing_scopes, ..Outcome::connected(connected).because(Reason::MissingScope, message) }
        })
    }

    /// How it ends with a connection.
    pub(super) fn connected(&self, provisioned: &Provisioned) -> Outcome {
        let connected = &provisioned.connected;
        let unconfirmed_scopes = self.compared(connected).unknown.into_iter().map(str::to_owned).collect();
        let mut outcome = Outcome::of_connection(&self.element.name, connected);
        let lasts = !matches!(provisioned.credential, Credential::OAuth2 { refresh_token: None, .. });
        let warning = if lasts { None } else { ends_by_itself(&self.element, provisioned.expires_at) };
        let said: Vec<String> = outcome.message.take().into_iter().chain(warning).collect();
        let message = (!said.is_empty()).then(|| said.join(" "));
        Outcome { unconfirmed_scopes, message, confirmed: self.handle.clone(), ..outcome }
    }

    /// A vendor that says nothing of scopes grants what it was asked for (RFC 6749 section 5.1).
    fn compared(&self, connected: &Connected) -> Lacking<'_> {
        let oauth2 = self.element.authentication.oauth2.as_ref();
        let Some((oauth2, granted)) = oauth2.zip(connected.granted_scopes.as_ref()) else { return Lacking::default() };
        granted::lacking(oauth2, &self.mandatory, &self.further, granted)
    }
}

impl Refusal {
    pub(super) fn of(reason: Reason, message: impl Into<String>) -> Self {
        Self(Outcome::of(reason, message))
    }

    /// The vendor's part of a failure is the link's outcome; none for a failure of ours.
    pub(super) fn of_error(error: &ApiError) -> Option<Self> {
        let reason = match error.code {
            Code::VendorRefused
            | Code::CodeUsed
            | Code::VendorHost
            | Code::BadConfiguration
            | Code::MissingConfiguration => Reason::VendorError,
            Code::VendorConfiguration | Code::AppNotForHost | Code::SecretNeededForNewHost => {
                Reason::VendorConfiguration
            }
            Code::VendorUnreachable | Code::VendorAnswer | Code::VendorTimeout | Code::VendorAddressRefused => {
                Reason::VendorUnavailable
            }
            _ => return None,
        };
        Some(Self::of(reason, error.message.clone()))
    }
}

/// Another call uses the code at this moment.
pub(super) fn is_under_way(error: &ApiError) -> bool {
    error.code == Code::CodeUsed && error.retry_after.is_some()
}

/// The vendor sent the person back with an error instead of a code (RFC 6749 section 4.1.2.1).
fn refused_by_redirect(element: &Element, error: &str, description: Option<String>) -> (Status, Refusal) {
    let vendor = &element.name;
    let oauth2 = element.authentication.oauth2.as_ref();
    let denied = oauth2.map(|oauth2| oauth2.errors.denied.as_slice());
    if denied.unwrap_or_default().iter().any(|known| means(error, known)) {
        return (Status::Denied, Refusal::of(Reason::AccessDenied, format!("Access to {vendor} was not granted.")));
    }
    let words = description.unwrap_or_else(|| error.to_owned());
    let is_outage = oauth2.is_some_and(|oauth2| is_outage(error, oauth2));
    let reason = if is_outage { Reason::VendorUnavailable } else { Reason::VendorError };
    (Status::Failed, Refusal::of(reason, format!("{vendor} said: {}", ended(&words))))
}

fn ended(text: &str) -> String {
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn a_redirects_error_is_compared_as_what_it_means() {
        let mut element = Element::clone(Catalog::load(None).unwrap().get("hubspotcrm").unwrap());
        element.authentication.oauth2.as_mut().unwrap().errors.unavailable = vec!["fatal_error".to_owned()];
        for (error, expected) in [
            ("access_denied", (Status::Denied, Reason::AccessDenied)),
            ("Access_Denied", (Status::Denied, Reason::AccessDenied)),
            ("access-denied", (Status::Denied, Reason::AccessDenied)),
            ("temporarily_unavailable", (Status::Failed, Reason::VendorUnavailable)),
            ("server_error", (Status::Failed, Reason::VendorUnavailable)),
            ("fatal_error", (Status::Failed, Reason::VendorUnavailable)),
            ("invalid_scope", (Status::Failed, Reason::VendorError)),
        ] {
            let (status, Refusal(outcome)) = refused_by_redirect(&element, error, None);
            assert_eq!((status, outcome.reason), (expected.0, Some(expected.1)), "{error}");
        }
    }
}
