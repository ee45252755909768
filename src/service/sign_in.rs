//! Passwords, session tokens, and the secrets that they give access to.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::Services;
use crate::kernel::clock::api_date;
use crate::kernel::code::Code;
use crate::kernel::entropy::{base64_token, hex};
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::store::principals::{self, KeptSecret, Principal};
use crate::vault::lookup::Purpose;
use crate::vault::password;
use crate::vault::seal::Place;
use crate::vault::{Audience, Session};

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

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    pub id: i64,
    pub key: String,
    pub name: String,
    pub description: String,
    pub active: bool,
    pub hide: bool,
    pub features: Vec<String>,
    pub privileges: Vec<String>,
}

/// The two secrets of the `Authorization: User …, Organization …` header.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Secrets {
    pub user_secret: String,
    pub organization_secret: String,
}

/// A secret that was just made; the old one no longer works.
#[derive(Serialize, ToSchema)]
pub struct NewSecret {
    pub secret: String,
}

impl Services {
    /// A session for a user name and password.
    pub async fn sign_in(
        &self,
        address: Option<IpAddr>,
        username: &str,
        password: Secret,
    ) -> Result<AuthenticatedUser, ApiError> {
        self.authenticated(&self.proven(address, username, password).await?)
    }

    /// A session of the console: its token is none for the API.
    pub async fn sign_in_to_console(
        &self,
        address: Option<IpAddr>,
        username: &str,
        password: Secret,
    ) -> Result<Secret, ApiError> {
        let principal = self.proven(address, username, password).await?;
        let id = Some(hex::<16>(self.entropy.as_ref()));
        self.session_token(Audience::Console, id, &principal)
    }

    async fn proven(&self, address: Option<IpAddr>, username: &str, password: Secret) -> Result<Principal, ApiError> {
        let attempt = self.sign_in_limits.begin(address, username)?;
        let refused = || ApiError::from(Code::LoginRefused);
        if username.contains('\0') || password.expose().len() > password::LONGEST {
            return Err(refused());
        }
        let email = username.to_owned();
        let found = self.store.read(move |conn| principals::find_by_email(conn, &email)).await?;
        let (principal, hash) = found.unzip();
        let fits = self.hashing(move || password::verify(&password, hash.as_deref())).await?;
        let principal = principal.filter(|_| fits).ok_or_else(refused)?;
        self.sign_in_limits.succeeded(attempt);
        let (user, now) = (principal.user, self.now());
        self.store.write(move |conn| principals::record_login(conn, user, now)).await?;
        Ok(Principal { last_login_at: Some(now), ..principal })
    }

    /// Sets the caller's password; sessions that the old one opened end.
    pub async fn set_password(&self, caller: &Principal, password: Secret) -> Result<AuthenticatedUser, ApiError> {
        let hash = self.password_hash(password).await?;
        let (user, now) = (caller.user, self.now());
        let session_generation = self.store.write(move |conn| principals::set_password(conn, user, &hash, now)).await?;
        self.principals.clear();
        self.authenticated(&Principal { session_generation, ..caller.clone() })
    }

    pub async fn secrets(&self, caller: &Principal) -> Result<Secrets, ApiError> {
        let (user, organization) = (caller.user, caller.owner.organization);
        let (of_user, of_organization) = self.store.read(move |conn| principals::sealed_secrets(conn, user)).await?;
        let user_secret = self.vault.open_text(user_place(user), &of_user)?;
        let organization_secret = self.vault.open_text(organization_place(organization), &of_organization)?;
        Ok(Secrets {
            user_secret: user_secret.expose().to_owned(),
            organization_secret: organization_secret.expose().to_owned(),
        })
    }

    pub async fn reset_user_secret(&self, caller: &Principal) -> Result<NewSecret, ApiError> {
        let (secret, kept) = self.new_user_secret(caller.user)?;
        let (user, now) = (caller.user, self.now());
        self.store.write(move |conn| principals::set_user_secret(conn, user, &kept, now)).await?;
        self.principals.clear();
        Ok(NewSecret { secret: secret.expose().to_owned() })
    }

