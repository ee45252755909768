//! Tokens that a caller obtained itself (docs/api.md, Creating an instance), and when they end, as other systems spell it. A time that
//! is not understood is refused: without one a refresh token would be tried out, which spends it where another system still uses it.

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use serde_json::Value;

use super::configuration::text_of;
use super::input::{InstanceInput, is_given};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::{MASK, Secret};
use crate::protocol::oauth2::lifetime::{self, Spelled};
use crate::protocol::pasted;

/// Clocks of two systems differ by less.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// What the caller brings instead of a code.
#[derive(Clone, Default)]
pub struct Brought {
    pub access_token: Option<Secret>,
    pub refresh_token: Option<Secret>,
    /// Seconds that the access token lives.
    pub lifetime: Option<i64>,
    /// When it was got.
    pub since: Option<DateTime<Utc>>,
    /// When it ends, or ended. None: it was not told, or it lives for ever.
    pub expires_at: Option<DateTime<Utc>>,
    /// When the refresh token ends.
    pub ends_at: Option<DateTime<Utc>>,
}

/// Where a time stands: a member of `providerData`, which wins, and keys of the configuration, of which the first is the API's own.
struct Place {
    member: &'static str,
    keys: &'static [&'static str],
}

const EXPIRES_IN: Place =
    Place { member: "expires_in", keys: &["oauth.user.refresh_interval", "oauth.user.expires_in", "expires_in"] };
const EXPIRES_AT: Place = Place { member: "expires_at", keys: &["oauth.user.expires_at", "expires_at"] };
const REFRESH_TIME: Place = Place { member: "refresh_time", keys: &["oauth.user.refresh_time", "refresh_time"] };
const ENDS_IN: Place = Place { member: "refresh_token_expires_in", keys: &[] };
const ENDS_AT: Place = Place { member: "refresh_token_expires_at", keys: &[] };

impl Brought {
    pub fn is_empty(&self) -> bool {
        self.access_token.is_none() && self.refresh_token.is_none()
    }

    /// Whether anything was said of when the access token was got or ends: then it is taken as it is.
    pub fn is_dated(&self) -> bool {
        self.lifetime.is_some() || self.since.is_some() || self.expires_at.is_some()
    }
}

impl InstanceInput {
    /// What the caller brings instead of a code, under the keys that are otherwise ours or in `providerData`. A masked
    /// token is none.
    pub fn brought(&self, now: DateTime<Utc>) -> Result<Option<Brought>, ApiError> {
        match self.external_authentication.as_deref() {
            None | Some("" | "none") => return Ok(None),
            Some("initial") => {}
            Some(_) => return Err(ApiError::new(Code::BadBody, "externalAuthentication must be `none` or `initial`.")),
        }
        self.tokens(now).map(Some)
    }

    /// The same of who brings nothing else.
    pub(in crate::service) fn tokens(&self, now: DateTime<Utc>) -> Result<Brought, ApiError> {
        let since = self.time(&REFRESH_TIME)?.map(|(name, spelled)| got(name, spelled, now)).transpose()?;
        let from = since.unwrap_or(now);
        let (told, end) = (self.time(&EXPIRES_IN)?, self.time(&EXPIRES_AT)?);
        // A point in time says more than a count of seconds, which may be from when the token was got.
        let expires_at = end.or(told).and_then(|(_, spelled)| spelled.end(from));
        let lifetime = match (told, end) {
            (Some((_, Spelled::Lifetime(seconds))), _) | (None, Some((_, Spelled::Lifetime(seconds)))) => Some(seconds),
            _ => expires_at.map(|end| end.signed_duration_since(from).num_seconds()).filter(|seconds| *seconds > 0),
        };
        let ends_at = self.time(&ENDS_AT)?.or(self.time(&ENDS_IN)?);
        Ok(Brought {
            access_token: self.token("access_token", "oauth.user.token")?,
            refresh_token: self.token("refresh_token", "oauth.user.refresh_token")?,
            lifetime,
            since,
            expires_at,
            ends_at: ends_at.and_then(|(_, spelled)| spelled.end(from)),
        })
    }

    fn configured(&self, key: &str) -> Option<&Value> {
        self.configuration.as_ref()?.get(key).filter(|value| is_given(value))
    }

    fn token(&self, member: &str, key: &str) -> Result<Option<Secret>, ApiError> {
        let provided = self.provider_data.as_ref().and_then(|data| data.text(member));
        let text = provided.or_else(|| self.configured(key).cloned().and_then(text_of));
        let cleaned = text.filter(|text| text != MASK).map(|text| pasted::token(&text)).transpose();
        let refused = |unfit| ApiError::new(Code::BadConfiguration, format!("{key} {unfit}."));
        Ok(cleaned.map_err(refused)?.filter(|text| !text.is_empty()).map(Secret::new))
    }

    /// A time that was told, and under which name.
    fn time(&self, place: &Place) -> Result<Option<(&'static str, Spelled)>, ApiError> {
        let provided = self.provider_data.as_ref().and_then(|data| data.given(place.member));
        let provided = provided.map(|value| (place.member, value));
        let configured = || place.keys.iter().find_map(|key| Some((*key, self.configured(key)?)));
        let Some((name, value)) = provided.or_else(configured) else { return Ok(None) };
        let spelled = lifetime::spelled(value).filter(|spelled| match spelled {
            // What lies before is no time of a token, and not every database has it.
            Spelled::At(time) => (1970..=9999).contains(&time.year()),
            Spelled::Lifetime(_) => true,
        });
        spelled.map(|spelled| Some((name, spelled))).ok_or_else(|| {
            let message = format!(
                "{name} is no time that is understood: send seconds, seconds or milliseconds since 1970, or a date such as \
                 2026-03-01T12:00:00Z, or leave it away."
            );
            ApiError::new(Code::BadConfiguration, message)
        })
    }
}

/// When a token was got.
fn got(name: &str, spelled: Spelled, now: DateTime<Utc>) -> Result<DateTime<Utc>, ApiError> {
    match spelled {
        Spelled::At(time) if time.signed_duration_since(now) <= AHEAD => Ok(time),
        _ => {
            let message = format!(
                "{name} is when the token was got, a time that has been: send seconds or milliseconds since 1970, or a date. \
                 When it ends goes into providerData.expires_at."
            );
            Err(ApiError::new(Code::BadConfiguration, message))
        }
    }
}
