//! Request bodies: how long they may be, how long they may take, and JSON out of them.

use std::future::{Future, ready};
use std::ops::Deref;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::extract::{Extraction, Parameters, shortened};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

/// Bytes of a request body at most.
pub const LARGEST_BODY: usize = 1 << 20;
/// A body that trickles in holds memory and a connection: it has this long. Data of the application, where 15 s do not fit.
#[derive(Debug, Clone, Copy)]
struct BodyDeadline(Duration);

const BODY_DEADLINE: BodyDeadline = BodyDeadline(Duration::from_secs(15));

/// A JSON body, and its bytes.
pub struct JsonBody<T> {
    pub value: T,
    pub bytes: Vec<u8>,
}

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = json_bytes(request, payload);
        Box::pin(async move {
            let bytes = body.await?;
            let value = read_json(&bytes)?;
            // serde reads a list as a struct's members in order, which nobody means.
            if !bytes.trim_ascii_start().starts_with(b"{") {
                return Err(ApiError::new(Code::BadBody, NOT_AN_OBJECT));
            }
            Ok(Self { value, bytes })
        })
    }
}

/// A body of a length that was announced.
pub(super) async fn read_up_to(mut payload: Payload, length: u64) -> Result<web::Bytes, ApiError> {
    let broken = |error| ApiError::new(Code::BadBody, "The body broke off.").with_source(error);
    let whole = async {
        let first = payload.next().await.transpose().map_err(broken)?.unwrap_or_default();
        let mut bytes = web::BytesMut::new();
        while let Some(chunk) = payload.next().await.transpose().map_err(broken)? {
            if bytes.is_empty() {
                bytes.reserve(usize::try_from(length).unwrap_or_default());
                bytes.extend_from_slice(&first);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(if bytes.is_empty() { first } else { bytes.freeze() })
    };
    tokio::time::timeout(BODY_DEADLINE.0, whole).await.unwrap_or_else(|_| Err(too_slow(BODY_DEADLINE)))
}

/// What a page's form sends.
pub(super) async fn read_form(payload: Payload) -> Result<Parameters, ApiError> {
    let whole = tokio::time::timeout(BODY_DEADLINE.0, read_whole(payload));
    Ok(Parameters::read(&whole.await.unwrap_or_else(|_| Err(too_slow(BODY_DEADLINE)))?))
}

/// The bytes of a body that is said to be JSON.
fn json_bytes(request: &HttpRequest, payload: &mut Payload) -> impl Future<Output = Result<Vec<u8>, ApiError>> + use<> {
    let media_type =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let payload = payload.take();
    let deadline = *request.app_data::<BodyDeadline>().unwrap_or(&BODY_DEADLINE);
    async move {
        if length.is_some_and(|length: u64| usize::try_from(length).map_or(true, |length| length > LARGEST_BODY)) {
            return Err(too_large());
        }
        let whole = tokio::time::timeout(deadline.0, read_whole(payload));
        let bytes = whole.await.unwrap_or_else(|_| Err(too_slow(deadline)))?;
        if !media_type.as_deref().is_some_and(is_json) {
            let message = "The body must be JSON: send it with `Content-Type: application/json`.";
            return Err(ApiError::new(Code::UnsupportedMediaType, message));
        }
        Ok(bytes)
    }
}

/// Any JSON value, of methods that have a body. A body of the others is passed over (contract 1.2).
pub struct AnyBody(pub Option<Value>);

impl FromRequest for AnyBody {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if matches!(request.method().as_str(), "GET" | "HEAD" | "DELETE") {
            return Box::pin(ready(Ok(Self(None))));
        }
        let body = json_bytes(request, payload);
        Box::pin(async move { read_json(&body.await?).map(Self) })
    }
}

async fn read_whole(mut payload: Payload) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| ApiError::new(Code::BadBody, "The body broke off.").with_source(error))?;
        if bytes.len().saturating_add(chunk.len()) > LARGEST_BODY {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

impl<T> Deref for JsonBody<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
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

fn too_slow(BodyDeadline(deadline): BodyDeadline) -> ApiError {
    ApiError::new(Code::BadBody, format!("The body did not arrive within {} s.", deadline.as_secs_f32()))
}

fn too_large() -> ApiError {
    ApiError::new(Code::BodyTooLarge, format!("The body is larger than {LARGEST_BODY} bytes."))
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
