//! What can go wrong at a vendor, sorted by who can do something about it.

use std::fmt;

use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::template::TemplateFault;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VendorFault {
    /// The grant, the code or the key is refused: the user must act. The hint is ours, the message the vendor's.
    /// `terminal`: the element knows that this refusal is for good.
    #[error("refused with status {status}, code {code:?}")]
    Refused { status: u16, code: Option<String>, message: Option<String>, hint: Option<String>, terminal: bool },
    /// The OAuth app is refused: the operator of the app must act. The grant lives.
    #[error("the OAuth app is refused with status {status}, code {code:?}")]
    Configuration { status: u16, code: Option<String>, message: Option<String> },
    /// Overload or outage: trying again later makes sense.
    #[error("unavailable with status {status}")]
    Unavailable { status: u16, retry_after: Option<u64>, message: Option<String> },
    #[error("no answer in time")]
    Timeout,
    /// The text is for the log only.
    /// `sent`: the request may have arrived all the same.
    #[error("not reachable: {reason}")]
    Unreachable { reason: String, sent: bool },
    /// The proxy of this server refused the way to the vendor, or was not there. The text is for the log only.
    #[error("not reachable through the proxy: {0}")]
    Proxy(String),
    /// The guard refused the address. The text is for the log only.
    #[error("the address is refused: {0}")]
    Address(String),
    /// This server looks at a copy of a database, and calls nobody.
    #[error("this server calls nobody")]
    Clone,
    #[error("an answer that cannot be read: {0}")]
    Malformed(&'static str),
    /// An answer that is none of those that are expected. `at`: the member of the element's file that may be wrong.
    #[error("an answer that cannot be read: {what} ({seen})")]
    Strange { what: &'static str, at: &'static str, seen: Box<Seen> },
    /// The client belongs to other hosts than this one.
    #[error("the OAuth app is not for the host {0}")]
    HostOfAnotherApp(String),
    #[error(transparent)]
    Template(#[from] TemplateFault),
}

/// An answer as it may be told: nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub status: u16,
    pub content_type: Option<String>,
    pub has_body: bool,
    /// Where it redirects to, without a query.
    pub redirect: Option<String>,
    /// The first words, or the names of its members.
    pub words: Option<String>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        match (&self.content_type, self.has_body) {
            (_, false) => f.write_str(", without a body")?,
            (Some(content_type), true) => write!(f, ", {content_type}")?,
            (None, true) => f.write_str(", without a content type")?,
        }
        if let Some(redirect) = &self.redirect {
            write!(f, ", a redirect to {redirect}")?;
        }
        if let Some(words) = &self.words {
            write!(f, ": {words}")?;
        }
        Ok(())
    }
}

impl VendorFault {
    /// A refusal with what we think of what was sent.
    #[must_use]
    pub fn hinted(mut self, said: Option<&str>) -> Self {
        if let Self::Refused { hint: hint @ None, .. } = &mut self {
            *hint = said.map(str::to_owned);
        }
        self
    }

