//! Requests to the token endpoint that are not quite those of RFC 6749.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{CALLBACK, Own, creation, fresh_code, key, sent_to, setup_of};
use crate::api::console::person::Person;
use crate::support::browser::{Browser, set_up, shown};
use crate::support::on_both;
use crate::support::server::run_with;
use crate::support::vendor::{Request, Vendor};

/// What a request says: its method, its `Authorization`, its fields wherever they stand.
fn said(request: &Request) -> (String, Option<String>, Vec<(String, String)>) {
    let mut words = request.head.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let query = words.next().and_then(|target| target.split_once('?')).map(|(_, query)| query).unwrap_or_default();
    let basic = request.head.lines().find_map(|line| {
        let encoded = line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))?.1;
        let decoded = STANDARD.decode(encoded.strip_prefix("Basic ")?).ok()?;
        String::from_utf8(decoded).ok()
    });
    let fields = [query, &request.body].map(|text| url::form_urlencoded::parse(text.as_bytes()).into_owned());
    let mut fields: Vec<_> = fields.into_iter().flatten().collect();
    fields.sort();
    (method, basic, fields)
}

/// A vendor, what its file says, and what it is sent: of the exchange and of the refresh.
struct Case {
    vendor: &'static str,
    file: Own,
    exchange: (&'static str, Option<&'static str>, &'static [(&'static str, &'static str)]),
    refresh: (&'static str, Option<&'static str>, &'static [(&'static str, &'static str)]),
}

const CODE: (&str, &str) = ("code", "the-code");
const EXCHANGE: (&str, &str) = ("grant_type", "authorization_code");
const ID: (&str, &str) = ("client_id", "the client");
const REDIRECT: (&str, &str) = ("redirect_uri", CALLBACK);
const REFRESH: (&str, &str) = ("grant_type", "refresh_token");
const REFRESH_TOKEN: (&str, &str) = ("refresh_token", "rt");
const SECRET: (&str, &str) = ("client_secret", "a:b+c%2F");
/// Form-encoded before it is put together (RFC 6749 section 2.3.1).
const BASIC: Option<&str> = Some("the+client:a%3Ab%2Bc%252F");

fn cases() -> Vec<Case> {
    vec![
        Case {
            // Auth0's API identifier (activepieces/activepieces #6867), as `resource` of RFC 8707 section 2.2.
            vendor: "Auth0",
            file: Own { token: "parameters = { audience = \"https://api.example\" }", ..Own::default() },
            exchange: ("POST", None, &[("audience", "https://api.example"), ID, SECRET, CODE, EXCHANGE, REDIRECT]),
            refresh: ("POST", None, &[("audience", "https://api.example"), ID, SECRET, REFRESH, REFRESH_TOKEN]),
        },
        Case {
            // basecamp/bc-api #85: `type=web_server`, and `type=refresh`.
            vendor: "Basecamp",
            file: Own {
                token: "parameters = { type = \"web_server\" }",
                tables: "[authentication.oauth2.refresh]\nparameters = { type = \"refresh\" }",
                ..Own::default()
            },
            exchange: ("POST", None, &[ID, SECRET, CODE, EXCHANGE, REDIRECT, ("type", "web_server")]),
            refresh: ("POST", None, &[ID, SECRET, REFRESH, REFRESH_TOKEN, ("type", "refresh")]),
        },
        Case {
            // windmill-labs/windmill #10684: Basic for the code, the body for the refresh.
            vendor: "Sage Intacct",
            file: Own {
                token: "clientAuthentication = \"basic\"",
                tables: "[authentication.oauth2.refresh]\nclientAuthentication = \"post\"",
                ..Own::default()
            },
            exchange: ("POST", BASIC, &[CODE, EXCHANGE, REDIRECT]),
            refresh: ("POST", None, &[ID, SECRET, REFRESH, REFRESH_TOKEN]),
        },
        Case {
            // appsmithorg/appsmith #10493: the other way round.
            vendor: "Keap",
            file: Own { tables: "[authentication.oauth2.refresh]\nclientAuthentication = \"basic\"", ..Own::default() },
            exchange: ("POST", None, &[ID, SECRET, CODE, EXCHANGE, REDIRECT]),
            refresh: ("POST", BASIC, &[REFRESH, REFRESH_TOKEN]),
        },
        Case {
            // lelylan/simple-oauth2 #226: servers that compare Basic without decoding it.
            vendor: "one that does not decode",
            file: Own { token: "clientAuthentication = \"basicRaw\"", ..Own::default() },
            exchange: ("POST", Some("the client:a:b+c%2F"), &[CODE, EXCHANGE, REDIRECT]),
            refresh: ("POST", Some("the client:a:b+c%2F"), &[REFRESH, REFRESH_TOKEN]),
        },
        Case {
            // simov/grant #269, expo/expo #28639.
            vendor: "TikTok",
            file: Own { oauth2: "names = { client_id = \"client_key\" }", ..Own::default() },
            exchange: ("POST", None, &[("client_key", "the client"), SECRET, CODE, EXCHANGE, REDIRECT]),
            refresh: ("POST", None, &[("client_key", "the client"), SECRET, REFRESH, REFRESH_TOKEN]),
        },
        Case {
            // WeChat Open Platform, "Authorized Interface Calling": GET with `appid` and `secret`.
            vendor: "WeChat",
            file: Own {
                oauth2: "names = { client_id = \"appid\", client_secret = \"secret\" }",
                token: "method = \"GET\"",
                ..Own::default()
            },
            exchange: ("GET", None, &[("appid", "the client"), CODE, EXCHANGE, REDIRECT, ("secret", "a:b+c%2F")]),
            refresh: ("GET", None, &[("appid", "the client"), REFRESH, REFRESH_TOKEN, ("secret", "a:b+c%2F")]),
        },
        Case {
            // Meta for Developers, "Long-Lived Access Tokens": the access token renews itself, under a grant type of their own.
            vendor: "Facebook",
            file: Own {
                oauth2: "names = { refresh_token = \"fb_exchange_token\" }",
                tables: "[authentication.oauth2.refresh]\nmethod = \"GET\"\n\
                         parameters = { grant_type = \"fb_exchange_token\" }\n\
                         [authentication.oauth2.reply]\nrefreshToken = [\"/access_token\"]",
                ..Own::default()
            },
            exchange: ("POST", None, &[ID, SECRET, CODE, EXCHANGE, REDIRECT]),
            refresh: ("GET", None, &[ID, SECRET, ("fb_exchange_token", "at"), ("grant_type", "fb_exchange_token")]),
        },
    ]
}

on_both!(a_vendor_is_asked_for_tokens_as_its_file_says, in |database| {
    let cases = cases();
    let vendors: Vec<Vendor> = cases.iter().map(|_| Vendor::start()).collect();
    let (_directory, setup) = setup_of(&cases.iter().map(|case| &case.file).zip(&vendors).collect::<Vec<_>>());
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        for (number, (case, vendor)) in cases.into_iter().zip(vendors).enumerate() {
            vendor.answers("/token", 200, json!({ "access_token": "at", "refresh_token": "rt", "expires_in": 600 }));
            let mut body = creation(&json!({ "code": "the-code" }));
            body["element"]["key"] = json!(key(number));
            body["configuration"]["oauth.api.key"] = json!("the client");
            body["configuration"]["oauth.api.secret"] = json!("a:b+c%2F");
            let created = caller.post("/instances", &body).await.ok();
            server.advance(TimeDelta::hours(1));
            caller.get(&format!("/instances/{}?refresh=true", created["id"])).await.ok();
            let sent: Vec<_> = sent_to(&vendor, "/token").iter().map(said).collect();
            assert_eq!(sent.len(), 2, "{}", case.vendor);
            for ((method, basic, fields), (wanted, pair, all)) in sent.into_iter().zip([case.exchange, case.refresh]) {
                let mut all: Vec<_> = all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
                all.sort();
                assert_eq!((method.as_str(), basic.as_deref(), fields), (wanted, pair, all), "{}", case.vendor);
            }
        }
    });
});

