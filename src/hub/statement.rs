//! A condition in a query language: SOQL, JQL. Names are identifiers and values are quoted, whatever the caller wrote.

use std::fmt::Write as _;

use chrono::DateTime;

use super::clause::{Clause, Complaint, Condition, Field, Literal, Test};
use super::filter::Names;
use crate::catalog::resource::{Dialect, FieldType};

pub fn condition(clause: &Clause, names: Names<'_>, dialect: Dialect) -> Result<String, Complaint> {
    let (parts, word) = match clause {
        Clause::Is(condition) => return one(condition, names, dialect),
        Clause::All(parts) => (parts, " AND "),
        Clause::Any(parts) => (parts, " OR "),
    };
    let told: Result<Vec<String>, Complaint> = parts
        .iter()
        .map(|part| {
            let text = condition(part, names, dialect)?;
            Ok(if matches!(part, Clause::Is(_)) { text } else { format!("({text})") })
        })
        .collect();
    Ok(told?.join(word))
}

/// `Name ASC, CreatedDate DESC`.
pub fn order(order: &[(Field, bool)], names: Names<'_>, dialect: Dialect) -> Result<String, Complaint> {
    let told: Result<Vec<String>, Complaint> = order
        .iter()
        .map(|(field, descending)| {
            let name = identifier(field, names, dialect)?;
            Ok(format!("{name} {}", if *descending { "DESC" } else { "ASC" }))
        })
        .collect();
    told.map(|parts| parts.join(", "))
}

/// A name as it may stand in a statement.
pub fn identifier(field: &Field, names: Names<'_>, dialect: Dialect) -> Result<String, Complaint> {
    let name = names.vendor(field)?;
    match dialect {
        Dialect::Soql => {
            let plain = name.split('.').all(|part| {
                part.starts_with(|c: char| c.is_ascii_alphabetic())
                    && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            });
            if plain { Ok(name) } else { Err(Complaint::at(field.column, "the vendor has no fields of such a name")) }
        }
        // Every name may be quoted, and then holds whatever it likes.
        Dialect::Jql => Ok(quoted(&name, '"')),
    }
}

fn one(condition: &Condition, names: Names<'_>, dialect: Dialect) -> Result<String, Complaint> {
    let name = identifier(&condition.field, names, dialect)?;
    let value = |literal: &Literal| value(condition, literal, names, dialect);
    let mut text = name.clone();
    let _ = match (&condition.test, dialect) {
        (Test::Compare(_, literal), _) if names.is_since(condition) => write!(text, " >= {}", value(literal)),
        (Test::Compare(comparison, literal), _) => write!(text, " {} {}", comparison.sign(), value(literal)),
        (Test::In(literals), _) => {
            let values: Vec<String> = literals.iter().map(value).collect();
            write!(text, " IN ({})", values.join(", "))
        }
        (Test::Like(literal), Dialect::Soql) => write!(text, " LIKE {}", quoted(&literal.text, '\'')),
        // Jira looks for words; `%` at the ends is what it does anyway.
        (Test::Like(literal), Dialect::Jql) => {
            write!(text, " ~ {}", quoted(&literal.text.trim_matches('%').replace('%', "*"), '"'))
        }
        (Test::Null, Dialect::Soql) => write!(text, " = null"),
        (Test::NotNull, Dialect::Soql) => write!(text, " != null"),
        (Test::Null, Dialect::Jql) => write!(text, " IS EMPTY"),
        (Test::NotNull, Dialect::Jql) => write!(text, " IS NOT EMPTY"),
    };
    Ok(text)
}

/// A value as it may stand in a statement: quoted, unless its form can hold nothing but a number, a date or a truth.
fn value(condition: &Condition, literal: &Literal, names: Names<'_>, dialect: Dialect) -> String {
    let name = names.vendor(&condition.field).unwrap_or_default();
    let kind = names.resource.fields.iter().find(|field| field.name == name).map(|field| field.kind);
    let text = names.text(literal);
    match dialect {
        Dialect::Soql => {
            let date = matches!(kind, Some(FieldType::Date | FieldType::DateTime) | None) && is_date(&text);
            let typed = kind.map_or(!literal.quoted, |kind| kind != FieldType::String);
            if date || (typed && is_plain(&text)) { text } else { quoted(&text, '\'') }
        }
        Dialect::Jql => match DateTime::parse_from_rfc3339(&text) {
            // Jira's own form, which has minutes and no time zone.
            Ok(time) if kind == Some(FieldType::DateTime) => {
                quoted(&time.to_utc().format("%Y-%m-%d %H:%M").to_string(), '"')
            }
            _ => quoted(&text, '"'),
        },
    }
}

fn is_date(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok() || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

fn is_plain(text: &str) -> bool {
    let number = text.strip_prefix('-').unwrap_or(text);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = match number.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(number),
    };
    is_number || matches!(text, "true" | "false")
}

/// In quotes, with a backslash before what would end the text; no line can be broken.
fn quoted(text: &str, quote: char) -> String {
    let mut told = String::with_capacity(text.len().saturating_add(2));
    told.push(quote);
    for c in text.chars() {
        match c {
            '\\' => told.push_str("\\\\"),
            '\n' => told.push_str("\\n"),
            '\r' => told.push_str("\\r"),
            '\t' => told.push_str("\\t"),
            c if c == quote => told.extend(['\\', c]),
            c if c.is_control() => {}
            c => told.push(c),
        }
    }
    told.push(quote);
    told
}
