//! Request bodies: how long they may be, how long they may take, and JSON out of them.

use std::future::{Future, Ready, ready};
use std::ops::Deref;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::{Stream, StreamExt as _, stream};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::extract::{Extraction, Parameters, presented, services, shared};
use super::plain_body::{is_packed, plain};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::plain_text::shortened;
use crate::outbound::BrokenUpload;
use crate::protocol::content::media_type;
use crate::service::organization::large_bodies::Turn;
use crate::service::process::budget::{Budget, Room, STEP};

/// Bytes of a request body at most.
pub const LARGEST_BODY: usize = 1 << 20;
/// Bytes of a form that anybody may send.
pub const LARGEST_PUBLIC_FORM: usize = 64 << 10;
/// Bytes of all bodies together that are larger than a small one.
pub const ALL_BODIES: usize = 32 << 20;
/// Bytes of a body that need no room of that budget: a connection's own buffers hold as much.
pub(super) const SMALL: usize = 16 << 10;
/// Bytes of a JSON body that is worked on at once, whatever else its organization sends.
const AT_ONCE: usize = 4 << 10;
/// What JSON becomes, too: memory of a value at most, how much of it needs no room, and values of a body at most.
const OF_A_VALUE: usize = size_of::<Value>();
const SMALL_VALUES: usize = 256 << 10;
const MOST_VALUES: usize = 200_000;
/// A body that trickles in holds memory and a connection: it has this long. Data of the application, where 15 s do not fit.
#[derive(Debug, Clone, Copy)]
struct BodyDeadline(Duration);

const BODY_DEADLINE: BodyDeadline = BodyDeadline(Duration::from_secs(15));

/// A JSON body, and its bytes.
pub struct JsonBody<T> {
    pub value: T,
    pub bytes: Vec<u8>,
    /// As long as somebody has the body.
    _room: Room,
    _turn: Option<Turn>,
}

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = json_bytes(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let Whole { bytes, mut room } = body.await?;
            let turn = if bytes.len() > AT_ONCE { turn(&request).await } else { None };
            make_room(&bytes, &mut room).await?;
            let value = read_json(&bytes)?;
            // serde reads a list as a struct's members in order, which nobody means.
            if !bytes.trim_ascii_start().starts_with(b"{") {
                return Err(ApiError::new(Code::BadBody, NOT_AN_OBJECT));
            }
            Ok(Self { value, bytes, _room: room, _turn: turn })
        })
    }
}

/// The body as the caller sends it, for handlers that decide themselves what to make of it. Nobody reads it but by what is
/// here: each way has its limit and its time.
pub struct RawBody(Payload);

impl FromRequest for RawBody {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(_: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Ok(Self(payload.take())))
    }
}

/// What became of a body that was to be held.
pub(super) enum Held {
    Whole(Bytes),
    /// There is no room for it at the moment.
    Begun {
        read: [Bytes; 2],
        rest: RawBody,
    },
}

impl RawBody {
    pub(super) fn is_none(&self) -> bool {
        matches!(self.0, Payload::None)
    }

    /// A body of a length that was announced.
    pub(super) async fn hold(self, length: u64, budget: &Budget) -> Result<Held, ApiError> {
        let length = usize::try_from(length).map_err(|_| too_large(LARGEST_BODY))?;
        let mut payload = self.0;
        let whole = async {
            let first = payload.next().await.transpose().map_err(broken)?.unwrap_or_default();
            let Some(second) = payload.next().await.transpose().map_err(broken)? else { return Ok(Held::Whole(first)) };
            let mut room = budget.room();
            if length > SMALL && room.grow_now(length).is_err() {
                return Ok(Held::Begun { read: [first, second], rest: Self(payload) });
            }
            let mut bytes = Vec::with_capacity(length.max(first.len().saturating_add(second.len())));
            bytes.extend_from_slice(&first);
            bytes.extend_from_slice(&second);
            while let Some(chunk) = payload.next().await.transpose().map_err(broken)? {
                bytes.extend_from_slice(&chunk);
            }
            Ok(Held::Whole(Bytes::from_owner(Whole { bytes, room })))
        };
        tokio::time::timeout(BODY_DEADLINE.0, whole).await.unwrap_or_else(|_| Err(too_slow(BODY_DEADLINE)))
    }

