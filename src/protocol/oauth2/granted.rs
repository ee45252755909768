//! What a vendor's answer says of the scopes that were asked for. Servers write what they grant in their own way (RFC 6749
//! sections 3.3 and 5.1 leave the names to them), so one that is not named is refused only where that is certain.

use serde_json::Value;

use crate::catalog::oauth2::OAuth2;
use crate::catalog::scopes::{Scopes, split};

/// Asks for a refresh token, which is there or not; many servers do not list it (OpenID Connect Core, section 11).
const OFFLINE: &str = "offline_access";
/// A scope that includes one that includes one … goes no further than this.
const DEEPEST: u8 = 8;
/// Parts of names that say what may be done, not to what.
const RIGHTS: [&str; 17] = [
    "access",
    "admin",
    "all",
    "create",
    "delete",
    "edit",
    "full",
    "list",
    "manage",
    "modify",
    "only",
    "read",
    "readonly",
    "readwrite",
    "update",
    "view",
    "write",
];
/// Those that include no other.
const LEAST: [&str; 5] = ["list", "only", "read", "readonly", "view"];

/// The mandatory scopes that were not seen to be granted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lacking<'a> {
    /// The vendor said so.
    pub refused: Vec<&'a str>,
    /// Its answer does not tell.
    pub unknown: Vec<&'a str>,
}

/// `further`: what was asked for beside the mandatory ones. `granted`: as the vendor names them.
pub fn lacking<'a>(oauth2: &OAuth2, mandatory: &'a [String], further: &[String], granted: &[String]) -> Lacking<'a> {
    let rules = &oauth2.scopes;
    // A name that nobody knows may stand for any of them, and an answer without names tells nothing (GitHub's apps).
    let understood = |name: &String| {
        let known = mandatory.iter().chain(further).any(|asked| covers(rules, name, asked, 0));
        known || name == OFFLINE || is_known(oauth2, name)
    };
    let plain = !granted.is_empty() && granted.iter().all(understood);
    let mut lacking = Lacking::default();
    for asked in mandatory.iter().filter(|asked| asked.as_str() != OFFLINE && !is_untold(rules, asked)) {
        if granted.iter().any(|name| covers(rules, name, asked, 0)) {
            continue;
        }
        let stands_for_it = |name: &String| may_include(rules, name, asked);
        let certain = rules.complete || (plain && !granted.iter().any(stands_for_it));
        let list = if certain { &mut lacking.refused } else { &mut lacking.unknown };
        list.push(asked.as_str());
    }
    lacking
}

/// The names in a reply, however they are separated: a text, a list of texts, or of objects.
pub fn names(value: &Value) -> Option<Vec<String>> {
    let owned = |text: &str| split(text).into_iter().map(str::to_owned).collect::<Vec<_>>();
    match value {
        Value::String(text) => Some(owned(text)),
        Value::Array(items) => Some(items.iter().filter_map(name).flat_map(owned).collect()),
        _ => None,
    }
}

/// Of one entry of a list. Where it says how it stands, one that was declined is none (Facebook's `status`).
fn name(item: &Value) -> Option<&str> {
    let Value::Object(members) = item else { return item.as_str() };
    let text = |member: &str| members.get(member).and_then(Value::as_str);
    let stands = text("status").is_none_or(|status| ["granted", "active", "approved"].contains(&status));
    let named = ["scope", "name", "permission", "id", "value"].into_iter().find_map(text);
    named.filter(|_| stands && members.get("granted") != Some(&Value::Bool(false)))
}

/// Whether the vendor grants `asked` with `granted`, as the element knows the two.
fn covers(rules: &Scopes, granted: &str, asked: &str, depth: u8) -> bool {
    let (granted, asked) = (plainly(rules, granted), plainly(rules, asked));
    if granted == asked {
        return true;
    }
    if depth >= DEEPEST {
        return false;
    }
    rules.implies.iter().any(|(name, included)| {
        let name = plainly(rules, name);
        let Some(found) = stars(&name, &granted) else { return false };
        included.iter().any(|included| match (name.contains('*'), included.contains('*')) {
            (false, true) => stars(&plainly(rules, included), &asked).is_some(),
            _ => covers(rules, &included.replace('*', found), &asked, depth.saturating_add(1)),
        })
    })
}

