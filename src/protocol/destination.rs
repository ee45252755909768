//! Where an instance's vendor is: what a call through the instance adds its path to.

use std::fmt;

use url::Url;

/// Host and path prefix come from the element and from the credential's own reply, never from a caller's path.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// `https://api.hubapi.com`, with the port where it is not the scheme's own.
    origin: Box<str>,
    /// Before every path; without a slash at its end, so mostly empty.
    prefix: Box<str>,
}

impl Destination {
    pub fn of(base: &Url) -> Self {
        let prefix = base.path().trim_end_matches('/');
        Self { origin: base.origin().ascii_serialization().into(), prefix: prefix.into() }
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What the `Host` header says.
    pub fn authority(&self) -> &str {
        self.origin.split_once("://").map_or(&*self.origin, |(_, authority)| authority)
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.prefix)
    }
}
