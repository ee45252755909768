//! Passwords, session tokens, and the secrets that they give access to.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::passwords::told;
use super::roles::{Role, granted};
use super::sessions::keep;
use crate::kernel::clock::api_date;
use crate::kernel::code::Code;
use crate::kernel::entropy::{base64_token, hex};
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::actor::proof::Proof;
use crate::service::audit::Deed;
use crate::store::audit::Trail;
use crate::store::principals::{self, KeptSecret, Principal, SealedSecrets};
use crate::store::sealed::{ORGANIZATION_SECRET, USER_SECRET};
use crate::vault::lookup::Purpose;
use crate::vault::{Audience, Session, password};

/// Characters of a name that a line of the log has.
const LOGGED: usize = 320;

/// Who signed in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticatedUser {
    pub id: i64,
    /// The e-mail address.
    pub username: String,
    pub first_name: String,
    pub last_name: String,
    /// A session token, to be sent as `Authorization: Bearer`. Good for twelve hours.
    pub token: String,
    pub account_id: i64,
    pub account_name: String,
    pub organization_id: i64,
    pub organization_name: String,
    pub roles: Vec<Role>,
    pub sys_admin: bool,
    pub organization_admin: bool,
    pub account_admin: bool,
    pub two_factor: bool,
    pub registered_for_two_factor: bool,
    pub in_intelligence_role: bool,
    #[schema(required)]
    pub last_login_date: Option<String>,
    pub created_date: String,
}

/// The two secrets of the `Authorization: User …, Organization …` header.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Secrets {
    pub user_secret: String,
    pub organization_secret: String,
}

impl Services {
    /// A session for a user name and password.
    pub async fn sign_in(
        &self,
        address: Option<IpAddr>,
        username: &str,
        password: Secret,
    ) -> Result<AuthenticatedUser, ApiError> {
        let (principal, session) = self.begin_session(Audience::Api, address, username, password).await?;
        self.authenticated(&principal, session)
    }

    /// A session of the console: its token is none for the API.
    pub async fn sign_in_to_console(
        &self,
        address: Option<IpAddr>,
        username: &str,
        password: Secret,
    ) -> Result<Secret, ApiError> {
        let (_, session) = self.begin_session(Audience::Console, address, username, password).await?;
        self.token_of(Audience::Console, session)
    }

    async fn begin_session(
        &self,
        audience: Audience,
        address: Option<IpAddr>,
        username: &str,
        password: Secret,
    ) -> Result<(Principal, Session), ApiError> {
        let principal = self.whose_password(address, username, password).await?;
        let (user, now) = (principal.user, self.now());
        let session = self.new_session(user, principal.session_generation);
        let trail = match audience {
            // A program may sign in dozens of times a minute (docs/api.md, Authentication); the log has a line of each.
            Audience::Api => Trail::Not("a program's sign-in"),
            Audience::Console | Audience::ConsoleUse => {
                let actor = Actor::user(Arc::new(principal.clone()), Proof::Secrets, self.request_id(), address);
                self.audit(&actor, Deed::SessionBegun, user).await?
            }
        };
        let session = self.store.write_for(principal.owner, move |conn| {
            principals::record_login(conn, user, now, &trail)?;
            keep(conn, audience, &session, address)?;
            Ok(session)
        });
        let session = session.await?;
        tracing::info!(
            target: "ligand::people", act = "signed in", user, name = %principal.email, address = %told(address),
            to = ?audience
        );
        Ok((Principal { last_login_at: Some(now), ..principal }, session))
    }

    /// Who has this name and password. A failure counts, and leaves a line with name and address that programs such as
    /// fail2ban can read: the name is quoted and escaped, so that it cannot look like another line or address.
    pub(super) async fn whose_password(
        &self,
        address: Option<IpAddr>,
        username: &str,
        password: Secret,
    ) -> Result<Principal, ApiError> {
        let found = self.look_for_password(address, username, password).await;
        if found.as_ref().is_err_and(|error| matches!(error.code, Code::LoginRefused | Code::TooManyRequests)) {
            let name: String = username.chars().take(LOGGED).collect();
            tracing::warn!(target: "ligand::people", "sign-in refused address={} name={name:?}", told(address));
        }
        found
    }

