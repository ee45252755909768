//! Pieces that several pages are made of.

use maud::{Markup, html};

use super::texts::Said;
use crate::catalog::element::Element;

/// What happened, what stands in between, and what to do.
pub fn said(said: &Said, between: &Markup) -> Markup {
    html! {
        h1 { (said.title) }
        p { (said.happened) }
        (between)
        p { (said.advice) }
    }
}

/// What stands before a scope: a tick or a cross.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Asked,
    Missing,
}

/// Scopes in plain words, with their own names for those who know them.
pub fn scopes<'a>(element: &Element, scopes: impl IntoIterator<Item = &'a String>, mark: Mark) -> Markup {
    let words = |scope: &str| element.authentication.oauth2.as_ref()?.scopes.in_words(scope);
    html! {
        ul.scopes.missing[mark == Mark::Missing] {
            @for scope in scopes {
                li {
                    svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true" {
                        path d=(if mark == Mark::Missing { "M4 4l8 8M12 4l-8 8" } else { "M3 8.5l3.5 3.5L13 4.5" }) {}
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

/// A tick for the eye, over what the page says in words.
pub fn done() -> Markup {
    html! {
        svg.done viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true" {
            circle cx="12" cy="12" r="10" {}
            path d="M7 12.5l3.5 3.5L17 9" {}
        }
    }
}
