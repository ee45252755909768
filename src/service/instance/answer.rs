//! What a creation answers.

use serde::{Deserialize, Serialize};

use super::view::InstanceView;
use super::configuration::{CALLBACK_URL, Configuration};
use super::idempotency::{Begun, Claimed, IdempotencyKey};
use super::input::{ElementReference, InstanceInput};
use super::schedule::due_at;
use crate::catalog::element::{AuthenticationType, Element};
use crate::kernel::code::Code;
use crate::kernel::entropy::base64_token;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::protocol::Credential;
use crate::service::Services;
use crate::service::credentials::provision::{Provisioned, Provisioning, needless};
use crate::service::ground::{PATIENCE, waits_for_database};
use crate::service::organization::rooms::Taken;
use crate::service::process::flight::{Flight, Lateness};
use crate::service::unstored::entry::{Act, Entry};
use crate::store::StoreFault;
use crate::store::instances::{Creator, CredentialRow, InstanceRow, Stored};
use crate::store::limits::Limit;
use crate::store::principals::Principal;
use crate::store::sealed::{CONFIGURATION, CREDENTIAL, INSTANCE_TOKEN};
use crate::store::time::UtcTime;
use crate::vault::lookup::Purpose;

/// An instance, and what else the reply must say.
#[derive(Clone, Serialize, Deserialize)]
pub struct Answer {
    pub instance: InstanceView,
    /// Configuration that was stored but has no effect yet, as `key=value`.
    pub without_effect: Vec<String>,
    /// The caller asked for an `elements-trace-id`.
    pub trace: bool,
}
