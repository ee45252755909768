//! A caller's request to the vendor, unchanged but for the credential, and the vendor's answer.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::catalog::element::Placement;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::outbound::{Answer, Connections, ExchangeFault, Upload, target, wait_asked};
use crate::protocol::VendorFault;
use crate::protocol::answer::addresses::Shape;
use crate::protocol::answer::masking::masked;
use crate::protocol::content;
use crate::protocol::end_to_end::folds_to;
use crate::protocol::instance_token::{self, FoundAt};
use crate::protocol::path::{below, can_climb};
use crate::protocol::placement::Carrier;
use crate::service::Services;
use crate::service::people::authenticate::Presented;
use crate::service::process::traffic::Purpose;
use crate::service::refresh::warm_instances::LiveInstance;

/// `Elements-Retries` at most.
pub const MOST_RETRIES: u8 = 5;
/// No further try begins after this time.
const RETRIED_FOR: Duration = Duration::from_secs(60);
/// Bytes of a refusal that are read to see whether it means "expired".
const LARGEST_REFUSAL: usize = 64 * 1024;

/// What the caller wants from the vendor. The headers are those that travel, without any credential of ours.
pub struct Call<'a> {
    pub method: Method,
    /// Behind `/vendor`, as it came.
    pub path: Cow<'a, str>,
    pub query: Option<Cow<'a, str>>,
    /// Made anew for every try.
    pub headers: &'a dyn Fn() -> HeaderMap,
    pub body: Upload,
    pub retries: u8,
}

/// What came of a call.
pub struct Passed<'a> {
    pub answer: Answer,
    pub live: Arc<LiveInstance>,
    /// What was asked for in the end, behind the vendor's prefix.
    pub path: Cow<'a, str>,
}

/// A token that may be an instance's, and where it stood.
pub struct Candidate {
    pub token: Secret,
    pub found_at: FoundAt,
}

impl Services {
    /// The instance behind `Element <token>`, with User and Organization checked where they came along.
    pub async fn instance_of_element(&self, presented: &Presented) -> Result<Arc<LiveInstance>, ApiError> {
        let Some(token) = &presented.element else { return Err(Code::MissingCredentials.into()) };
        let live = self.live_instance_of_token(token).await?;
        if presented.user.is_some() || presented.organization.is_some() || presented.bearer.is_some() {
            let caller = self.authenticate(presented).await?;
            if caller.owner != live.owner {
                return Err(Code::BadCredentials.into());
            }
        }
        Ok(live)
    }

    /// The instance whose token stood where its element's credential would travel.
    pub async fn instance_of_candidates(&self, candidates: &[Candidate]) -> Result<Arc<LiveInstance>, ApiError> {
        for candidate in candidates {
            let live = match self.live_instance_of_token(&candidate.token).await {
                Err(error) if error.code == Code::BadCredentials => continue,
                found => found?,
            };
            if !self.organization_settings(live.owner.organization).await?.vendor_bearer {
                let message = "This organization takes an instance's token only as `Authorization: Element <token>` \
                               (`vendorBearer` is off).";
                return Err(ApiError::new(Code::BadCredentials, message));
            }
            if candidate.found_at.suits(&live.element) {
                return Ok(live);
            }
        }
        let message = "No instance has this token: send `Authorization: Element <token>`, or the token in the place where \
                       the vendor's own credential would travel.";
        Err(ApiError::new(Code::BadCredentials, message))
    }

