//! Getting a credential: a code exchanged, tokens that the caller brought, or a key that was verified.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::code_use::{CodeAlive, Fate, First, HeldCode};
use super::partner_app::{PartnerApp, oauth2_of, own_client};
use super::token_call::Asker;
use super::unproven::no_tokens;
use crate::catalog::element::{ApiKey, AuthenticationType, Element};
use crate::catalog::oauth2::OAuth2;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::kernel::template::TemplateFault;
use crate::protocol::oauth2::client::Client;
use crate::protocol::oauth2::code::suspicion;
use crate::protocol::oauth2::reply::Token;
use crate::protocol::oauth2::token;
use crate::protocol::variables::{Replied, Values};
use crate::protocol::{Credential, VendorFault};
use crate::service::Services;
use crate::service::grants::Started;
use crate::service::ground::{PATIENCE, waits_for_database};
use crate::service::instance::brought::Brought;
use crate::service::instance::configuration::{CALLBACK_URL, CLIENT_ID, CLIENT_SECRET, Configuration};
use crate::service::instance::connected::Connected;
use crate::service::instance::input::ProviderData;
use crate::service::process::flight::Lateness;
use crate::store::grants;
use crate::store::spent_codes::CodeUse;

/// A credential that the vendor accepted, not stored yet.
#[derive(Clone)]
pub struct Provisioned {
    pub credential: Credential,
    pub lifetime: Option<i64>,
    /// With the token; otherwise it is what the element assumes.
    pub lifetime_named: bool,
    pub expires_at: Option<DateTime<Utc>>,
    /// When the refresh token ends, where the vendor says.
    pub ends_at: Option<DateTime<Utc>>,
    /// When the token was got; none for a key.
    pub refreshed_at: Option<DateTime<Utc>>,
    /// The grant that this used up; it goes with the commit.
    pub grant: Option<i64>,
    /// The use of the code that this came from; it ends with the commit, or when this is let go.
    pub code: Option<CodeUse>,
    /// Of that code, until this is stored or let go.
    pub code_alive: Option<CodeAlive>,
    /// The caller brought the tokens.
    pub external: bool,
    /// What is known of the vendor's account.
    pub connected: Connected,
}

impl Provisioned {
    /// As the API spells it.
    pub fn external_authentication(&self) -> &'static str {
        if self.external { "initial" } else { "none" }
    }
}

/// What a credential is got from. Cheap to clone into a detached task.
#[derive(Clone)]
pub struct Provisioning {
    pub owner: Owner,
    pub element: Arc<Element>,
    pub authentication: AuthenticationType,
    pub configuration: Configuration,
    /// The organization's OAuth app, where the configuration names none.
    pub app: Option<PartnerApp>,
    pub provider_data: ProviderData,
    /// With external authentication: the caller's own tokens.
    pub brought: Option<Brought>,
    /// Behind our own callback: how the authorization was begun.
    pub started: Option<Started>,
    /// What makes two uses of one code the same: whoever repeats it gets the same instance.
    pub request: Vec<u8>,
    /// A process that is known to be dead: what it held is free.
    pub dead: Option<i64>,
}

/// What a credential is got from came for the first time, or once more.
pub enum Got {
    New(Box<Provisioned>),
    /// The same request had the same code before, and this is its instance.
    Instance(i64),
}

/// What became of a code.
enum Exchanged {
    /// And whether the vendor told all that is needed to call it.
    Now(Box<Provisioned>, Result<(), ApiError>),
    Before(i64),
}

impl Services {
    /// Spends what the caller brought. Runs detached: its result must be committed even when the caller is gone.
    pub(in crate::service) async fn provision(
        &self,
        input: &Provisioning,
        lateness: &Lateness,
    ) -> Result<Got, ApiError> {
        self.refuse_app_elsewhere(input)?;
        input.refuse_told_hosts()?;
        let (provisioned, asked) = match (input.authentication, &input.brought) {
            (AuthenticationType::OAuth2, Some(brought)) => {
                let mut provisioned = self.take_over(input, brought, lateness).await?;
                let asked = self.follow_up(input, &mut provisioned).await;
                (provisioned, asked)
            }
            (AuthenticationType::OAuth2, None) => match Box::pin(self.exchange_code(input, lateness)).await? {
                Exchanged::Now(provisioned, asked) => (*provisioned, asked),
                Exchanged::Before(instance) => return Ok(Got::Instance(instance)),
            },
            (AuthenticationType::ApiKey, _) => (self.verify_key(input).await?, Ok(())),
        };
        // A reply that names a foreign host must not be stored, let alone called.
        if let Err(error) = asked.and_then(|()| input.is_callable(provisioned.credential.replied())) {
            // An outage ends no grant that somebody has: neither what a caller brought, nor what an instance may share with it.
            let is_outage = error.code.status() >= 500;
            match is_outage && (input.brought.is_some() || lateness.instance().is_some()) {
                true => {
                    self.let_code_go(input.owner, provisioned.code.as_ref(), lateness).await;
                    self.keep_newer(input, &provisioned, lateness).await;
                }
                false => self.let_grant_go(input, &provisioned, lateness).await,
            }
            return Err(error);
        }
        Ok(Got::New(Box::new(provisioned)))
    }

