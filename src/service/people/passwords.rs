//! Setting a password: what proves that its person does, which ones are accepted, and what ends with the old one.

use std::net::IpAddr;
use std::sync::Arc;

use super::proof::TO_SET_A_PASSWORD;
use super::resets::Asking;
use super::sessions::{OtherSessions, keep};
use super::sign_in::AuthenticatedUser;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::store::principals::{self, Principal};
use crate::store::{AnyConn, StoreFault};
use crate::vault::password_rules::{Person, Rules, complaint};
use crate::vault::{Session, password};

/// A new password, and what goes with it.
pub struct PasswordChange {
    pub password: Secret,
    /// The present one.
    pub current: Option<Secret>,
    pub others: OtherSessions,
}

impl Services {
    /// Sets the caller's own password. The present one proves that it is the person who asks, or a sign-in of this moment.
    pub async fn change_password(&self, of: Asking<'_>, change: PasswordChange) -> Result<AuthenticatedUser, ApiError> {
        let session = self.replace_password(of, change).await?;
        self.authenticated(of.caller, session)
    }

    /// The same in the console. Gives the token in which the session of the call goes on, where the others end.
    pub async fn change_own_password(
        &self,
        of: Asking<'_>,
        change: PasswordChange,
    ) -> Result<Option<Secret>, ApiError> {
        if change.others == OtherSessions::Keep {
            self.set_proven_password(&of, change, |_| Ok(())).await?;
            return Ok(None);
        }
        let session = self.replace_password(of, change).await?;
        self.token_of(of.audience, session).map(Some)
    }

    async fn replace_password(&self, of: Asking<'_>, change: PasswordChange) -> Result<Session, ApiError> {
        let (user, others) = (of.caller.user, change.others);
        let session = self.new_session(user, of.caller.session_generation);
        self.set_proven_password(&of, change, move |conn| {
            let generation = match others {
                OtherSessions::End => principals::end_sessions(conn, user)?,
                OtherSessions::Keep => principals::session_generation(conn, user)?,
            };
            let session = Session { generation, ..session };
            keep(conn, of.audience, &session, of.address)?;
            Ok(session)
        })
        .await
    }

    /// `with`: what goes into the same transaction.
    async fn set_proven_password<T: Send + 'static>(
        &self,
        of: &Asking<'_>,
        change: PasswordChange,
        with: impl FnOnce(&mut AnyConn) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (caller, address) = (of.caller, of.address);
        match &change.current {
            Some(current) => self.require_password(address, caller, current.clone()).await?,
            None if of.proof.is_recent(TO_SET_A_PASSWORD, self.now()) => {}
            None => return Err(Code::CurrentPasswordRequired.into()),
        }
        let hash = self.password_hash(Rules::Typed, change.password, person(caller)).await?;
        let (user, now) = (caller.user, self.now());
        let set = self.write_while_proven(of, move |conn| {
            principals::set_password(conn, user, &hash, now)?;
            with(conn)
        });
        let set = set.await?;
        self.principals.forget_user(user);
        tracing::info!(target: "ligand::people", act = "password set", user, name = %caller.email, address = %told(address));
        Ok(set)
    }

    /// For the operator: sets a password, and ends every session of the user.
    pub async fn set_password(&self, user: &Principal, password: Secret) -> Result<(), ApiError> {
        let hash = self.password_hash(Rules::Typed, password, person(user)).await?;
        let (id, now) = (user.user, self.now());
        let set = self.store.write_for(user.owner, move |conn| {
            principals::set_password(conn, id, &hash, now)?;
            principals::end_sessions(conn, id)
        });
        set.await?;
        self.principals.forget_user(id);
        Ok(())
    }

    /// Whether this is the caller's password; a wrong one counts as a failed sign-in.
    pub async fn require_password(
        &self,
        address: Option<IpAddr>,
        caller: &Principal,
        password: Secret,
    ) -> Result<(), ApiError> {
        match self.whose_password(address, &caller.email, password).await {
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
