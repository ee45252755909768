//! Pieces that several pages are made of.

use maud::{Markup, html};

use super::texts::Said;
use crate::catalog::element::Element;
use crate::protocol::account::VendorAccount;

/// What happened, what stands in between, and what to do.
pub fn said(said: &Said, between: &Markup) -> Markup {
    html! {
        h1 { (said.title) }
        p { (said.happened) }
        (between)
        p { (said.advice) }
    }
}

/// Scopes in plain words, with their own names for those who know them.
pub fn scopes<'a>(element: &Element, scopes: impl IntoIterator<Item = &'a String>) -> Markup {
    let words = |scope: &str| element.authentication.oauth2.as_ref()?.scopes.in_words(scope);
    html! {
        ul.scopes {
            @for scope in scopes {
                li {
                    svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true" {
                        path d="M3 8.5l3.5 3.5L13 4.5" {}
                    }
                    @match words(scope) {
                        Some(words) => { span { (words) } code { (scope) } }
                        None => { code { (scope) } }
                    }
                }
            }
        }
    }
}

/// As people know it, with its number.
pub fn account(account: &VendorAccount) -> String {
    match &account.name {
        Some(name) if *name != account.id => format!("{name} ({})", account.id),
        _ => account.id.clone(),
    }
}