/// A name without what makes no difference.
fn plainly(rules: &Scopes, name: &str) -> String {
    let bare = |name: &str| {
        let rest = rules.prefixes.iter().find_map(|prefix| {
            let head = name.get(..prefix.len())?;
            let same = if rules.ignore_case { head.eq_ignore_ascii_case(prefix) } else { head == prefix };
            name.get(prefix.len()..).filter(|rest| same && !rest.is_empty())
        });
        let rest = rest.unwrap_or(name);
        if rules.ignore_case { rest.to_lowercase() } else { rest.to_owned() }
    };
    let name = bare(name);
    let first = rules.aliases.iter().find(|(_, aliases)| aliases.iter().any(|alias| bare(alias) == name));
    first.map_or(name, |(first, _)| bare(first))
}

/// The text for which the `*` of a pattern stands; an empty one where it has none and is the same.
fn stars<'a>(pattern: &str, text: &'a str) -> Option<&'a str> {
    match pattern.split_once('*') {
        None => (pattern == text).then_some(""),
        Some((head, tail)) => text.strip_prefix(head)?.strip_suffix(tail),
    }
}

fn is_untold(rules: &Scopes, asked: &str) -> bool {
    let asked = plainly(rules, asked);
    rules.untold.iter().any(|pattern| stars(&plainly(rules, pattern), &asked).is_some())
}

/// Whether the element's file speaks of a scope.
fn is_known(oauth2: &OAuth2, name: &str) -> bool {
    let rules = &oauth2.scopes;
    let lists = [&rules.default, &rules.always, &rules.untold].into_iter().chain(&rules.when_empty);
    let of_presets = oauth2.presets.values().flat_map(|preset| [&preset.scopes, &preset.optional_scopes]);
    let mut all = lists.chain(rules.classes.values()).chain(of_presets).flatten();
    let name = plainly(rules, name);
    rules.in_words(&name).is_some()
        || rules.implies.keys().any(|known| stars(&plainly(rules, known), &name).is_some())
        || rules.aliases.keys().any(|known| plainly(rules, known) == name)
        || all.any(|known| plainly(rules, known) == name)
}

/// Whether a granted scope is of the same thing as one that is not named, and not merely the right to read it: vendors name
/// the wider one alone (Shopify's `write_x`, GitHub's `repo`, Mastodon's `read` for `read:statuses`, Linear's `write`). Where the
/// element says what a scope includes, that counts.
fn may_include(rules: &Scopes, granted: &str, asked: &str) -> bool {
    if rules.implies.keys().any(|name| stars(&plainly(rules, name), &plainly(rules, granted)).is_some()) {
        return false;
    }
    let (granted, asked) = (plainly(rules, granted).to_lowercase(), plainly(rules, asked).to_lowercase());
    let (granted, asked) = (parts(&granted), parts(&asked));
    let mut rights = granted.iter().filter(|part| RIGHTS.contains(part)).peekable();
    let reads = rights.peek().is_some() && rights.all(|right| LEAST.contains(right));
    // A right alone is one to everything.
    if granted.iter().all(|part| RIGHTS.contains(part)) {
        return !reads || granted.iter().any(|part| asked.contains(part));
    }
    let same = granted.iter().any(|part| !RIGHTS.contains(part) && asked.contains(part));
    same && !reads
}

fn parts(name: &str) -> Vec<&str> {
    // Of an address the end alone: all of a vendor's have the rest.
    let name = if name.contains("://") { name.rsplit('/').next().unwrap_or(name) } else { name };
    name.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect()
}