// What a vendor calls a parameter it calls so everywhere: where a person is sent, and where a grant ends.
on_both!(other_names_go_wherever_the_client_is_named, in |database| {
    let vendor = Vendor::start();
    vendor.answers("/token", 200, json!({ "access_token": "at", "expires_in": 600 }));
    vendor.answers("/revoke", 200, json!({}));
    let own = Own {
        oauth2: "names = { client_id = \"client_key\", redirect_uri = \"redirect_url\", scope = \"permissions\" }",
        tables: "[authentication.oauth2.scopes]\ndefault = [\"user.info\"]\n\
                 [authentication.oauth2.revoke]\nurl = \"ORIGIN/revoke\"",
        ..Own::default()
    };
    let (_directory, setup) = own.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        let asked = caller.get_with("/elements/own/oauth/url", &[("apiKey", "k"), ("callbackUrl", CALLBACK)]).await.ok();
        let url = asked["oauthUrl"].as_str().expect("an address");
        assert!(url.contains("?response_type=code&client_key=k&redirect_url=https") && !url.contains("client_id"), "{url}");
        assert!(url.contains("&permissions=user.info&"), "{url}");
        let created = caller.post("/instances", &creation(&json!({ "code": fresh_code() }))).await.ok();
        caller.delete(&format!("/instances/{}", created["id"])).await.ok_empty();
        server.services.revoke_due_grants().await.expect("the job runs");
        let (_, _, fields) = said(&sent_to(&vendor, "/revoke")[0]);
        assert!(fields.contains(&("client_key".to_owned(), "the-client".to_owned())), "{fields:?}");
    });
});

