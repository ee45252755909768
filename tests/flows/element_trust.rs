//! An operator changes the file of an element, and says that it is the same vendor beside the running server.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::caller::{Caller, read};
use crate::support::database::runtime;
use crate::support::part::Signal;
use crate::support::program::{ADMIN, with_admin};
use crate::support::server::PASSWORD;
use crate::support::vendor::{Vendor, elements};

#[test]
fn a_changed_file_is_trusted_by_a_command() {
    let (before, after) = (Vendor::start(), Vendor::start());
    for vendor in [&before, &after] {
        vendor.answers("/me", 200, json!({ "id": 1 }));
        vendor.answers("/oauth2/revoke/", 200, json!({}));
    }
    let at = |vendor: &Vendor| {
        let origin = format!("http://{}", vendor.address);
        let changes = [("id = 146", "id = 10146"), ("key = \"closeio\"", "key = \"mine\"")];
        elements(&[("closeio", &[changes.as_slice(), &[("https://api.close.com", origin.as_str())]].concat())])
    };
    let (first, second) = (at(&before), at(&after));
    let directory = |path: &tempfile::TempDir| path.path().to_str().expect("a path").to_owned();
    let ligand = with_admin().set("LIGAND_OUTBOUND_ALLOW", "127.0.0.0/8");
    let ligand = ligand.set("LIGAND_ELEMENTS_DIR", &directory(&first));
    runtime().block_on(async {
        let server = ligand.serve(&[]);
        let caller = server.sign_in(ADMIN, PASSWORD).await;
        let body = json!({
            "element": { "key": "mine" }, "name": "Mine", "externalAuthentication": "initial",
            "configuration": {
                "oauth.api.key": "the client", "oauth.api.secret": "the secret", "oauth.user.token": "the token",
                "oauth.callback.url": "https://app.example/callback", "oauth.user.refresh_interval": "86400",
            },
        });
        let instance = caller.post("/instances", &body).await.ok();
        let token = instance["token"].as_str().expect("a token");
        let call = async |url: &str| {
            let caller = Caller::anonymous(url).with_element(token);
            read(caller.request_at_root("GET", "/vendor/me")).await
        };
        assert_eq!(call(&server.url).await.status, 200);
        assert_eq!(server.stop(Signal::Terminate).0, 0);

        let ligand = ligand.set("LIGAND_ELEMENTS_DIR", &directory(&second));
        let server = ligand.serve(&[]);
        let said = call(&server.url).await.fails(409, "secret_needed_for_new_host");
        assert!(said.contains("ligand elements trust mine"), "{said}");
        assert!(after.requests().is_empty());
        let unknown = ligand.run(&["elements", "trust", "yours"]);
        assert!(!unknown.success && unknown.errors.contains("there is no element yours"), "{unknown:?}");
        let trusted = ligand.run(&["elements", "trust", "mine"]);
        assert!(trusted.success && trusted.output.contains("is sent where its file says"), "{trusted:?}");
        let started = Instant::now();
        while call(&server.url).await.status != 200 {
            assert!(started.elapsed() < Duration::from_secs(10), "the server does not learn of it");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(after.requests().len(), 1);
        let (status, log) = server.stop(Signal::Terminate);
        assert!(status == 0 && log.contains("ELEMENT CHANGED"), "{log}");

        // A command that speaks with vendors by itself knows of the word, too.
        let revoked = ligand.run(&["revoke", "--element", "mine", "--yes"]);
        assert!(revoked.success, "{revoked:?}");
        let sent = after.requests();
        let last = sent.last().expect("a request");
        assert!(last.path == "/oauth2/revoke/" && last.body.contains("the+token"), "{last:?} {revoked:?}");
        assert!(before.requests().iter().all(|request| request.path == "/me"), "nothing goes where it was before");
    });
}
