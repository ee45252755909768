//! Calls of the platform with an instance's token in the header: they are the platform's, whatever the element's generic
//! resources would take.

use serde_json::json;

use super::hubs::connected;
use crate::support::caller::with_key;
use crate::support::server::Setup;
use crate::support::vendor::{Vendor, elements};
use crate::support::{TestServer, on_both};

/// Families of the platform's that no route of ours has yet, with what clients append.
const FAMILIES: [&str; 29] = [
    "/accounts/12",
    "/accounts/12/objects/definitions",
    "/accounts/settings",
    "/applications",
    "/audit-logs/elements",
    "/bulk/query",
    "/bulk/12/status",
    "/bulkloader",
    "/catalog-properties",
    "/change-management/releases",
    "/common-resources/contacts",
    "/customers/identity-providers",
    "/element-products/12",
    "/events/hubspotcrm",
    "/formulas",
    "/formulas/12/instances",
    "/integrations/12",
    "/jobs",
    "/Jobs",
    "/%6Aobs",
    "/jobs/12",
    "/metrics/api",
    "/models/contacts/schema",
    "/objects/contacts/definitions",
    "/organizations/12/accounts",
    "/signup-partners",
    "/transformations/contacts/execute",
    "/usage/12",
    "/vdrs/12",
];

/// Runs a test with a vendor of its own on both databases.
macro_rules! on_both_with_vendor {
    ($name:ident, |$caller:ident, $vendor:ident| $body:expr) => {
        on_both!($name, in |database| {
            let runtime = crate::support::database::runtime();
            runtime.block_on(async {
                let $vendor = Vendor::start();
                let (_server, $caller, _) = connected(database, &$vendor).await;
                $body.await;
            });
            runtime.shutdown_background();
        });
    };
}

on_both_with_vendor!(no_call_of_the_platform_reaches_a_vendor, |caller, vendor| async {
    let before = vendor.requests().len();
    for path in FAMILIES {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let reply = caller.send(method, path, &json!({ "method": "DELETE" })).await;
            assert!(matches!(reply.status, 404 | 405), "{method} {path}: {reply:?}");
            assert_eq!(vendor.requests().len(), before, "{method} {path} reached {:?}", vendor.requests().last());
        }
    }
    for (method, path, status) in [
        ("GET", "/users", 200),
        ("POST", "/users", 400),
        ("DELETE", "/users/12", 404),
        ("PATCH", "/users/12", 404),
        ("DELETE", "/users", 405),
        ("PUT", "/users/12/roles/org-admin", 404),
    ] {
        let reply = caller.send(method, path, &json!({})).await;
        assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
        assert_eq!(vendor.requests().len(), before, "{method} {path} reached {:?}", vendor.requests().last());
    }
    for path in ["bulk", "bulk/contacts", "bulk/12/cancel", "BULK/query", "objects/contacts", "ping/12", "objects/a/b"]
    {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let reply = caller.send(method, &format!("/hubs/crm/{path}"), &json!({})).await;
            assert!(matches!(reply.status, 404 | 405), "{method} {path}: {reply:?}");
        }
    }
    assert_eq!(vendor.requests().len(), before);
});

on_both_with_vendor!(a_generic_resource_is_written_below_its_hub_only, |caller, vendor| async {
    let object = json!({ "id": "7", "properties": {} });
    let list = json!({ "results": [object] });
    for (path, reply) in [
        ("/crm/v3/objects/tickets", &list),
        ("/crm/v3/objects/users", &list),
        ("/crm/v3/objects/companies", &list),
        ("/crm/v3/objects/tickets/7", &object),
        ("/crm/v3/objects/contacts/7", &object),
        ("/crm/v4/objects/tickets/7/associations/contacts", &list),
    ] {
        vendor.answers(path, 200, reply.clone());
    }
    for read in ["/tickets", "/tickets/7", "/tickets/7/contacts", "/accounts?pageSize=1", "/contacts/7"] {
        caller.get(read).await.ok();
    }
    // Also where the hub's own word is one of the platform's.
    caller.get("/hubs/crm/users").await.ok();
    let before = vendor.requests().len();
    for (method, path) in [
        ("POST", "/tickets"),
        ("PATCH", "/tickets/7"),
        ("DELETE", "/tickets/7"),
        ("POST", "/tickets/batch/archive"),
        ("POST", "/tickets/properties"),
        ("DELETE", "/accounts/7"),
    ] {
        let message = caller.send(method, path, &json!({})).await;
        let message = message.json()["message"].as_str().expect("a message").to_owned();
        assert_eq!(vendor.requests().len(), before, "{method} {path}");
        assert!(path.starts_with("/accounts") || message.contains(&format!("/hubs/crm{path}")), "{message}");
    }
    // What the element declares by name is its own in every form.
    caller.send("PATCH", "/contacts/7", &json!({ "firstName": "Jo" })).await.ok();
    caller.send("PATCH", "/hubs/crm/tickets/7", &json!({ "subject": "Jo" })).await.ok();
    caller.send("POST", "/accounts/search", &json!({})).await;
    assert_eq!(vendor.requests().last().expect("a request").path, "/crm/v3/objects/companies/search");
    assert_eq!(vendor.requests().len(), before + 3);
});