// Microsoft refuses a secret of a public client (AADSTS700025: Softeria/ms-365-mcp-server PR 667), RFC 8252 section 8.5 knows none, and
// RFC 6749 section 2.3.1 lets an empty one be left out.
on_both!(a_public_client_has_no_secret_anywhere, in |database| {
    let vendor = Vendor::start();
    vendor.answers("/token", 200, json!({ "access_token": "at", "refresh_token": "rt", "expires_in": 600 }));
    let own = Own {
        oauth2: "pkce = \"S256\"",
        token: "clientAuthentication = \"none\"",
        tables: "[authentication.oauth2.scopes]\ndefault = [\"Mail.Read\"]",
        public: true,
        ..Own::default()
    };
    let (_directory, setup) = own.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        let app = "/elements/own/app";
        assert_eq!(caller.get(app).await.ok()["secretNeeded"], false);
        let with_secret = json!({ "clientId": "public", "clientSecret": "made-up" });
        let said_so = caller.put(app, &with_secret).await.fails(400, "bad_body");
        assert!(said_so.contains("leave out clientSecret"), "{said_so}");
        let saved = caller.put(app, &json!({ "clientId": "public" })).await.ok();
        assert_eq!((&saved["clientId"], &saved["clientSecret"]), (&json!("public"), &Value::Null));
        let page = Person::admin(&server).await.shown("/console/elements/own").await;
        assert!(!page.contains("name=\"clientSecret\"") && page.contains("name=\"clientId\""));
        let made = caller.post("/connect/links", &json!({ "elements": ["own"] })).await.ok();
        let browser = Browser::new(&server);
        let state = browser.submit(&made, &[]).await.parameter("state").expect("a state");
        let end = browser.get(&format!("/connector/callback?code=the-code&state={state}")).await;
        browser.follow(end).await;
        let after = shown(&caller, &made).await;
        assert_eq!(after["status"], "authorised", "{after}");
        let instance = caller.get(&format!("/instances/{}", after["instanceId"])).await.ok();
        assert!(instance["configuration"].get("oauth.api.secret").is_none(), "{instance}");
        server.advance(TimeDelta::hours(1));
        caller.get(&format!("/instances/{}?refresh=true", after["instanceId"])).await.ok();
        let sent: Vec<_> = sent_to(&vendor, "/token").iter().map(said).collect();
        assert_eq!(sent.len(), 2);
        for (method, basic, fields) in sent {
            assert_eq!((method.as_str(), basic), ("POST", None));
            assert!(fields.contains(&("client_id".to_owned(), "public".to_owned())), "{fields:?}");
            assert!(!fields.iter().any(|(name, _)| name == "client_secret"), "{fields:?}");
        }
    });
});
