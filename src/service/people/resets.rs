//! Resets of secrets, and what ends with them: a session tells the secrets to whoever has it, so those that were open end, too,
//! unless the person keeps them.

use std::net::IpAddr;

use serde::Serialize;
use utoipa::ToSchema;

use super::passwords::told;
use super::proof::Proof;
use super::sessions::{OtherSessions, keep};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::store::principals::{self, Principal};
use crate::store::{AnyConn, StoreFault, sessions};
use crate::vault::{Audience, Session};

/// Who changes what opens everything of theirs.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    pub caller: &'a Principal,
    pub proof: &'a Proof,
    /// From where.
    pub address: Option<IpAddr>,
    /// Of the session in which the caller goes on, where the one of the call ends.
    pub audience: Audience,
}

/// A secret that was just made; the old one no longer works.
#[derive(Serialize, ToSchema)]
pub struct NewSecret {
    pub secret: String,
    /// A session token in place of the one that the call came with, which ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub token: Option<String>,
}

impl Services {
    /// The old one is refused from now on, and what it may have opened ends.
    pub async fn reset_user_secret(&self, of: Asking<'_>, others: OtherSessions) -> Result<NewSecret, ApiError> {
        self.require_recent_sign_in_of(of.proof)?;
        let (secret, kept) = self.new_user_secret(of.caller.owner.organization, of.caller.user)?;
        let (user, now) = (of.caller.user, self.now());
        let next = self.successor(&of, others);
        let next = self.write_while_proven(&of, move |conn| {
            principals::set_user_secret(conn, user, &kept, now)?;
            if others == OtherSessions::End {
                principals::end_sessions(conn, user)?;
            }
            next.map(|next| next.begin(conn)).transpose()
        });
        let next = next.await?;
        self.principals.forget_user(user);
        of.log("user secret reset");
        self.new_secret(&secret, &of, next)
    }

    /// For administrators of the organization: everybody in it needs the new secret.
    pub async fn reset_organization_secret(
        &self,
        of: Asking<'_>,
        others: OtherSessions,
    ) -> Result<NewSecret, ApiError> {
        if !of.caller.organization_admin {
            let message = "Only an administrator of the organization may reset its secret.";
            return Err(ApiError::new(Code::NotAllowed, message));
        }
        self.require_recent_sign_in_of(of.proof)?;
        let organization = of.caller.owner.organization;
        let (secret, kept) = self.new_organization_secret(organization)?;
        let now = self.now();
        let next = self.successor(&of, others);
        let next = self.write_while_proven(&of, move |conn| {
            principals::set_organization_secret(conn, organization, &kept, now)?;
            if others == OtherSessions::End {
                principals::end_sessions_of(conn, organization)?;
            }
            next.map(|next| next.begin(conn)).transpose()
        });
        let next = next.await?;
        self.principals.forget_organization(organization);
        of.log("organization secret reset");
        self.new_secret(&secret, &of, next)
    }

    /// All of the caller's sessions but the one of the call. Gives the token in which that one goes on.
    pub async fn end_other_sessions(&self, of: Asking<'_>) -> Result<Option<Secret>, ApiError> {
        let (user, now) = (of.caller.user, self.now());
        let next = self.successor(&of, OtherSessions::End);
        let next = self.write_while_proven(&of, move |conn| {
            principals::end_sessions(conn, user)?;
            principals::say_changed(conn, user, now)?;
            next.map(|next| next.begin(conn)).transpose()
        });
        let next = next.await?;
        self.principals.forget_user(user);
        of.log("other sessions ended");
        next.map(|session| self.token_of(of.audience, session)).transpose()
    }

    /// The password was given once more: the session goes on under a new id and token, as old as it is, and the one before is over
    /// (OWASP ASVS 5.0, 7.2.4). None: the caller has no session.
    pub async fn prove_session(&self, of: Asking<'_>, password: Secret) -> Result<Option<Secret>, ApiError> {
        self.require_password(of.address, of.caller, password).await?;
        let (now, Some(next)) = (self.now(), self.successor(&of, OtherSessions::End)) else { return Ok(None) };
        let next = Successor { session: Session { proven_at: now, ..next.session }, ..next };
        let own = of.proof.session().and_then(|own| Some((own.user, own.id.clone()?, own.expires_at)));
        let next = self.write_while_proven(&of, move |conn| {
            if let Some((user, id, expires_at)) = own {
                // Another tab was first; the row of the user is locked by now.
                if sessions::ended(conn, user)?.contains(&id) {
                    return Ok(None);
                }
                sessions::end(conn, user, &id, expires_at, now)?;
            }
            next.begin(conn).map(Some)
        });
        let next = next.await;
        self.principals.forget_user(of.caller.user);
        self.token_of(of.audience, next?.ok_or_else(|| ApiError::from(Code::SignInAgain))?).map(Some)
    }

    /// In one transaction with the question whether what the caller was known by still holds: a session or a secret that was
    /// ended this moment, on another server, must not make new ones.
    pub(super) async fn write_while_proven<T: Send + 'static>(
        &self,
        of: &Asking<'_>,
        write: impl FnOnce(&mut AnyConn) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, ApiError> {
        let known = of.proof.session().map_or(of.caller.session_generation, |session| session.generation);
        let user = of.caller.user;
        let written = self.store.write_for(of.caller.owner, move |conn| {
            if !principals::still_holds(conn, user, known)? {
                return Ok(None);
            }
            write(conn).map(Some)
        });
        let written = written.await?;
        if written.is_none() {
            self.principals.forget_user(user);
        }
        written.ok_or_else(|| Code::SignInAgain.into())
    }

    /// The session in which the caller goes on, where its own ends with the others. As old as that one, and no fresher proof.
    fn successor(&self, of: &Asking<'_>, others: OtherSessions) -> Option<Successor> {
        let own = of.proof.session().filter(|_| others == OtherSessions::End)?;
        let new = self.new_session(own.user, own.generation);
        let session = Session { proven_at: own.proven_at, expires_at: own.expires_at, ..new };
        Some(Successor { session, audience: of.audience, address: of.address })
    }

    fn new_secret(&self, secret: &Secret, of: &Asking<'_>, next: Option<Session>) -> Result<NewSecret, ApiError> {
        let token = next.map(|session| self.token_of(of.audience, session)).transpose()?;
        let token = token.map(|token| token.expose().to_owned());
        Ok(NewSecret { secret: secret.expose().to_owned(), token })
    }
}

impl<'a> Asking<'a> {
    /// Without a session, from nowhere that is known.
    pub fn by_secrets(caller: &'a Principal) -> Self {
        Self { caller, proof: &Proof::Secrets, address: None, audience: Audience::Api }
    }

    fn log(&self, act: &str) {
        let (user, organization) = (self.caller.user, self.caller.owner.organization);
        let (name, address) = (&self.caller.email, told(self.address));
        tracing::info!(target: "ligand::people", act, user, %name, %address, organization);
    }
}

/// A session to be begun behind the end of the others.
struct Successor {
    session: Session,
    audience: Audience,
    address: Option<IpAddr>,
}

impl Successor {
    fn begin(self, conn: &mut AnyConn) -> Result<Session, StoreFault> {
        let generation = principals::session_generation(conn, self.session.user)?;
        let session = Session { generation, ..self.session };
        keep(conn, self.audience, &session, self.address)?;
        Ok(session)
    }
}
