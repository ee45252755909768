//! An instance as it is stored.

use std::sync::Arc;

use crate::catalog::element::Element;
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;
use super::answer::Answer;
use super::configuration::{AUTHENTICATION_TYPE, CALLBACK_URL, Configuration};
use super::input::InstanceInput;
use super::view::{InstanceConfiguration, InstanceView};
use crate::catalog::element::{AuthenticationType, Element};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::protocol::variables::Replied;
use crate::service::credentials::partner_app::{PartnerApp, own_client};
use crate::service::credentials::provision::{Provisioned, Provisioning, missing_code, needless};
use crate::service::ground::PATIENCE;
use crate::service::lifecycle::new_host::FILE_CHANGED;
use crate::service::process::flight::{Flight, Lateness};
use crate::service::unstored::Held;
use crate::service::unstored::entry::{Act, Entry};
use crate::service::{Services, of_instance};
use crate::store::instances::{self, InstanceRow, Stored};
use crate::store::sealed::INSTANCE_TOKEN;
use crate::store::time::UtcTime;
use crate::store::{StoreFault, Whose};
use crate::vault::lookup::Purpose;

impl Services {
    pub(in crate::service) fn element_of_row(&self, row: &InstanceRow) -> Result<Arc<Element>, ApiError> {
        self.catalog.by_id(row.element_id).cloned().ok_or_else(|| {
            let message = format!("The element {} of this instance is no longer offered.", row.element_key);
            ApiError::new(Code::ElementNotFound, message)
        })
    }

    pub async fn stored_instance(&self, owner: Owner, id: i64) -> Result<Stored, ApiError> {
        self.store.read_for(owner, move |conn| instances::find(conn, owner, id)).await.map_err(of_instance(id))
    }
}
