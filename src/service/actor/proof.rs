//! How a caller showed who it is, and how long ago a person gave the password.

use chrono::{DateTime, TimeDelta, Utc};

use crate::vault::{Audience, Session};

/// How recent a sign-in must be to see secrets, and to change what opens everything (OWASP ASVS 5.0, 7.5.1 and 7.5.3).
pub const TO_SEE_SECRETS: TimeDelta = TimeDelta::minutes(15);
/// How recent it must be to set a password without the present one.
pub const TO_SET_A_PASSWORD: TimeDelta = TimeDelta::minutes(5);

/// What a caller was known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// User and Organization secret: a program, as far as anybody knows.
    Secrets,
    /// A session, which began with a password, of the API or of the console.
    Session { session: Session, audience: Audience },
}

impl Proof {
    pub fn session(&self) -> Option<&Session> {
        match self {
            Self::Secrets => None,
            Self::Session { session, .. } => Some(session),
        }
    }

    /// Whether a person gave the password within this time. Secrets never tell.
    pub fn is_recent(&self, within: TimeDelta, now: DateTime<Utc>) -> bool {
        // Tokens count in whole seconds.
        let passed = |session: &Session| now.timestamp().saturating_sub(session.proven_at.timestamp());
        self.session().is_some_and(|session| passed(session) <= within.num_seconds())
    }
}
