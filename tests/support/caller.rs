//! Somebody who calls the API over HTTP.

use std::sync::atomic::{AtomicUsize, Ordering};

use ligand::service::people::bootstrap::CreatedUser;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

pub const BASE: &str = "/elements/api-v2";

#[derive(Clone)]
pub struct Caller {
    url: String,
    /// The Authorization header that is sent, if any.
    pub authorization: Option<String>,
    client: reqwest::Client,
}

/// A reply that was read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Caller {
    pub fn new(url: &str, user: &CreatedUser) -> Self {
        Self::anonymous(url).signed(user)
    }

    /// The same with a user's secrets.
    pub fn signed(&self, user: &CreatedUser) -> Self {
        let (user, organization) = (user.user_secret.expose(), user.organization_secret.expose());
        self.with(&format!("User {user}, Organization {organization}"))
    }

    pub fn anonymous(url: &str) -> Self {
        // Loopback needs no certificates, and reading the system's takes longer than most tests.
        let client =
            reqwest::Client::builder().no_proxy().tls_certs_only([]).redirect(reqwest::redirect::Policy::none());
        Self { url: url.to_owned(), authorization: None, client: client.build().expect("a client") }
    }

    /// The same with another Authorization header.
    pub fn with(&self, authorization: &str) -> Self {
        Self { authorization: Some(authorization.to_owned()), ..self.clone() }
    }

    /// The same without credentials.
    pub fn without_authorization(&self) -> Self {
        Self { authorization: None, ..self.clone() }
    }

    /// The same with an Element part behind the others.
    pub fn with_element(&self, token: &str) -> Self {
        let authorization = self.authorization.as_deref().unwrap_or_default();
        self.with(&format!("{authorization}, Element {token}"))
    }

    /// A request below the API's base path, to be completed and sent by the test.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.request_at_root(method, &format!("{BASE}{path}"))
    }

    /// A request to a path as it stands.
    pub fn request_at_root(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        read(self.request("GET", path)).await
    }

    /// A GET with these query parameters, encoded.
    pub async fn get_with(&self, path: &str, query: &[(&str, &str)]) -> Reply {
        let query = serde_urlencoded::to_string(query).expect("plain texts");
        self.get(&format!("{path}?{query}")).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        read(self.request("DELETE", path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, body).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send("PUT", path, body).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send("PATCH", path, body).await
    }

    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        let request = self.request(method, path).header("content-type", "application/json");
        read(request.body(body.to_string())).await
    }

    /// A code of the sandbox for hubspotcrm, got as a user who consents.
    pub async fn code(&self, sandbox: &ligand::sandbox::Sandbox) -> String {
        sandbox.set(|switches| switches.consent = ligand::sandbox::Consent::Grant);
        let callback = CALLBACK.replace(':', "%3A");
        let path = format!("/elements/hubspotcrm/oauth/url?apiKey=sandbox-client&callbackUrl={callback}");
        let address = self.get(&path).await.json()["oauthUrl"].as_str().expect("an address").to_owned();
        let redirect = read(self.client.get(address)).await;
        let location = redirect.headers["location"].to_str().expect("a location").to_owned();
        let url = url::Url::parse(&location).expect("a URL");
        url.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned()
    }

    /// An instance of hubspotcrm with the sandbox's API key.
    pub async fn create_with_key(&self, name: &str) -> Value {
        self.post("/instances", &with_key(name)).await.ok()
    }

    /// An instance of hubspotcrm with a fresh code of the sandbox.
    pub async fn create_with_code(&self, sandbox: &ligand::sandbox::Sandbox, name: &str) -> Value {
        let code = self.code(sandbox).await;
        self.post("/instances", &with_code(name, &code)).await.ok()
    }
}

pub const CALLBACK: &str = "http://localhost:9090/callback";

/// The body of a creation with the sandbox's API key.
pub fn with_key(name: &str) -> Value {
    json!({
        "element": { "key": "hubspotcrm" },
        "configuration": {
            "hubspot.authorization.apikey": "3a9990ff-bf17-40b1-9ce1-e1702e36ab51",
            "authentication.type": "apiKey",
            "create.bulk.properties": "false",
        },
        "tags": ["Docs"],
        "name": name,
    })
}

/// As vendors give them: never twice.
pub fn fresh_code() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    format!("code-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// The body of a creation with a code.
pub fn with_code(name: &str, code: &str) -> Value {
    json!({
        "element": { "key": "hubspotcrm" },
        "providerData": { "code": code },
        "configuration": {
            "authentication.type": "oauth2",
            "oauth.callback.url": CALLBACK,
            "oauth.api.key": "sandbox-client",
            "oauth.api.secret": "sandbox-secret",
            "create.bulk.properties": "false",
            "filter.response.nulls": true,
        },
        "tags": ["Docs"],
        "name": name,
    })
}

/// Sends a request and reads the whole reply.
pub async fn read(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.expect("a reply");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let reply = Reply { status, headers, text: response.text().await.expect("a whole body") };
    super::redirect_uris::note(&reply);
    reply
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The body of a success; the only success is 200 (docs/api.md, Requests and replies).
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    /// A success without a body.
    #[track_caller]
    pub fn ok_empty(&self) {
        assert_eq!((self.status, self.text.as_str()), (200, ""), "{self:?}");
    }

    /// Asserts a failure with its code, in the one shape of all failures; gives its message.
    #[track_caller]
    pub fn fails(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "{self:?}");
        let body = self.json();
        assert_eq!(body["code"], code, "{self:?}");
        assert_eq!(body["requestId"], self.header("elements-request-id").expect("a request id"));
        body["message"].as_str().expect("a message").to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
