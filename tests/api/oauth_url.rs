//! `oauth/url`: the exact address for every way to ask for it (docs/api.md, OAuth addresses; docs/api.md, HubSpot).

use ligand::catalog::Catalog;
use serde_json::{Value, json};
use url::Url;

use crate::support::caller::read;
use crate::support::{Caller, Reply, TestServer, on_both, on_sqlite};

const CALLBACK: &str = "https://mycoolapp.com/auth";
const SHORT: &str = "contacts timeline files";
const LONG: &str = "contacts timeline files content reports social automation forms";

async fn get(caller: &Caller, element: &str, query: &str) -> Reply {
    caller.get(&format!("/elements/{element}/oauth/url?{query}")).await
}

async fn post(caller: &Caller, element: &str, body: &Value) -> Reply {
    caller.post(&format!("/elements/{element}/oauth/url"), body).await
}

fn address(reply: &Reply) -> Url {
    Url::parse(reply.ok()["oauthUrl"].as_str().expect("an address")).expect("a URL")
}

/// A parameter of the address, percent-encoded as it stands there.
fn raw(reply: &Reply, name: &str) -> Option<String> {
    let url = address(reply);
    let pairs = url.query().expect("a query").split('&').map(|pair| pair.split_once('=').expect("a pair"));
    let found: Vec<_> = pairs.filter(|(found, _)| *found == name).map(|(_, value)| value.to_owned()).collect();
    assert!(found.len() <= 1, "{name} is there {} times", found.len());
    found.into_iter().next()
}

/// The body of POST with a scope member of its own.
fn body_with(scope: Option<Value>) -> Value {
    let mut body = json!({ "apiKey": "K", "callbackUrl": CALLBACK });
    if let Some(scope) = scope {
        body["scope"] = scope;
    }
    body
}

/// Every row of the scope table, by key and by id, by GET and POST.
async fn asks_for(server: &TestServer, elements: [&str; 2], query: &str, bodies: &[Value], expected: &str) {
    let encoded = expected.replace(' ', "%20");
    for element in elements {
        let reply = get(&server.anonymous(), element, &format!("apiKey=K&callbackUrl={CALLBACK}{query}")).await;
        assert_eq!(raw(&reply, "scope"), Some(encoded.clone()), "GET {element} {query:?}");
        for body in bodies {
            let reply = post(&server.anonymous(), element, body).await;
            assert_eq!(raw(&reply, "scope"), Some(encoded.clone()), "POST {element} {body}");
        }
    }
}

on_both!(without_a_scope_parameter_each_element_has_its_default, |server| async move {
    let bodies = [body_with(None), body_with(Some(Value::Null))];
    asks_for(&server, ["hubspotcrm", "168"], "", &bodies, SHORT).await;
    asks_for(&server, ["hubspot", "43"], "", &bodies, LONG).await;
});

on_both!(an_empty_scope_asks_for_the_long_list, |server| async move {
    let bodies = ["", " ", "+", "%20"].map(|scope| body_with(Some(json!(scope))));
    for elements in [["hubspotcrm", "168"], ["hubspot", "43"]] {
        for query in ["&scope", "&scope=", "&scope=+", "&scope=%20", "&scope=%2B"] {
            asks_for(&server, elements, query, &bodies, LONG).await;
        }
    }
});

on_both!(an_explicit_scope_is_taken_as_given, |server| async move {
    let bodies = ["a b", "a+b", "a%20b", " a  b "].map(|scope| body_with(Some(json!(scope))));
    for elements in [["hubspotcrm", "168"], ["hubspot", "43"]] {
        for query in ["&scope=a+b", "&scope=a%20b", "&scope=a%2Bb", "&scope=a%2520b", "&scope=+a++b+"] {
            asks_for(&server, elements, query, &bodies, "a b").await;
        }
        asks_for(&server, elements, "&scope=contacts", &[body_with(Some(json!("contacts")))], "contacts").await;
        let granular = "crm.objects.contacts.read crm.schemas.deals.write oauth";
        asks_for(&server, elements, &format!("&scope={granular}"), &[body_with(Some(json!(granular)))], granular).await;
    }
});

