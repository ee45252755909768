//! How lists are read in pages.

use super::authentication::check_pointer;
use super::resources::check_slot;
use super::{Findings, is_token};
use crate::catalog::paging::{Paging, PagingStyle, Told};
use crate::catalog::resource::{Operation, Place, ReplyShape};

/// `statement`: the text of the operation's statement, or none.
pub fn check(at: &str, operation: &Operation, paging: &Paging, statement: &str, findings: &mut Findings) {
    let at = format!("{at}/paging");
    findings.demand(operation.reply == ReplyShape::List, &at, "only a reply that is a `list` has pages");
    findings.demand(paging.largest > 0, format!("{at}/largest"), "`largest` is zero");
    let fits = paging.smallest > 0 && (paging.smallest <= paging.largest || paging.largest == 0);
    findings.demand(fits, format!("{at}/smallest"), "`smallest` is zero, or more than `largest`");
    findings.demand(paging.deepest != Some(0), format!("{at}/deepest"), "`deepest` is zero");
    let sized = paging.size.is_some() || paging.smallest == 1;
    findings.demand(sized, format!("{at}/smallest"), "`smallest` says nothing without `size`");
    for (member, told) in paging.told() {
        check_told(&format!("{at}/{member}"), operation, told, findings);
    }
    let twice = matches!(paging.style, PagingStyle::Offset { more: Some(_), .. }) && paging.more.is_some();
    findings.demand(!twice, format!("{at}/more"), "`more` stands twice");
    let both = paging.more().is_some() && paging.last.is_some();
    findings.demand(!both, format!("{at}/last"), "`more` and `last` say the same: one is enough");
    if let PagingStyle::LastId { at: Some(pointer), .. } = &paging.style {
        check_pointer(&format!("{at}/style"), pointer, findings);
    }
    let told_pages = matches!(paging.style, PagingStyle::Page { pages: Some(_), .. });
    let flagged = paging.more().is_some() || paging.last.is_some();
    findings.demand(!(told_pages && flagged), format!("{at}/style"), "`pages` says nothing beside `more` or `last`");
    // A number can stand in a statement as it is.
    let is_number = matches!(paging.style, PagingStyle::Offset { .. } | PagingStyle::Page { .. });
    for (slot, is_number) in paging.size.iter().map(|slot| (slot, true)).chain(paging.to().map(|to| (to, is_number))) {
        check_slot(&at, slot, statement, findings);
        let fits = is_number || slot.place != Place::Statement;
        findings.demand(fits, &at, "only numbers go into a statement");
    }
}

fn check_told(at: &str, operation: &Operation, told: &Told, findings: &mut Findings) {
    match told {
        Told::Header(named) => {
            let name = &named.header;
            findings.demand(is_token(name), at, format!("`{name}` is no header name"));
        }
        Told::Body(pointer) => {
            check_pointer(at, pointer, findings);
            let inside =
                format!("{pointer}/").starts_with(&format!("{}/", operation.root)) || operation.root.is_empty();
            findings.demand(!inside, at, format!("`{pointer}` lies in the list itself, and is read around it"));
        }
    }
}
