//! What answers to calls mean.

use super::authentication::check_pointer;
use super::{Findings, is_token};
use crate::catalog::element::Element;

pub fn check(element: &Element, findings: &mut Findings) {
    for (at, failure) in element.failures.iter().enumerate() {
        let at = format!("failures/{at}");
        check_pointer(&format!("{at}/at"), &failure.at, findings);
        let fits = (400..600).contains(&failure.status);
        findings.demand(fits, format!("{at}/status"), "`status` is none of a failure, from 400 to 599");
    }
    for (at, wait) in element.waits.iter().enumerate() {
        let name = &wait.header;
        findings.demand(is_token(name), format!("waits/{at}/header"), format!("`{name}` is no header name"));
        let other = !name.eq_ignore_ascii_case("retry-after");
        findings.demand(other, format!("waits/{at}/header"), "`Retry-After` is read without a word");
    }
}
