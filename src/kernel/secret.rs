//! A text that must not be seen.

use std::cell::Cell;
use std::fmt;

use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Eight asterisks: how the API shows a stored secret (docs/api.md, Configuration of an instance).
pub const MASK: &str = "********";

/// Prints `***`, is wiped on drop, compares in constant time, and has no `Serialize`: whoever wants the text
/// says `expose`, and documents that are sealed say `sealed`.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::new(text))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

thread_local! {
    /// Whether this thread writes a document that is to be sealed.
    static IN_DOCUMENT: Cell<bool> = const { Cell::new(false) };
}

/// Sets it back, whatever happens.
struct Writing {
    before: bool,
}

impl Drop for Writing {
    fn drop(&mut self) {
        IN_DOCUMENT.set(self.before);
    }
}

/// A document that is to be sealed, with its secrets written out. Nothing else writes them.
pub fn written_out<T: Serialize>(members: &T) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
    let _writing = Writing { before: IN_DOCUMENT.replace(true) };
    serde_json::to_vec(members).map(Zeroizing::new)
}

/// `serialize_with` of a secret in a document that is sealed. In whatever else such a type is written to it is an error.
pub fn sealed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    if IN_DOCUMENT.get() {
        serializer.serialize_str(secret.expose())
    } else {
        Err(S::Error::custom("a secret is written into sealed documents alone"))
    }
}

/// The same of one that may be missing.
pub fn sealed_option<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => sealed(secret, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Kept {
        #[serde(serialize_with = "sealed")]
        secret: Secret,
        #[serde(serialize_with = "sealed_option")]
        other: Option<Secret>,
    }

    #[test]
    fn secrets_are_written_into_documents_alone() {
        let kept = Kept { secret: Secret::new("hunter2"), other: None };
        assert!(serde_json::to_string(&kept).is_err());
        assert_eq!(&**written_out(&kept).unwrap(), br#"{"secret":"hunter2","other":null}"#);
        assert!(serde_json::to_value(&kept).is_err(), "and not behind one");
    }
}
