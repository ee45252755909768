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

use crate::kernel::entropy::{Entropy, bytes};
use crate::kernel::secret::Secret;

/// Hours that a session token is good for.
pub const LIFETIME: TimeDelta = TimeDelta::hours(12);
const ISSUER: &str = "ligand";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    /// The user's id.
    pub sub: String,
    pub iat: i64,
    pub exp: i64,
    /// The user's session generation: a password change makes earlier tokens worthless.
    pub generation: i64,
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

    pub fn issue(&self, user: i64, generation: i64, now: DateTime<Utc>) -> Result<Secret, Error> {
        install();
        let expires = now.checked_add_signed(LIFETIME).unwrap_or(now);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user.to_string(),
            iat: now.timestamp(),
            exp: expires.timestamp(),
            generation,
        };
        let key = EncodingKey::from_secret(self.0.as_slice());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map(Secret::new)
    }

    /// The user's id and session generation, of a token that is ours and not expired.
    pub fn verify(&self, token: &Secret, now: DateTime<Utc>) -> Option<(i64, i64)> {
        install();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // The library would ask the machine's clock; ours is injected.
        validation.validate_exp = false;
        let key = DecodingKey::from_secret(self.0.as_slice());
        let claims = jsonwebtoken::decode::<Claims>(token.expose(), &key, &validation).ok()?.claims;
        let user = claims.sub.parse().ok()?;
        (now.timestamp() < claims.exp).then_some((user, claims.generation))
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
    use super::*;
    use crate::kernel::entropy::SeededEntropy;

    #[test]
    fn a_token_is_good_until_it_expires_and_only_under_its_key() {
        let key = SessionKey::generate(&SeededEntropy::new(1));
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let token = key.issue(5, 2, now).unwrap();
        assert_eq!(key.verify(&token, now), Some((5, 2)));
        assert_eq!(key.verify(&token, now + LIFETIME), None);
        assert_eq!(SessionKey::generate(&SeededEntropy::new(2)).verify(&token, now), None);
        let unsigned = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJsaWdhbmQiLCJzdWIiOiI1IiwiaWF0IjowLCJleHAiOjk5OTk5OTk5OTl9.";
        assert_eq!(key.verify(&Secret::new(unsigned), now), None);
    }
}
