//! Pieces that several pages of the console are made of.

use actix_web::http::StatusCode;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::texts;
use crate::http::extract::Parameters;
use crate::kernel::clock::api_date;
use crate::kernel::error::ApiError;
use crate::service::instance::overview::State;

/// `2026-03-01 12:00:43`, in UTC, with the machine's own form for scripts.
pub fn time(at: Option<DateTime<Utc>>) -> Markup {
    date(at.map(api_date).as_deref())
}

/// Of a date as the API writes it.
pub fn date(text: Option<&str>) -> Markup {
    html! {
        @match text {
            Some(text) => time datetime=(text) { (text.replace('T', " ").trim_end_matches('Z')) },
            None => span.soft { (texts::NEVER) },
        }
    }
}

pub fn state(state: State) -> Markup {
    let kind = match state {
        State::Valid => "good",
        State::Invalid => "bad",
        State::Disabled => "idle",
    };
    badge(kind, state.as_str())
}

/// `kind`: `good`, `bad`, `idle` or `busy`. The word says it, the colour only helps.
pub fn badge(kind: &str, word: &str) -> Markup {
    html! { span class={ "badge " (kind) } { (word) } }
}

/// A button that puts a text on the clipboard; `what`: which one, for who does not see where it stands. Without a script
/// it is not seen.
pub fn copy(id: &str, text: &str, what: &str) -> Markup {
    html! {
        button.small.copy id=(id) type="button" data-copy=(text) { span { (texts::COPY) } span.unseen { " " (what) } }
    }
}

/// A text to be copied whole.
pub fn to_copy(id: &str, label: &str, text: &str) -> Markup {
    html! {
        div.field {
            label for=(id) { (label) }
            div.beside {
                input id=(id) readonly value=(text) spellcheck="false";
                (copy(&format!("copy-{id}"), text, label))
            }
        }
    }
}

/// A line of text.
pub struct Input<'a> {
    pub name: &'a str,
    pub label: &'a str,
    pub value: &'a str,
    pub kind: &'static str,
    pub hint: &'a str,
    pub required: bool,
}

impl<'a> Input<'a> {
    pub fn text(name: &'a str, label: &'a str, value: &'a str) -> Self {
        Self { name, label, value, kind: "text", hint: "", required: false }
    }

    pub fn hint(self, hint: &'a str) -> Self {
        Self { hint, ..self }
    }

    pub fn number(self) -> Self {
        Self { kind: "number", ..self }
    }

    pub fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub fn render(&self) -> Markup {
        let id = format!("in-{}", self.name);
        let hint = format!("{id}-hint");
        // Or browsers would fill in the operator's own.
        let remembered = if self.kind == "password" { "new-password" } else { "off" };
        html! {
            div.field {
                label for=(id) { (self.label) }
                input id=(id) name=(self.name) type=(self.kind) value=(self.value) required[self.required]
                    autocomplete=(remembered) spellcheck="false" autocapitalize="none"
                    aria-describedby=[(!self.hint.is_empty()).then_some(&hint)];
                @if !self.hint.is_empty() { p.soft id=(hint) { (self.hint) } }
            }
        }
    }
}

/// Several lines of text.
pub fn lines(name: &str, label: &str, value: &str, hint: &str) -> Markup {
    let id = format!("in-{name}");
    let below = format!("{id}-hint");
    html! {
        div.field {
            label for=(id) { (label) }
            // Browsers drop a line break that begins the text.
            textarea id=(id) name=(name) rows="4" spellcheck="false"
                aria-describedby=[(!hint.is_empty()).then_some(&below)] { "\n" (value) }
            @if !hint.is_empty() { p.soft id=(below) { (hint) } }
        }
    }
}

/// One of several; `options`: value and what a person reads.
pub fn choice<'a>(
    name: &str,
    label: &str,
    chosen: &str,
    options: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Markup {
    choice_with_hint(name, label, chosen, options, "")
}

pub fn choice_with_hint<'a>(
    name: &str,
    label: &str,
    chosen: &str,
    options: impl IntoIterator<Item = (&'a str, &'a str)>,
    hint: &str,
) -> Markup {
    let id = format!("in-{name}");
    let below = format!("{id}-hint");
    html! {
        div.field {
            label for=(id) { (label) }
            select id=(id) name=(name) aria-describedby=[(!hint.is_empty()).then_some(&below)] {
                @for (value, shown) in options { option value=(value) selected[value == chosen] { (shown) } }
            }
            @if !hint.is_empty() { p.soft id=(below) { (hint) } }
        }
    }
}

pub fn check(name: &str, label: &str, checked: bool) -> Markup {
    html! { label.check { input type="checkbox" name=(name) value="true" checked[checked]; span { (label) } } }
}

/// A list; `empty`: what is said where nothing is in it. Roles keep it a table where a phone's width makes blocks of it.
pub fn table(names: &[&str], rows: &[Markup], empty: &str) -> Markup {
    html! {
        @if rows.is_empty() {
            p.soft { (empty) }
        } @else {
            table role="table" {
                thead { tr role="row" { @for name in names { th role="columnheader" scope="col" { (name) } } } }
                tbody { @for row in rows { tr role="row" { (row) } } }
            }
        }
    }
}

/// The cell that names the row.
pub fn first(content: &Markup) -> Markup {
    html! { td role="cell" { (content) } }
}

/// `label`: what a narrow page says in the place of the column's name.
pub fn cell(label: &str, content: &Markup) -> Markup {
    html! { td role="cell" data-label=(label) { (content) } }
}

/// What was done, or what went wrong, where the page says it first.
pub fn told(done: Option<&str>, problem: Option<&str>) -> Markup {
    html! {
        @if let Some(done) = done.and_then(texts::done) { p.told role="status" { (done) } }
        @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
    }
}

/// Of a page that says what was refused: 400, or what the outage is.
pub fn status_of(error: &ApiError) -> StatusCode {
    let outage = StatusCode::from_u16(error.code.status()).ok().filter(StatusCode::is_server_error);
    outage.unwrap_or(StatusCode::BAD_REQUEST)
}

/// The way to the next page of a list, with the list's own conditions.
pub fn further(path: &str, parameters: &Parameters, names: &[&str], next: Option<&str>) -> Markup {
    let address = |next: Option<&str>| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for name in names {
            if let Some(value) = parameters.get(name) {
                query.append_pair(name, value);
            }
        }
        if let Some(next) = next {
            query.append_pair("nextPage", next);
        }
        format!("{path}?{}", query.finish())
    };
    html! {
        @if parameters.get("nextPage").is_some() || next.is_some() {
            nav.further aria-label="Pages" {
                @if parameters.get("nextPage").is_some() { a #first-page href=(address(None)) { (texts::FIRST_PAGE) } }
                @if next.is_some() { a #next-page href=(address(next)) { (texts::NEXT_PAGE) } }
            }
        }
    }
}

/// As a person enters several: one on each line.
pub fn lines_of(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}
