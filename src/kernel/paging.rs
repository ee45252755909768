//! Lists in pages: `pageSize` and the opaque `nextPage` (docs/api.md, Lists).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::code::Code;
use super::error::ApiError;

pub const MAX_PAGE_SIZE: i64 = 200;

/// Bytes of a page's rows, about; one row is always a page.
const MOST_BYTES: i64 = 2 << 20;
/// What a row takes beside its large column, about.
const OF_A_ROW: i64 = 4 << 10;

/// A part of a list in ascending order of ids: at most `size` rows behind `after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    pub after: i64,
    pub size: i64,
}

impl Page {
    /// Reads both parameters as sent; an absent or empty one means its default.
    pub fn read(size: Option<&str>, token: Option<&str>) -> Result<Self, ApiError> {
        let size = match size.filter(|text| !text.is_empty()) {
            None => MAX_PAGE_SIZE,
            Some(text) => text.parse().ok().filter(|size| (1..=MAX_PAGE_SIZE).contains(size)).ok_or_else(|| {
                ApiError::new(Code::BadPageSize, format!("pageSize must be a whole number from 1 to {MAX_PAGE_SIZE}."))
            })?,
        };
        let after = match token.filter(|text| !text.is_empty()) {
            None => 0,
            Some(text) => decode(text).ok_or_else(|| {
                let message = "nextPage must be the value of an Elements-Next-Page-Token header, unchanged.";
                ApiError::new(Code::BadNextPage, message)
            })?,
        };
        Ok(Self { after, size })
    }

    /// Whether its rows must be weighed before they are read.
    pub fn may_be_large(self) -> bool {
        self.size > 1
    }

    /// The page that ends where its bytes do. `sizes`: of the large column of each row, in order.
    pub fn within_bytes(self, sizes: &[i32]) -> Self {
        let mut bytes = 0_i64;
        let fitting = sizes.iter().take_while(|size| {
            bytes = bytes.saturating_add(i64::from(**size)).saturating_add(OF_A_ROW);
            bytes <= MOST_BYTES
        });
        let fitting = i64::try_from(fitting.count()).unwrap_or(i64::MAX);
        // When all of them fit, what comes behind them decides.
        if usize::try_from(fitting).is_ok_and(|fitting| fitting >= sizes.len()) {
            return self;
        }
        Self { size: fitting.clamp(1, self.size), ..self }
    }

    /// Splits off the row that was read beyond the page, and names the page behind it.
    pub fn cut<T>(self, mut rows: Vec<T>, id: impl Fn(&T) -> i64) -> (Vec<T>, Option<String>) {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        if rows.len() <= size {
            return (rows, None);
        }
        rows.truncate(size);
        let next = rows.last().map(|row| encode(id(row)));
        (rows, next)
    }

    /// How many rows to ask for: one more than the page, to know whether there is a next one.
    pub fn limit(self) -> i64 {
        self.size.saturating_add(1)
    }
}

fn encode(after: i64) -> String {
    URL_SAFE_NO_PAD.encode(format!("after:{after}"))
}

fn decode(token: &str) -> Option<i64> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let after: i64 = std::str::from_utf8(&bytes).ok()?.strip_prefix("after:")?.parse().ok()?;
    (after >= 0).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_to_the_row_it_was_made_of() {
        let page = Page::read(Some("2"), None).unwrap();
        let (rows, next) = page.cut(vec![5, 7, 9], |row| *row);
        assert_eq!(rows, [5, 7]);
        assert_eq!(Page::read(None, next.as_deref()).unwrap(), Page { after: 7, size: 200 });
    }

    #[test]
    fn a_page_ends_where_its_bytes_do() {
        let page = Page { after: 0, size: 3 };
        assert_eq!(page.within_bytes(&[100; 4]), page);
        assert_eq!(page.within_bytes(&[]), page);
        assert_eq!(page.within_bytes(&[1 << 20, 1 << 19, 1 << 20, 5]).size, 2);
        assert_eq!(page.within_bytes(&[3 << 20, 1]).size, 1, "one row is always a page");
        assert_eq!(page.within_bytes(&[1, 1, 1, 3 << 20]), page, "the row behind the page");
        assert_eq!(Page { after: 0, size: 200 }.within_bytes(&[1000; 201]).size, 200);
    }

    #[test]
    fn sizes_outside_the_range_and_foreign_tokens_are_refused() {
        for size in ["0", "-1", "201", "x", "99999999999999999999"] {
            assert_eq!(Page::read(Some(size), None).unwrap_err().code, Code::BadPageSize);
        }
        for token in ["x", "YWZ0ZXI6LTE", "YWZ0ZXI6OTk5OTk5OTk5OTk5OTk5OTk5OTk5"] {
            assert_eq!(Page::read(None, Some(token)).unwrap_err().code, Code::BadNextPage);
        }
    }
}
