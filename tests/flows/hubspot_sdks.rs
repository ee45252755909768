//! HubSpot's clients, which nobody here wrote, through the passthrough: nothing is changed but base URL and token. What
//! they do is in `tests/parts/hubspot`.

use std::path::{Path, PathBuf};
use std::process::Command;

use ligand::sandbox::PresentedCredential;

use crate::support::interpreters::{node_with, python_with};
use crate::support::part::missing;
use crate::support::{TestServer, on_both};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parts/hubspot");

/// Runs a script with an instance that was connected by OAuth2.
async fn judge(server: &TestServer, interpreter: Option<PathBuf>, script: &str) {
    let Some(interpreter) = interpreter else { return missing("no HubSpot client to run: run make test") };
    let instance = server.caller().create_with_code(server.sandbox(), "HubSpot").await;
    let token = instance["token"].as_str().expect("a token").to_owned();
    server.sandbox().forget_calls();
    let mut command = Command::new(interpreter);
    command
        .arg(script)
        .current_dir(DIRECTORY)
        // Written by the sources of two tests at once otherwise.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HUBSPOT_BASE_URL", format!("{}/vendor", server.url))
        .env("HUBSPOT_ACCESS_TOKEN", &token)
        .env("SANDBOX_URL", format!("http://{}", server.vendor_address()));
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it ends").expect("it starts");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{script}: {said}");

    let calls = server.sandbox().calls();
    assert!(calls.len() > 20, "{script} made {} calls", calls.len());
    let own = PresentedCredential::new("Bearer", &token);
    for call in calls {
        let presented = call.authorization.expect("every call has a credential");
        assert!(presented.scheme == "Bearer" && presented != own, "{}: {presented:?}", call.route);
        assert!(!call.query.iter().any(|name| name == "hapikey"), "{}", call.route);
    }
}

fn node(package: &str) -> Option<PathBuf> {
    node_with(&Path::new(DIRECTORY).join("node_modules").join(package))
}

on_both!(the_node_client_works, |server| async move {
    judge(&server, node("@hubspot/api-client"), "api_client.mjs").await;
});

on_both!(the_old_community_client_works_with_either_credential, |server| async move {
    judge(&server, node("hubspot"), "community.mjs").await;
});

on_both!(the_python_client_works, |server| async move {
    judge(&server, python_with("hubspot"), "api_client.py").await;
});

on_both!(the_dated_python_client_works, |server| async move {
    judge(&server, python_with("hubspot_sdk"), "dated_sdk.py").await;
});
