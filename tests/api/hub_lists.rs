//! Lists of hubs through the API, at vendors of several ways of paging: nothing is lost, and no secret goes elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::server::{Setup, run_with};
use crate::support::vendor::{Request, Vendor};
use crate::support::{Caller, TestServer, on_both};

const KEY: &str = "the-secret-key-1";

const ELEMENT: &str = r#"
id = 10901
key = "plain"
name = "Plain"
hookName = "Plain"
hub = "crm"
description = "A stub."
configDescription = "Nothing."
baseUrl = "ORIGIN/v1"
#top

[authentication]
type = "apiKey"
[authentication.apiKey]
description = "A key."
configuration = "api.key"
[[authentication.apiKey.forms]]
placement = { in = "query", name = "api_token" }

[verification]
path = "/verify"

[[configuration]]
key = "api.key"
name = "API Key"
description = "A key."
type = "TEXTFIELD_128"
required = true
secret = true

[collections.objects]
vendorPath = "/{vendorName}"
id = "/id"

[[collections.objects.operations]]
name = "list"
summary = "List {name}"
method = "GET"
reply = "list"
#list

[[collections.objects.operations]]
name = "get"
summary = "Get one of {name}"
method = "GET"
path = "/{id}"
vendorPath = "/{id}.json"
#get

[[collections.objects.operations]]
name = "create"
summary = "Create one of {name}"
method = "POST"
body = {}
#create

[[resources]]
path = "things"
description = "Things"
collection = "objects"
vendorName = "data"
"#;

/// Lines for the file, by where they go.
#[derive(Default)]
pub struct Plain {
    pub top: &'static str,
    pub list: &'static str,
    pub get: &'static str,
    pub create: &'static str,
}

impl Plain {
    pub fn setup(&self, vendor: &Vendor) -> (TempDir, Setup) {
        let text = ELEMENT
            .replace("#top", self.top)
            .replace("#list", self.list)
            .replace("#get", self.get)
            .replace("#create", self.create)
            .replace("ORIGIN", &format!("http://{}", vendor.address));
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("plain.toml"), text).expect("a file");
        let setup = Setup { elements: Some(directory.path().to_owned()), ..Setup::default() };
        (directory, setup)
    }
}

/// A caller with an instance of it.
pub async fn connected(server: &TestServer, vendor: &Vendor) -> Caller {
    vendor.answers("/v1/verify", 200, json!({}));
    let body = json!({ "name": "Plain", "element": { "key": "plain" }, "configuration": { "api.key": KEY } });
    let created = server.caller().post("/instances", &body).await.ok();
    server.caller().with_element(created["token"].as_str().expect("a token"))
}

fn objects(numbers: std::ops::Range<u32>) -> Value {
    numbers.map(|number| json!({ "id": number, "name": format!("n{number}") })).collect()
}

fn targets(vendor: &Vendor) -> Vec<String> {
    let of = |request: Request| request.head.split(' ').nth(1).expect("a target").to_owned();
    vendor.requests().into_iter().map(of).filter(|target| target.starts_with("/v1/data")).collect()
}

/// Walks to the end; the tokens that were handed out on the way.
async fn walk(caller: &Caller, size: &str) -> (Vec<u64>, Vec<String>) {
    let (mut ids, mut tokens) = (Vec::new(), Vec::<String>::new());
    loop {
        let mut query = vec![("pageSize", size)];
        query.extend(tokens.last().map(|token| ("nextPage", token.as_str())));
        let reply = caller.get_with("/hubs/crm/things", &query).await;
        let objects = reply.ok();
        ids.extend(
            objects
                .as_array()
                .expect("objects")
                .iter()
                .map(|it| it["id"].as_str().expect("an id").parse::<u64>().expect("a number")),
        );
        match reply.header("elements-next-page-token") {
            Some(token) => tokens.push(token.to_owned()),
            None => return (ids, tokens),
        }
        assert!(tokens.len() < 100);
    }
}

const BY_ADDRESS: Plain = Plain {
    top: "",
    list: "root = \"/value/items\"\n[collections.objects.operations.paging]\nlargest = 10\n\
           style = { address = { next = \"/next\" } }",
    get: "",
    create: "",
};

