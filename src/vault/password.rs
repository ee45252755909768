//! Passwords, and nothing else, go through argon2id (RFC 9106). Slow on purpose: callers run it off the async threads.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq as _;

use crate::kernel::entropy::{Entropy, bytes};
use crate::kernel::secret::Secret;

/// Longest, in bytes: a bound on the work that a caller can ask for.
pub const LONGEST: usize = 1024;
/// Address space of a hash's working memory at least: glibc maps what is larger than 32 MiB by itself and unmaps it when it
/// is freed. Smaller blocks it would keep for the thread that had them, and every hash runs on another one.
const GIVEN_BACK: usize = 33 << 20;

#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {0}")]
pub struct PasswordFault(Box<dyn std::error::Error + Send + Sync>);

impl PasswordFault {
    fn of(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}

/// A PHC string with its own salt and parameters.
pub fn hash(password: &Secret, entropy: &dyn Entropy) -> Result<String, PasswordFault> {
    let salt = bytes::<16>(entropy);
    let (algorithm, version, params) = (Algorithm::default(), Version::default(), Params::default());
    let written = ParamsString::try_from(&params).map_err(PasswordFault::of)?;
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    fill(&Argon2::new(algorithm, version, params), password, &salt, &mut output).map_err(PasswordFault::of)?;
    let hash = PasswordHash {
        algorithm: algorithm.ident(),
        version: Some(version.into()),
        params: written,
        salt: Some(Salt::new(&salt).map_err(PasswordFault::of)?),
        hash: Some(Output::new(&output).map_err(PasswordFault::of)?),
    };
    Ok(hash.to_string())
}

/// Takes as long for a missing hash as for a present one, so that a user name cannot be guessed by the clock.
pub fn verify(password: &Secret, hash: Option<&str>) -> bool {
    const OF_NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$9uBcmGVnmjNXVZuRW7VrkGfMJC2oPP3bAZOeFUpQb+M";
    fits(password, hash.unwrap_or(OF_NOBODY)).unwrap_or(false) && hash.is_some()
}

/// None: that is no hash.
fn fits(password: &Secret, hash: &str) -> Option<bool> {
    let known = PasswordHash::new(hash).ok()?;
    let algorithm = Algorithm::try_from(known.algorithm.as_str()).ok()?;
    let version = known.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&known).ok()?);
    let (salt, expected) = (known.salt?, known.hash?);
    let mut output = vec![0; expected.len()];
    fill(&argon2, password, salt.as_ref(), &mut output).ok()?;
    Some(output.ct_eq(expected.as_bytes()).into())
}

/// The hash itself, in working memory that is given back to the system afterwards.
fn fill(argon2: &Argon2<'_>, password: &Secret, salt: &[u8], output: &mut [u8]) -> argon2::Result<()> {
    let count = argon2.params().block_count();
    let mut blocks = Vec::with_capacity(count.max(GIVEN_BACK / Block::SIZE));
    // Pages that are not touched cost nothing.
    blocks.resize(count, Block::new());
    argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, output, &mut blocks)
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

    #[test]
    fn a_password_counts_to_its_last_letter() {
        let (long, entropy) = ("Correct horse ".repeat(40), SeededEntropy::new(1));
        let hashed = hash(&Secret::new(long.as_str()), &entropy).unwrap();
        assert!(verify(&Secret::new(long.as_str()), Some(&hashed)));
        for other in [long.trim().to_owned(), long.to_lowercase(), format!("{long}x"), long.replace("  ", " ") + " "] {
            assert!(!verify(&Secret::new(other.as_str()), Some(&hashed)), "{other}");
        }
    }

    /// Hashes of the library's own making, with other parameters too.
    #[test]
    fn hashes_that_others_wrote_are_understood() {
        use argon2::password_hash::PasswordHasher as _;
        for params in [Params::default(), Params::new(64, 3, 2, Some(24)).unwrap()] {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let hashed: PasswordHash = argon2.hash_password_with_salt(b"correct horse", b"0123456789abcdef").unwrap();
            assert!(verify(&Secret::new("correct horse"), Some(&hashed.to_string())), "{hashed}");
            assert!(!verify(&Secret::new("wrong horse"), Some(&hashed.to_string())));
        }
    }
}