    /// Whether the same call may go through a moment later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unavailable { status, .. } => *status != 429,
            Self::Timeout | Self::Unreachable { .. } => true,
            _ => false,
        }
    }

    /// What a caller learns. `vendor`: the element's name; `what`: the thing that was sent ("the code", "the API key").
    #[track_caller]
    pub fn into_error(self, vendor: &str, what: &str) -> ApiError {
        let said = |message: &Option<String>| message.as_ref().map_or(String::new(), |text| format!(": {text}"));
        match &self {
            Self::Refused { status, message, hint, .. } => {
                let said = match message {
                    Some(_) => said(message),
                    None => format!(" (status {status})"),
                };
                let mut text = format!("{vendor} refused {what}{}", ended(said));
                if let Some(hint) = hint {
                    text = format!("{text} {hint}");
                }
                ApiError::new(Code::VendorRefused, text).with_provider_message(message.clone())
            }
            Self::Configuration { message, .. } => {
                let text = format!(
                    "{vendor} refused the OAuth app{} Check client id, secret and redirect URL.",
                    ended(said(message))
                );
                ApiError::new(Code::VendorConfiguration, text).with_provider_message(message.clone())
            }
            Self::Unavailable { message, retry_after, .. } => {
                let text = match self {
                    Self::Unavailable { status: status @ (403 | 429), .. } => format!(
                        "{vendor} is not available at the moment: it takes no more calls (status {status}) and did not take \
                         {what}. Try again later."
                    ),
                    _ => format!("{vendor} is not available at the moment and did not take {what}: try again later."),
                };
                let error = ApiError::new(Code::VendorUnreachable, text).with_provider_message(message.clone());
                match retry_after {
                    Some(seconds) => error.with_retry_after(*seconds),
                    None => error,
                }
            }
            Self::Timeout => ApiError::new(Code::VendorTimeout, format!("{vendor} did not answer in time.")),
            Self::Unreachable { .. } => {
                ApiError::new(Code::VendorUnreachable, format!("{vendor} could not be reached."))
            }
            Self::Proxy(_) => {
                let text = format!(
                    "{vendor} could not be reached: the proxy of this server (LIGAND_OUTBOUND_PROXY) did not lead there."
                );
                ApiError::new(Code::VendorUnreachable, text)
            }
            Self::Address(_) => {
                let text =
                    format!("The address of {vendor} may not be called from this server (LIGAND_OUTBOUND_ALLOW).");
                ApiError::new(Code::VendorAddressRefused, text)
            }
            Self::Clone => Code::ServerIsAClone.into(),
            Self::Malformed(_) => {
                ApiError::new(Code::VendorAnswer, format!("{vendor} answered in a way that cannot be understood."))
            }
            Self::Strange { at, seen, .. } => {
                let text = match &seen.redirect {
                    Some(place) => format!(
                        "{vendor} answered with a redirect (status {}) to {place}: correct `{at}` in the element's file.",
                        seen.status
                    ),
                    None => format!("{vendor} answered in a way that cannot be understood ({seen})."),
                };
                ApiError::new(Code::VendorAnswer, text)
            }
            Self::HostOfAnotherApp(host) => {
                let text = format!(
                    "The OAuth app for {vendor} was not stored for {host}: name one of its hosts, or have an administrator \
                     add this one to them."
                );
                ApiError::new(Code::AppNotForHost, text)
            }
            Self::Template(fault) => template_error(vendor, fault),
        }
        .with_source(self)
    }
}

/// A vendor's words as a sentence of a message.
pub fn ended(text: String) -> String {
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

fn template_error(vendor: &str, fault: &TemplateFault) -> ApiError {
    match fault {
        TemplateFault::Missing(name) => {
            ApiError::new(Code::MissingConfiguration, format!("{vendor} needs a value for `{name}`."))
        }
        TemplateFault::Host(name) => {
            ApiError::new(Code::VendorHost, format!("The host that `{name}` names is not one of {vendor}."))
        }
        TemplateFault::Label(name, domain) => {
            let text = format!("`{name}` is wanted without `{domain}`: write the part in front of it alone.");
            ApiError::new(Code::VendorHost, text)
        }
        TemplateFault::Address(name) => {
            let text = format!(
                "`{name}` must be the whole address of your own {vendor}, as in https://server.example.com:8443/path: by https, and with \
                 nothing behind the path."
            );
            ApiError::new(Code::BadConfiguration, text)
        }
        TemplateFault::Server(name) => {
            let text = format!(
                "`{name}` must be the host of your own {vendor}: a host name, with a port where it has one, as in \
                 server.example.com:8443."
            );
            ApiError::new(Code::BadConfiguration, text)
        }
        TemplateFault::Segment(name) => {
            ApiError::new(Code::BadConfiguration, format!("The value of `{name}` is not acceptable to {vendor}."))
        }
        TemplateFault::Syntax | TemplateFault::NotAUrl => {
            ApiError::new(Code::BadConfiguration, format!("The values given make no address of {vendor}."))
        }
    }
}
