//! A hub's call to the vendor, before its credential is placed.

use url::Url;

use crate::kernel::error::ApiError;
use crate::protocol::VendorRequest;
use crate::protocol::variables::Values;

pub fn vendor_request(values: Values<'_>, method: &str, url: Url) -> Result<VendorRequest, ApiError> {
    VendorRequest::new(values, method, url).map_err(|fault| fault.into_error(&values.element.name, "the call"))
}
