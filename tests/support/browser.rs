//! A browser without a screen: keeps cookies, follows redirects, fills in forms. It knows the server by its public address.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use url::Url;

use super::{Caller, TestServer};
use crate::support::caller::Reply;
use crate::support::redirect_uris;

pub const PUBLIC: &str = "https://ligand.example";
/// Where the integrator's page is.
pub const APP: &str = "https://app.example";
pub const COOKIE: &str = "__Host-ligand-connect";

#[derive(Clone)]
pub struct Browser {
    /// Where the server behind the public address is.
    pub server: String,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
    keeps_cookies: bool,
}

/// A page, or what stands at the end of a way.
#[derive(Debug)]
pub struct Page {
    pub url: Url,
    pub reply: Reply,
}

impl Browser {
    pub fn new(server: &TestServer) -> Self {
        Self::before(&server.url)
    }

    /// One whose requests to the public address go to this one.
    pub fn before(server: &str) -> Self {
        Self { server: server.to_owned(), cookies: Arc::default(), keeps_cookies: true }
    }

    /// One that keeps no cookies.
    pub fn without_cookies(server: &TestServer) -> Self {
        Self { keeps_cookies: false, ..Self::new(server) }
    }

    /// The same person, whose requests another replica answers from now on.
    pub fn at(&self, server: &TestServer) -> Self {
        Self { server: server.url.clone(), ..self.clone() }
    }

    pub fn cookie(&self) -> Option<String> {
        self.cookies.lock().expect("no test panicked here").get(COOKIE).cloned()
    }

    /// One request, no redirect followed. Of a vendor's redirect that a test plays by hand the query is enough: it comes to the address that
    /// the vendor was told.
    pub async fn get(&self, url: &str) -> Page {
        let told = url.strip_prefix("/connector/callback?").map(redirect_uris::answered);
        self.get_at(told.as_deref().unwrap_or(url)).await
    }

    /// As `get`, at this very address.
    pub async fn get_at(&self, url: &str) -> Page {
        self.send("GET", url, None).await
    }

    /// A vendor's form that a test plays by hand goes where `get` would go.
    pub async fn post(&self, url: &str, fields: &[(&str, &str)]) -> Page {
        let state = || fields.iter().find(|(name, _)| *name == "state").map(|(_, state)| *state);
        let told = (url == "/connector/callback").then(|| redirect_uris::told_with(state()));
        self.post_at(told.as_deref().unwrap_or(url), fields).await
    }

    pub async fn post_at(&self, url: &str, fields: &[(&str, &str)]) -> Page {
        self.send("POST", url, Some(fields)).await
    }

    async fn send(&self, method: &str, url: &str, fields: Option<&[(&str, &str)]>) -> Page {
        let url = Url::parse(PUBLIC).and_then(|base| base.join(url)).expect("an address");
        let origin = url.origin().ascii_serialization();
        let ours = origin == PUBLIC;
        let caller = Caller::anonymous(if ours { &self.server } else { &origin });
        let path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        let mut request = caller.request_at_root(method, &path);
        if method == "GET" {
            request = request.header("sec-fetch-dest", "document");
        }
        if let (true, Some(cookie)) = (ours, self.cookie()) {
            request = request.header("cookie", format!("other=1; {COOKIE}={cookie}"));
        }
        if let Some(fields) = fields {
            let body = serde_urlencoded::to_string(fields).expect("plain texts");
            request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        }
        let reply = super::caller::read(request).await;
        let set = reply.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        for (name, value) in set.filter_map(|text| text.split(';').next()?.split_once('=')) {
            if ours && self.keeps_cookies {
                self.cookies.lock().expect("no test panicked here").insert(name.to_owned(), value.to_owned());
            }
        }
        Page { url, reply }
    }

    /// Follows redirects as far as they stay with the server and its vendor: to a page, or to somebody else's address.
    pub async fn follow(&self, mut page: Page) -> Page {
        for _ in 0..10 {
            let Some(next) = page.location() else { return page };
            if next.starts_with(APP) {
                return page;
            }
            page = self.get(&next).await;
        }
        panic!("it goes round in circles: {page:?}");
    }

