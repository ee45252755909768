//! A page of a vendor's list: its objects, and what stands around them.

use http::HeaderMap;
use url::{Url, form_urlencoded};

use super::json::{self, Scanner, pointer, text_of};
use crate::catalog::paging::Told;
use crate::kernel::secret::Secret;
use crate::protocol::answer::links::next_of;
use crate::protocol::path::{below, can_climb};

/// Why a page cannot be used, behind "the vendor's answer".
pub type Unusable = &'static str;

/// What stands where the list should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Found {
    /// The member is not there.
    #[default]
    Missing,
    List,
    /// `null`, or an object without members.
    Nothing,
    /// Something else.
    Other,
}

/// What stands around the list, and in the headers.
pub struct Page<'t> {
    pub found: Found,
    root: Vec<String>,
    around: Vec<Beside<'t>>,
    headers: &'t HeaderMap,
}

/// A member beside the way to the list. `level`: behind how many steps of that way.
struct Beside<'t> {
    level: usize,
    name: &'t str,
    value: &'t str,
}

impl<'t> Page<'t> {
    /// Walks a body once; `each` must pass one item of the list at `root`. Nothing at all is a page without a list.
    pub fn read(
        body: &'t str,
        headers: &'t HeaderMap,
        root: &str,
        each: &mut dyn FnMut(&mut Scanner<'t>) -> Option<()>,
    ) -> Result<Self, Unusable> {
        let mut page = Self { found: Found::Missing, root: steps(root), around: Vec::new(), headers };
        let mut scanner = Scanner::new(body);
        if scanner.is_at_end() {
            page.found = Found::Nothing;
            return Ok(page);
        }
        let steps = page.root.clone();
        walk(&mut scanner, &steps, 0, &mut page, each)
            .ok_or("is no JSON, or has an item that is none of the element's")?;
        if !scanner.is_at_end() {
            return Err("goes on behind its end");
        }
        Ok(page)
    }

    /// What a reply says, as text.
    pub fn told(&self, told: &Told) -> Option<String> {
        let text = match told {
            Told::Body(to) => self.at(to).and_then(text_of)?,
            Told::Header(named) => self.header(&named.header)?.trim().to_owned(),
        };
        Some(text).filter(|text| !text.is_empty())
    }

    /// Yes or no, where the reply says either.
    pub fn is_so(&self, told: &Told) -> Option<bool> {
        if let Told::Body(to) = told
            && self.at(to)?.starts_with(['{', '['])
        {
            return Some(true);
        }
        let text = self.told(told)?;
        Some(!["false", "no", "n", "0"].iter().any(|no| text.eq_ignore_ascii_case(no)))
    }

    /// The cursor of the next page. What vendors write instead of none is none.
    pub fn cursor(&self, told: &Told) -> Option<String> {
        self.told(told).filter(|text| !["0", "-1", "null", "false"].contains(&text.as_str()))
    }

    /// The address of the next page, as the vendor wrote it.
    pub fn address(&self, told: &Told) -> Option<String> {
        match told {
            Told::Header(named) if named.header.eq_ignore_ascii_case("link") => {
                let links = self.headers.get_all("link").into_iter().filter_map(|value| value.to_str().ok());
                links.filter_map(next_of).next().map(str::to_owned)
            }
            told => self.cursor(told),
        }
    }

    /// Whether something stands where vendors put the words of a failure: a list that is missing there is no empty one.
    pub fn speaks_of_failure(&self) -> bool {
        json::speaks_of_failure(|place| self.at(place))
    }

    fn header(&self, name: &str) -> Option<&'t str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn at(&self, to: &str) -> Option<&'t str> {
        let (mut level, mut rest) = (0_usize, to.strip_prefix('/')?);
        loop {
            let (step, behind) = match rest.split_once('/') {
                Some((step, behind)) => (step, Some(behind)),
                None => (rest, None),
            };
            let name = unescaped(step);
            if self.root.get(level) == Some(&name) {
                level = level.checked_add(1)?;
                rest = behind?;
                continue;
            }
            let beside = self.around.iter().find(|it| it.level == level && it.name == name)?;
            return match behind {
                Some(behind) => pointer(beside.value, &format!("/{behind}")),
                None => Some(beside.value),
            };
        }
    }
}

fn walk<'t>(
    scanner: &mut Scanner<'t>,
    steps: &[String],
    level: usize,
    page: &mut Page<'t>,
    each: &mut dyn FnMut(&mut Scanner<'t>) -> Option<()>,
) -> Option<()> {
    let first = scanner.peek()?;
    let Some((step, behind)) = steps.split_first() else {
        // A name that stands twice: one list is enough.
        if page.found == Found::List {
            return scanner.value().map(drop);
        }
        if first == b'[' {
            page.found = Found::List;
            return scanner.array(&mut *each);
        }
        let value = scanner.value()?;
        let is_empty = value.strip_prefix('{').is_some_and(|rest| rest.trim_start() == "}");
        page.found = if value == "null" || is_empty { Found::Nothing } else { Found::Other };
        return Some(());
    };
    let next = level.checked_add(1)?;
    match first {
        b'{' => scanner.object(|inner, name| {
            if name == step {
                return walk(inner, behind, next, &mut *page, &mut *each);
            }
            let value = inner.value()?;
            page.around.push(Beside { level, name, value });
            Some(())
        }),
        b'[' => {
            let wanted: Option<usize> = step.parse().ok();
            let mut at = 0_usize;
            scanner.array(|inner| {
                let is_it = wanted == Some(at);
                at = at.checked_add(1)?;
                if is_it { walk(inner, behind, next, &mut *page, &mut *each) } else { inner.value().map(drop) }
            })
        }
        _ => {
            let value = scanner.value()?;
            page.found = if value == "null" { Found::Nothing } else { Found::Other };
            Some(())
        }
    }
}

/// From where an address of the vendor's is read.
pub struct Places<'a> {
    /// What was asked for: a relative address begins there.
    pub asked: &'a Url,
    pub base: &'a Url,
    /// Everything secret in the request, and the parameter that carried it.
    pub secrets: &'a [Secret],
    pub parameter: Option<&'a str>,
}

impl Places<'_> {
    /// An address as it may be kept: behind the base, and without the credential, which is placed anew.
    ///
    /// # Errors
    /// It leads elsewhere. Secrets follow no foreign address.
    pub fn kept(&self, told: &str) -> Result<String, Unusable> {
        let url = self.asked.join(told).map_err(|_| "names an address of the next page that is none")?;
        let path = below(url.path(), self.base.path().trim_end_matches('/')).filter(|path| !can_climb(path));
        let is_here = url.host_str().is_some() && url.host_str() == self.base.host_str();
        let path = path.filter(|_| is_here);
        let path = path.ok_or("names an address of the next page that does not lie below the element's base URL")?;
        let pairs = url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !self.is_secret(pair));
        let query = pairs.collect::<Vec<_>>().join("&");
        let path = if path.is_empty() { "/" } else { path };
        Ok(if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") })
    }

    fn is_secret(&self, pair: &str) -> bool {
        form_urlencoded::parse(pair.as_bytes()).next().is_some_and(|(name, value)| {
            self.parameter == Some(&*name) || self.secrets.iter().any(|secret| secret.expose() == value)
        })
    }
}

/// Of a JSON pointer (RFC 6901).
pub fn steps(pointer: &str) -> Vec<String> {
    pointer.strip_prefix('/').map(|path| path.split('/').map(unescaped).collect()).unwrap_or_default()
}

fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}
