//! What the vendor remembers: codes, grants and tokens. Plain values: no HTTP, no clock of its own.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::portal::Portal;
use super::refusal::Refusal;
use crate::kernel::entropy::{self, Entropy};

pub const APP: i64 = 456;
pub const USER: i64 = 123;
pub const USER_EMAIL: &str = "someone@sandbox.hubspot.test";

/// Above this many entries the dead ones are swept, so that a benchmark does not fill the memory.
const SWEEP_ABOVE: usize = 100_000;

/// What a code was issued for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IssuedCode {
    pub portal: Portal,
    pub redirect_uri: String,
    pub scopes: Vec<String>,
    pub state: Option<String>,
    /// The S256 challenge, when PKCE was started (RFC 7636).
    pub challenge: Option<String>,
    pub expires_at: DateTime<Utc>,
    pub spent: bool,
}

/// What a user agreed to: the account, and the scopes that its app may use there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    pub portal: Portal,
    pub scopes: Vec<String>,
}

/// One installation of the app by one user. An uninstall ends everything at once; a lost refresh token lets the access
/// tokens live until they expire.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Grant {
    reach: Reach,
    installed: bool,
    refreshable: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AccessToken {
    grant: u64,
    expires_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RefreshToken {
    grant: u64,
    /// Replaced by a newer one: presenting it again is a replay.
    spent: bool,
}

/// Why a grant ends without the app asking for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndOfGrant {
    /// The app was uninstalled: access tokens die too.
    Uninstalled,
    /// The authorising user lost access: access tokens live until they expire.
    UserRemoved,
}

/// The tokens of one reply.
#[derive(Debug, Clone)]
pub struct Issued {
    pub access_token: String,
    pub refresh_token: String,
    pub reach: Reach,
}

/// What an access token is worth now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Good { reach: Reach, expires_at: DateTime<Utc> },
    Expired { since: DateTime<Utc> },
    Unknown,
}

/// The rules of one token call: they come from the switches.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub now: DateTime<Utc>,
    pub token_lifetime: TimeDelta,
    pub rotation: bool,
}

/// One thing that changed, as it is after that: what a restart needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Change {
    Code(String, IssuedCode),
    Grant(u64, Grant),
    Access(String, AccessToken),
    Refresh(String, RefreshToken),
    Revoked(String),
    Expired(DateTime<Utc>),
    Forgotten,
    Ended(EndOfGrant, Option<Portal>),
}

#[derive(Debug, Default)]
pub struct Ledger {
    codes: HashMap<String, IssuedCode>,
    grants: HashMap<u64, Grant>,
    access: HashMap<String, AccessToken>,
    refresh: HashMap<String, RefreshToken>,
    last_grant: u64,
    /// What nobody has written down yet.
    changes: Vec<Change>,
}

impl Ledger {
    pub fn issue_code(&mut self, code: IssuedCode, now: DateTime<Utc>, entropy: &dyn Entropy) -> String {
        if self.codes.len() >= SWEEP_ABOVE {
            self.codes.retain(|_, known| known.expires_at > now);
        }
        let text = format!("na1-{}", uuid(entropy));
        self.note(Change::Code(text.clone(), code));
        text
    }

    pub fn code(&self, code: &str) -> Option<&IssuedCode> {
        self.codes.get(code)
    }

    /// Exchanges a code. Only success spends it: HubSpot lets an app with a wrong redirect URI try again.
    pub fn exchange(
        &mut self,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
        terms: Terms,
        entropy: &dyn Entropy,
    ) -> Result<Issued, Refusal> {
        let known = self.codes.get(code).filter(|known| !known.spent).ok_or(Refusal::BadAuthCode)?;
        if terms.now >= known.expires_at {
            return Err(Refusal::ExpiredAuthCode);
        }
        if known.redirect_uri != redirect_uri {
            return Err(Refusal::MismatchRedirectUri);
        }
        if known.challenge.as_deref().is_some_and(|challenge| verifier.map(s256).as_deref() != Some(challenge)) {
            return Err(Refusal::BadCodeVerifier);
        }
        let mut spent = known.clone();
        spent.spent = true;
        let reach = Reach { portal: spent.portal, scopes: spent.scopes.clone() };
        self.note(Change::Code(code.to_owned(), spent));
        let grant = self.last_grant + 1;
        self.note(Change::Grant(grant, Grant { reach: reach.clone(), installed: true, refreshable: true }));
        let access_token = self.issue_access(grant, terms, entropy);
        let refresh_token = self.issue_refresh(grant, entropy);
        Ok(Issued { access_token, refresh_token, reach })
    }

    /// Renews an access token. With rotation a spent refresh token that comes back ends its whole grant (RFC 9700,
    /// section 4.14.2).
    pub fn renew(&mut self, refresh_token: &str, terms: Terms, entropy: &dyn Entropy) -> Result<Issued, Refusal> {
        let mut known = self.refresh.get(refresh_token).cloned().ok_or(Refusal::BadRefreshToken)?;
        let mut grant = self.grants.get(&known.grant).cloned().ok_or(Refusal::BadRefreshToken)?;
        if known.spent {
            grant.installed = false;
            self.note(Change::Grant(known.grant, grant));
            return Err(Refusal::BadRefreshToken);
        }
        if !grant.refreshable || !grant.installed {
            return Err(Refusal::BadRefreshToken);
        }
        let (id, reach) = (known.grant, grant.reach);
        if terms.rotation {
            known.spent = true;
            self.note(Change::Refresh(refresh_token.to_owned(), known));
        }
        let access_token = self.issue_access(id, terms, entropy);
        let refresh_token = if terms.rotation { self.issue_refresh(id, entropy) } else { refresh_token.to_owned() };
        Ok(Issued { access_token, refresh_token, reach })
    }