    pub async fn pass_through<'a>(
        &self,
        connections: &Rc<Connections>,
        live: Arc<LiveInstance>,
        call: Call<'a>,
    ) -> Result<Passed<'a>, ApiError> {
        let id = live.id;
        let live = match &call.body {
            // It was waited for, and meanwhile the instance may have changed.
            Upload::Whole(body) if !body.is_empty() => self.fresh_token(live.owner, id).await?,
            _ => self.freshened(live).await?,
        };
        let outcome = self.attempt(connections, live, call).await;
        let status = outcome.as_ref().map_or_else(|error| error.code.status(), |passed| passed.answer.status.as_u16());
        self.usage.note_call(id, self.now(), status);
        outcome
    }

    async fn attempt<'a>(
        &self,
        connections: &Rc<Connections>,
        mut live: Arc<LiveInstance>,
        mut call: Call<'a>,
    ) -> Result<Passed<'a>, ApiError> {
        let started = Instant::now();
        let mut tries =
            Tries { left: call.retries, pause: Duration::from_millis(250), renewed: false, stale: false, redirects: 5 };
        let outcome = loop {
            let next = call.body.again();
            let body = std::mem::replace(&mut call.body, Upload::Whole(bytes::Bytes::new()));
            let request = request(&live, &call, body)?;
            let patience = Duration::from_secs(live.element.timeout);
            let (began, destination) = (Instant::now(), live.destination()?);
            let outcome = connections.exchange(destination, request, patience).await;
            let status = outcome.as_ref().ok().map(|answer| answer.status.as_u16());
            self.metrics.traffic.vendor_called(&live.element, Purpose::Passthrough, status, began.elapsed());
            let repeatable = next.is_some();
            call.body = next.unwrap_or(Upload::Whole(bytes::Bytes::new()));
            let harmless = repeatable && call.method.is_idempotent();
            let answer = match outcome {
                Ok(answer) if !tries.renewed && may_mean_expired(&live, answer.status, || self.now()) => {
                    // Boxed, because it is rare: its room would be part of every call.
                    let (answer, newer) = Box::pin(self.after_answer(&live, answer)).await?;
                    match newer {
                        Some(newer) if repeatable => {
                            live = newer;
                            tries.renewed = true;
                            continue;
                        }
                        _ => Ok(answer),
                    }
                }
                Ok(answer) if tries.redirects > 0 && live.element.follow_redirects => {
                    match redirect(&live, &call, &answer) {
                        Some((path, query)) => {
                            (call.path, call.query) = (path.into(), query.map(Cow::Owned));
                            tries.redirects = tries.redirects.saturating_sub(1);
                            continue;
                        }
                        None => Ok(answer),
                    }
                }
                Err(ExchangeFault::Stale(_)) if harmless && !tries.stale => {
                    tries.stale = true;
                    continue;
                }
                other => other,
            };
            let asked = match &answer {
                Ok(answer) if is_transient(answer.status) => {
                    wait_asked(&live.element.waits, &answer.headers, self.now())
                }
                Err(
                    ExchangeFault::Vendor(
                        VendorFault::Timeout | VendorFault::Unreachable { .. } | VendorFault::Proxy(_),
                    )
                    | ExchangeFault::Stale(_),
                ) => None,
                _ => break answer,
            };
            match tries.next(asked, started).filter(|_| harmless) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => break answer,
            }
        };
        let answer = finished(&live, outcome)?;
        if answer.status.is_success() && !may_mean_expired(&live, answer.status, || self.now()) {
            live.refused_calls.end();
        }
        Ok(Passed { answer, live, path: call.path })
    }

    /// The answer that refused the credential, and the instance with a newer one where trying again makes sense.
    async fn after_answer(
        &self,
        live: &LiveInstance,
        answer: Answer,
    ) -> Result<(Answer, Option<Arc<LiveInstance>>), ApiError> {
        let (answer, text) = answer.whole(LARGEST_REFUSAL).await.map_err(|fault| call_error(live, fault))?;
        let json = text.and_then(|text| json_of(&text, &answer.headers));
        let newer = self.after_refusal(live, answer.status.as_u16(), json.as_ref()).await?;
        Ok((answer, newer))
    }
}

/// What is left to try.
struct Tries {
    left: u8,
    pause: Duration,
    renewed: bool,
    stale: bool,
    /// How many more are followed.
    redirects: u8,
}

impl Tries {
    /// How long to wait before the next try, if there is one. `asked`: what the vendor said.
    fn next(&mut self, asked: Option<Duration>, started: Instant) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let pause = asked.unwrap_or(self.pause);
        self.pause = self.pause.saturating_mul(2);
        (started.elapsed().saturating_add(pause) < RETRIED_FOR).then_some(pause)
    }
}

fn request(live: &LiveInstance, call: &Call<'_>, body: Upload) -> Result<Request<Upload>, ApiError> {
    let mut headers = (call.headers)();
    let mut query = call.query.as_deref().map(Cow::Borrowed);
    // Every place of a credential is ours: a token that stood in a second one must not travel on.
    for placement in live.placements() {
        match placement {
            Placement::Header { name } => drop(headers.remove(name)),
            Placement::Query { name } => {
                query = query.and_then(|query| instance_token::without(&query, name).map(Cow::Owned))
            }
            Placement::Authorization { .. }
            | Placement::Basic { .. }
            | Placement::Pair
            | Placement::HeaderNamed { .. }
            | Placement::QueryNamed { .. } => {}
        }
    }
    without_twins(&mut headers, live);
    live.with_values(|values| {
        for header in values.headers(&live.element.headers) {
            let (name, value) = header.map_err(|fault| call_error(live, fault))?;
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(&*value)) {
                headers.entry(name).or_insert(value);
            }
        }
        Ok::<_, ApiError>(())
    })?;
    let uri = match live.carrier() {
        Some(Carrier::Header { name, value }) => {
            let name = HeaderName::try_from(name).map_err(|error| ApiError::internal(error))?;
            let mut value = HeaderValue::try_from(value.expose()).map_err(|_| unfit(live))?;
            value.set_sensitive(true);
            headers.insert(name, value);
            address(live, call, query.as_deref())?
        }
        Some(Carrier::Query { name, value }) => {
            let query = instance_token::with(query.as_deref(), name, &value);
            address(live, call, Some(query.expose()))?
        }
        None => return Err(unfit(live)),
    };
    let mut request = Request::new(body);
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = uri.into();
    *request.headers_mut() = headers;
    Ok(request)
}

