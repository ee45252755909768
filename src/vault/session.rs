//! Session tokens: JWT (RFC 7519) signed with HS256 under a data key.

use std::sync::Once;

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::generations::Generations;
use crate::kernel::entropy::{Entropy, bytes};
use crate::kernel::secret::Secret;

/// Hours that a session token is good for.
pub const LIFETIME: TimeDelta = TimeDelta::hours(12);
const ISSUER: &str = "ligand";

/// Who takes the token: one for the console is none for the API, and the reverse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    Api,
    Console,
    /// What became of a session of the console since it began: when it was used last, and when its person gave the password.
    ConsoleUse,
}

impl Audience {
    /// The API's tokens name none.
    fn claim(self) -> Option<&'static str> {
        match self {
            Self::Api => None,
            Self::Console => Some("console"),
            Self::ConsoleUse => Some("console use"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// The user's id.
    pub sub: String,
    pub iat: i64,
    pub exp: i64,
    /// By which the session can be ended. Tokens for the API had none before 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// When the person gave the password last (OpenID Connect Core section 2). Without it: at `iat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The user's session generation: a password change makes earlier tokens worthless.
    pub generation: i64,
}

/// Whose session a token is of, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub user: i64,
    /// The user's, not the key's.
    pub generation: i64,
    /// Drawn at the sign-in.
    pub id: Option<String>,
    /// When the password was given last.
    pub proven_at: DateTime<Utc>,
    /// When the token was made: a console's is made anew while somebody works there.
    pub issued_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

impl Session {
    /// One that begins now.
    pub fn begin(user: i64, generation: i64, id: Option<String>, now: DateTime<Utc>) -> Self {
        let expires_at = now.checked_add_signed(LIFETIME).unwrap_or(now);
        Self { user, generation, id, proven_at: now, issued_at: now, expires_at }
    }
}

/// A data key of its own, sealed by the ring and untouched by its rotation.
#[derive(Clone)]
pub struct SessionKey(Zeroizing<[u8; 32]>);

impl SessionKey {
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(Zeroizing::new(bytes(entropy)))
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Zeroizing::new).map(Self)
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// `kid`: under which number those who verify find this key.
    fn issue(&self, audience: Audience, kid: i64, session: Session) -> Result<Secret, Error> {
        install();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: audience.claim().map(str::to_owned),
            sub: session.user.to_string(),
            iat: session.issued_at.timestamp(),
            exp: session.expires_at.timestamp(),
            jti: session.id,
            auth_time: Some(session.proven_at.timestamp()),
            generation: session.generation,
        };
        let header = Header { kid: Some(kid.to_string()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(self.0.as_slice())).map(Secret::new)
    }

    fn verify(&self, audience: Audience, token: &Secret, now: DateTime<Utc>) -> Option<Session> {
        install();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // The library would ask the machine's clock; ours is injected.
        validation.validate_exp = false;
        // Compared below: the library accepts a token that names none.
        validation.validate_aud = false;
        let key = DecodingKey::from_secret(self.0.as_slice());
        let claims = jsonwebtoken::decode::<Claims>(token.expose(), &key, &validation).ok()?.claims;
        let user = claims.sub.parse().ok()?;
        // A session of the console that could not be ended is none.
        let endable = audience == Audience::Api || claims.jti.is_some();
        if claims.aud.as_deref() != audience.claim() || !endable {
            return None;
        }
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let (issued_at, expires_at) = (at(claims.iat)?, at(claims.exp)?);
        let proven_at = at(claims.auth_time.unwrap_or(claims.iat))?;
        let session = Session { user, generation: claims.generation, id: claims.jti, proven_at, issued_at, expires_at };
        (now < expires_at).then_some(session)
    }
}

impl Generations<SessionKey> {
    pub fn issue(&self, of: Audience, session: Session) -> Result<Secret, Error> {
        let known = self.known();
        let current = known.current(self.clock.as_ref());
        current.key.issue(of, current.number, session)
    }

    /// Of a token that is ours and not expired.
    pub fn verify(&self, of: Audience, token: &Secret, now: DateTime<Utc>) -> Option<Session> {
        let kid = jsonwebtoken::decode_header(token.expose()).ok()?.kid;
        // Without one it is of the time before there were generations.
        let kid: i64 = kid.as_deref().unwrap_or("1").parse().ok()?;
        let known = self.known();
        let signed = known.all().find(|generation| generation.number == kid)?;
        let retired = signed.retires_at.is_some_and(|at| at <= now);
        if retired { None } else { signed.key.verify(of, token, now) }
    }
}

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKey(***)")
    }
}