// The vendor's pages have ten objects, whatever is asked for, and name the next one with the key in it, as Meta's Graph API does
// ("Paginated Results") and Pipedrive's own client had to work around.
on_both!(a_list_is_read_by_addresses_and_tells_no_secret, in |database| {
    let vendor = Vendor::start();
    let (_directory, setup) = BY_ADDRESS.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = connected(&server, &vendor).await;
        let address = |page: u32| format!("http://{}/v1/data?page={page}&api_token={KEY}", vendor.address);
        let page = |numbers, next: Option<u32>| json!({ "value": { "items": objects(numbers) }, "next": next.map(address) });
        vendor.answers("/v1/data", 200, page(0..10, Some(2)));
        vendor.answers(&format!("/v1/data?page=2&api_token={KEY}"), 200, page(10..20, Some(3)));
        vendor.answers(&format!("/v1/data?page=3&api_token={KEY}"), 200, page(20..25, None));
        for size in ["4", "7", "10", "25", "200"] {
            let (ids, tokens) = walk(&caller, size).await;
            assert_eq!(ids, (0..25).collect::<Vec<_>>(), "{size}");
            for token in tokens {
                let told = URL_SAFE_NO_PAD.decode(&token).expect("base64");
                let told = String::from_utf8_lossy(&told);
                assert!(!told.contains(KEY) && !told.contains(&vendor.address.port().to_string()), "{told}");
            }
        }
        for target in targets(&vendor) {
            assert_eq!(target.matches("api_token=").count(), 1, "{target}");
        }
    });
});

on_both!(an_address_elsewhere_is_not_followed, in |database| {
    let (vendor, stray) = (Vendor::start(), Vendor::start_at(("127.0.0.2", 0)));
    let (_directory, setup) = BY_ADDRESS.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = connected(&server, &vendor).await;
        for next in [
            format!("http://{}/v1/data?page=2", stray.address),
            format!("//{}/v1/data?page=2", stray.address),
            "/admin".to_owned(),
            "/v1/../admin".to_owned(),
        ] {
            let page = json!({ "value": { "items": objects(0..10) }, "next": next });
            vendor.answers("/v1/data", 200, page);
            let said = caller.get("/hubs/crm/things").await.fails(502, "vendor_answer");
            assert!(said.contains("does not lie below the element's base URL") && !said.contains(KEY), "{said}");
        }
        // A token that somebody made leads nowhere else either.
        vendor.answers("/v1/data", 200, json!({ "value": { "items": objects(0..10) }, "next": "?page=2" }));
        let token = caller.get("/hubs/crm/things?pageSize=10").await;
        let told = URL_SAFE_NO_PAD.decode(token.header("elements-next-page-token").expect("a token")).expect("base64");
        let told = String::from_utf8(told).expect("a text");
        let forged = |address: &str| URL_SAFE_NO_PAD.encode(told.replace("/data?page=2", address));
        for address in ["/../admin", "/%2e%2e/admin", "http://127.0.0.2/v1"] {
            let query = [("nextPage", forged(address))];
            let query = query.each_ref().map(|(name, value)| (*name, value.as_str()));
            caller.get_with("/hubs/crm/things", &query).await.fails(400, "bad_next_page");
        }
        assert_eq!(stray.requests().len(), 0);
        assert!(vendor.requests().iter().all(|request| request.path.starts_with("/v1/")));
    });
});

// `Link` (GitHub REST API, "Using pagination in the REST API"), a total in a header (GitLab REST API, "Pagination response headers").
on_both!(a_list_is_read_by_link_headers, in |database| {
    let vendor = Vendor::start();
    let plain = Plain {
        list: "[collections.objects.operations.paging]\nsize = { in = \"query\", name = \"per_page\" }\nlargest = 100\n\
               style = { address = { next = { header = \"Link\" } } }\ntotal = { header = \"X-Total\" }",
        ..Plain::default()
    };
    let (_directory, setup) = plain.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = connected(&server, &vendor).await;
        let link = format!("link: </v1/data?page=1>; rel=\"first\", <http://{}/v1/data?page=2>; rel=\"next\"\r\nx-total: 12\r\n", vendor.address);
        vendor.answers_with("/v1/data", 200, &link, objects(0..10));
        vendor.answers_with(&format!("/v1/data?page=2&api_token={KEY}"), 200, "link: </v1/data?page=1>; rel=\"prev\"\r\n", objects(10..12));
        let first = caller.get("/hubs/crm/things?pageSize=3").await;
        assert_eq!((first.header("elements-total-count"), first.header("elements-returned-count")), (Some("12"), Some("3")));
        for size in ["3", "10", "12"] {
            assert_eq!(walk(&caller, size).await.0, (0..12).collect::<Vec<_>>(), "{size}");
        }
    });
});

