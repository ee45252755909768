//! Passwords, and nothing else, go through argon2id (RFC 9106). Slow on purpose: callers run it off the async threads.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

use crate::kernel::entropy::{Entropy, bytes};
use crate::kernel::secret::Secret;

/// Shortest password that is accepted, in characters (NIST SP 800-63B asks for at least eight).
pub const SHORTEST: usize = 8;
/// Longest, in bytes: a bound on the work that a caller can ask for.
pub const LONGEST: usize = 1024;

#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {0}")]
pub struct PasswordFault(argon2::password_hash::Error);

/// A PHC string with its own salt and parameters.
pub fn hash(password: &Secret, entropy: &dyn Entropy) -> Result<String, PasswordFault> {
    let salt = bytes::<16>(entropy);
    Argon2::default()
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(PasswordFault)
}

/// Takes as long for a missing hash as for a present one, so that a user name cannot be guessed by the clock.
pub fn verify(password: &Secret, hash: Option<&str>) -> bool {
    const OF_NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$9uBcmGVnmjNXVZuRW7VrkGfMJC2oPP3bAZOeFUpQb+M";
    let fits = PasswordHash::new(hash.unwrap_or(OF_NOBODY))
        .is_ok_and(|parsed| Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok());
    fits && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::entropy::SeededEntropy;

    #[test]
    fn the_right_password_and_only_it_fits() {
        let hashed = hash(&Secret::new("correct horse"), &SeededEntropy::new(1)).unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert!(verify(&Secret::new("correct horse"), Some(&hashed)));
        assert!(!verify(&Secret::new("wrong horse"), Some(&hashed)));
        assert!(!verify(&Secret::new("correct horse"), None));
        assert!(!verify(&Secret::new("correct horse"), Some("not a hash")));
    }
}