    /// For administrators of the organization: everybody in it needs the new secret.
    pub async fn reset_organization_secret(&self, caller: &Principal) -> Result<NewSecret, ApiError> {
        if !caller.organization_admin {
            let message = "Only an administrator of the organization may reset its secret.";
            return Err(ApiError::new(Code::NotAllowed, message));
        }
        let (secret, kept) = self.new_organization_secret(caller.owner.organization)?;
        let (organization, now) = (caller.owner.organization, self.now());
        self.store.write(move |conn| principals::set_organization_secret(conn, organization, &kept, now)).await?;
        self.principals.clear();
        Ok(NewSecret { secret: secret.expose().to_owned() })
    }

    /// 44 characters of base64 (contract 2.1).
    pub fn new_user_secret(&self, user: i64) -> Result<(Secret, KeptSecret), ApiError> {
        let secret = base64_token(self.entropy.as_ref());
        let kept = self.keep(Purpose::UserSecret, user_place(user), &secret)?;
        Ok((secret, kept))
    }

    /// 32 lower-case hex characters (contract 2.1).
    pub fn new_organization_secret(&self, organization: i64) -> Result<(Secret, KeptSecret), ApiError> {
        let secret = Secret::new(hex::<16>(self.entropy.as_ref()));
        let kept = self.keep(Purpose::OrganizationSecret, organization_place(organization), &secret)?;
        Ok((secret, kept))
    }

    pub fn keep(&self, purpose: Purpose, place: Place, secret: &Secret) -> Result<KeptSecret, ApiError> {
        let sealed = self.vault.seal(place, secret.expose().as_bytes())?;
        Ok(KeptSecret { hash: self.lookup.hash(purpose, secret), sealed })
    }

    /// Checks the password's length, then hashes it off the async threads.
    pub async fn password_hash(&self, password: Secret) -> Result<String, ApiError> {
        let characters = password.expose().chars().count();
        if characters < password::SHORTEST || password.expose().len() > password::LONGEST {
            let message = format!(
                "The password must have at least {} characters and at most {} bytes.",
                password::SHORTEST,
                password::LONGEST
            );
            return Err(ApiError::new(Code::BadPassword, message));
        }
        let entropy = Arc::clone(&self.entropy);
        self.hashing(move || password::hash(&password, entropy.as_ref()))
            .await?
            .map_err(|error| ApiError::internal(error))
    }

    async fn hashing<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let permit =
            Arc::clone(&self.password_gate).acquire_owned().await.map_err(|error| ApiError::internal(error))?;
        let hashed = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        hashed.await.map_err(|error| ApiError::internal(error))
    }

    fn session_token(&self, of: Audience, id: Option<String>, principal: &Principal) -> Result<Secret, ApiError> {
        let now = self.now();
        let session = Session::begin(principal.user, principal.session_generation, id, now);
        self.session.issue(of, session, now).map_err(|error| ApiError::internal(error))
    }

    fn authenticated(&self, principal: &Principal) -> Result<AuthenticatedUser, ApiError> {
        let token = self.session_token(Audience::Api, None, principal)?;
        let roles = if principal.organization_admin { vec![organization_admin_role()] } else { Vec::new() };
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
            roles,
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

fn organization_admin_role() -> Role {
    Role {
        id: 1,
        key: "org-admin".to_owned(),
        name: "Organization administrator".to_owned(),
        description: "May reset the organization's secret and manage its users.".to_owned(),
        active: true,
        hide: false,
        features: Vec::new(),
        privileges: Vec::new(),
    }
}

pub(super) fn user_place(row: i64) -> Place {
    Place { table: "app_user", column: "secret_sealed", row }
}

pub(super) fn organization_place(row: i64) -> Place {
    Place { table: "organization", column: "secret_sealed", row }
}