    /// A grant that was got and is not kept is not left alive at the vendor.
    pub(in crate::service) async fn let_grant_go(
        &self,
        input: &Provisioning,
        provisioned: &Provisioned,
        lateness: &Lateness,
    ) {
        self.let_code_go(input.owner, provisioned.code.as_ref(), lateness).await;
        let about = (input.element.id, lateness.instance().unwrap_or_default());
        let revoking = self.revoke_surely(input.owner, about, &provisioned.credential, &input.configuration);
        lateness.within(PATIENCE, || waits_for_database(None), revoking).await;
    }

    /// The code is this call's alone from before it is sent until all is known that the vendor tells.
    async fn exchange_code(&self, input: &Provisioning, lateness: &Lateness) -> Result<Exchanged, ApiError> {
        let code = input.provider_data.code().ok_or_else(|| missing_code(&input.element))?;
        let held = match self.first_with_code(input, &code, lateness).await? {
            First::ThisCall(held) => held,
            First::Instance(id) => return Ok(Exchanged::Before(id)),
        };
        let mut fate = Fate::Unspent;
        let spending = async {
            let mut provisioned = self.spend_code(input, (&code, &held), &mut fate, lateness).await?;
            let asked = self.follow_up(input, &mut provisioned).await;
            Ok::<_, ApiError>((provisioned, asked))
        };
        let alive = self.keep_code_alive(&held);
        let spent = spending.await;
        if spent.is_err() {
            self.end_code(input.owner, &held.used, fate, lateness).await;
        }
        let (provisioned, asked) = spent?;
        Ok(Exchanged::Now(
            Box::new(Provisioned { code: Some(held.used), code_alive: Some(alive), ..provisioned }),
            asked,
        ))
    }

    /// `fate`: of the code, where it fails.
    async fn spend_code(
        &self,
        input: &Provisioning,
        (code, held): (&Secret, &HeldCode),
        fate: &mut Fate,
        lateness: &Lateness,
    ) -> Result<Provisioned, ApiError> {
        let oauth2 = input.oauth2()?;
        let client = input.client();
        let started = match (&input.started, input.default_secret()) {
            (Some(started), _) => started.clone(),
            (None, Some(secret)) => self.started_by_default(input, code, &secret).await?,
            (None, None) => self.started_by_caller(input, oauth2, &client).await?,
        };
        let Started { grant, verifier, redirect_uri, told, .. } = &started;
        let verifier = verifier.as_ref();
        let replied = input.told_by_redirect(oauth2, &client, &started)?;
        let request = with_values(&input.element, &input.configuration, Some(&replied), |values| {
            token::exchange(oauth2, &client, code, redirect_uri, verifier, values)
        })?;
        let outcome = self.token_call(&input.element, oauth2, &request, input.asker("the code", lateness)).await;
        if let (Some(id), Err(VendorFault::Refused { .. })) = (*grant, &outcome) {
            // The code is spent: the verifier will never be of use again.
            let owner = input.owner;
            let forgotten = self.store.write_for(owner, move |conn| grants::delete(conn, owner, id)).await;
            if let Err(fault) = forgotten {
                tracing::warn!(%fault, "a used grant could not be deleted");
            }
        }
        let mut token = match outcome {
            Ok(token) => token,
            Err(fault) => {
                *fate = Fate::of(&fault);
                let fault = fault.hinted(suspicion(code.expose()));
                return Err(held.explained(fault).into_error(&input.element.name, "the code"));
            }
        };
        token.replied = replied.renewed(token.replied);
        token.scopes = token.scopes.or_else(|| told.scopes.clone());
        let connected = self.connected(input, &client, &token).await;
        Ok(Provisioned { connected, ..self.provisioned(input, token, None, *grant) })
    }

    /// Tokens that the caller obtained itself: an access token with its time is taken as it is, a refresh token is
    /// proven first.
    async fn take_over(
        &self,
        input: &Provisioning,
        brought: &Brought,
        lateness: &Lateness,
    ) -> Result<Provisioned, ApiError> {
        let oauth2 = input.oauth2()?;
        match (&brought.access_token, &brought.refresh_token) {
            (Some(access_token), refresh_token) if refresh_token.is_none() || brought.is_dated() => {
                Ok(input.as_brought(oauth2, brought, access_token.clone(), self.now()))
            }
            (_, Some(brought)) => {
                let refresh_token = &self.newest(input, brought).await?;
                let client = input.client();
                let told = input.told_by_caller().unwrap_or_default();
                input.refuse_untold(&told, false)?;
                let request = with_values(&input.element, &input.configuration, Some(&told), |values| {
                    token::refresh(oauth2, &client, refresh_token, values)
                })?;
                let asker = input.asker("the refresh token", lateness);
                let token = self.token_call(&input.element, oauth2, &request, asker).await;
                let mut token = token.map_err(|fault| fault.into_error(&input.element.name, "the refresh token"))?;
                // A refresh does not repeat what the redirect told once.
                token.replied = told.renewed(token.replied);
                Ok(Provisioned { external: true, ..self.provisioned(input, token, Some(refresh_token.clone()), None) })
            }
            (_, None) => Err(no_tokens()),
        }
    }

