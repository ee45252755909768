//! Static keys: how they travel, and the call that proves one, or asks what stands behind a token. What it is answered means,
//! `verification` says.

use super::fault::VendorFault;
use super::request::VendorRequest;
use super::variables::Values;
use crate::catalog::choice::Given;
use crate::catalog::element::{ApiKey, ApiKeyForm, Element, Placement};
use crate::catalog::verification::Verification;
use crate::kernel::secret::Secret;

/// The first form that the configuration means and whose prefix fits the key.
pub fn form_of<'a>(api_key: &'a ApiKey, key: &Secret, given: &Given<'_>) -> Option<&'a ApiKeyForm> {
    let begins = |form: &ApiKeyForm| form.prefix.as_ref().is_none_or(|prefix| key.expose().starts_with(prefix));
    let means = |form: &ApiKeyForm| form.when.as_ref().is_none_or(|when| when.holds(given));
    api_key.forms.iter().find(|form| begins(form) && means(form))
}

pub fn verification_request(
    verification: &Verification,
    placement: &Placement,
    key: &Secret,
    values: Values<'_>,
) -> Result<VendorRequest, VendorFault> {
    let mut request = verification_call(verification, values)?;
    request.place(placement, key);
    Ok(request)
}

/// The call alone, for whoever places the credential.
pub fn verification_call(verification: &Verification, values: Values<'_>) -> Result<VendorRequest, VendorFault> {
    let element: &Element = values.element;
    let url = match &verification.url {
        Some(url) => values.url(url)?,
        None => {
            let mut url = values.url(&element.base_url)?;
            let path = format!("{}{}", url.path().trim_end_matches('/'), verification.path);
            let (path, query) = path.split_once('?').map_or((path.as_str(), None), |(path, query)| (path, Some(query)));
            url.set_path(path);
            url.set_query(query);
            url
        }
    };
    let mut request = VendorRequest::new(values, &verification.method, url)?;
    if let Some(body) = &verification.body {
        request.set_header("Content-Type", Secret::new("application/json"));
        request.body = Some(Secret::new(body));
    }
    Ok(request)
}