on_sqlite!(the_address_is_exactly_the_documented_one, |server| async move {
    // The sandbox stands in for the vendor's host.
    let sandbox = server.sandbox().settings().public_url.replace("localhost", "127.0.0.1");
    let documented = "https://app.hubspot.com/oauth/authorize?response_type=code&client_id=abc\
                      &redirect_uri=https%3A%2F%2Fmycoolapp.com%2Fauth&scope=contacts%20timeline%20files&state=hubspotcrm";
    let query = format!("apiKey=abc&callbackUrl={CALLBACK}");
    for element in ["hubspotcrm", "168"] {
        let body = json!({ "apiKey": "abc", "callbackUrl": CALLBACK });
        let replies = [get(&server.anonymous(), element, &query).await, post(&server.caller(), element, &body).await];
        for reply in replies {
            let expected = documented.replace("https://app.hubspot.com", &sandbox);
            assert_eq!(reply.ok(), json!({ "element": "hubspotcrm", "oauthUrl": expected }));
        }
    }
    let shipped = Catalog::load(None).unwrap();
    for key in ["hubspotcrm", "hubspot"] {
        let oauth2 = shipped.get(key).unwrap().authentication.oauth2.as_ref().unwrap();
        assert_eq!(oauth2.authorize.url.as_str(), "https://app.hubspot.com/oauth/authorize");
    }
});

on_sqlite!(a_state_passes_through_untouched_and_defaults_to_the_key, |server| async move {
    let anonymous = server.anonymous();
    let query = format!("apiKey=K&callbackUrl={CALLBACK}");
    for (element, key) in [("hubspotcrm", "hubspotcrm"), ("168", "hubspotcrm"), ("43", "hubspot")] {
        for state in ["", "&state", "&state=", "&state=+"] {
            assert_eq!(raw(&get(&anonymous, element, &format!("{query}{state}")).await, "state"), Some(key.to_owned()));
        }
    }
    let state = "a b&c=d/é?+%41";
    let pairs = [("apiKey", "K"), ("callbackUrl", CALLBACK), ("state", state)];
    let reply = anonymous.get_with("/elements/hubspotcrm/oauth/url", &pairs).await;
    assert_eq!(raw(&reply, "state").unwrap(), "a%20b%26c%3Dd%2F%C3%A9%3F%2B%2541");
    let body = json!({ "apiKey": "K", "callbackUrl": CALLBACK, "state": state });
    let reply = post(&anonymous, "hubspotcrm", &body).await;
    let url = address(&reply);
    assert_eq!(url.query_pairs().find(|(name, _)| name == "state").unwrap().1, state);
    // Nobody owns it: a second call may send the same.
    post(&anonymous, "hubspotcrm", &body).await.ok();
    let endless = json!({ "apiKey": "K", "callbackUrl": CALLBACK, "state": "x".repeat(1001) });
    post(&anonymous, "hubspotcrm", &endless).await.fails(400, "bad_parameter");
});

on_sqlite!(the_second_scope_parameter_has_the_vendors_name, |server| async move {
    let anonymous = server.anonymous();
    let query = format!("apiKey=K&callbackUrl={CALLBACK}");
    for name in ["optionalScope", "optional_scope"] {
        let reply = get(&anonymous, "hubspotcrm", &format!("{query}&{name}=tickets+e-commerce")).await;
        assert_eq!(raw(&reply, "optional_scope").as_deref(), Some("tickets%20e-commerce"));
        assert_eq!(raw(&reply, "scope").as_deref(), Some("contacts%20timeline%20files"));
        let body = json!({ "apiKey": "K", "callbackUrl": CALLBACK, name: "tickets" });
        assert_eq!(raw(&post(&anonymous, "168", &body).await, "optional_scope").as_deref(), Some("tickets"));
    }
    for query in [query.clone(), format!("{query}&optionalScope="), format!("{query}&optionalScope=+")] {
        assert_eq!(raw(&get(&anonymous, "hubspotcrm", &query).await, "optional_scope"), None);
    }
    let reply = get(&anonymous, "sfdc", &format!("{query}&optionalScope=api")).await;
    assert!(!address(&reply).as_str().contains("optional"), "the vendor knows no such parameter");
});

on_sqlite!(the_client_secret_never_appears, |server| async move {
    let secret = "s3cr3t+/=&value";
    for element in ["hubspotcrm", "168", "hubspot", "sfdc", "pipedrive", "closeio"] {
        let pairs = [("apiKey", "K"), ("apiSecret", secret), ("callbackUrl", CALLBACK)];
        let path = format!("/elements/{element}/oauth/url");
        let reply = server.anonymous().get_with(&path, &pairs).await;
        let body = json!({ "apiKey": "K", "apiSecret": secret, "callbackUrl": CALLBACK });
        for reply in [reply, post(&server.anonymous(), element, &body).await] {
            reply.ok();
            assert!(!reply.text.contains("s3cr3t") && !reply.text.contains("ecret"), "{}", reply.text);
        }
    }
});

