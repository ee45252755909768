//! `/test`: no vendor has it. It shows what arrives, and answers with what is hard to carry; any credential will do, or
//! none.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderName, HeaderValue, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, Scope, web};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use super::Sandbox;
use super::fields::Fields;
use super::spoil::gzip;
use crate::kernel::entropy::hex_of;

const TAG: &str = "\"sandbox-1\"";
const CHUNK: u64 = 16 << 10;
/// Larger than any chunk, and not a power of two, so that a chunk that is lost or doubled shows.
const PERIOD: u64 = 251;

/// Bytes that went through `/test/bytes` and `/test/sink`, and the calls of them that still run.
#[derive(Debug, Default)]
pub struct Flow {
    pub sent: AtomicU64,
    pub received: AtomicU64,
    pub open: AtomicU64,
}

/// Counts an open call until it is dropped, also by a client that went away.
struct Open(web::Data<Sandbox>);

impl Open {
    fn new(sandbox: &web::Data<Sandbox>) -> Self {
        sandbox.flow.open.fetch_add(1, Ordering::SeqCst);
        Self(sandbox.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.flow.open.fetch_sub(1, Ordering::SeqCst);
    }
}

pub fn scope() -> Scope {
    web::scope("/test")
        .route("/echo", web::to(echo))
        .route("/echo/{tail:.*}", web::to(echo))
        .route("/bytes", web::to(bytes))
        .route("/sink", web::to(sink))
        .route("/headers", web::to(headers))
        .route("/status/{code}", web::to(status))
        .default_service(web::to(super::not_found))
}

/// `{"method","target","version","headers":[[name, value]…],"length","sha256"}`: the target is the path and query as
/// sent, repeated headers keep their order, names are in lower case and sorted.
async fn echo(request: HttpRequest, body: web::Payload) -> HttpResponse {
    let (length, sha256) = match digest(body, |_| async {}).await {
        Ok(found) => found,
        Err(broken) => return broken,
    };
    let mut headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    headers.sort_by_key(|(name, _)| *name);
    HttpResponse::Ok().json(json!({
        "method": request.method().as_str(),
        "target": request.uri().to_string(),
        "version": format!("{:?}", request.version()),
        "headers": headers,
        "length": length,
        "sha256": sha256,
    }))
}

/// Length and SHA-256 of a body that is not kept.
async fn digest<F: Future<Output = ()>>(
    mut body: web::Payload,
    mut each: impl FnMut(u64) -> F,
) -> Result<(u64, String), HttpResponse> {
    let (mut hash, mut length) = (Sha256::new(), 0);
    while let Some(chunk) = body.next().await {
        let Ok(chunk) = chunk else {
            return Err(HttpResponse::BadRequest().json(json!({"message": "The body ended too early."})));
        };
        hash.update(&chunk);
        let size = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        length += size;
        each(size).await;
    }
    Ok((length, hex_of(&hash.finalize())))
}

#[derive(Deserialize)]
struct Amount {
    size: u64,
    #[serde(default)]
    chunked: bool,
}

/// `GET /test/bytes?size=N[&chunked=true]`: byte `i` is `i % 251`. Made as it is read.
async fn bytes(sandbox: web::Data<Sandbox>, amount: web::Query<Amount>) -> HttpResponse {
    let Amount { size, chunked } = *amount;
    // Every chunk is a slice of this one.
    let pattern: web::Bytes =
        (0..CHUNK + PERIOD).map(|index| u8::try_from(index % PERIOD).unwrap_or_default()).collect();
    let open = Open::new(&sandbox);
    let chunks = futures_util::stream::unfold((0, open), move |(at, open)| {
        let length = CHUNK.min(size.saturating_sub(at));
        let start = usize::try_from(at % PERIOD).unwrap_or_default();
        let chunk = pattern.slice(start..start + usize::try_from(length).unwrap_or_default());
        std::future::ready((length > 0).then(|| {
            open.0.flow.sent.fetch_add(length, Ordering::SeqCst);
            (Ok::<_, std::io::Error>(chunk), (at + length, open))
        }))
    });
    let mut reply = HttpResponse::Ok();
    reply.content_type("application/octet-stream");
    if chunked { reply.streaming(chunks) } else { reply.body(SizedStream::new(size, Box::pin(chunks))) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pace {
    /// After each chunk.
    #[serde(default)]
    pause_ms: u64,
}

/// `POST /test/sink[?pauseMs=N]`: `{"length","sha256"}` of the body.
async fn sink(sandbox: web::Data<Sandbox>, pace: web::Query<Pace>, body: web::Payload) -> HttpResponse {
    let open = Open::new(&sandbox);
    let pause = Duration::from_millis(pace.pause_ms);
    let flow = &open.0.flow;
    let found = digest(body, |size| {
        flow.received.fetch_add(size, Ordering::SeqCst);
        sleep(pause)
    });
    match found.await {
        Ok((length, sha256)) => HttpResponse::Ok().json(json!({"length": length, "sha256": sha256})),
        Err(broken) => broken,
    }
}

/// `GET /test/headers[?gzip=true]`: repeated headers, `Link`, `ETag`, rate limits; 304 when the client has it already.
async fn headers(request: HttpRequest) -> HttpResponse {
    let known = request.headers().get(IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == TAG.as_bytes());
    if known {
        return HttpResponse::NotModified().insert_header((ETAG, TAG)).finish();
    }
    let mut reply = HttpResponse::Ok();
    reply
        .insert_header((ETAG, TAG))
        .append_header(("link", "</test/headers?page=2>; rel=\"next\""))
        .append_header(("link", "</test/headers?page=9>; rel=\"last\""))
        .append_header(("set-cookie", "one=1; Path=/"))
        .append_header(("set-cookie", "two=2; HttpOnly"))
        .append_header(("x-repeated", "b"))
        .append_header(("x-repeated", "a"))
        .append_header(("x-hubspot-ratelimit-remaining", "108"))
        .append_header(("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT"))
        .append_header(("vary", "accept-encoding"))
        .content_type("application/json;charset=utf-8");
    let body = json!({"greeting": "Grüße"}).to_string();
    let packed = Fields::parse(request.query_string().as_bytes()).get("gzip").is_some();
    if packed {
        reply.insert_header(("content-encoding", "gzip")).body(gzip(body.as_bytes()))
    } else {
        reply.body(body)
    }
}

/// `/test/status/{code}?name=value…`: that status, and each parameter of the query as a header.
async fn status(request: HttpRequest, code: web::Path<u16>) -> HttpResponse {
    let mut reply = HttpResponse::new(StatusCode::from_u16(*code).unwrap_or(StatusCode::BAD_REQUEST));
    for (name, value) in Fields::parse(request.query_string().as_bytes()).pairs() {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            reply.headers_mut().append(name, value);
        }
    }
    reply
}
