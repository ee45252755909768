//! What one call wishes of the vendor's page: `login_hint`, `prompt`, and whatever else the element allows. Nothing is dropped
//! without a word (NangoHQ/nango PR 3726 and PR 1041).

use serde_json::{Value, json};
use url::Url;

use crate::support::browser::{APP, Browser, link, set_up, shown};
use crate::support::server::{Setup, run_with};
use crate::support::vendor::elements;
use crate::support::{Caller, Reply, on_both, on_sqlite};

const CALLBACK: &str = "https://mycoolapp.com/auth";

/// The built-in element with one line more.
fn setup(directory: &tempfile::TempDir) -> Setup {
    Setup { elements: Some(directory.path().to_owned()), ..Setup::default() }
}

/// The sandbox's element as one of three vendors has it: OpenID Connect Core 3.1.2.1 (`login_hint`, `prompt`, as ory/polis #997 and
/// openid/AppAuth-iOS #10 ask for it), Microsoft's own `domain_hint` (jaredhanson/passport-windowslive PR 19), Google's `hd`.
fn allowing() -> tempfile::TempDir {
    let url = "[authentication.oauth2.authorize]\n";
    let allow = format!(
        "{url}parameters = {{ prompt = \"consent\", x = \"1\" }}\nallow = [\"login_hint\", \"prompt\", \"domain_hint\", \"hd\"]\n"
    );
    elements(&[("hubspotcrm", &[(url, allow.as_str())])])
}

async fn ask(caller: &Caller, path: &str, more: &[(&str, &str)]) -> Reply {
    caller.get_with(path, &[&[("apiKey", "K"), ("callbackUrl", CALLBACK)], more].concat()).await
}

fn values(address: &str, name: &str) -> Vec<String> {
    let url = Url::parse(address).expect("a URL");
    url.query_pairs().filter(|(found, _)| found == name).map(|(_, value)| value.into_owned()).collect()
}

fn address(reply: &Reply) -> String {
    reply.ok()["oauthUrl"].as_str().expect("an address").to_owned()
}

on_both!(what_the_element_allows_goes_to_the_vendor, in |database| {
    let directory = allowing();
    run_with(database, setup(&directory), |server| async move {
        let caller = set_up(&server).await;
        let [path, by_default] = ["", "/default"].map(|way| format!("/elements/hubspotcrm/oauth/url{way}"));
        let own = format!("{APP}/callback");
        for (name, value) in [("login_hint", "jo+a&b@acme.example"), ("domain_hint", "organizations"), ("hd", "acme.example")] {
            let plain = address(&ask(&caller, &path, &[(name, value)]).await);
            let body = json!({ "apiKey": "K", "callbackUrl": CALLBACK, name: value });
            let posted = address(&caller.post(&path, &body).await);
            let default = address(&caller.get_with(&by_default, &[("callbackUrl", own.as_str()), (name, value)]).await);
            for address in [plain, posted, default] {
                assert_eq!(values(&address, name), [value], "{address}");
                assert_eq!(values(&address, "prompt"), ["consent"], "{address}");
            }
        }
        // In the place of the fixed one, and not beside it.
        let asked = address(&ask(&caller, &path, &[("prompt", "select_account"), ("hd", "")]).await);
        assert_eq!((values(&asked, "prompt"), values(&asked, "x")), (vec!["select_account".to_owned()], vec!["1".to_owned()]));
        assert!(values(&asked, "hd").is_empty(), "an empty one is absent");
        for bad in ["a\nb", &"x".repeat(1001)] {
            ask(&caller, &path, &[("login_hint", bad)]).await.fails(400, "bad_parameter");
        }
        let message = ask(&caller, &path, &[("nonce", "1")]).await.fails(400, "bad_parameter");
        assert_eq!(message, "`nonce` cannot be asked of Hubspot CRM. Allowed for one call: login_hint, prompt, domain_hint, hd.");
    });
});