    fn issue_access(&mut self, grant: u64, terms: Terms, entropy: &dyn Entropy) -> String {
        if self.access.len() >= SWEEP_ABOVE {
            self.access.retain(|_, token| token.expires_at > terms.now);
        }
        // HubSpot's tokens are long and begin like this; clients must not assume a length.
        let token = format!("CN{}", URL_SAFE_NO_PAD.encode(entropy::bytes::<96>(entropy)));
        let expires_at = terms.now.checked_add_signed(terms.token_lifetime).unwrap_or(DateTime::<Utc>::MAX_UTC);
        self.note(Change::Access(token.clone(), AccessToken { grant, expires_at }));
        token
    }

    fn issue_refresh(&mut self, grant: u64, entropy: &dyn Entropy) -> String {
        let token = uuid(entropy);
        self.note(Change::Refresh(token.clone(), RefreshToken { grant, spent: false }));
        token
    }

    pub fn access(&self, token: &str, now: DateTime<Utc>) -> Standing {
        let Some(known) = self.access.get(token) else { return Standing::Unknown };
        match self.grants.get(&known.grant).filter(|grant| grant.installed) {
            None => Standing::Unknown,
            Some(_) if now >= known.expires_at => Standing::Expired { since: known.expires_at },
            Some(grant) => Standing::Good { reach: grant.reach.clone(), expires_at: known.expires_at },
        }
    }

    /// The reach of a refresh token that still works.
    pub fn refresh(&self, token: &str) -> Option<Reach> {
        let known = self.refresh.get(token).filter(|known| !known.spent)?;
        let grant = self.grants.get(&known.grant).filter(|grant| grant.installed && grant.refreshable)?;
        Some(grant.reach.clone())
    }

    /// Revocation by the app: a refresh token ends, its access tokens live until they expire, and the app stays
    /// installed; an access token ends alone. False when there was nothing to end.
    pub fn revoke(&mut self, token: &str) -> bool {
        let alive = self.access.contains_key(token) || self.refresh(token).is_some();
        if alive {
            self.note(Change::Revoked(token.to_owned()));
        }
        alive
    }

    pub fn expire_access_tokens(&mut self, now: DateTime<Utc>) {
        self.note(Change::Expired(now));
    }

    pub fn forget_access_tokens(&mut self) {
        self.note(Change::Forgotten);
    }

    /// Ends every grant, or those of one account.
    pub fn end_grants(&mut self, reason: EndOfGrant, portal: Option<Portal>) {
        self.note(Change::Ended(reason, portal));
    }

    fn note(&mut self, change: Change) {
        self.apply(&change);
        self.changes.push(change);
    }

    /// The only place where anything changes: a restart applies what was noted.
    pub(super) fn apply(&mut self, change: &Change) {
        match change.clone() {
            Change::Code(text, code) => drop(self.codes.insert(text, code)),
            Change::Grant(id, grant) => {
                self.last_grant = self.last_grant.max(id);
                self.grants.insert(id, grant);
            }
            Change::Access(text, token) => drop(self.access.insert(text, token)),
            Change::Refresh(text, token) => drop(self.refresh.insert(text, token)),
            Change::Revoked(text) => {
                if self.access.remove(&text).is_none()
                    && let Some(known) = self.refresh.get(&text)
                {
                    self.grants.entry(known.grant).and_modify(|grant| grant.refreshable = false);
                }
            }
            Change::Expired(now) => {
                self.access.values_mut().for_each(|token| token.expires_at = token.expires_at.min(now));
            }
            Change::Forgotten => self.access.clear(),
            Change::Ended(reason, portal) => {
                let within = |grant: &&mut Grant| portal.is_none_or(|portal| grant.reach.portal == portal);
                for grant in self.grants.values_mut().filter(within) {
                    match reason {
                        EndOfGrant::Uninstalled => grant.installed = false,
                        EndOfGrant::UserRemoved => grant.refreshable = false,
                    }
                }
            }
        }
    }

    /// What changed since it was asked for last.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Everything, as changes to an empty ledger. What is over and can not be told from unknown is left out.
    pub(super) fn whole(&self, now: DateTime<Utc>) -> Vec<Change> {
        let codes = self.codes.iter().filter(|(_, code)| code.expires_at > now);
        let codes = codes.map(|(text, code)| Change::Code(text.clone(), code.clone()));
        let grants = self.grants.iter().map(|(id, grant)| Change::Grant(*id, grant.clone()));
        let access = self.access.iter().map(|(text, token)| Change::Access(text.clone(), token.clone()));
        let refresh = self.refresh.iter().map(|(text, token)| Change::Refresh(text.clone(), token.clone()));
        codes.chain(grants).chain(access).chain(refresh).collect()
    }

    /// Entries that are kept.
    pub(super) fn size(&self) -> usize {
        [self.codes.len(), self.grants.len(), self.access.len(), self.refresh.len()].iter().sum()
    }

    pub fn spent_refresh_tokens(&self) -> usize {
        self.refresh.values().filter(|token| token.spent).count()
    }

    /// Grants that can still be refreshed.
    pub fn live_grants(&self) -> usize {
        self.grants.values().filter(|grant| grant.installed && grant.refreshable).count()
    }
}

/// `BASE64URL(SHA256(verifier))`, RFC 7636 section 4.6.
fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// A random UUID (version 4).
pub fn uuid(entropy: &dyn Entropy) -> String {
    let mut text = String::with_capacity(36);
    for (index, digit) in entropy::hex::<16>(entropy).chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(match index {
            12 => '4',
            16 => 'a',
            _ => digit,
        });
    }
    text
}
