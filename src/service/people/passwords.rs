//! Setting a password: what proves that its person does, which ones are accepted, and what ends with the old one.

use std::net::IpAddr;
use std::sync::Arc;

use super::sessions::{OtherSessions, keep};
use super::sign_in::AuthenticatedUser;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::actor::proof::TO_SET_A_PASSWORD;
use crate::service::audit::Deed;
use crate::service::keys::unopened::unless_unopened;
use crate::store::principals::{self, KeptPassword, Principal};
use crate::store::sealed::USER_PASSWORD;
use crate::store::{AnyConn, StoreFault};
use crate::vault::password_rules::{Person, Rules, complaint};
use crate::vault::{Form, Session, password};

/// A new password, and what goes with it.
pub struct PasswordChange {
    pub password: Secret,
    /// The present one.
    pub current: Option<Secret>,
    pub others: OtherSessions,
}

impl Services {
    /// Sets the caller's own password. The present one proves that it is the person who asks, or a sign-in of this moment.
    pub async fn change_password(&self, actor: &Actor, change: PasswordChange) -> Result<AuthenticatedUser, ApiError> {
        let session = self.replace_password(actor, change).await?;
        self.authenticated(actor.principal()?, session)
    }

    /// The same in the console. Gives the token in which the session of the call goes on, where the others end.
    pub async fn change_own_password(&self, actor: &Actor, change: PasswordChange) -> Result<Option<Secret>, ApiError> {
        if change.others == OtherSessions::Keep {
            self.set_proven_password(actor, change, |_| Ok(())).await?;
            return Ok(None);
        }
        let session = self.replace_password(actor, change).await?;
        self.token_of(actor.audience(), session).map(Some)
    }

    async fn replace_password(&self, actor: &Actor, change: PasswordChange) -> Result<Session, ApiError> {
        let caller = actor.principal()?;
        let (user, others) = (caller.user, change.others);
        let (audience, address) = (actor.audience(), actor.address());
        let session = self.new_session(user, caller.session_generation);
        self.set_proven_password(actor, change, move |conn| {
            let generation = match others {
                OtherSessions::End => principals::end_sessions(conn, user)?,
                OtherSessions::Keep => principals::session_generation(conn, user)?,
            };
            let session = Session { generation, ..session };
            keep(conn, audience, &session, address)?;
            Ok(session)
        })
        .await
    }

    /// `with`: what goes into the same transaction.
    async fn set_proven_password<T: Send + 'static>(
        &self,
        actor: &Actor,
        change: PasswordChange,
        with: impl FnOnce(&mut AnyConn) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, ApiError> {
        let ((caller, proof), address) = (actor.user_and_proof()?, actor.address());
        match &change.current {
            Some(current) => self.require_password(actor, current.clone()).await?,
            None if proof.is_recent(TO_SET_A_PASSWORD, self.now()) => {}
            None => return Err(Code::CurrentPasswordRequired.into()),
        }
        let hash = self.password_hash(Rules::Typed, change.password, person(caller)).await?;
        let (user, now) = (caller.user, self.now());
        let kept = self.keep_password(actor.organization(), user, hash)?;
        let trail = self.audit(actor, Deed::UserPasswordSet, user).await?;
        let set = self.write_while_proven(actor, move |conn| {
            principals::set_password(conn, user, &kept, now, &trail)?;
            with(conn)
        });
        let set = set.await?;
        self.principals.forget_user(user);
        tracing::info!(target: "ligand::people", act = "password set", user, name = %caller.email, address = %told(address));
        Ok(set)
    }

    /// Whether this is the actor's own password; a wrong one counts as a failed sign-in.
    pub(super) async fn require_password(&self, actor: &Actor, password: Secret) -> Result<(), ApiError> {
        let caller = actor.principal()?;
        match self.whose_password(actor.address(), &caller.email, password).await {
            Ok(found) if found.user == caller.user => Ok(()),
            Err(error) if error.code != Code::LoginRefused => Err(error),
            _ => Err(ApiError::new(Code::LoginRefused, "The current password is wrong.")),
        }
    }

    /// The hash of a password that the rules accept, made off the async threads.
    pub async fn password_hash(&self, rules: Rules, password: Secret, person: Person) -> Result<String, ApiError> {
        let entropy = Arc::clone(&self.entropy);
        let hashed = self.hashing(move || match complaint(rules, &password, &person) {
            Some(complaint) => Err(complaint),
            None => Ok(password::hash(&password, entropy.as_ref())),
        });
        let refused = |complaint| ApiError::new(Code::BadPassword, format!("The password {complaint}."));
        hashed.await?.map_err(refused)?.map_err(|error| ApiError::internal(error))
    }

    /// What is stored of a hash.
    pub(in crate::service) fn keep_password(
        &self,
        organization: i64,
        user: i64,
        hash: String,
    ) -> Result<KeptPassword, ApiError> {
        let sealed = Some(self.vault.seal(USER_PASSWORD.place(organization, user), hash.as_bytes())?);
        // In the clear for the version before this one; the other one counts as soon as this server hears that all is bound.
        let clear = if self.vault.form() == Form::Unbound { hash } else { String::new() };
        Ok(KeptPassword { clear, sealed })
    }

    /// The hash that a password must fit. None: there is none that counts, and the log says why where that is odd.
    pub(in crate::service) fn kept_hash(
        &self,
        organization: i64,
        user: i64,
        kept: &KeptPassword,
    ) -> Result<Option<Secret>, ApiError> {
        if !kept.clear.is_empty() {
            if !self.vault.database_is_bound() {
                return Ok(Some(Secret::new(kept.clear.as_str())));
            }
            tracing::error!(
                user,
                "a password hash stands in app_user.password_hash in the clear, and counts for nothing: unless \
                 `ligand keys rotate` runs at this moment somebody wrote it into the database; run that, and it says what to do"
            );
        }
        let Some(sealed) = &kept.sealed else { return Ok(None) };
        let opened = self.vault.open_text(USER_PASSWORD.place(organization, user), sealed);
        unless_unopened(opened.map_err(|fault| fault.into()))
    }

    pub(in crate::service) async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let permit =
            Arc::clone(&self.password_gate).acquire_owned().await.map_err(|error| ApiError::internal(error))?;
        let hashed = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        hashed.await.map_err(|error| ApiError::internal(error))
    }
}

fn person(of: &Principal) -> Person {
    Person { email: of.email.clone(), first_name: of.first_name.clone(), last_name: of.last_name.clone() }
}

/// An address for a line of the log.
pub(in crate::service) fn told(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}