on_both_with_vendor!(an_address_is_looked_for_before_a_body_is_read, |caller, vendor| async {
    let before = vendor.requests().len();
    for (path, status) in [
        ("/nothing", 404),
        ("/nothing/like/this/at/all", 404),
        ("/hubs/crm/nothing/like/this/at/all", 404),
        ("/hubs/crm/bulk/contacts", 404),
        ("/jobs", 404),
        ("/hubs/crm/contacts", 415),
        ("/contacts", 415),
    ] {
        let form = "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\na,b\r\n--x--\r\n";
        let request = caller.request("POST", path).header("content-type", "multipart/form-data; boundary=x").body(form);
        assert_eq!(crate::support::caller::read(request).await.status, status, "{path}");
    }
    assert_eq!(vendor.requests().len(), before);
});

/// The same vendor's element once more, with a resource of the platform's name.
const OWN_USERS: (&str, &str) = (
    "modified = \"hs_lastmodifieddate\"\n\n[[resources]]\npath = \"line-items\"",
    "modified = \"hs_lastmodifieddate\"\n\n[[resources]]\npath = \"users\"\ndescription = \"Users\"\ncollection = \"objects\"\n\
     vendorName = \"users\"\n\n[[resources]]\npath = \"line-items\"",
);

on_both!(with_its_token_a_name_that_an_element_declares_is_the_elements, in |database| {
    let runtime = crate::support::database::runtime();
    runtime.block_on(async {
        let vendor = Vendor::start();
        let base = format!("baseUrl = \"http://{}\"", vendor.address);
        let changes = [
            ("id = 168", "id = 10000"),
            ("key = \"hubspotcrm\"", "key = \"ourcrm\""),
            ("baseUrl = \"https://api.hubapi.com\"", base.as_str()),
            OWN_USERS,
        ];
        vendor.answers("/account-info/v3/details", 200, json!({ "portalId": 1 }));
        vendor.answers("/crm/v3/objects/users", 200, json!({ "results": [{ "id": "7", "properties": {} }] }));
        let directory = elements(&[("hubspotcrm", &changes)]);
        let setup = Setup { elements: Some(directory.path().to_owned()), ..Setup::default() };
        let server = TestServer::start(database, setup).await;
        let admin = server.caller();
        let mut body = with_key("Own");
        let plain = admin.post("/instances", &body).await.ok();
        body["element"]["key"] = "ourcrm".into();
        let own = admin.post("/instances", &body).await.ok();
        let [plain, own] = [plain, own].map(|made| admin.with_element(made["token"].as_str().expect("a token")));
        assert_eq!(own.get("/users").await.ok()[0]["id"], "7");
        let before = vendor.requests().len();
        // What it does not declare, and what is without its token, or with that of another element.
        for path in ["/users/7", "/users/7/roles"] {
            own.get(path).await.fails(404, "user_not_found");
        }
        for caller in [&plain, &admin] {
            assert_eq!(caller.get("/users").await.ok()[0]["email"], "admin@example.com");
            caller.delete("/users/7").await.fails(404, "user_not_found");
        }
        admin.with_element("nobodys").get("/users").await.ok();
        assert_eq!(vendor.requests().len(), before);
    });
    runtime.shutdown_background();
});