/// HS256 alone: the library's own providers bring RSA or a second TLS library along.
struct Hs256(Zeroizing<Vec<u8>>);

impl Hs256 {
    fn mac(&self, message: &[u8]) -> Result<Hmac<Sha256>, SignatureError> {
        Hmac::<Sha256>::new_from_slice(&self.0).map(|mac| mac.chain_update(message)).map_err(|_| SignatureError::new())
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(self.mac(message)?.finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        self.mac(message)?.verify_slice(signature).map_err(|_| SignatureError::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

fn only_hs256(algorithm: &Algorithm, key: &[u8]) -> Result<Hs256, Error> {
    match algorithm {
        Algorithm::HS256 => Ok(Hs256(Zeroizing::new(key.to_vec()))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

fn install() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| Ok(Box::new(only_hs256(algorithm, key.as_bytes())?)),
        verifier_factory: |algorithm, key| Ok(Box::new(only_hs256(algorithm, key.try_get_as_bytes()?)?)),
        key_utils: KeyUtils::new_unimplemented(),
    };
    static ONCE: Once = Once::new();
    // A second installation fails, and that is fine: the first one is the same.
    ONCE.call_once(|| {
        let _ = PROVIDER.install_default();
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::kernel::clock::ManualClock;
    use crate::kernel::entropy::SeededEntropy;
    use crate::vault::{Generation, Known};

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn generation(number: i64, seed: u64) -> Generation<SessionKey> {
        let key = SessionKey::generate(&SeededEntropy::new(seed));
        Generation { number, key, created_at: now(), retires_at: None }
    }

    /// Tokens count in seconds, as `now` does.
    fn begun() -> Session {
        Session::begin(5, 2, Some("7f".to_owned()), now())
    }

    fn keys(generations: Vec<Generation<SessionKey>>) -> Generations<SessionKey> {
        Generations::new(Arc::new(ManualClock::at(now())), Known::of(generations).unwrap())
    }

    #[test]
    fn a_token_is_good_until_it_expires_and_only_under_its_key() {
        let own = keys(vec![generation(1, 1)]);
        let token = own.issue(Audience::Api, begun()).unwrap();
        assert_eq!(own.verify(Audience::Api, &token, now()), Some(begun()));
        assert_eq!(own.verify(Audience::Api, &token, now() + LIFETIME), None);
        assert_eq!(keys(vec![generation(1, 2)]).verify(Audience::Api, &token, now()), None);
        let unsigned =
            "eyJhbGciOiJub25lIiwia2lkIjoiMSJ9.eyJpc3MiOiJsaWdhbmQiLCJzdWIiOiI1IiwiaWF0IjowLCJleHAiOjk5OTk5OTk5OTl9.";
        assert_eq!(own.verify(Audience::Api, &Secret::new(unsigned), now()), None);
    }

    #[test]
    fn a_token_is_for_the_console_or_for_the_api() {
        let keys = keys(vec![generation(1, 1)]);
        let all = [Audience::Api, Audience::Console, Audience::ConsoleUse];
        for of in all {
            let token = keys.issue(of, begun()).unwrap();
            for other in all {
                assert_eq!(keys.verify(other, &token, now()), (of == other).then(begun), "{of:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_token_names_its_generation_which_is_good_until_it_retires() {
        let token = keys(vec![generation(3, 1)]).issue(Audience::Api, begun()).unwrap();
        assert_eq!(jsonwebtoken::decode_header(token.expose()).unwrap().kid.as_deref(), Some("3"));
        let retires_at = now() + TimeDelta::hours(1);
        let old = Generation { retires_at: Some(retires_at), ..generation(3, 1) };
        let both = keys(vec![old, generation(4, 2)]);
        assert_eq!(both.verify(Audience::Api, &token, retires_at - TimeDelta::microseconds(1)), Some(begun()));
        assert_eq!(both.verify(Audience::Api, &token, retires_at), None);
        assert_eq!(
            keys(vec![generation(4, 1)]).verify(Audience::Api, &token, now()),
            None,
            "the number counts, not the key alone"
        );
    }
}