on_sqlite!(all_that_is_missing_is_named_at_once, |server| async move {
    let anonymous = server.anonymous();
    let cases = [
        ("", "apiKey, callbackUrl"),
        ("apiKey=&callbackUrl=", "apiKey, callbackUrl"),
        ("apiKey&callbackUrl=+", "apiKey, callbackUrl"),
        ("apiSecret=S&scope=a&state=b", "apiKey, callbackUrl"),
        ("apikey=K&callbackURL=https://a.example", "apiKey, callbackUrl"),
        ("apiKey=K", "callbackUrl"),
        ("callbackUrl=https://a.example/cb&apiKey=", "apiKey"),
    ];
    for (query, missing) in cases {
        let message = get(&anonymous, "hubspotcrm", query).await.fails(400, "missing_parameter");
        assert_eq!(message, format!("Required parameters are missing: {missing}."), "{query}");
    }
    for body in [json!({}), json!({ "apiKey": null, "callbackUrl": "" })] {
        let message = post(&anonymous, "168", &body).await.fails(400, "missing_parameter");
        assert_eq!(message, "Required parameters are missing: apiKey, callbackUrl.");
    }
    for body in [json!([]), json!("K"), json!(null), json!({ "apiKey": ["K"] }), json!({ "apiKey": {} })] {
        post(&anonymous, "hubspotcrm", &body).await.fails(400, "bad_body");
    }
});

on_sqlite!(callback_urls_are_addresses_for_browsers, |server| async move {
    let anonymous = server.anonymous();
    let send = async |callback: &str| {
        let pairs = [("apiKey", "K"), ("callbackUrl", callback)];
        anonymous.get_with("/elements/hubspotcrm/oauth/url", &pairs).await
    };
    // The guard of outbound calls has no say here; what was given is kept letter by letter.
    let good = ["https://localhost:9090/callback", "http://localhost:9090/callback", "http://127.0.0.1:8080/cb"];
    let odd =
        ["https://mycoolapp.com", "https://MyCoolApp.com:443/A?b=c&d", "http://10.0.0.1/", "https://bücher.example/"];
    for callback in good.into_iter().chain(odd) {
        let url = address(&send(callback).await);
        assert_eq!(url.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1, callback);
    }
    let bad = [
        ("https;//mycoolapp.com", "has `;` where `:` belongs: write https://…"),
        ("mycoolapp.com/auth", "is not an absolute address: write https://host/path"),
        ("//mycoolapp.com/auth", "is not an absolute address: write https://host/path"),
        ("/auth", "is not an absolute address: write https://host/path"),
        ("https://", "is not an absolute address: write https://host/path"),
        ("http://:80/", "is not an absolute address: write https://host/path"),
        ("localhost:9090/callback", "must begin with https:// or http://"),
        ("https:mycoolapp.com", "must begin with https:// or http://"),
        ("javascript:alert(1)", "must begin with https:// or http://"),
        ("ftp://mycoolapp.com/", "must begin with https:// or http://"),
        ("https://mycoolapp.com/#top", "has a fragment (#…), which OAuth forbids"),
        ("https://mycool app.com/", "contains white space or control characters"),
        ("https://mycoolapp.com/\n", "contains white space or control characters"),
        ("https://mycoolapp.com/\u{0}", "contains white space or control characters"),
    ];
    for (callback, what) in bad {
        let message = send(callback).await.fails(400, "bad_callback_url");
        let shown: String = callback.chars().filter(|c| !c.is_control()).collect();
        assert_eq!(message, format!("callbackUrl `{shown}` {what}."));
        let body = json!({ "apiKey": "K", "callbackUrl": callback });
        assert_eq!(post(&anonymous, "168", &body).await.fails(400, "bad_callback_url"), message);
    }
});