on_both!(a_link_remembers_what_it_wishes, in |database| {
    let directory = allowing();
    run_with(database, setup(&directory), |server| async move {
        let caller = set_up(&server).await;
        let wishes = json!({ "login_hint": "jo@acme.example", "prompt": "login" });
        let made = link(&caller, json!({ "authorize": wishes })).await;
        assert_eq!(made["authorize"], wishes);
        assert_eq!(shown(&caller, &made).await["authorize"], wishes);
        let browser = Browser::new(&server);
        let to_vendor = browser.submit(&made, &[]).await.location().expect("a redirect");
        assert_eq!(values(&to_vendor, "login_hint"), ["jo@acme.example"]);
        assert_eq!(values(&to_vendor, "prompt"), ["login"]);
        let again = link(&caller, json!({})).await;
        let to_vendor = browser.submit(&again, &[]).await.location().expect("a redirect");
        assert_eq!(values(&to_vendor, "prompt"), ["consent"]);
        let mut refused = json!({ "elements": ["hubspotcrm"], "authorize": { "redirect_uri": "https://evil.example" } });
        for wishes in [json!({ "redirect_uri": "https://evil.example" }), json!({ "nonce": "1" }), json!({ "hd": "a\u{7}" })] {
            refused["authorize"] = wishes;
            caller.post("/connect/links", &refused).await.fails(400, "bad_link");
        }
        // One that cannot be kept by each element of the link.
        let all = json!({ "authorize": { "login_hint": "jo" } });
        let message = caller.post("/connect/links", &all).await.fails(400, "bad_link");
        assert!(message.contains("`login_hint` cannot be asked of"), "{message}");
        // A key asks nobody.
        let by_key = json!({ "elements": ["hubspotcrm"], "authenticationType": "apiKey", "authorize": { "nonce": "1" } });
        caller.post("/connect/links", &by_key).await.fails(400, "bad_link");
    });
});

on_sqlite!(where_nothing_is_allowed_it_is_refused, |server| async move {
    let caller = server.anonymous();
    for element in ["hubspotcrm", "pipedrive", "closeio"] {
        let path = format!("/elements/{element}/oauth/url");
        for name in ["login_hint", "prompt", "access_type", "client_id", "response_mode"] {
            let message = ask(&caller, &path, &[(name, "x")]).await.fails(400, "bad_parameter");
            assert!(
                message.starts_with(&format!("`{name}` cannot be asked of "))
                    && message.ends_with("Allowed for one call: none."),
                "{message}"
            );
        }
        // A form for all elements sends what another one's address takes.
        ask(&caller, &path, &[("siteAddress", "acme.example"), ("apiSecret", "S"), ("scope", "a")]).await.ok();
    }
    let asked: Value = ask(&caller, "/elements/sfdc/oauth/url", &[("login_hint", "jo@acme.example")]).await.ok();
    assert_eq!(values(asked["oauthUrl"].as_str().expect("an address"), "login_hint"), ["jo@acme.example"]);
});

// The element's own variables may be called as parameters of authorization requests are; and what another vendor takes is noise here.
on_both!(what_the_elements_own_variables_are_called_is_no_wish, in |database| {
    let directory = elements(&[
        ("sfdc", &[("parameter = \"siteAddress\"", "parameter = \"domain_hint\"")]),
        ("hubspotcrm", &[("[authentication.oauth2.authorize]\n", "[authentication.oauth2.authorize]\nallow = [\"other_vendors\"]\n")]),
    ]);
    run_with(database, setup(&directory), |server| async move {
        let caller = set_up(&server).await;
        let site = "acme.my.salesforce.com";
        for name in ["domain_hint", "site.address"] {
            let asked = address(&ask(&caller, "/elements/sfdc/oauth/url", &[(name, site), ("other_vendors", "x")]).await);
            let url = Url::parse(&asked).expect("a URL");
            assert_eq!(url.host_str(), Some(site), "{name}");
            assert!(values(&asked, name).is_empty() && values(&asked, "other_vendors").is_empty(), "{asked}");
        }
        ask(&caller, "/elements/sfdc/oauth/url", &[("hd", "acme.example")]).await.fails(400, "bad_parameter");
    });
});
