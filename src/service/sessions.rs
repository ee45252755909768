//! Sessions: opened by a password, listed for their person, ended one by one or all at once.

use std::net::IpAddr;

use serde::Serialize;
use utoipa::ToSchema;

use super::proof::Proof;
use super::{Services, not_found};
use crate::kernel::clock::api_date;
use crate::kernel::code::Code;
use crate::kernel::entropy::hex;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::store::principals::Principal;
use crate::store::sessions::{self, KeptSession};
use crate::store::{AnyConn, StoreFault};
use crate::vault::{Audience, Session};

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

impl Services {
    /// The caller's own that go on, the newest first.
    pub async fn sessions(&self, caller: &Principal, proof: &Proof) -> Result<Vec<SessionView>, ApiError> {
        let (user, now) = (caller.user, self.now());
        let known = self.store.read_for(caller.owner, move |conn| sessions::list(conn, user, SHOWN, now)).await?;
        let current = proof.session().and_then(|session| session.id.as_deref());
        Ok(known.into_iter().map(|session| view(session, current)).collect())
    }

    /// Ends one of the caller's own, in every process.
    pub async fn end_session_by_id(&self, caller: &Principal, id: String) -> Result<(), ApiError> {
        let (user, now) = (caller.user, self.now());
        let ended = self.store.write_for(caller.owner, move |conn| {
            let expires_at = sessions::expiry(conn, user, &id)?.ok_or(StoreFault::NotFound)?;
            sessions::end(conn, user, &id, expires_at, now)
        });
        let ended = ended.await;
        self.principals.clear();
        match ended {
            // By somebody else, this very moment.
            Ok(()) | Err(StoreFault::Conflict(_)) => Ok(()),
            Err(fault) => Err(not_found(Code::SessionNotFound, || Code::SessionNotFound.sentence().to_owned())(fault)),
        }
    }

    /// Ends this session of the console, in every process; the user's others go on.
    pub async fn end_session(&self, token: &Secret) -> Result<(), ApiError> {
        let now = self.now();
        let Some(session) = self.session.verify(Audience::Console, token, now) else { return Ok(()) };
        let Some(id) = session.id else { return Ok(()) };
        let ended = self.store.write(move |conn| sessions::end(conn, session.user, &id, session.expires_at, now)).await;
        self.principals.clear();
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

    pub(super) fn token_of(&self, audience: Audience, session: Session) -> Result<Secret, ApiError> {
        self.session.issue(audience, session).map_err(|error| ApiError::internal(error))
    }
}

/// Belongs into the transaction that is the reason for the session.
pub(super) fn keep(
    conn: &mut AnyConn,
    audience: Audience,
    session: &Session,
    address: Option<IpAddr>,
) -> Result<(), StoreFault> {
    let Some(id) = session.id.clone() else { return Ok(()) };
    let audience = match audience {
        Audience::Api => "api",
        Audience::Console => "console",
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
