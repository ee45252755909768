//! Resets of secrets, and what ends with them: a session tells the secrets to whoever has it, so those that were open end, too,
//! unless the person keeps them.

use std::net::IpAddr;

use serde::Serialize;
use utoipa::ToSchema;

use super::passwords::told;
use super::sessions::{OtherSessions, keep};
use super::users;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::actor::action::Action;
use crate::service::audit::Deed;
use crate::store::audit::Trail;
use crate::store::principals;
use crate::store::users::By;
use crate::store::{AnyConn, StoreFault, sessions};
use crate::vault::password_rules::{Person, Rules};
use crate::vault::{Audience, Session};

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
    pub async fn reset_user_secret(&self, actor: &Actor, others: OtherSessions) -> Result<NewSecret, ApiError> {
        let (caller, proof) = actor.user_and_proof()?;
        self.require_recent_sign_in_of(proof)?;
        let (user, now) = (caller.user, self.now());
        let (secret, kept) = self.new_user_secret(actor.organization(), user)?;
        let next = self.successor(actor, others)?;
        let trail = self.audit(actor, Deed::UserSecretReset, user).await?;
        let next = self.write_while_proven(actor, move |conn| {
            principals::set_user_secret(conn, user, &kept, now, &trail)?;
            if others == OtherSessions::End {
                principals::end_sessions(conn, user)?;
            }
            next.map(|next| next.begin(conn)).transpose()
        });
        let next = next.await?;
        self.principals.forget_user(user);
        log("user secret reset", actor);
        self.new_secret(&secret, actor, next)
    }

    /// For the operator: a new password and a new secret, which is given. What the old ones opened ends.
    pub async fn reset_user(&self, actor: &Actor, by: By, password: Secret) -> Result<Secret, ApiError> {
        actor.require(Action::Operate)?;
        let user = self.user(actor.organization(), by).await?;
        let (id, now) = (user.id, self.now());
        let person = Person {
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
        };
        let hash = self.password_hash(Rules::Typed, password, person).await?;
        let password = self.keep_password(user.organization, id, hash)?;
        let (secret, kept) = self.new_user_secret(user.organization, id)?;
        let of_secret = self.audit(actor, Deed::UserSecretReset, id).await?;
        let of_password = self.audit(actor, Deed::UserPasswordSet, id).await?;
        let reset = self.store.write_for(actor.owner(), move |conn| {
            principals::set_user_secret(conn, id, &kept, now, &of_secret)?;
            principals::set_password(conn, id, &password, now, &of_password)?;
            principals::end_sessions(conn, id)
        });
        reset.await?;
        self.principals.forget_user(id);
        users::log(actor, "password and secret reset", &user);
        Ok(secret)
    }

    /// For administrators of the organization: everybody in it needs the new secret.
    pub async fn reset_organization_secret(&self, actor: &Actor, others: OtherSessions) -> Result<NewSecret, ApiError> {
        actor.require(Action::ResetOrganizationSecret)?;
        let (_, proof) = actor.user_and_proof()?;
        self.require_recent_sign_in_of(proof)?;
        let organization = actor.organization();
        let (secret, kept) = self.new_organization_secret(organization)?;
        let now = self.now();
        let next = self.successor(actor, others)?;
        let trail = self.audit(actor, Deed::OrganizationSecretReset, organization).await?;
        let next = self.write_while_proven(actor, move |conn| {
            principals::set_organization_secret(conn, organization, &kept, now, &trail)?;
            if others == OtherSessions::End {
                principals::end_sessions_of(conn, organization)?;
            }
            next.map(|next| next.begin(conn)).transpose()
        });
        let next = next.await?;
        self.principals.forget_organization(organization);
        log("organization secret reset", actor);
        self.new_secret(&secret, actor, next)
    }

    /// All of the caller's sessions but the one of the call. Gives the token in which that one goes on.
    pub async fn end_other_sessions(&self, actor: &Actor) -> Result<Option<Secret>, ApiError> {
        let (user, now) = (actor.principal()?.user, self.now());
        let next = self.successor(actor, OtherSessions::End)?;
        let trail = self.audit(actor, Deed::UserSessionsEnded, user).await?;
        let next = self.write_while_proven(actor, move |conn| {
            principals::end_sessions(conn, user)?;
            trail.write(conn)?;
            principals::say_changed(conn, user, now)?;
            next.map(|next| next.begin(conn)).transpose()
        });
        let next = next.await?;
        self.principals.forget_user(user);
        log("other sessions ended", actor);
        next.map(|session| self.token_of(actor.audience(), session)).transpose()
    }

    /// The password was given once more: the session goes on under a new id and token, as old as it is, and the one before is over
    /// (OWASP ASVS 5.0, 7.2.4). None: the caller has no session.
    pub async fn prove_session(&self, actor: &Actor, password: Secret) -> Result<Option<Secret>, ApiError> {
        let (caller, proof) = actor.user_and_proof()?;
        self.require_password(actor, password).await?;
        let (now, Some(next)) = (self.now(), self.successor(actor, OtherSessions::End)?) else { return Ok(None) };
        let next = Successor { session: Session { proven_at: now, ..next.session }, ..next };
        let own = proof.session().and_then(|own| Some((own.user, own.id.clone()?, own.expires_at)));
        let next = self.write_while_proven(actor, move |conn| {
            if let Some((user, id, expires_at)) = own {
                // Another tab was first; the row of the user is locked by now.
                if sessions::ended(conn, user)?.contains(&id) {
                    return Ok(None);
                }
                sessions::end(conn, user, (&id, expires_at), now, &Trail::Not("it goes on under another id"))?;
            }
            next.begin(conn).map(Some)
        });
        let next = next.await;
        self.principals.forget_user(caller.user);
        self.token_of(actor.audience(), next?.ok_or_else(|| ApiError::from(Code::SignInAgain))?).map(Some)
    }

    /// In one transaction with the question whether what the caller was known by still holds: a session or a secret that was
    /// ended this moment, on another server, must not make new ones.
    pub(super) async fn write_while_proven<T: Send + 'static>(
        &self,
        actor: &Actor,
        write: impl FnOnce(&mut AnyConn) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (caller, proof) = actor.user_and_proof()?;
        let known = proof.session().map_or(caller.session_generation, |session| session.generation);
        let user = caller.user;
        let written = self.store.write_for(actor.owner(), move |conn| {
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
    fn successor(&self, actor: &Actor, others: OtherSessions) -> Result<Option<Successor>, ApiError> {
        let (_, proof) = actor.user_and_proof()?;
        Ok(proof.session().filter(|_| others == OtherSessions::End).map(|own| {
            let new = self.new_session(own.user, own.generation);
            let session = Session { proven_at: own.proven_at, expires_at: own.expires_at, ..new };
            Successor { session, audience: actor.audience(), address: actor.address() }
        }))
    }

    fn new_secret(&self, secret: &Secret, actor: &Actor, next: Option<Session>) -> Result<NewSecret, ApiError> {
        let token = next.map(|session| self.token_of(actor.audience(), session)).transpose()?;
        let token = token.map(|token| token.expose().to_owned());
        Ok(NewSecret { secret: secret.expose().to_owned(), token })
    }
}

fn log(act: &str, actor: &Actor) {
    let (user, name) = (actor.user_id(), actor.principal().ok().map(|caller| tracing::field::display(&caller.email)));
    let (address, organization) = (told(actor.address()), actor.organization());
    tracing::info!(target: "ligand::people", act, user, name, %address, organization);
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
