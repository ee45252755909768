//! The vendor's objects in the hub's shape, written straight from the vendor's text.

use super::json::{Scanner, copy_without_nulls, is_text_or_number, pointer, push_name, separate, speaks_of_failure};
use super::page::steps;
use crate::catalog::resource::{Collection, Member, Resource};

/// How the objects of one call are written.
pub struct Shape<'a> {
    pub resource: &'a Resource,
    pub collection: &'a Collection,
    /// Whether members that are null are written.
    pub nulls: bool,
    /// What the caller's `fields` names; none: everything.
    pub only: Option<&'a [String]>,
    /// Of each of the resource's members, where it is the same in all objects: as JSON.
    pub constants: Vec<Option<String>>,
}

/// The members that do not come from the vendor's object, each in its place. `variable`: the values of the element's
/// variables.
pub fn constants(members: &[Member], variable: &dyn Fn(&str) -> Option<String>) -> Vec<Option<String>> {
    let constant = |member: &Member| match (&member.value, &member.variable) {
        (Some(value), _) => Some(value.to_string()),
        (None, Some(name)) => {
            let text = variable(name)?;
            if let Some(number) = text.parse::<i64>().ok().filter(|_| member.number) {
                return Some(number.to_string());
            }
            let mut json = String::new();
            push_text(&mut json, &text);
            Some(json)
        }
        (None, None) => None,
    };
    members.iter().map(constant).collect()
}

/// One object, at a JSON pointer into the vendor's reply. None: it is not there, or no JSON.
pub fn object(body: &str, root: &str, shape: &Shape<'_>) -> Option<String> {
    let mut scanner = Scanner::new(pointer(body, root)?);
    let mut text = String::with_capacity(shape.room(body));
    shape.write(&mut scanner, &mut Workspace::default(), &mut text)?;
    scanner.is_at_end().then_some(text)
}

/// Whether a reply has nothing where an object should be.
pub fn is_nothing(body: &str, root: &str) -> bool {
    matches!(body.trim(), "" | "null") || pointer(body, root).is_some_and(|value| value.trim() == "null")
}

/// Whether an answer without the object speaks of an error.
pub fn is_failure(body: &str) -> bool {
    speaks_of_failure(|place| pointer(body, place))
}

/// An object with a list of objects in it, at a JSON pointer: the rest stays as it is.
pub fn batch(body: &str, root: &str, shape: &Shape<'_>) -> Option<String> {
    let mut scanner = Scanner::new(body);
    let mut text = String::with_capacity(shape.room(body));
    batch_at(&mut scanner, &steps(root), shape, &mut Workspace::default(), &mut text)?;
    scanner.is_at_end().then_some(text)
}

fn batch_at<'t>(
    scanner: &mut Scanner<'t>,
    way: &[String],
    shape: &Shape<'_>,
    space: &mut Workspace<'t>,
    text: &mut String,
) -> Option<()> {
    let mut first = true;
    let Some((step, further)) = way.split_first() else {
        if scanner.peek()? == b'n' {
            text.push_str("[]");
            return scanner.value().map(drop);
        }
        text.push('[');
        scanner.array(|item| {
            separate(text, &mut first);
            shape.write(item, space, text)
        })?;
        text.push(']');
        return Some(());
    };
    text.push('{');
    scanner.object(|inner, name| {
        let before = inner.nulls;
        if name == step {
            separate(text, &mut first);
            push_name(text, name);
            return batch_at(inner, further, shape, space, text);
        }
        let value = inner.value()?;
        if value == "null" && !shape.nulls {
            return Some(());
        }
        separate(text, &mut first);
        push_name(text, name);
        shape.copy(value, inner.nulls > before, text)
    })?;
    text.push('}');
    Some(())
}

/// A member of the object in hand.
struct Found<'t> {
    name: &'t str,
    value: &'t str,
    has_nulls: bool,
}

/// The members of one object; kept between objects for its memory.
#[derive(Default)]
pub struct Workspace<'t> {
    members: Vec<Found<'t>>,
    /// Of the member that holds the fields.
    fields: Vec<Found<'t>>,
}

