//! Bodies of JSON lines, which are read a line at a time and never held as a whole.

use std::pin::Pin;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE};
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, timeout_at};

use super::body::{RawBody, SMALL, budget};
use super::plain_body::is_packed;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::lines::{Line, Lines};
use crate::outbound::BrokenUpload;
use crate::protocol::content::media_type;
use crate::service::process::budget::Room;

/// One JSON document in each line (`https://github.com/ndjson/ndjson-spec`).
pub const LINES: &str = "application/x-ndjson";
/// What else callers call it; one document is a line, too.
const ALSO: [&str; 3] = ["application/jsonl", "application/json", "application/octet-stream"];
/// A line that trickles in holds a connection: it has this long.
const DEADLINE: Duration = Duration::from_secs(15);

/// Whether the caller says that it takes this type.
pub fn accepts(request: &HttpRequest, wanted: &str) -> bool {
    let accepted = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
    let mut types = accepted.flat_map(|list| list.split(',')).filter_map(|one| one.split(';').next());
    types.any(|one| one.trim().eq_ignore_ascii_case(wanted))
}

pub struct LineBody {
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes, BrokenUpload>>>>,
    lines: Lines,
    room: Room,
}

impl LineBody {
    /// `longest`: bytes of a line.
    pub fn of(request: &HttpRequest, body: RawBody, organization: i64, longest: usize) -> Result<Self, ApiError> {
        let said = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let said = media_type(said);
        if said != LINES && !ALSO.iter().any(|also| *also == said) {
            let message = format!("The body must be JSON lines: send it with `Content-Type: {LINES}`.");
            return Err(ApiError::new(Code::UnsupportedMediaType, message));
        }
        if is_packed(request) {
            let message = "JSON lines are read as they come: send them without a Content-Encoding.";
            return Err(ApiError::new(Code::UnsupportedMediaType, message));
        }
        let chunks = Box::pin(body.chunks(Default::default()));
        Ok(Self { chunks, lines: Lines::of(longest), room: budget(request).room_of(organization) })
    }

    /// How many lines have come.
    pub fn ended(&self) -> u64 {
        self.lines.ended()
    }

    /// The next lines. None: there are no more.
    pub async fn next(&mut self) -> Result<Option<Vec<Line>>, ApiError> {
        let deadline = Instant::now().checked_add(DEADLINE).unwrap_or_else(Instant::now);
        loop {
            let chunk = timeout_at(deadline, self.chunks.next()).await;
            let Some(chunk) = chunk.map_err(|_| too_slow())? else {
                return Ok(self.lines.end().map(|line| vec![line]));
            };
            let chunk =
                chunk.map_err(|error| ApiError::new(Code::BadBody, "The body broke off.").with_source(error))?;
            let held = self.lines.held().saturating_add(chunk.len());
            if held > SMALL {
                self.room.grow(held).await?;
            }
            let lines = self.lines.feed(&chunk);
            let held = self.lines.held();
            self.room.shrink(if held > SMALL { held } else { 0 });
            if !lines.is_empty() {
                return Ok(Some(lines));
            }
        }
    }
}

fn too_slow() -> ApiError {
    ApiError::new(Code::BadBody, format!("No line came within {} s.", DEADLINE.as_secs()))
}
