//! An instance as it is stored.

use std::sync::Arc;

use crate::catalog::element::Element;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::service::{Services, of_instance};
use crate::store::instances::{self, InstanceRow, Stored};

impl Services {
    pub(in crate::service) fn element_of_row(&self, row: &InstanceRow) -> Result<Arc<Element>, ApiError> {
        self.element_by_id(row.owner(), row.element_id).ok_or_else(|| {
            let message = format!("The element {} of this instance is no longer offered.", row.element_key);
            ApiError::new(Code::ElementNotFound, message)
        })
    }

    pub async fn stored_instance(&self, owner: Owner, id: i64) -> Result<Stored, ApiError> {
        self.store.read_for(owner, move |conn| instances::find(conn, owner, id)).await.map_err(of_instance(id))
    }
}
