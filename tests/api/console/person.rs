//! Somebody with a browser: keeps cookies, and sends forms with the token of the page that was seen last, and with the
//! version of the instance that stood there.

use std::collections::BTreeMap;

use crate::support::caller::{Reply, read};
use crate::support::server::{PASSWORD, user};
use crate::support::{Caller, TestServer, copies};

/// Where browsers find the server of the tests.
pub const ORIGIN: &str = "https://ligand.example";

pub struct Person {
    caller: Caller,
    pub cookies: BTreeMap<String, String>,
    pub token: String,
    pub version: Option<String>,
}

impl Person {
    pub fn nobody(server: &TestServer) -> Self {
        Self::before(server.anonymous())
    }

    /// Nobody yet, whose requests go where this caller's go.
    pub fn before(caller: Caller) -> Self {
        Self { caller, cookies: BTreeMap::new(), token: String::new(), version: None }
    }

    /// Another process answers from now on.
    pub fn go_to(&mut self, caller: Caller) {
        self.caller = caller;
    }

    /// The first administrator, signed in.
    pub async fn admin(server: &TestServer) -> Self {
        Self::signed_in(server, "admin@example.com").await
    }

    /// A colleague who is no administrator.
    pub async fn member(server: &TestServer) -> Self {
        let input = user("member@example.com", false);
        server.services.create_user(input, Some(copies::owner(&server.services).await)).await.expect("a user");
        Self::signed_in(server, "member@example.com").await
    }

    /// Somebody of another organization.
    pub async fn stranger(server: &TestServer) -> Self {
        server.services.create_user(user("else@other.example", true), None).await.expect("a user");
        Self::signed_in(server, "else@other.example").await
    }

    pub async fn signed_in(server: &TestServer, email: &str) -> Self {
        let mut person = Self::nobody(server);
        person.sign_in(email).await;
        person
    }

    pub async fn sign_in(&mut self, email: &str) {
        self.sign_in_with(email, PASSWORD).await;
    }

    pub async fn sign_in_with(&mut self, email: &str, password: &str) {
        self.get("/console/sign-in").await;
        let reply = self.send("/console/sign-in", &[("email", email), ("password", password)]).await;
        assert_eq!((reply.status, reply.header("location")), (303, Some("/console")), "{reply:?}");
        // The token of a page.
        self.shown("/console").await;
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.caller.request_at_root(method, path).header("cookie", pairs.join("; "))
    }

    pub async fn get(&mut self, path: &str) -> Reply {
        let reply = read(self.request("GET", path)).await;
        self.note(&reply);
        reply
    }

    /// The text of a page that is there.
    pub async fn shown(&mut self, path: &str) -> String {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        reply.text
    }

    /// A page that cannot be shown, and says why.
    pub async fn fails_to_show(&mut self, path: &str, status: u16) -> String {
        let reply = self.get(path).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        assert!(reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{reply:?}");
        reply.text
    }

    /// A form as browsers send it.
    pub async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let token = self.token.clone();
        let version = self.version.clone();
        let hidden = [("token", token.as_str())].into_iter().chain(version.as_deref().map(|shown| ("version", shown)));
        let all: Vec<_> = hidden.chain(fields.iter().copied()).collect();
        let request = self.request("POST", path).header("origin", ORIGIN).header("sec-fetch-site", "same-origin");
        let reply = read(form(request, &all)).await;
        self.note(&reply);
        reply
    }

    /// A form that is taken; gives the page that it leads to.
    pub async fn does(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        let reply = self.send(path, fields).await;
        assert_eq!(reply.status, 303, "{path}: {reply:?}");
        let target = reply.header("location").expect("a location").to_owned();
        self.shown(&target).await
    }

    /// A form that is refused; gives the page that says so.
    pub async fn fails(&mut self, path: &str, fields: &[(&str, &str)], status: u16) -> String {
        let reply = self.send(path, fields).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        assert!(reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{reply:?}");
        reply.text
    }

    fn note(&mut self, reply: &Reply) {
        for cookie in reply.headers.get_all("set-cookie") {
            let text = cookie.to_str().expect("a plain text");
            let (name, rest) = text.split_once('=').expect("a pair");
            let value = rest.split(';').next().unwrap_or_default();
            if text.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        if let Some(token) = between(&reply.text, "name=\"token\" value=\"", "\"") {
            self.token = token.to_owned();
            self.version = between(&reply.text, "name=\"version\" value=\"", "\"").map(str::to_owned);
        }
    }
}

pub fn form(request: reqwest::RequestBuilder, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let body = serde_urlencoded::to_string(fields).expect("plain texts");
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

pub fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

/// The page says this, in this order.
#[track_caller]
pub fn assert_says(page: &str, texts: &[&str]) {
    let mut rest = page;
    for text in texts {
        let Some((_, behind)) = rest.split_once(text) else { panic!("no `{text}` (in order) in {page}") };
        rest = behind;
    }
}
