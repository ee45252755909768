//! Calls of the platform with an instance's token in the header: they are the platform's, whatever the element's generic
//! resources would take.

use serde_json::json;

use super::hubs::connected;
use crate::support::on_both;
use crate::support::vendor::Vendor;

/// Families of the contract that no route of ours has yet, with what clients append.
const FAMILIES: [&str; 32] = [
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
    "/users",
    "/users/12",
    "/users/12/roles",
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
