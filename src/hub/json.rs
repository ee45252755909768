//! Walking JSON text once, without a tree: what goes out is copied from what came in. Whatever is walked is also proven to
//! be JSON, so that a copy of it is.

/// Objects and lists inside each other at most, as serde_json has it.
const DEEPEST: usize = 128;

/// A place in a JSON text. Every method returns none where the text is no JSON.
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// Nulls that were passed.
    pub nulls: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0, nulls: 0 }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        let space = self.bytes().iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
        self.at += space;
    }

    /// The first byte of what comes next.
    pub fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.bytes().first().copied()
    }

    /// Nothing but space is left.
    pub fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Where the scanner stands, to cut a slice later.
    pub fn mark(&mut self) -> usize {
        self.skip_space();
        self.at
    }

    pub fn since(&self, mark: usize) -> Option<&'a str> {
        self.text.get(mark..self.at)
    }

    /// Walks an object: `each` gets the name of a member, without its quotes and with its escapes, and must pass the value.
    pub fn object(&mut self, mut each: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        self.deeper()?;
        if self.peek()? != b'}' {
            loop {
                self.skip_space();
                let name = self.string()?;
                let name = name.get(1..name.len().checked_sub(1)?)?;
                self.take(b':')?;
                each(self, name)?;
                if self.peek()? != b',' {
                    break;
                }
                self.at += 1;
            }
        }
        self.depth -= 1;
        self.take(b'}')
    }

    /// Walks a list: `each` must pass one value.
    pub fn array(&mut self, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        self.deeper()?;
        if self.peek()? != b']' {
            loop {
                each(self)?;
                if self.peek()? != b',' {
                    break;
                }
                self.at += 1;
            }
        }
        self.depth -= 1;
        self.take(b']')
    }

    fn deeper(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth <= DEEPEST).then_some(())
    }

    /// Passes any value.
    pub fn value(&mut self) -> Option<&'a str> {
        let start = self.mark();
        match self.peek()? {
            b'{' => self.object(|inner, _| inner.value().map(drop))?,
            b'[' => self.array(|inner| inner.value().map(drop))?,
            b'"' => drop(self.string()?),
            b'n' => {
                self.nulls += 1;
                self.word("null")?;
            }
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            _ => self.number()?,
        }
        self.since(start)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.bytes().starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        let bytes = self.bytes();
        if *bytes.first()? != b'"' {
            return None;
        }
        let mut length = 1;
        loop {
            let rest = bytes.get(length..)?;
            length += rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=31))?;
            match bytes.get(length)? {
                b'"' => break,
                b'\\' => {
                    length += match bytes.get(length + 1)? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                        b'u' if bytes.get(length + 2..length + 6)?.iter().all(u8::is_ascii_hexdigit) => 6,
                        _ => return None,
                    };
                }
                _ => return None,
            }
        }
        self.at += length + 1;
        self.text.get(start..self.at)
    }

    fn number(&mut self) -> Option<()> {
        let bytes = self.bytes();
        let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
        let mut length = usize::from(bytes.first() == Some(&b'-'));
        let whole = digits(length);
        let leading_zero = whole > 1 && bytes.get(length) == Some(&b'0');
        length += whole;
        let mut fits = whole > 0 && !leading_zero;
        if bytes.get(length) == Some(&b'.') {
            let fraction = digits(length + 1);
            fits &= fraction > 0;
            length += 1 + fraction;
        }
        if matches!(bytes.get(length), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
            let exponent = digits(length + 1 + sign);
            fits &= exponent > 0;
            length += 1 + sign + exponent;
        }
        fits.then(|| self.at += length)
    }
}

/// Copies a value without members that are null; nulls in lists stay.
pub fn copy_without_nulls(text: &str, out: &mut String) -> Option<()> {
    let mut scanner = Scanner::new(text);
    without_nulls(&mut scanner, out)
}

fn without_nulls(scanner: &mut Scanner<'_>, out: &mut String) -> Option<()> {
    match scanner.peek()? {
        b'{' => {
            out.push('{');
            let mut first = true;
            scanner.object(|inner, name| {
                if inner.peek()? == b'n' {
                    return inner.value().map(drop);
                }
                separate(out, &mut first);
                push_name(out, name);
                without_nulls(inner, out)
            })?;
            out.push('}');
        }
        b'[' => {
            out.push('[');
            let mut first = true;
            scanner.array(|inner| {
                separate(out, &mut first);
                without_nulls(inner, out)
            })?;
            out.push(']');
        }
        _ => out.push_str(scanner.value()?),
    }
    Some(())
}

pub fn separate(out: &mut String, first: &mut bool) {
    if !std::mem::take(first) {
        out.push(',');
    }
}

/// A name as `Scanner::object` gives it.
pub fn push_name(out: &mut String, name: &str) {
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
}

/// What a JSON pointer (RFC 6901) leads to, as text. Names with escapes are not found.
pub fn pointer<'a>(text: &'a str, pointer: &str) -> Option<&'a str> {
    let Some(rest) = pointer.strip_prefix('/') else { return Some(text) };
    let (step, rest) = rest.split_once('/').map_or((rest, None), |(step, rest)| (step, Some(rest)));
    let step = step.replace("~1", "/").replace("~0", "~");
    let mut found = None;
    let mut scanner = Scanner::new(text);
    match scanner.peek()? {
        b'{' => scanner.object(|inner, name| {
            let value = inner.value()?;
            if name == step {
                found = Some(value);
            }
            Some(())
        })?,
        b'[' => {
            let wanted: usize = step.parse().ok()?;
            let mut at = 0;
            scanner.array(|inner| {
                let value = inner.value()?;
                if at == wanted {
                    found = Some(value);
                }
                at += 1;
                Some(())
            })?;
        }
        _ => {}
    }
    let found = found?;
    match rest {
        Some(rest) => self::pointer(found, &format!("/{rest}")),
        None => Some(found),
    }
}

/// Whether a value says that there is nothing: what stands in a success where a failure tells its error.
pub fn says_nothing(value: &str) -> bool {
    let empty = |open: char, close: char| {
        value
            .trim()
            .strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .is_some_and(|inside| inside.trim().is_empty())
    };
    matches!(value.trim(), "null" | "false" | "0" | "\"\"") || empty('[', ']') || empty('{', '}')
}

/// Whether an answer speaks of an error, in one of the usual members.
pub fn speaks_of_failure<'t>(at: impl Fn(&str) -> Option<&'t str>) -> bool {
    let usual = ["/error", "/errors", "/error_description", "/errorMessages", "/fault", "/message"];
    usual.iter().any(|place| at(place).is_some_and(|value| !says_nothing(value)))
}

pub fn is_text_or_number(value: &str) -> bool {
    value != "null" && !value.starts_with(['{', '['])
}

/// A text or a number, as a text.
pub fn text_of(value: &str) -> Option<String> {
    if value.starts_with('"') {
        return serde_json::from_str(value).ok();
    }
    is_text_or_number(value).then(|| value.to_owned())
}