on_both!(a_page_size_above_ours_is_refused_with_the_most, in |database| {
    let vendor = Vendor::start();
    let (_directory, setup) = BY_ADDRESS.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = connected(&server, &vendor).await;
        for size in ["201", "10000", "99999999999999999999"] {
            let said = caller.get_with("/hubs/crm/things", &[("pageSize", size)]).await.fails(400, "bad_page_size");
            assert!(said.contains("from 1 to 200"), "{said}");
        }
        assert_eq!(targets(&vendor).len(), 0);
    });
});

// Each form in which a vendor says that there is nothing, and who was seen to.
on_both!(nothing_found_is_an_empty_list_in_every_form, in |database| {
    let vendor = Vendor::start();
    let plain = Plain { list: "root = \"/answer/things\"\nnothing = [404]", get: "root = \"/thing\"", ..Plain::default() };
    let (_directory, setup) = plain.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = connected(&server, &vendor).await;
        let json = "content-type: application/json\r\n";
        for (status, body) in [
            // Pipedrive (supaglue-labs/supaglue 846, amp-labs/connectors 1192).
            (200, r#"{"success":true,"answer":{"things":null}}"#),
            // QuickBooks Online, "Query operations": `QueryResponse` is empty.
            (200, r#"{"answer":{},"time":"2026-03-01"}"#),
            // Google People (rapidwebltd/php-google-people-api 35, googleapis/google-api-nodejs-client 3277).
            (200, "{}"),
            (200, r#"{"answer":{"things":{}}}"#),
            (200, r#"{"answer":null}"#),
            (200, "null"),
            // Zoho CRM (amp-labs/connectors 1096, zapier/zapier-platform 355).
            (204, ""),
            (205, ""),
            (200, ""),
            (200, " \r\n"),
            // Where the file says so.
            (404, r#"{"message":"No records match."}"#),
        ] {
            vendor.answers_in_bytes("/v1/data", status, json, body);
            let listed = caller.get("/hubs/crm/things").await;
            assert_eq!((listed.ok(), listed.header("elements-returned-count")), (json!([]), Some("0")), "{status} {body}");
            assert_eq!(listed.header("elements-next-page-token"), None);
        }
        for (status, body, code) in [
            (200, r#"{"answer":{"things":5}}"#, "vendor_answer"),
            (200, r#"{"answer":"no"}"#, "vendor_answer"),
            (200, r#"{"error":"the database is down"}"#, "vendor_answer"),
            (200, r#"{"ok":true,"errors":[{"message":"x"}]}"#, "vendor_answer"),
            // GraphQL (October 2021, section 7.1.2): what failed is null, with the reason beside it.
            (200, r#"{"answer":null,"errors":[{"message":"rate limited"}]}"#, "vendor_answer"),
            (200, r#"{"answer":{"things":null},"error":"the database is down"}"#, "vendor_answer"),
            (200, "<html><title>Sign in</title></html>", "vendor_answer"),
            (200, r#"{"answer":{"things":[{"id":1}"#, "vendor_answer"),
            (503, "", "vendor_unreachable"),
        ] {
            vendor.answers_in_bytes("/v1/data", status, json, body);
            caller.get("/hubs/crm/things").await.fails(502, code);
        }
        // One object: nothing is none.
        for (status, body) in [(204, ""), (200, "null"), (200, r#"{"thing":null}"#), (200, ""), (404, "{}")] {
            vendor.answers_in_bytes("/v1/data/7.json", status, json, body);
            caller.get("/hubs/crm/things/7").await.fails(404, "vendor_not_found");
        }
        vendor.answers_in_bytes("/v1/data/7.json", 200, json, r#"{"thing":null,"errors":[{"message":"x"}]}"#);
        caller.get("/hubs/crm/things/7").await.fails(502, "vendor_answer");
        vendor.answers_in_bytes("/v1/data/7.json", 200, json, r#"{"other":{}}"#);
        caller.get("/hubs/crm/things/7").await.fails(502, "vendor_answer");
        // What was done and says nothing is done.
        vendor.answers_in_bytes("/v1/data", 204, json, "");
        caller.post("/hubs/crm/things", &json!({ "name": "x" })).await.ok_empty();
    });
});