impl Shape<'_> {
    /// Bytes that the objects of a reply will hardly exceed: asked for at once, because growing means copying. Not for
    /// large replies, of which little may be wanted.
    pub fn room(&self, body: &str) -> usize {
        const MOST: usize = 1 << 20;
        let copies = if self.collection.raw { 2 } else { 1 };
        body.len().saturating_mul(copies).saturating_add(body.len() / 4).min(MOST)
    }

    /// Passes one of the vendor's objects and writes it. What is no object is written as it is.
    pub fn write<'t>(&self, scanner: &mut Scanner<'t>, space: &mut Workspace<'t>, out: &mut String) -> Option<()> {
        if scanner.peek()? != b'{' {
            out.push_str(scanner.value()?);
            return Some(());
        }
        space.members.clear();
        space.fields.clear();
        let (start, before) = (scanner.mark(), scanner.nulls);
        scanner.object(|inner, name| {
            let (mark, nulls) = (inner.mark(), inner.nulls);
            if self.holds_fields(name) && inner.peek()? == b'{' {
                let fields = &mut space.fields;
                inner.object(|deeper, name| {
                    let nulls = deeper.nulls;
                    let value = deeper.value()?;
                    fields.push(Found { name, value, has_nulls: deeper.nulls > nulls });
                    Some(())
                })?;
            } else {
                inner.value()?;
            }
            let value = inner.since(mark)?;
            space.members.push(Found { name, value, has_nulls: inner.nulls > nulls });
            Some(())
        })?;
        let whole = scanner.since(start)?;
        self.write_members(whole, scanner.nulls > before, space, out)
    }

    fn holds_fields(&self, name: &str) -> bool {
        self.collection.fields_in.as_deref() == Some(name)
    }

    fn write_members(&self, whole: &str, has_nulls: bool, space: &Workspace<'_>, out: &mut String) -> Option<()> {
        out.push('{');
        let mut first = true;
        if let Some(id) = self.at(whole, space, &self.collection.id).filter(|id| is_text_or_number(id)) {
            separate(out, &mut first);
            push_name(out, "id");
            push_as_text(out, id);
        }
        let mut added: Vec<&str> = vec!["id"];
        for (member, constant) in self.resource.members.iter().zip(&self.constants) {
            let is_alias = member.from.as_deref() == Some(self.collection.id.as_str());
            if !is_alias && !self.wants(&member.name) {
                continue;
            }
            let value = match &member.from {
                Some(from) => self.at(whole, space, from),
                None => constant.as_deref(),
            };
            let Some(value) = value.filter(|value| self.nulls || *value != "null") else { continue };
            separate(out, &mut first);
            push_text(out, &member.name);
            out.push(':');
            out.push_str(value);
            added.push(&member.name);
        }
        for member in &space.members {
            let dropped = member.value == "null" && !self.nulls;
            if dropped || added.contains(&member.name) {
                continue;
            }
            if self.holds_fields(member.name) {
                separate(out, &mut first);
                push_name(out, member.name);
                self.write_fields(member, &space.fields, out)?;
            } else if self.wants(member.name) {
                separate(out, &mut first);
                push_name(out, member.name);
                self.copy(member.value, member.has_nulls, out)?;
            }
        }
        if self.collection.raw && self.wants("raw") {
            separate(out, &mut first);
            push_name(out, "raw");
            self.copy(whole, has_nulls, out)?;
        }
        out.push('}');
        Some(())
    }

    /// What a pointer leads to, from the members that are known already.
    fn at<'t>(&self, whole: &'t str, space: &Workspace<'t>, to: &str) -> Option<&'t str> {
        let path = to.strip_prefix('/')?;
        let find = |list: &[Found<'t>], name: &str| list.iter().find(|it| it.name == name).map(|it| it.value);
        match path.split_once('/') {
            None => find(&space.members, path),
            Some((outer, name)) if self.holds_fields(outer) && !name.contains('/') => find(&space.fields, name),
            Some(_) => pointer(whole, to),
        }
    }

    /// The fields, whose values are texts.
    fn write_fields(&self, member: &Found<'_>, fields: &[Found<'_>], out: &mut String) -> Option<()> {
        if !member.value.starts_with('{') {
            return self.copy(member.value, member.has_nulls, out);
        }
        out.push('{');
        let mut first = true;
        for field in fields {
            if !self.wants_field(field.name) || (field.value == "null" && !self.nulls) {
                continue;
            }
            separate(out, &mut first);
            push_name(out, field.name);
            if field.value.starts_with(['"', '{', '[']) || field.value == "null" {
                self.copy(field.value, field.has_nulls, out)?;
            } else {
                push_as_text(out, field.value);
            }
        }
        out.push('}');
        Some(())
    }

    fn copy(&self, value: &str, has_nulls: bool, out: &mut String) -> Option<()> {
        if has_nulls && !self.nulls {
            return copy_without_nulls(value, out);
        }
        out.push_str(value);
        Some(())
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_none_or(|only| only.iter().any(|wanted| wanted == name))
    }

    fn wants_field(&self, name: &str) -> bool {
        let Some(inside) = &self.collection.fields_in else { return self.wants(name) };
        self.only.is_none_or(|only| {
            only.iter().any(|wanted| {
                let wanted =
                    wanted.strip_prefix(inside.as_str()).and_then(|rest| rest.strip_prefix('.')).unwrap_or(wanted);
                wanted == name || (self.collection.lower_case && wanted.eq_ignore_ascii_case(name)) || wanted == inside
            })
        })
    }
}

/// A value as the vendor's reply has it, a number in quotes.
fn push_as_text(out: &mut String, value: &str) {
    let quote = if value.starts_with('"') { "" } else { "\"" };
    [quote, value, quote].into_iter().for_each(|part| out.push_str(part));
}

fn push_text(out: &mut String, text: &str) {
    if text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..=31)) {
        // Nothing but a text can come of a text.
        return out.push_str(&serde_json::Value::from(text).to_string());
    }
    ["\"", text, "\""].into_iter().for_each(|part| out.push_str(part));
}