    fn provisioned(&self, input: &Provisioning, token: Token, sent: Option<Secret>, grant: Option<i64>) -> Provisioned {
        let connected = Connected::of(&token);
        Provisioned {
            connected,
            credential: Credential::OAuth2 {
                access_token: token.access_token,
                // A reply without a refresh token means that the one that was sent stays good.
                refresh_token: token.refresh_token.or(sent),
                replied: token.replied,
                scopes: token.scopes,
                given_for: input.given_for(),
            },
            lifetime: token.lifetime,
            lifetime_named: token.lifetime_named,
            expires_at: token.expires_at,
            ends_at: token.ends_at,
            refreshed_at: Some(self.now()),
            grant,
            code: None,
            code_alive: None,
            external: false,
        }
    }
}

impl Provisioning {
    /// Whether the vendor may be asked: what it gave then must be stored, even when the caller is gone.
    pub(in crate::service) fn asks_vendor(&self) -> bool {
        self.authentication != AuthenticationType::ApiKey || self.element.verification.is_some()
    }

    /// Whether something is spent that cannot be had again: a code, or a refresh token that may rotate.
    pub(in crate::service) fn spends(&self) -> bool {
        let proven = |brought: &Brought| brought.refresh_token.is_some();
        self.authentication == AuthenticationType::OAuth2 && self.brought.as_ref().is_none_or(proven)
    }

    /// How long a call may be at it.
    pub(in crate::service) fn spends_for(&self) -> TimeDelta {
        let timeout = TimeDelta::from_std(Duration::from_secs(self.element.timeout)).unwrap_or(TimeDelta::MAX);
        if self.spends() { timeout } else { TimeDelta::zero() }
    }

    fn asker<'a>(&self, what: &'static str, lateness: &'a Lateness) -> Asker<'a> {
        Asker { owner: self.owner, what, lateness, turn: None }
    }

    pub(super) fn oauth2(&self) -> Result<&OAuth2, ApiError> {
        oauth2_of(&self.element)
    }

    pub(super) fn api_key(&self) -> Result<&ApiKey, ApiError> {
        self.element.authentication.api_key.as_ref().ok_or_else(|| Code::BadAuthenticationType.into())
    }

    /// With the organization's app: the secret of `oauth/url/default`.
    fn default_secret(&self) -> Option<Secret> {
        self.app.as_ref().and_then(|_| self.provider_data.secret("secret"))
    }

    /// The app that speaks: the instance's own, or else the organization's.
    pub(in crate::service) fn client(&self) -> Client {
        let oauth2 = self.element.authentication.oauth2.as_ref();
        let of_organization = || Some(self.app.as_ref()?.client(oauth2?));
        own_client(&self.configuration).or_else(of_organization).unwrap_or_default()
    }

    pub(super) fn with_values<T>(
        &self,
        build: impl FnOnce(Values<'_>) -> Result<T, VendorFault>,
    ) -> Result<T, ApiError> {
        with_values(&self.element, &self.configuration, None, build)
    }

    /// Whether the vendor could be called: its address, and what it told for headers.
    pub(super) fn is_callable(&self, replied: &Replied) -> Result<(), ApiError> {
        with_values(&self.element, &self.configuration, Some(replied), |values| {
            values.url(&self.element.base_url)?;
            values.untold_header().map_or(Ok(()), |name| Err(TemplateFault::Missing(name.to_owned()).into()))
        })
    }

    pub(super) fn given_for(&self) -> Option<String> {
        Some(self.element.secret_places.clone())
    }
}

pub(in crate::service) fn with_values<T>(
    element: &Element,
    configuration: &Configuration,
    replied: Option<&Replied>,
    build: impl FnOnce(Values<'_>) -> Result<T, VendorFault>,
) -> Result<T, ApiError> {
    let configured = |key: &str| configuration.get(key).map(str::to_owned);
    let values = Values { element, parameters: &|_| None, configuration: &configured, replied };
    build(values).map_err(|fault| fault.into_error(&element.name, "the configuration"))
}

/// Required configuration that need not be given by a caller who brings tokens, or where the organization's app serves.
pub(in crate::service) fn needless(brings_tokens: bool, app: bool) -> Vec<&'static str> {
    let callback = brings_tokens.then_some(CALLBACK_URL);
    let client = if app { &[CLIENT_ID, CLIENT_SECRET][..] } else { &[] };
    callback.into_iter().chain(client.iter().copied()).collect()
}

pub(in crate::service) fn missing_code(element: &Element) -> ApiError {
    let message = format!(
        "providerData.code is missing: send the user to the address of GET /elements/{}/oauth/url and pass on the code of \
         the redirect.",
        element.key
    );
    ApiError::new(Code::MissingCode, message)
}
