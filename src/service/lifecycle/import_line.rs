//! One line of an import: an instance as `POST /instances` takes it, and how it stood where it comes from.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::rows::Wanted;
use crate::catalog::element::Element;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::plain_text::{limited, plain_text};
use crate::protocol::Credential;
use crate::protocol::account::VendorAccount;
use crate::protocol::oauth2::lifetime::{self, Spelled};
use crate::service::credentials::provision::Provisioned;
use crate::service::instance::connected::Connected;
use crate::service::instance::input::{InstanceInput, ProviderData};
use crate::service::instance::standing::{Failing, Standing};
use crate::store::instances::Stored;

/// Bytes of a line at most.
pub const LONGEST_LINE: usize = 512 << 10;
/// JSON values of a line at most, about.
const MOST_VALUES: usize = 50_000;
const LONGEST_ID: usize = 500;
/// Of a text that is shown, in characters.
const LONGEST_TEXT: usize = 1000;
const MOST_SCOPES: usize = 1000;

/// What a line says beside what a creation takes.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Further {
    import_id: Option<String>,
    vendor_values: Option<Map<String, Value>>,
    vendor_account: Option<VendorAccount>,
    granted_scopes: Option<Vec<String>>,
    invalid_reason: Option<String>,
    failing_since: Option<Value>,
    refused_refreshes: Option<u32>,
    last_refusal: Option<String>,
}

/// A line that was read.
pub struct ImportLine {
    pub number: u64,
    pub import_id: String,
    pub input: InstanceInput,
    further: Further,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ImportStatus {
    /// The instance is there now.
    Created,
    /// It was there: a line with this `importId` made it before.
    Found,
    /// In a dry run: it would be created.
    Checked,
    Failed,
}

/// The answer to a line.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportAnswer {
    /// From one; blank lines count.
    pub line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import_id: Option<String>,
    /// Of the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    pub status: ImportStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the instance will lack: a refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl ImportAnswer {
    pub fn failed(line: u64, import_id: Option<String>, error: &ApiError) -> Self {
        Self {
            line,
            import_id,
            id: None,
            status: ImportStatus::Failed,
            code: Some(error.code.name().to_owned()),
            message: Some(error.message.clone()),
            warning: None,
        }
    }

    pub(super) fn of(line: &ImportLine, status: ImportStatus, id: Option<i64>) -> Self {
        let (line, import_id) = (line.number, Some(line.import_id.clone()));
        Self { line, import_id, id, status, code: None, message: None, warning: None }
    }

    /// As it is sent, with its line end.
    pub fn json(&self) -> Result<String, ApiError> {
        serde_json::to_string(self).map(|text| text + "\n").map_err(|error| ApiError::internal(error))
    }
}

impl ImportLine {
    /// `text`: none of a line that is too long.
    pub fn read(number: u64, text: Option<&[u8]>) -> Result<Self, Box<ImportAnswer>> {
        let refused =
            |code, message: String| Box::new(ImportAnswer::failed(number, None, &ApiError::new(code, message)));
        let Some(text) = text else {
            return Err(refused(Code::BodyTooLarge, format!("The line is longer than {LONGEST_LINE} bytes.")));
        };
        let signs = text.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
        if signs > MOST_VALUES {
            return Err(refused(Code::BodyTooLarge, format!("The line has more than {MOST_VALUES} JSON values.")));
        }
        if !text.trim_ascii_start().starts_with(b"{") {
            return Err(refused(Code::BadBody, "The line is no JSON object.".to_owned()));
        }
        let bad = |error: serde_json::Error| refused(Code::BadBody, unread(&error));
        let further: Further = serde_json::from_slice(text).map_err(bad)?;
        let import_id = match further.import_id.as_deref().map(str::trim) {
            Some(id) if id.is_empty() || id.chars().count() > LONGEST_ID || id.chars().any(char::is_control) => {
                let message =
                    format!("importId must be a text of 1 to {LONGEST_ID} characters without control characters.");
                return Err(refused(Code::BadBody, message));
            }
            Some(id) => id.to_owned(),
            None => {
                let message = "importId is missing: give each line a text of its own, such as the id that the other system has \
                               for it, by which the same line finds its instance when the import is repeated.";
                return Err(refused(Code::BadBody, message.to_owned()));
            }
        };
        let input: InstanceInput = serde_json::from_slice(text).map_err(bad)?;
        let line = Self { number, import_id, input, further };
        if line.input.has_code() {
            let message =
                "providerData.code is not taken here, where nothing is exchanged: send it to POST /instances.";
            return Err(Box::new(line.failed(&ApiError::new(Code::BadBody, message))));
        }
        Ok(line)
    }

