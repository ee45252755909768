//! Hub calls that no worker serves: over the sender that all threads share, from a task of the runtime.

use std::time::Duration;

use ligand::hub::document::Version;
use ligand::hub::families::Form;
use ligand::kernel::error::ApiError;
use ligand::kernel::secret::Secret;
use ligand::service::Services;
use ligand::service::calls::document::DocumentQuery;
use ligand::service::calls::hub::{HubAnswer, HubCall};
use ligand::service::calls::vendor::VendorAccess;
use serde_json::{Value, json};

use super::hubs::connected;
use crate::support::on_both;
use crate::support::vendor::Vendor;

const CONTACTS: &str = "/crm/v3/objects/contacts";

/// Lists contacts from a task that any thread may run.
async fn list(services: &Services, token: &Secret, query: &[(&str, &str)]) -> Result<HubAnswer, ApiError> {
    let (services, token) = (services.clone(), token.clone());
    let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let listed = tokio::spawn(async move {
        let (instance, owner) = services.owner_of_token(&token).await?;
        let access = VendorAccess { owner, instance, line: &services.sender };
        let call = HubCall {
            form: Form::InHub,
            method: "GET".to_owned(),
            path: vec!["contacts".to_owned()],
            query,
            headers: Vec::new(),
            body: None,
        };
        services.call_hub(&access, call).await
    });
    listed.await.expect("the task ends")
}

on_both!(a_task_of_any_thread_gets_from_a_hub_what_a_caller_gets, in |database| {
    let runtime = crate::support::database::runtime();
    runtime.block_on(async {
        let vendor = Vendor::start();
        let (server, caller, id) = connected(database, &vendor).await;
        let token = caller.get(&format!("/instances/{id}")).await.ok()["token"].as_str().map(Secret::new);
        let token = token.expect("a token");
        let contact = |id: u32, note: &str| {
            json!({ "id": id.to_string(), "createdAt": "2019-10-30T03:30:17.883Z", "properties": { "note": note } })
        };
        let next = json!({ "next": { "after": "2" } });
        vendor.answers(CONTACTS, 200, json!({ "results": [contact(1, "a"), contact(2, "b")], "paging": next }));
        let page = [("pageSize", "2")];
        let (theirs, ours) = (caller.get_with("/hubs/crm/contacts", &page).await, list(&server.services, &token, &page));
        let ours = ours.await.expect("a list");
        assert_eq!(ours.text.as_deref(), Some(theirs.text.as_str()));
        assert_eq!(theirs.header("elements-returned-count"), ours.returned.map(|count| count.to_string()).as_deref());
        assert!(ours.next.is_some());
        assert_eq!(theirs.header("elements-next-page-token"), ours.next.as_deref());
        // What the vendor got is the same, too, but for the connection's own headers.
        let got: Vec<Vec<String>> = vendor.requests().iter().rev().take(2).map(|request| headers(&request.head)).collect();
        assert_eq!(got[0], got[1]);

        // Some megabytes are a list, and more than a call may bring is a failure.
        let large = "x".repeat(1 << 20);
        for (most, fits) in [(3, true), (17, false)] {
            let contacts: Vec<Value> = (0..most).map(|id| contact(id, &large)).collect();
            vendor.answers(CONTACTS, 200, json!({ "results": contacts }));
            let (theirs, ours) = (caller.get("/hubs/crm/contacts").await, list(&server.services, &token, &[]).await);
            assert_eq!((theirs.status == 200, ours.is_ok()), (fits, fits));
            if let Err(ours) = ours {
                same(&theirs.fails(502, "vendor_answer"), &theirs, &ours);
            }
        }

        // The vendor's words without our credential, its status and its pause.
        for (status, ours, code) in [
            (400, 400, "vendor_bad_request"),
            (404, 404, "vendor_not_found"),
            (429, 429, "vendor_rate_limited"),
            (500, 502, "vendor_unreachable"),
        ] {
            vendor.answers_with(CONTACTS, status, "retry-after: 7\r\n", json!({ "message": "not with at-1" }));
            let theirs = caller.get("/hubs/crm/contacts").await;
            let failed = list(&server.services, &token, &[]).await.expect_err("a failure");
            let message = theirs.fails(ours, code);
            assert!(message.contains("not with ***"), "{message}");
            assert_eq!(theirs.header("retry-after"), Some("7"));
            same(&message, &theirs, &failed);
        }
        for query in [[("where", "email == 1")], [("pageSize", "none")]] {
            let theirs = caller.get_with("/hubs/crm/contacts", &query).await;
            let failed = list(&server.services, &token, &query).await.expect_err("a failure");
            same(&theirs.fails(400, failed.code.name()), &theirs, &failed);
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
});

/// A failure of the API and one below it.
fn same(message: &str, theirs: &crate::support::Reply, ours: &ApiError) {
    assert_eq!((message, theirs.status), (ours.message.as_str(), ours.code.status()));
    assert_eq!(theirs.json()["providerMessage"].as_str(), ours.provider_message.as_deref());
    assert_eq!(theirs.header("retry-after"), ours.retry_after.map(|seconds| seconds.to_string()).as_deref());
}

fn headers(head: &str) -> Vec<String> {
    let mut lines: Vec<String> = head.lines().skip(1).map(str::to_lowercase).filter(|line| !line.is_empty()).collect();
    lines.sort();
    lines
}

/// Such futures can be spawned where their line can: this compiles.
#[test]
fn calls_over_the_shared_sender_are_send() {
    fn is_send<F: Send>(
        _: impl FnOnce(&'static Services, &'static VendorAccess<'static, ligand::outbound::Sender>) -> F,
    ) {
    }
    is_send(|services, access| services.object_metadata(access, "contacts"));
    is_send(|services, access| services.ping(access));
    is_send(|services, access| services.check_hub_route(access, Form::Bare, "GET", &[]));
    is_send(|services, access| {
        let query = DocumentQuery {
            version: Version::OpenApi31,
            base: "https://ligand.example".parse().expect("a URL"),
            operation: None,
            inline: false,
        };
        async move { services.object_document(access, "contacts", true, &query).await }
    });
}
