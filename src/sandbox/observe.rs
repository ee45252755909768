//! Stands before every route but `/control`: notes the call, then lets the switches slow it, fail it or swallow it.

use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, web};
use chrono::SecondsFormat;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::account::{AccessRefusal, refuse};
use super::crm::Place;
use super::fields::Fields;
use super::journal::{Call, PresentedCredential};
use super::spoil::with_broken_body;
use super::switches::{Failure, When};
use super::{Sandbox, admission};

pub async fn observe(
    sandbox: web::Data<Sandbox>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let form = take_form(&mut request).await?;
    let call = describe(&sandbox, request.request(), &form);
    // Tells the journal also when the client goes away and this future is dropped.
    let mut running = Running { route: call.route.clone(), number: 0, status: None, sandbox: sandbox.clone() };
    let released = sandbox.released.notified();
    let plan = sandbox.locked(|inner| {
        running.number = inner.journal.begin(call);
        inner.switches.plan(request.path())
    });

    sleep(Duration::from_millis(plan.delay_ms)).await;
    let reply = match (&plan.failure, plan.hang) {
        (_, Some(When::Before)) => {
            released.await;
            request.into_response(unavailable(&sandbox))
        }
        (Some(failure), _) if failure.when == When::Before => request.into_response(fail(&sandbox, failure)),
        (failure, hang) => {
            let reply = next.call(request).await?.map_into_boxed_body();
            sleep(Duration::from_millis(plan.reply_delay_ms)).await;
            match (failure, hang) {
                (_, Some(_)) => {
                    released.await;
                    reply.into_response(unavailable(&sandbox))
                }
                (Some(failure), _) => reply.into_response(fail(&sandbox, failure)),
                _ => reply,
            }
        }
    };
    running.status = Some(reply.status().as_u16());
    let Some(how) = plan.spoil else { return Ok(reply) };
    let (request, reply) = reply.into_parts();
    Ok(ServiceResponse::new(request, with_broken_body(reply, how).await))
}

struct Running {
    sandbox: web::Data<Sandbox>,
    route: String,
    number: u64,
    status: Option<u16>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.sandbox.locked(|inner| inner.journal.end(self.number, &self.route, self.status));
    }
}

/// Reads a form's body and puts it back for the handler; other bodies are left alone.
async fn take_form(request: &mut ServiceRequest) -> Result<Fields, Error> {
    if !is_form(request.request()) {
        return Ok(Fields::default());
    }
    let body = request.extract::<web::Bytes>().await?;
    let fields = Fields::parse(&body);
    request.set_payload(Payload::from(body));
    Ok(fields)
}

pub fn is_form(request: &HttpRequest) -> bool {
    request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn describe(sandbox: &Sandbox, request: &HttpRequest, form: &Fields) -> Call {
    let pattern = match request.match_pattern() {
        Some(pattern) if pattern.starts_with("/{path:") => Some(Place::pattern(request.path())),
        pattern => pattern,
    };
    let path = match &pattern {
        Some(pattern) if pattern.contains("{token}") => pattern.clone(),
        _ => request.path().to_owned(),
    };
    Call {
        number: 0,
        at: sandbox.clock.now().to_rfc3339_opts(SecondsFormat::Micros, true),
        method: request.method().to_string(),
        route: format!("{} {}", request.method(), pattern.as_deref().unwrap_or(&path)),
        path,
        query: Fields::parse(request.query_string().as_bytes()).names().map(str::to_owned).collect(),
        form: form.names().map(str::to_owned).collect(),
        authorization: PresentedCredential::of(request),
        status: None,
    }
}

fn unavailable(sandbox: &Sandbox) -> HttpResponse {
    sandbox.api_error(StatusCode::SERVICE_UNAVAILABLE, "The sandbox let go of a call that hung.", json!({}))
}

/// The failure that was ordered; an unknown status is sent as 500.
fn fail(sandbox: &Sandbox, failure: &Failure) -> HttpResponse {
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = match &failure.body {
        None => usual(sandbox, status),
        Some(Value::String(text)) => HttpResponse::build(status).body(text.clone()),
        Some(body) => HttpResponse::build(status).json(body),
    };
    for (name, value) in &failure.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            reply.headers_mut().insert(name, value);
        }
    }
    if reply.headers().get(CONTENT_TYPE).is_none() {
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    reply
}

/// In HubSpot's own words where they are known.
fn usual(sandbox: &Sandbox, status: StatusCode) -> HttpResponse {
    match status.as_u16() {
        401 => refuse(sandbox, &AccessRefusal::Nothing),
        403 => admission::missing_scopes(sandbox, &["crm.objects.deals.read".to_owned()]),
        429 => admission::too_many(sandbox),
        477 => {
            let message = "This HubSpot account is currently being migrated between data hosting locations.";
            sandbox.api_error(status, message, json!({"category": "MIGRATION_IN_PROGRESS"}))
        }
        _ => sandbox.api_error(status, "The sandbox was told to fail.", json!({})),
    }
}