    /// Opens a link and sends its form, with these inputs.
    pub async fn submit(&self, link: &Value, fields: &[(&str, &str)]) -> Page {
        let url = link["url"].as_str().expect("an address");
        self.send_form(&self.get(url).await, fields).await
    }

    /// Sends the form of a page.
    pub async fn send_form(&self, page: &Page, fields: &[(&str, &str)]) -> Page {
        assert_eq!(page.reply.status, 200, "{page:?}");
        let hidden = page.hidden();
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<_> = hidden.chain(fields.iter().copied()).collect();
        self.post(page.url.as_str(), &all).await
    }

    /// The whole way: the link's page, the vendor, the callback.
    pub async fn connect(&self, link: &Value) -> Page {
        let page = self.submit(link, &[]).await;
        self.follow(page).await
    }
}

impl Page {
    pub fn location(&self) -> Option<String> {
        let location = self.reply.header("location")?;
        Some(self.url.join(location).expect("an address").into())
    }

    pub fn text(&self) -> &str {
        &self.reply.text
    }

    /// The page's first heading, as it is written.
    pub fn heading(&self) -> &str {
        let text = self.text().split_once("<h1>").and_then(|(_, rest)| rest.split_once("</h1>"));
        text.unwrap_or_else(|| panic!("no heading: {self:?}")).0
    }

    /// Names and values of the hidden inputs.
    fn hidden(&self) -> Vec<(String, String)> {
        let inputs = self.text().split("<input type=\"hidden\" ").skip(1);
        let attribute = |input: &str, name: &str| {
            let rest = input.split_once(&format!("{name}=\"")).expect("the attribute").1;
            rest.split_once('"').expect("an end").0.to_owned()
        };
        inputs.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect()
    }

    /// What proves that the form is of a page that this browser was shown.
    pub fn form_token(&self) -> String {
        let hidden = self.hidden();
        hidden.into_iter().find(|(name, _)| name == "form").expect("a form").1
    }

    pub fn parameter(&self, name: &str) -> Option<String> {
        let location = self.location().unwrap_or_else(|| panic!("no redirect: {self:?}"));
        let location = Url::parse(&location).expect("an address");
        location.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    #[track_caller]
    pub fn says(&self, status: u16, heading: &str) {
        assert_eq!((self.reply.status, self.heading()), (status, heading), "{}", self.text());
    }
}

/// An organization that may make links of hubspotcrm: its origins, and its OAuth app at the sandbox.
pub async fn set_up(server: &TestServer) -> Caller {
    let caller = server.caller();
    caller.patch("/organizations/me", &json!({ "allowedOrigins": [APP, "http://localhost:*"] })).await.ok();
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    caller.put("/elements/hubspotcrm/app", &app).await.ok();
    server.sandbox().set(|switches| switches.consent = ligand::sandbox::Consent::Grant);
    caller
}

/// A link of hubspotcrm with these members more.
pub async fn link(caller: &Caller, more: Value) -> Value {
    let mut body = json!({ "elements": ["hubspotcrm"] });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    caller.post("/connect/links", &body).await.ok()
}

/// What a browser brought back to the integrator's page, sent by the integrator's back end.
pub async fn confirm(caller: &Caller, link: &Value, back: &Page) -> Reply {
    assert_eq!(back.parameter("status").as_deref(), Some("confirm"), "{back:?}");
    confirm_handle(caller, link, &back.parameter("handle").expect("a handle")).await
}

pub async fn confirm_handle(caller: &Caller, link: &Value, handle: &str) -> Reply {
    caller.post(&format!("/connect/links/{}/confirm", link["id"]), &json!({ "handle": handle })).await
}

/// The link as it is now.
pub async fn shown(caller: &Caller, link: &Value) -> Value {
    caller.get(&format!("/connect/links/{}", link["id"])).await.ok()
}
