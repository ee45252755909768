//! Where an instance's vendor is: what a call through the instance adds its path to.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use url::Url;

/// Host and path prefix come from the element and from the credential's own reply, never from a caller's path.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// `https://api.hubapi.com`, with the port where it is not the scheme's own.
    origin: Arc<str>,
    /// What the `Host` header says.
    authority: Option<HeaderValue>,
    /// Before every path; without a slash at its end, so mostly empty.
    prefix: Box<str>,
}

impl Destination {
    pub fn of(base: &Url) -> Self {
        let prefix = base.path().trim_end_matches('/');
        let origin = base.origin().ascii_serialization();
        let authority = origin.split_once("://").map_or(&*origin, |(_, authority)| authority);
        Self { authority: authority.parse().ok(), prefix: prefix.into(), origin: origin.into() }
    }

    pub fn origin(&self) -> &Arc<str> {
        &self.origin
    }

    /// None: a host that no header can name.
    pub fn authority(&self) -> Option<&HeaderValue> {
        self.authority.as_ref()
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
