//! The sandbox through its own HTTP interface.

mod accounts;
mod admission;
mod consent;
mod control;
mod crm;
mod crm_batch;
mod crm_legacy;
mod crm_schema;
mod crm_search;
mod probe;
mod spoil;
mod tokens;
mod verification;

use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web;
use chrono::{DateTime, TimeDelta};
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use url::Url;

use super::{Consent, Sandbox, SandboxSettings, configure};
use crate::kernel::clock::ManualClock;
use crate::kernel::entropy::SeededEntropy;

const CALLBACK: &str = "https://www.mycoolapp.com/auth";
const PRIVATE_APP_TOKEN: &str = "pat-na1-00000000-0000-4000-a000-000000062515";
const ASK: &str = "/oauth/authorize?client_id=sandbox-client&redirect_uri=https%3A%2F%2Fwww.mycoolapp.com%2Fauth\
                   &scope=contacts%20timeline&optional_scope=files&state=hubspotcrm";

struct Vendor {
    sandbox: web::Data<Sandbox>,
    clock: Arc<ManualClock>,
    /// Made once: its routes take a while in a debug build.
    app: OnceCell<App>,
}

type App = Box<dyn Fn(TestRequest) -> LocalBoxFuture<'static, ServiceResponse>>;

struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
    }

    fn location(&self) -> Url {
        Url::parse(self.header("location")).unwrap()
    }

    /// A parameter of the address that the browser is sent to.
    fn sent_back(&self, name: &str) -> Option<String> {
        self.location().query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }
}

impl Vendor {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(DateTime::from_timestamp(1_790_000_000, 0).unwrap()));
        let sandbox = Sandbox::new(clock.clone(), Arc::new(SeededEntropy::new(7)), SandboxSettings::default());
        Self { sandbox: web::Data::new(sandbox), clock, app: OnceCell::new() }
    }

    fn later(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    async fn send(&self, request: TestRequest) -> Reply {
        let app = self.app.get_or_init(|| build(self.sandbox.clone())).await;
        let response = app(request).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = String::from_utf8(read_body(response).await.to_vec()).unwrap();
        Reply { status, headers, text }
    }

    async fn get(&self, uri: &str) -> Reply {
        self.send(TestRequest::get().uri(uri)).await
    }

    async fn form(&self, uri: &str, fields: &[(&str, &str)]) -> Reply {
        self.send(TestRequest::post().uri(uri).set_form(fields)).await
    }

    async fn json(&self, method: Method, uri: &str, body: Value) -> Reply {
        self.send(TestRequest::default().method(method).uri(uri).set_json(body)).await
    }

    /// A fresh code, without the page.
    async fn code(&self) -> String {
        self.sandbox.set(|it| it.consent = Consent::Grant);
        self.get(ASK).await.sent_back("code").unwrap()
    }

    async fn exchange(&self, code: &str) -> Reply {
        self.form("/oauth/2026-03/token", &code_form(code)).await
    }

    async fn refresh(&self, token: &str) -> Reply {
        self.form("/oauth/2026-03/token", &refresh_form(token)).await
    }

    /// The tokens of a new grant.
    async fn tokens(&self) -> (String, String) {
        tokens_of(&self.exchange(&self.code().await).await)
    }

    /// A call of the CRM API with the private app's token; `Value::Null` sends no body.
    async fn call(&self, method: &str, path: &str, body: Value) -> Reply {
        let request = TestRequest::with_uri(&format!("/crm{path}"))
            .method(method.parse().unwrap())
            .insert_header(("authorization", format!("Bearer {PRIVATE_APP_TOKEN}")));
        self.send(if body.is_null() { request } else { request.set_json(body) }).await
    }

    /// The id of a new record.
    async fn record(&self, kind: &str, properties: Value) -> String {
        let reply = self.call("POST", &format!("/v3/objects/{kind}"), json!({"properties": properties})).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    async fn details(&self, bearer: &str) -> Reply {
        let request = TestRequest::get().uri("/account-info/v3/details");
        self.send(request.insert_header(("authorization", format!("Bearer {bearer}")))).await
    }
}

async fn build(sandbox: web::Data<Sandbox>) -> App {
    let app = Rc::new(init_service(actix_web::App::new().configure(configure(sandbox))).await);
    Box::new(move |request: TestRequest| {
        let app = Rc::clone(&app);
        Box::pin(async move { call_service(app.as_ref(), request.to_request()).await })
    })
}

fn tokens_of(reply: &Reply) -> (String, String) {
    let body = reply.json();
    let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("no {name}: {body}")).to_owned();
    (text("access_token"), text("refresh_token"))
}

fn code_form(code: &str) -> [(&str, &str); 5] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("client_id", "sandbox-client"),
        ("client_secret", "sandbox-secret"),
        ("redirect_uri", CALLBACK),
    ]
}

fn refresh_form(token: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", "sandbox-client"),
        ("client_secret", "sandbox-secret"),
    ]
}

/// The form with one field changed, or left out.
fn with<'a>(form: &[(&'a str, &'a str)], name: &'a str, value: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let mut form: Vec<_> = form.iter().copied().filter(|(known, _)| *known != name).collect();
    form.extend(value.map(|value| (name, value)));
    form
}

/// The ids of a page or a batch.
fn ids(reply: &Reply) -> Vec<String> {
    let body = reply.json();
    let results = body["results"].as_array().unwrap_or_else(|| panic!("{body}"));
    results.iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn assert_fault(reply: &Reply, status: u16, category: &str) {
    let body = reply.json();
    assert_eq!((reply.status, body["category"].as_str()), (status, Some(category)), "{body}");
    assert_eq!(body["status"], "error");
    assert_eq!(body["correlationId"], reply.header("x-hubspot-correlation-id"));
    assert!(body["message"].is_string());
}

#[track_caller]
fn assert_refused(reply: &Reply, error: &str, status: &str) {
    let body = reply.json();
    assert_eq!((reply.status, body["error"].as_str(), body["status"].as_str()), (400, Some(error), Some(status)));
    assert_eq!(body["message"], body["error_description"]);
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    assert!(reply.header("content-type").starts_with("application/json"));
}
