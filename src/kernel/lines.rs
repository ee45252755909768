//! Lines of a text that comes piece by piece. No more is kept than the line that has not ended yet.

/// A line that is no blank one.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// From one; blank lines count.
    pub number: u64,
    /// None: it is longer than a line may be.
    pub text: Option<Vec<u8>>,
}

#[derive(Debug)]
pub struct Lines {
    begun: Vec<u8>,
    /// What was begun is longer than it may be, and is passed over.
    is_too_long: bool,
    number: u64,
    longest: usize,
}

impl Lines {
    pub fn of(longest: usize) -> Self {
        Self { begun: Vec::new(), is_too_long: false, number: 0, longest }
    }

    /// Bytes of the line that has not ended.
    pub fn held(&self) -> usize {
        self.begun.len()
    }

    /// How many lines have ended.
    pub fn ended(&self) -> u64 {
        self.number
    }

    /// The lines that end in this piece.
    pub fn feed(&mut self, piece: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut parts = piece.split(|byte| *byte == b'\n');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            self.add(part);
            lines.extend(self.end_line());
        }
        self.add(last);
        lines
    }

    /// The last line, where no line end is behind it.
    pub fn end(&mut self) -> Option<Line> {
        if self.begun.is_empty() && !self.is_too_long { None } else { self.end_line() }
    }

    fn add(&mut self, part: &[u8]) {
        if self.is_too_long || self.begun.len().saturating_add(part.len()) > self.longest {
            self.is_too_long = true;
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(part);
        }
    }

    fn end_line(&mut self) -> Option<Line> {
        self.number = self.number.saturating_add(1);
        let begun = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.is_too_long) {
            return Some(Line { number: self.number, text: None });
        }
        // A byte order mark stands before the first line (RFC 8259 section 8.1).
        let text = match begun.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) if self.number == 1 => rest.to_vec(),
            _ => begun,
        };
        (!text.trim_ascii().is_empty()).then_some(Line { number: self.number, text: Some(text) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], piece: usize) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::of(7);
        let mut read: Vec<Line> = text.chunks(piece).flat_map(|piece| lines.feed(piece)).collect();
        read.extend(lines.end());
        assert_eq!(lines.end(), None, "it has ended");
        read.into_iter().map(|line| (line.number, line.text.map(|text| String::from_utf8(text).unwrap()))).collect()
    }

    #[test]
    fn lines_are_the_same_in_whatever_pieces_they_come() {
        let text = b"\xef\xbb\xbf{1}\r\n\n  \n{123456}\n{2}\n12345678\n{3}";
        for piece in 1..=text.len() {
            let lines = read(text, piece);
            let texts: Vec<_> = lines.iter().map(|(number, text)| (*number, text.as_deref())).collect();
            assert_eq!(
                texts,
                [(1, Some("{1}\r")), (4, None), (5, Some("{2}")), (6, None), (7, Some("{3}"))],
                "{piece}"
            );
        }
        assert_eq!(read(b"\n\n", 1), []);
        assert_eq!(read(b"12345678", 2), [(1, None)]);
    }
}