on_sqlite!(the_same_address_at_the_root_and_behind_a_slash, |server| async move {
    let anonymous = server.anonymous();
    let query = format!("apiKey=K&callbackUrl={CALLBACK}");
    let expected = get(&anonymous, "hubspotcrm", &query).await.ok();
    for base in ["", "/elements/api-v2"] {
        for end in ["", "/"] {
            let path = format!("{base}/elements/168/oauth/url{end}");
            assert_eq!(read(anonymous.request_at_root("GET", &format!("{path}?{query}"))).await.ok(), expected);
            let request = anonymous.request_at_root("POST", &path).header("content-type", "application/json");
            assert_eq!(read(request.body(body_with(None).to_string())).await.ok(), expected);
        }
    }
    // What samples in the field send along: empty and unknown parameters, the path's own element.
    let noise = "&siteAddress=&subdomain=&state=&optionalScope=&elementKeyOrId=43&isOAuthProxy=false&x=y";
    assert_eq!(get(&anonymous, "hubspotcrm", &format!("{query}{noise}")).await.ok(), expected);
    // Parameters of a POST may stand in its address as well; the body counts.
    let path = format!("/elements/hubspotcrm/oauth/url?{query}&state=one");
    assert_eq!(raw(&anonymous.post(&path, &json!({ "state": "two" })).await, "state").as_deref(), Some("two"));
});

on_sqlite!(an_element_without_oauth_has_no_address, |server| async move {
    let query = format!("apiKey=K&callbackUrl={CALLBACK}");
    for element in ["freshdesk", "9002"] {
        let message = get(&server.anonymous(), element, &query).await.fails(400, "no_oauth");
        assert_eq!(message, "Freshdesk does not use OAuth: create the instance with its API key.");
        post(&server.anonymous(), element, &body_with(None)).await.fails(400, "no_oauth");
    }
    get(&server.anonymous(), "nothing", &query).await.fails(404, "element_not_found");
});

on_sqlite!(a_site_address_names_one_of_the_vendors_hosts, |server| async move {
    let anonymous = server.anonymous();
    let query = format!("apiKey=K&callbackUrl={CALLBACK}");
    let host = async |site: &str| {
        address(&get(&anonymous, "sfdc", &format!("{query}{site}")).await).host_str().unwrap().to_owned()
    };
    assert_eq!(host("").await, "login.salesforce.com");
    assert_eq!(host("&siteAddress=").await, "login.salesforce.com");
    for site in ["test.salesforce.com", "acme.my.salesforce.com", "acme--uat.sandbox.my.salesforce.com"] {
        assert_eq!(host(&format!("&siteAddress={site}")).await, site);
        let body = json!({ "apiKey": "K", "callbackUrl": CALLBACK, "siteAddress": site });
        assert_eq!(address(&post(&anonymous, "23", &body).await).host_str(), Some(site));
    }
    let names =
        ["evil.example", "evilsalesforce.com", "salesforce.com.evil.example", "localhost", "127.0.0.1", "2130706433"];
    let tricks = [
        "a.salesforce.com@evil.example",
        "evil.example/.salesforce.com",
        "evil.example%23.salesforce.com",
        "a..salesforce.com",
    ];
    let more =
        ["evil.example:443", "evil.example%5C.salesforce.com", "%00.salesforce.com", "evil.example%0a.salesforce.com"];
    for site in names.into_iter().chain(tricks).chain(more) {
        get(&anonymous, "sfdc", &format!("{query}&siteAddress={site}")).await.fails(400, "vendor_host");
    }
});

on_sqlite!(vendors_have_their_own_scope_rules, |server| async move {
    let anonymous = server.anonymous();
    let query = format!("apiKey=K&callbackUrl={CALLBACK}");
    let scope =
        async |element: &str, more: &str| raw(&get(&anonymous, element, &format!("{query}{more}")).await, "scope");
    // Close gives no refresh token without the offline scope.
    assert_eq!(scope("closeio", "").await.as_deref(), Some("all.full_access%20offline_access"));
    assert_eq!(scope("146", "&scope=").await.as_deref(), Some("all.full_access%20offline_access"));
    assert_eq!(scope("closeio", "&scope=leads.read").await.as_deref(), Some("leads.read%20offline_access"));
    assert_eq!(scope("closeio", "&scope=offline_access").await.as_deref(), Some("offline_access"));
    // Pipedrive's scopes are chosen on the app, Salesforce grants the app's when none is asked for.
    for element in ["pipedrive", "9001", "sfdc"] {
        assert_eq!(scope(element, "").await, None);
        assert_eq!(scope(element, "&scope=").await, None);
        assert_eq!(scope(element, "&scope=a").await.as_deref(), Some("a"));
    }
    let reply = get(&anonymous, "pipedrive", &query).await;
    let expected = "https://oauth.pipedrive.com/oauth/authorize?response_type=code&client_id=K\
                    &redirect_uri=https%3A%2F%2Fmycoolapp.com%2Fauth&state=pipedrive";
    assert_eq!(reply.ok(), json!({ "element": "pipedrive", "oauthUrl": expected }));
});
