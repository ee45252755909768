//! What a caller sends to create or change an instance (docs/api.md, Creating an instance).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::pasted::trimmed;
use crate::kernel::patch::Patch;
use crate::kernel::plain_text::limited;
use crate::kernel::plain_text::plain_text;
use crate::kernel::secret::Secret;

const LONGEST_NAME: usize = 255;
/// Bytes of a name or tag with its markup: more is not even looked at.
const LONGEST_RAW: usize = 4096;
pub const MOST_TAGS: usize = 100;
const LONGEST_EXTERNAL_ID: usize = 255;

/// The body of `POST`, `PUT` and `PATCH`. Members that are not named here are ignored, so that an instance may be sent
/// back as it was returned.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceInput {
    /// In a change: must equal the id in the path.
    pub id: Option<i64>,
    /// Markup in it is removed. Required on creation.
    pub name: Patch<String>,
    /// Required on creation, unless the path names the element.
    pub element: Option<ElementReference>,
    /// Values of any JSON type are kept as text; `null` resets a key to its default.
    pub configuration: Option<Map<String, Value>>,
    /// What the vendor's redirect brought: `code`, `state`, or `error`. Never echoed.
    pub provider_data: Option<ProviderData>,
    /// A list of texts, or one text. Absent on creation: the name.
    pub tags: Patch<Tags>,
    /// `none`, or `initial`: the caller brings tokens that it obtained itself.
    pub external_authentication: Option<String>,
    /// The caller's own name for the customer; a filter of the list.
    pub external_id: Patch<String>,
    /// In a change: disables or enables the instance.
    pub disabled: Option<bool>,
    /// The only version of the instance that this is meant for. Not a member of the body.
    #[serde(skip)]
    pub version: Option<i64>,
}

/// An element by key or id.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ElementReference {
    pub key: Option<String>,
    pub id: Option<i64>,
}

/// One tag or many; very old clients send objects with a name.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Tags {
    One(String),
    Many(Vec<Tag>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Tag {
    Text(String),
    Object { name: String },
}

/// Holds a code: no `Debug`.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct ProviderData(Map<String, Value>);

impl ProviderData {
    /// What a vendor's redirect brought to our own callback.
    pub fn of_code(code: &Secret) -> Self {
        Self(Map::from_iter([("code".to_owned(), Value::from(code.expose()))]))
    }

    /// Of visible ASCII characters (RFC 6749, appendix A.11): what stands around them came by copying.
    pub fn code(&self) -> Option<Secret> {
        self.text("code").map(|text| Secret::new(trimmed(&text))).filter(|code| !code.is_empty())
    }

    /// A member as text, unless it is absent or empty. Numbers count as texts.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A member as it was sent, unless it is absent, null or empty.
    pub fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| is_given(value))
    }

    pub fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.text(name).map(Secret::new)
    }

    /// `debug: true` asks for an `elements-trace-id`.
    pub fn debug(&self) -> bool {
        self.0.get("debug").is_some_and(|value| value == &Value::Bool(true) || value == "true")
    }
}

impl InstanceInput {
    /// The name without markup; none where the caller sent none.
    pub fn plain_name(&self) -> Result<Option<String>, ApiError> {
        let refused = |message: &str| Err(ApiError::new(Code::BadName, message));
        let name = match &self.name {
            Patch::Absent => return Ok(None),
            Patch::Null => return refused("The name must be a text: it cannot be null."),
            Patch::Value(name) if name.len() > LONGEST_RAW => {
                return refused("The name must not be longer than 255 characters.");
            }
            Patch::Value(name) => plain_text(name),
        };
        if name.is_empty() {
            return refused("Nothing is left of the name without markup: send a plain text.");
        }
        if name.chars().count() > LONGEST_NAME {
            return refused("The name must not be longer than 255 characters.");
        }
        Ok(Some(name))
    }

    /// The tags without markup; none where the caller sent none.
    pub fn plain_tags(&self) -> Result<Option<Vec<String>>, ApiError> {
        let texts = match self.tags.clone() {
            Patch::Absent => return Ok(None),
            Patch::Null => Vec::new(),
            Patch::Value(Tags::One(text)) => vec![text],
            Patch::Value(Tags::Many(tags)) => tags.into_iter().map(Tag::into_text).collect(),
        };
        let refused = |message: String| Err(ApiError::new(Code::BadTags, message));
        if texts.len() > MOST_TAGS {
            return refused(format!("An instance has at most {MOST_TAGS} tags, {} were sent.", texts.len()));
        }
        let mut tags: Vec<String> = Vec::new();
        for text in &texts {
            if text.len() > LONGEST_RAW {
                return refused(format!("A tag must not be longer than {LONGEST_NAME} characters."));
            }
            let tag = plain_text(text);
            if tag.is_empty() {
                return refused("Nothing is left of a tag without markup: send plain texts.".to_owned());
            }
            if tag.chars().count() > LONGEST_NAME {
                return refused(format!("A tag must not be longer than {LONGEST_NAME} characters."));
            }
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        Ok(Some(tags))
    }

    /// The external id as it is to be: `None` leaves it alone, `Some(None)` removes it.
    pub fn checked_external_id(&self) -> Result<Option<Option<String>>, ApiError> {
        let Some(change) = self.external_id.clone().change() else { return Ok(None) };
        let change = change.filter(|text| !text.is_empty());
        let fits = |text: &String| text.chars().count() <= LONGEST_EXTERNAL_ID && !text.chars().any(char::is_control);
        if change.as_ref().is_some_and(|text| !fits(text)) {
            let message = "externalId must be a text of at most 255 characters without control characters.";
            return Err(ApiError::new(Code::BadBody, message));
        }
        Ok(Some(change))
    }

    /// Whether it brings what can be spent only once: a code, or tokens of the caller's own.
    pub fn spends(&self) -> bool {
        self.has_code() || self.external_authentication.as_deref() == Some("initial")
    }

    /// Whether it brings what a new OAuth credential comes from. An instance that is sent back as it was returned says
    /// `initial` too, and brings nothing.
    pub fn renews(&self, now: DateTime<Utc>) -> Result<bool, ApiError> {
        Ok(self.has_code() || self.brought(now)?.is_some_and(|brought| !brought.is_empty()))
    }

    pub fn has_code(&self) -> bool {
        self.provider_data.as_ref().is_some_and(|data| data.code().is_some())
    }

    /// The vendor's redirect brought an error instead of a code: it is the caller's answer.
    pub fn refuse_denial(&self) -> Result<(), ApiError> {
        let Some(error) = self.provider_data.as_ref().and_then(|data| data.text("error")) else { return Ok(()) };
        let description = self.provider_data.as_ref().and_then(|data| data.text("error_description"));
        let said = limited(&description.unwrap_or(error), 500);
        let message = format!("The authorization was not given: {}", said.trim_end_matches('.'));
        Err(ApiError::new(Code::AuthorizationDenied, format!("{message}.")).with_provider_message(Some(said)))
    }
}

/// Null and an empty text are as if they were absent.
pub(super) fn is_given(value: &Value) -> bool {
    !value.is_null() && value.as_str().is_none_or(|text| !text.trim().is_empty())
}

impl Tag {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Object { name: text } => text,
        }
    }
}