    pub(super) fn failed(&self, error: &ApiError) -> ImportAnswer {
        ImportAnswer::failed(self.number, Some(self.import_id.clone()), error)
    }

    /// As a creation would take it.
    pub(super) fn wanted(&self, element: std::sync::Arc<Element>, now: DateTime<Utc>) -> Result<Wanted, ApiError> {
        let mut input = self.input.clone();
        input.external_authentication = Some("initial".to_owned());
        self.tell_values(&element, input.provider_data.get_or_insert_default())?;
        Wanted::of(element, input, now)
    }

    /// What the vendor told, by the names of variables, goes where a creation takes it.
    fn tell_values(&self, element: &Element, data: &mut ProviderData) -> Result<(), ApiError> {
        for (name, value) in self.further.vendor_values.iter().flatten() {
            let known = element.variables.get(name).and_then(|variable| variable.member(name));
            let member = known.ok_or_else(|| {
                let message = format!(
                    "vendorValues.{} is nothing that {} tells: leave it away.",
                    limited(name, 100),
                    element.name
                );
                ApiError::new(Code::BadBody, message)
            })?;
            data.set(member, value.clone());
        }
        Ok(())
    }

    /// What was known of the grant.
    pub(super) fn complete(&self, provisioned: &mut Provisioned) -> Result<(), ApiError> {
        let account = self.further.vendor_account.clone().map(|account| VendorAccount {
            id: limited(&account.id, LONGEST_TEXT),
            name: account.name.map(|name| limited(&name, LONGEST_TEXT)),
            before: None,
        });
        let granted = self.further.granted_scopes.clone();
        if granted.as_ref().is_some_and(|scopes| scopes.len() > MOST_SCOPES) {
            return Err(ApiError::new(Code::BadBody, format!("grantedScopes has more than {MOST_SCOPES} names.")));
        }
        if let Credential::OAuth2 { scopes, .. } = &mut provisioned.credential {
            scopes.clone_from(&granted);
        }
        provisioned.connected = Connected { account, granted_scopes: granted };
        Ok(())
    }

    /// How the instance stood.
    pub(super) fn stand(&self, stored: &mut Stored) -> Result<(), ApiError> {
        stored.instance.enabled = !self.input.disabled.unwrap_or(false);
        let reason = self.further.invalid_reason.as_deref().map(|reason| limited(&plain_text(reason), LONGEST_TEXT));
        stored.instance.invalid_reason = reason.filter(|reason| !reason.is_empty());
        if let Some(since) = self.further.failing_since.as_ref().filter(|since| !since.is_null()) {
            let Some(Spelled::At(since)) = lifetime::spelled(since) else {
                return Err(ApiError::new(Code::BadBody, "failingSince is no time that is understood."));
            };
            let said = limited(self.further.last_refusal.as_deref().unwrap_or_default(), LONGEST_TEXT);
            let failing = Failing { since, refusals: self.further.refused_refreshes.unwrap_or(1), said };
            let standing = Standing::of(&stored.credential).failing(stored.refreshed_at(), failing);
            stored.credential.standing = standing.text();
        }
        Ok(())
    }
}

/// serde quotes what it did not expect, which can be a secret: only the place and the kind go out.
fn unread(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => {
            format!("A value of the line has the wrong type: see column {}.", error.column())
        }
        _ => format!("The line is no valid JSON: see column {}.", error.column()),
    }
}