    /// What a page's form sends, up to so many bytes.
    pub(super) async fn form(self, request: &HttpRequest, most: usize) -> Result<Parameters, ApiError> {
        let length = announced(request);
        if length.is_some_and(|length| length > most) {
            return Err(too_large(most));
        }
        let whole = tokio::time::timeout(BODY_DEADLINE.0, read_whole(self.0, length, most, budget(request).room()));
        let Whole { bytes, mut room } = whole.await.unwrap_or_else(|_| Err(too_slow(BODY_DEADLINE)))?;
        Parameters::read(&plain(request, bytes, &mut room, most).await?)
    }

    /// As it comes, behind what was read already.
    pub(super) fn chunks(self, read: [Bytes; 2]) -> impl Stream<Item = Result<Bytes, BrokenUpload>> + 'static {
        let read = stream::iter(read.into_iter().filter(|bytes| !bytes.is_empty()).map(Ok));
        read.chain(self.0.map(|chunk| chunk.map_err(|error| BrokenUpload(error.to_string()))))
    }
}

/// The length that the request says its body has.
fn announced(request: &HttpRequest) -> Option<usize> {
    let length: u64 = request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
    Some(usize::try_from(length).unwrap_or(usize::MAX))
}

/// The bytes of a body that is said to be JSON.
fn json_bytes(request: &HttpRequest, payload: &mut Payload) -> impl Future<Output = Result<Whole, ApiError>> + use<> {
    let content_type =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let length = announced(request);
    let payload = payload.take();
    let deadline = *request.app_data::<BodyDeadline>().unwrap_or(&BODY_DEADLINE);
    let request = request.clone();
    async move {
        if length.is_some_and(|length| length > LARGEST_BODY) {
            return Err(too_large(LARGEST_BODY));
        }
        let budget = budget(&request);
        let room = match length {
            Some(..=SMALL) if !is_packed(&request) => budget.room(),
            // Who is nobody has a share with all others who are.
            _ => budget.room_of(organization(&request).await.unwrap_or_default()),
        };
        let whole = tokio::time::timeout(deadline.0, read_whole(payload, length, LARGEST_BODY, room));
        let Whole { bytes, mut room } = whole.await.unwrap_or_else(|_| Err(too_slow(deadline)))?;
        if !content_type.as_deref().is_some_and(is_json) {
            let message = "The body must be JSON: send it with `Content-Type: application/json`.";
            return Err(ApiError::new(Code::UnsupportedMediaType, message));
        }
        let bytes = plain(&request, bytes, &mut room, LARGEST_BODY).await?;
        Ok(Whole { bytes, room })
    }
}

/// Any JSON value, of methods that have a body. A body of the others is passed over (docs/api.md, Requests and replies).
#[derive(Default)]
pub struct AnyBody {
    pub value: Option<Value>,
    /// As long as somebody has the body.
    _room: Option<Room>,
}

impl AnyBody {
    /// Whether the request's method has a body.
    pub(super) fn is_read(request: &HttpRequest) -> bool {
        !matches!(request.method().as_str(), "GET" | "HEAD" | "DELETE")
    }

    pub(super) async fn of(request: &HttpRequest, body: RawBody) -> Result<Self, ApiError> {
        let RawBody(mut payload) = body;
        let Whole { bytes, mut room } = json_bytes(request, &mut payload).await?;
        make_room(&bytes, &mut room).await?;
        Ok(Self { value: Some(read_json(&bytes)?), _room: Some(room) })
    }
}

/// One organization's large bodies do not take all the processor; what the body is for ends its turn.
async fn turn(request: &HttpRequest) -> Option<Turn> {
    services(request).ok()?.large_bodies.turn(organization(request).await?).await
}

/// Of the caller. Whoever is nobody is refused by others.
async fn organization(request: &HttpRequest) -> Option<i64> {
    let principal = services(request).ok()?.authenticate_for_hub(&presented(request).ok()?).await.ok()?;
    Some(principal.owner.organization)
}

/// The budget of all bodies.
pub(super) fn budget(request: &HttpRequest) -> Budget {
    shared(request).map(|shared| shared.bodies.clone()).unwrap_or_else(|_| Budget::of(ALL_BODIES))
}

