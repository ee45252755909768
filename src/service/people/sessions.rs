//! Sessions: opened by a password, listed for their person, ended one by one or all at once.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::kernel::clock::api_date;
use crate::kernel::code::Code;
use crate::kernel::entropy::hex;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::actor::Actor;
use crate::service::actor::proof::Proof;
use crate::service::audit::Deed;
use crate::service::{Services, not_found};
use crate::store::principals::Principal;
use crate::store::sessions::{self, KeptSession};
use crate::store::{AnyConn, StoreFault};
use crate::vault::{Audience, Session};

/// Hours without a page after which a session of the console is over (OWASP ASVS 5.0, 7.3.1).
const IDLE: TimeDelta = TimeDelta::hours(8);
/// How old the word of a session's last use may be: not every page brings a new one.
const USE_IS_TOLD_AFTER: TimeDelta = TimeDelta::minutes(5);
/// Sessions of one person that are shown, the newest.
const SHOWN: i64 = 200;

/// What becomes of the sessions that the proof before this one opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherSessions {
    End,
    Keep,
}

/// One of the caller's own sessions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub struct SessionView {
    pub id: String,
    /// `api`: begun by `POST /authentication`. `console`: begun on the console's page.
    #[schema(example = "api")]
    pub kind: String,
    /// From where it was begun, as far as that is known.
    #[schema(required, example = "203.0.113.7")]
    pub address: Option<String>,
    pub began_at: String,
    pub expires_at: String,
    /// Whether it is the one of this call.
    pub current: bool,
}

/// A session of the console, as its two tokens tell it: the second one changes while somebody works, so that forms, which
/// are bound to the first, stay good.
pub struct ConsoleSession {
    pub principal: Arc<Principal>,
    pub session: Session,
    used_at: DateTime<Utc>,
}

impl ConsoleSession {
    pub fn proof(&self) -> Proof {
        Proof::Session { session: self.session.clone(), audience: Audience::Console }
    }
}

impl Services {
    /// None: it is over, maybe because nobody used it. `last_use`: the second token, where there is one.
    pub async fn console_session(
        &self,
        token: &Secret,
        last_use: Option<&Secret>,
    ) -> Result<Option<ConsoleSession>, ApiError> {
        let Some((principal, session)) = self.principal_of_session(Audience::Console, token).await? else {
            return Ok(None);
        };
        let now = self.now();
        let told = last_use.and_then(|token| self.session.verify(Audience::ConsoleUse, token, now));
        let told = told.filter(|told| told.id == session.id && told.user == session.user);
        let used_at = told.map_or(session.issued_at, |told| told.issued_at.max(session.issued_at));
        let over = now.signed_duration_since(used_at) > IDLE;
        Ok((!over).then_some(ConsoleSession { principal, session, used_at }))
    }

    /// The second token anew, where it is time for that.
    pub fn tell_use(&self, of: &ConsoleSession) -> Result<Option<Secret>, ApiError> {
        let now = self.now();
        if now.signed_duration_since(of.used_at) < USE_IS_TOLD_AFTER {
            return Ok(None);
        }
        self.token_of(Audience::ConsoleUse, Session { issued_at: now, ..of.session.clone() }).map(Some)
    }

    /// The caller's own that go on, the newest first.
    pub async fn sessions(&self, actor: &Actor) -> Result<Vec<SessionView>, ApiError> {
        let (caller, proof) = actor.user_and_proof()?;
        let (user, now) = (caller.user, self.now());
        let known = self.store.read_for(actor.owner(), move |conn| sessions::list(conn, user, SHOWN, now)).await?;
        let current = proof.session().and_then(|session| session.id.as_deref());
        Ok(known.into_iter().map(|session| view(session, current)).collect())
    }

    /// Ends one of the caller's own, in every process.
    pub async fn end_session_by_id(&self, actor: &Actor, id: String) -> Result<(), ApiError> {
        let (user, now) = (actor.principal()?.user, self.now());
        let trail = self.audit(actor, Deed::SessionEnded, user).await?;
        let ended = self.store.write_for(actor.owner(), move |conn| {
            let expires_at = sessions::expiry(conn, user, &id)?.ok_or(StoreFault::NotFound)?;
            sessions::end(conn, user, (&id, expires_at), now, &trail)
        });
        let ended = ended.await;
        self.principals.forget_user(user);
        match ended {
            // By somebody else, this very moment.
            Ok(()) | Err(StoreFault::Conflict(_)) => Ok(()),
            Err(fault) => Err(not_found(Code::SessionNotFound, || Code::SessionNotFound.sentence().to_owned())(fault)),
        }
    }

    /// Ends the session of the call, in every process; the user's others go on.
    pub async fn end_session(&self, actor: &Actor) -> Result<(), ApiError> {
        let (_, proof) = actor.user_and_proof()?;
        let Some((session, id)) = proof.session().and_then(|own| Some((own, own.id.clone()?))) else { return Ok(()) };
        let (user, expires_at, now) = (session.user, session.expires_at, self.now());
        let trail = self.audit(actor, Deed::SessionEnded, user).await?;
        let end = move |conn: &mut AnyConn| sessions::end(conn, user, (&id, expires_at), now, &trail);
        let ended = self.store.write_for(actor.owner(), end).await;
        self.principals.forget_user(user);
        match ended {
            // By another tab.
            Ok(()) | Err(StoreFault::Conflict(_)) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    /// A session that begins now, to be written with what is the reason for it.
    pub(super) fn new_session(&self, user: i64, generation: i64) -> Session {
        Session::begin(user, generation, Some(hex::<16>(self.entropy.as_ref())), self.now())
    }

    pub(in crate::service) fn token_of(&self, audience: Audience, session: Session) -> Result<Secret, ApiError> {
        self.session.issue(audience, session).map_err(|error| ApiError::internal(error))
    }
}

/// Belongs into the transaction that is the reason for the session.
pub(in crate::service) fn keep(
    conn: &mut AnyConn,
    audience: Audience,
    session: &Session,
    address: Option<IpAddr>,
) -> Result<(), StoreFault> {
    let Some(id) = session.id.clone() else { return Ok(()) };
    let audience = match audience {
        Audience::Api => "api",
        Audience::Console | Audience::ConsoleUse => "console",
    };
    let kept = KeptSession {
        id,
        audience: audience.to_owned(),
        address: address.map(|address| address.to_string()),
        began_at: session.issued_at,
        expires_at: session.expires_at,
    };
    sessions::begin(conn, session.user, &kept)
}

fn view(session: KeptSession, current: Option<&str>) -> SessionView {
    SessionView {
        current: current == Some(session.id.as_str()),
        id: session.id,
        kind: session.audience,
        address: session.address,
        began_at: api_date(session.began_at),
        expires_at: api_date(session.expires_at),
    }
}