/// Takes out headers that a vendor could take for those of its element.
fn without_twins(headers: &mut HeaderMap, live: &LiveInstance) {
    let placed = live.placements().filter_map(|placement| match placement {
        Placement::Header { name } => Some(name),
        _ => None,
    });
    for ours in placed.chain(live.element.headers.keys()) {
        let twin = |headers: &HeaderMap| headers.keys().find(|name| folds_to(name.as_str(), ours)).cloned();
        while let Some(twin) = twin(headers) {
            headers.remove(twin);
        }
    }
}

fn address(live: &LiveInstance, call: &Call<'_>, query: Option<&str>) -> Result<PathAndQuery, ApiError> {
    let to = live.destination()?;
    if !to.prefix().is_empty() && can_climb(&call.path) {
        let message =
            "The path has `..` in it, which would lead out of the instance's base address: write the path without.";
        return Err(ApiError::new(Code::BadParameter, message));
    }
    target(to, &call.path, query).map_err(|_| {
        ApiError::new(Code::BadParameter, "The path or the query has characters that no request may have: encode them.")
    })
}

fn unfit(live: &LiveInstance) -> ApiError {
    let message = format!("The credential does not fit what {} wants: re-provision the instance.", live.element.name);
    ApiError::new(Code::ReauthorizationRequired, message)
}

/// Path and query of a redirect that stays where the credential belongs.
fn redirect(live: &LiveInstance, call: &Call<'_>, answer: &Answer) -> Option<(String, Option<String>)> {
    let followed = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    if !followed || !matches!(call.method, Method::GET | Method::HEAD) {
        return None;
    }
    let to = live.destination().ok()?;
    let here = Url::parse(&[to.origin(), to.prefix(), &call.path].concat()).ok()?;
    let there = here.join(answer.headers.get(LOCATION)?.to_str().ok()?).ok()?;
    let path = below(there.path(), to.prefix()).filter(|path| there.origin() == here.origin() && !can_climb(path))?;
    Some((path.to_owned(), there.query().map(str::to_owned)))
}

/// Whether it is worth reading what the refusal says.
fn may_mean_expired(live: &LiveInstance, status: StatusCode, now: impl FnOnce() -> DateTime<Utc>) -> bool {
    let oauth2 = live.element.authentication.oauth2.as_ref();
    let sign = oauth2.is_some_and(|oauth2| oauth2.expired.iter().any(|sign| sign.status == status.as_u16()));
    sign && (live.refreshable || live.may_expire(now()))
}

fn json_of(bytes: &[u8], headers: &HeaderMap) -> Option<Value> {
    let said = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let unpacked = content::unpacked(bytes, said(CONTENT_ENCODING), LARGEST_REFUSAL);
    let bytes = unpacked.unwrap_or(Cow::Borrowed(bytes));
    content::json(&bytes, said(CONTENT_TYPE))
}

/// Overload or outage (as `VendorReply::is_transient`), but for a plain 500, which trying again seldom mends.
fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 477 | 502..=504)
}

fn finished(live: &LiveInstance, outcome: Result<Answer, ExchangeFault>) -> Result<Answer, ApiError> {
    outcome.map(|answer| without_key(live, answer)).map_err(|fault| match fault {
        ExchangeFault::Vendor(fault) | ExchangeFault::Stale(fault) => call_error(live, fault),
        ExchangeFault::Caller(reason) => ApiError::new(Code::BadBody, "The body broke off.").with_source(reason),
    })
}

/// A vendor may repeat the query, and with it the key: in an address the parameter goes, so that who follows it can add it
/// anew, and elsewhere the key is masked.
fn without_key(live: &LiveInstance, mut answer: Answer) -> Answer {
    let Some(Carrier::Query { name, value }) = live.carrier() else { return answer };
    let pair = instance_token::with(None, name, &value);
    for (name, said) in answer.headers.iter_mut() {
        let mut shown = None;
        if Shape::of(name.as_str()).is_some()
            && let Ok(text) = std::str::from_utf8(said.as_bytes())
            && text.contains(pair.expose())
        {
            shown = Some(text.replace(pair.expose(), "").into_bytes());
        }
        if let Some(masked) = masked(shown.as_deref().unwrap_or(said.as_bytes()), value.expose()) {
            shown = Some(masked);
        }
        if let Some(shown) = shown {
            *said =
                HeaderValue::from_maybe_shared(bytes::Bytes::from(shown)).unwrap_or(HeaderValue::from_static("***"));
        }
    }
    answer
}

fn call_error(live: &LiveInstance, fault: VendorFault) -> ApiError {
    fault.into_error(&live.element.name, "the request")
}
