//! A user as the API shows and takes one (docs/api.md, Users).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::roles::{Role, RoleReference, granted};
use crate::kernel::clock::api_date;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::plain_text::plain_text;
use crate::kernel::secret::Secret;
use crate::store::principals;
use crate::store::users::User;

const LONGEST_NAME: usize = 100;
/// RFC 3696 erratum 1690.
const LONGEST_ADDRESS: usize = 254;

/// A user of the caller's organization.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OrganizationUser)]
pub struct UserAccount {
    pub id: i64,
    pub first_name: String,
    pub last_name: String,
    pub full_name: String,
    /// What the person signs in with.
    #[schema(example = "jo@example.com")]
    pub email: String,
    /// Whether the user may sign in and call.
    pub active: bool,
    pub created_date: String,
    /// The day of the last sign-in (UTC); 1970-01-01 when there was none.
    #[schema(example = "2026-03-01")]
    pub last_login_date: String,
    /// Those that were granted.
    pub roles: Vec<Role>,
    /// The user secret, in the reply of the creation alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub secret: Option<String>,
}

/// A user to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateUser)]
pub struct UserDraft {
    #[schema(max_length = 100)]
    pub first_name: String,
    #[schema(max_length = 100)]
    pub last_name: String,
    /// What the person signs in with. One address is of one user of this server.
    #[schema(example = "jo@example.com")]
    pub email: String,
    /// With an upper-case and a lower-case letter, a digit and a symbol, and without the person's names.
    #[schema(value_type = String, format = Password, min_length = 8)]
    pub password: Secret,
    /// Of administrators: `[{"key": "org-admin"}]`.
    #[serde(default)]
    pub roles: Vec<RoleReference>,
}

/// What is to change: members that are absent stay as they are.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UpdateUser)]
pub struct UserPatch {
    #[schema(nullable = false, max_length = 100)]
    pub first_name: Option<String>,
    #[schema(nullable = false, max_length = 100)]
    pub last_name: Option<String>,
    #[schema(nullable = false, example = "jo@example.com")]
    pub email: Option<String>,
    /// Another one than the present signs the person out. One's own is set by `POST /authentication/passwords`.
    #[schema(value_type = Option<String>, nullable = false, format = Password, min_length = 8)]
    pub password: Option<Secret>,
    /// `false` refuses the user's secret, bearers and sessions at once; with `true` the secret works again.
    #[schema(nullable = false)]
    pub active: Option<bool>,
    /// Replaces what was granted.
    #[schema(nullable = false)]
    pub roles: Option<Vec<RoleReference>>,
}

pub(super) fn checked_address(text: &str) -> Result<String, ApiError> {
    let text = text.trim();
    let apart = text
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    let plain = !text.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"' | ',' | '/'));
    if apart && plain && text.len() <= LONGEST_ADDRESS {
        return Ok(principals::address(text));
    }
    Err(ApiError::new(Code::BadBody, "email must be an address such as jo@example.com."))
}

pub(super) fn checked_name(member: &str, text: &str) -> Result<String, ApiError> {
    let name = if text.len() > 4 * LONGEST_NAME { String::new() } else { plain_text(text) };
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(ApiError::new(Code::BadBody, format!("{member} must be a plain text of 1 to 100 characters.")));
    }
    Ok(name)
}

pub(in crate::service) fn view(user: &User, secret: Option<&Secret>) -> UserAccount {
    let day = |date: String| date.split('T').next().unwrap_or_default().to_owned();
    UserAccount {
        id: user.id,
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        full_name: format!("{} {}", user.first_name, user.last_name).trim().to_owned(),
        email: user.email.clone(),
        active: user.active,
        created_date: api_date(user.created_at),
        last_login_date: user.last_login_at.map_or_else(|| "1970-01-01".to_owned(), |at| day(api_date(at))),
        roles: granted(user.organization_admin),
        secret: secret.map(|secret| secret.expose().to_owned()),
    }
}
