//! A failure with two texts: one for the caller, one for the log.

use std::fmt;
use std::num::NonZeroI64;
use std::panic::Location;

use super::code::Code;

/// What a use case returns when it fails. `message` goes to the caller, `source` only to the log.
pub struct ApiError {
    pub code: Code,
    /// One sentence or two: what was wrong and what to do.
    pub message: String,
    /// The vendor's own words, when its refusal caused the failure.
    pub provider_message: Option<String>,
    /// Seconds after which a further try makes sense.
    pub retry_after: Option<u64>,
    /// The instance that is being made or changed all the same: the call spent something that cannot be had again.
    pub instance_id: Option<NonZeroI64>,
    /// The methods that the address takes, where the one of the call is not among them.
    pub allow: Option<Box<str>>,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
    pub location: &'static Location<'static>,
}

impl ApiError {
    #[track_caller]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            provider_message: None,
            retry_after: None,
            instance_id: None,
            allow: None,
            source: None,
            location: Location::caller(),
        }
    }

    /// A bug of ours: the caller learns nothing of it, the log everything.
    #[track_caller]
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..Self::from(Code::Internal) }
    }

    /// For several who wait for one outcome: everything but the cause, which stays as text.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {
            code: self.code,
            message: self.message.clone(),
            provider_message: self.provider_message.clone(),
            retry_after: self.retry_after,
            instance_id: self.instance_id,
            allow: self.allow.clone(),
            source: self.source.as_ref().map(|source| source.to_string().into()),
            location: self.location,
        }
    }

    /// With the place where it became a failure, when that is not the line that made this value.
    #[must_use]
    pub fn at(mut self, location: &'static Location<'static>) -> Self {
        self.location = location;
        self
    }

    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    #[must_use]
    pub fn with_provider_message(mut self, message: Option<String>) -> Self {
        self.provider_message = message;
        self
    }

    #[must_use]
    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    #[must_use]
    pub fn of_instance(mut self, id: Option<i64>) -> Self {
        self.instance_id = id.and_then(NonZeroI64::new);
        self
    }

    /// Whether it says nothing about what was asked for, only that it cannot be done at the moment.
    pub fn is_passing(&self) -> bool {
        matches!(self.code, Code::DatabaseUnavailable | Code::KeyUnavailable | Code::Internal)
    }

    #[must_use]
    pub fn with_allow(mut self, methods: impl Into<String>) -> Self {
        self.allow = Some(methods.into().into_boxed_str());
        self
    }
}

impl From<Code> for ApiError {
    #[track_caller]
    fn from(code: Code) -> Self {
        Self::new(code, code.sentence())
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.code.name(), self.location, self.message)?;
        self.source.as_ref().map_or(Ok(()), |source| write!(f, " ({source})"))
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}