    async fn look_for_password(
        &self,
        address: Option<IpAddr>,
        username: &str,
        password: Secret,
    ) -> Result<Principal, ApiError> {
        let attempt = self.sign_in_limits.begin(address, username)?;
        let refused = || ApiError::from(Code::LoginRefused);
        if username.contains('\0') || password.expose().len() > password::LONGEST {
            return Err(refused());
        }
        let email = username.to_owned();
        let looked = async {
            let found = self.store.read(move |conn| principals::find_by_email(conn, &email)).await?;
            let (principal, kept) = found.unzip();
            let hash = match (&principal, &kept) {
                (Some(of), Some(kept)) => self.kept_hash(of.owner.organization, of.user, kept)?,
                _ => None,
            };
            let fits = self.hashing(move || password::verify(&password, hash.as_ref().map(Secret::expose))).await?;
            Ok::<_, ApiError>(principal.filter(|_| fits))
        };
        let principal = match looked.await {
            Ok(found) => found.ok_or_else(refused)?,
            // Nobody looked at the password, so it was no guess.
            Err(error) => {
                self.sign_in_limits.take_back(&attempt);
                return Err(error);
            }
        };
        self.sign_in_limits.succeeded(attempt);
        Ok(principal)
    }

    /// For a person who signed in a moment ago: what the secrets open needs no password any more.
    pub async fn show_secrets(&self, actor: &Actor) -> Result<Secrets, ApiError> {
        let (caller, proof) = actor.user_and_proof()?;
        self.require_recent_sign_in(proof)?;
        let secrets = self.secrets(caller).await?;
        tracing::info!(
            target: "ligand::people", act = "secrets read", user = caller.user, name = %caller.email,
            address = %told(actor.address())
        );
        Ok(secrets)
    }

    pub async fn secrets(&self, caller: &Principal) -> Result<Secrets, ApiError> {
        let user = caller.user;
        let sealed = self.store.read(move |conn| principals::sealed_secrets(conn, user)).await?;
        let place = USER_SECRET.place(sealed.organization, user);
        let user_secret = self.vault.open_text(place, &sealed.of_user)?;
        let organization_secret = self.organization_secret(&sealed)?;
        Ok(Secrets {
            user_secret: user_secret.expose().to_owned(),
            organization_secret: organization_secret.expose().to_owned(),
        })
    }

    pub(in crate::service) fn organization_secret(&self, sealed: &SealedSecrets) -> Result<Secret, ApiError> {
        let place = ORGANIZATION_SECRET.place(sealed.organization, sealed.organization);
        Ok(self.vault.open_text(place, &sealed.of_organization)?)
    }

    /// 44 characters of base64 (docs/api.md, Authentication).
    pub fn new_user_secret(&self, organization: i64, user: i64) -> Result<(Secret, KeptSecret), ApiError> {
        let secret = base64_token(self.entropy.as_ref());
        let kept = self.kept_secret(Purpose::UserSecret, USER_SECRET.place(organization, user), &secret)?;
        Ok((secret, kept))
    }

    /// 32 lower-case hex characters (docs/api.md, Authentication).
    pub fn new_organization_secret(&self, organization: i64) -> Result<(Secret, KeptSecret), ApiError> {
        let secret = Secret::new(hex::<16>(self.entropy.as_ref()));
        let place = ORGANIZATION_SECRET.place(organization, organization);
        let kept = self.kept_secret(Purpose::OrganizationSecret, place, &secret)?;
        Ok((secret, kept))
    }

    pub(in crate::service) fn authenticated(
        &self,
        principal: &Principal,
        session: Session,
    ) -> Result<AuthenticatedUser, ApiError> {
        let token = self.token_of(Audience::Api, session)?;
        Ok(AuthenticatedUser {
            id: principal.user,
            username: principal.email.clone(),
            first_name: principal.first_name.clone(),
            last_name: principal.last_name.clone(),
            token: token.expose().to_owned(),
            account_id: principal.owner.account,
            account_name: principal.account_name.clone(),
            organization_id: principal.owner.organization,
            organization_name: principal.organization_name.clone(),
            roles: granted(principal.organization_admin),
            sys_admin: false,
            organization_admin: principal.organization_admin,
            account_admin: principal.organization_admin,
            two_factor: false,
            registered_for_two_factor: false,
            in_intelligence_role: false,
            last_login_date: principal.last_login_at.map(api_date),
            created_date: api_date(principal.created_at),
        })
    }
}
