//! How a page names an account of the vendor.

use crate::protocol::account::VendorAccount;

/// As people know it, with its number.
pub fn account_name(account: &VendorAccount) -> String {
    match &account.name {
        Some(name) if *name != account.id => format!("{name} ({})", account.id),
        _ => account.id.clone(),
    }
}