/// A body, and the room that it takes.
struct Whole {
    bytes: Vec<u8>,
    room: Room,
}

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// `announced`: its length, as far as that was said. Memory is taken a step at a time, as bytes come.
async fn read_whole(
    mut payload: Payload,
    announced: Option<usize>,
    most: usize,
    mut room: Room,
) -> Result<Whole, ApiError> {
    let mut bytes = Vec::new();
    // Before anything is taken from the connection, which reads on as soon as something was; and all of it, because bodies
    // that each have a part would wait for each other.
    if announced.is_none_or(|length| length > SMALL) {
        room.grow(announced.unwrap_or(STEP).min(most)).await?;
    }
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(broken)?;
        let length = bytes.len().saturating_add(chunk.len());
        if length > most {
            return Err(too_large(most));
        }
        if length > bytes.capacity() {
            if length <= SMALL {
                let wanted = announced.unwrap_or(length).clamp(length, SMALL);
                bytes.reserve(wanted.saturating_sub(bytes.len()));
            } else {
                let wanted = length.next_multiple_of(STEP).min(announced.unwrap_or(most)).max(length);
                room.grow(wanted).await?;
                bytes.reserve_exact(wanted.saturating_sub(bytes.len()));
            }
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Whole { bytes, room })
}

/// Room for what the text becomes: two bytes of it can be a value.
async fn make_room(bytes: &[u8], room: &mut Room) -> Result<(), ApiError> {
    if bytes.len().saturating_mul(OF_A_VALUE) < 2 * SMALL_VALUES {
        return Ok(());
    }
    let values = values(bytes);
    if values > MOST_VALUES {
        let message = format!("The body has more than {MOST_VALUES} JSON values.");
        return Err(ApiError::new(Code::BodyTooLarge, message));
    }
    let memory = values.saturating_mul(OF_A_VALUE);
    if memory <= SMALL_VALUES { Ok(()) } else { room.grow(bytes.len().saturating_add(memory)).await }
}

/// How many values a JSON text has, about: what stands before one, outside of strings.
fn values(bytes: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' | b',' | b':' if !in_string => count = count.saturating_add(1),
            _ => {}
        }
    }
    count
}

impl<T> Deref for JsonBody<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = media_type(content_type);
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

const NOT_AN_OBJECT: &str = "The body must be a JSON object.";

fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // The path is kept track of only where something is wrong.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // serde quotes what it did not expect, which can be a secret: only the place and the kind go out.
        let place = error.path().to_string();
        let inner = error.inner();
        let at = format!("line {}, column {}", inner.line(), inner.column());
        let message = match inner.classify() {
            serde_json::error::Category::Data if place != "." => {
                format!("The body does not fit at `{}`: the value there has the wrong type.", shortened(&place))
            }
            serde_json::error::Category::Data => NOT_AN_OBJECT.to_owned(),
            _ => format!("The body is not valid JSON: see {at}."),
        };
        ApiError::new(Code::BadBody, message)
    })?;
    deserializer.end().map_err(|_| ApiError::new(Code::BadBody, "The body has text behind its JSON value."))?;
    Ok(value)
}

fn broken(error: actix_web::error::PayloadError) -> ApiError {
    ApiError::new(Code::BadBody, "The body broke off.").with_source(error)
}

fn too_slow(BodyDeadline(deadline): BodyDeadline) -> ApiError {
    ApiError::new(Code::BadBody, format!("The body did not arrive within {} s.", deadline.as_secs_f32()))
}

pub(super) fn too_large(most: usize) -> ApiError {
    ApiError::new(Code::BodyTooLarge, format!("The body is larger than {most} bytes."))
}

#[cfg(test)]
mod tests {
    use actix_web::error::PayloadError;
    use actix_web::test::TestRequest;
    use actix_web::web::Bytes;
    use futures_util::stream::{self, BoxStream};

    use super::*;
    use std::pin::Pin;

    async fn read(body: BoxStream<'static, Result<Bytes, PayloadError>>) -> Result<Value, ApiError> {
        let request = TestRequest::default().insert_header(("content-type", "application/json"));
        let request = request.app_data(BodyDeadline(Duration::from_millis(50))).to_http_request();
        let body: Pin<Box<dyn futures_util::Stream<Item = _>>> = body;
        JsonBody::from_request(&request, &mut Payload::from(body)).await.map(|body| body.value)
    }

    #[tokio::test]
    async fn a_body_that_trickles_in_is_cut_off() {
        let whole = stream::iter(["{\"a\":", "1}"].map(|part| Ok(Bytes::from(part))));
        assert_eq!(read(whole.boxed()).await.unwrap(), serde_json::json!({ "a": 1 }));
        // Always a next byte, never the last one: no pause is long enough to be noticed as one.
        let endless = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Some((Ok(Bytes::from_static(b" ")), ()))
        });
        let refused = tokio::time::timeout(Duration::from_secs(10), read(endless.boxed())).await.expect("a deadline");
        let refused = refused.unwrap_err();
        assert_eq!((refused.code, refused.message.as_str()), (Code::BadBody, "The body did not arrive within 0.05 s."));
    }
}
