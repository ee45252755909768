//! Cross-origin requests (Fetch standard): which pages may call, and what they may read.

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::kernel::loopback::is_loopback;

/// `LIGAND_CORS_ORIGINS`.
#[derive(Debug, Clone, Default)]
pub struct CorsOrigins {
    /// Exact origins.
    pub listed: Vec<String>,
    /// Every `http://localhost` page: for the sandbox.
    pub localhost: bool,
}

/// The exact text that pages may rely on (docs/api.md, Headers).
const EXPOSED: &str = "Elements-Returned-Count, Elements-Total-Count, Elements-Request-Id, Elements-Next-Page-Token, \
                       Elements-Trace-Id, Elements-Error, Content-Disposition";
const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
const HEADERS: &str = "Authorization, Content-Type, Accept, Idempotency-Key, Elements-Version";

impl CorsOrigins {
    fn allows(&self, origin: &str) -> bool {
        self.listed.iter().any(|listed| listed == origin) || (self.localhost && is_local_origin(origin))
    }

    /// Adds what a browser needs to see to the answer of a request that carries `Origin`.
    pub fn decorate(&self, origin: Option<HeaderValue>, response: &mut HeaderMap) {
        // Also without an origin: a cache must not keep that answer for a page.
        response.append(header::VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin else { return };
        response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        if origin.to_str().is_ok_and(|text| self.allows(text)) {
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }

    /// The answer to a preflight, or nothing if it is none or comes from a foreign page.
    pub fn preflight(&self, method: &Method, request: &HeaderMap) -> Option<[(HeaderName, &'static str); 3]> {
        let asks = method == Method::OPTIONS && request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let origin = request.get(header::ORIGIN)?.to_str().ok()?;
        (asks && self.allows(origin)).then_some([
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ])
    }
}

/// On this machine, and written as browsers write it.
fn is_local_origin(origin: &str) -> bool {
    Url::parse(origin).is_ok_and(|url| is_loopback(url.host()) && url.origin().ascii_serialization() == origin)
}
