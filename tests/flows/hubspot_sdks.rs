//! HubSpot's clients, which nobody here wrote, through the passthrough: nothing is changed but base URL and token. What
//! they do is in `tests/parts/hubspot`.

use std::path::{Path, PathBuf};
use std::process::Command;

use ligand::sandbox::{PresentedCredential, SandboxSettings};
use serde_json::{Value, json};

use crate::support::caller::with_key;
use crate::support::interpreters::{node_with, python_with};
use crate::support::part::missing;
use crate::support::{TestServer, on_both};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parts/hubspot");

/// What the instance was connected with.
#[derive(Clone, Copy)]
enum Connected {
    OAuth2,
    PrivateApp,
}

impl Connected {
    async fn instance(self, server: &TestServer) -> Value {
        let caller = server.caller();
        match self {
            Self::OAuth2 => caller.create_with_code(server.sandbox(), "HubSpot").await,
            Self::PrivateApp => {
                // As an administrator who leaves two scopes out; by OAuth nobody asks for them.
                let scopes = ["crm.objects.products.read", "e-commerce"].map(str::to_owned);
                server.sandbox().set(|switches| switches.withheld_scopes = scopes.to_vec());
                let mut body = with_key("HubSpot");
                body["configuration"]["hubspot.authorization.apikey"] = json!(private_app_token());
                caller.post("/instances", &body).await.ok()
            }
        }
    }

    /// Whether a credential that the vendor was shown is the instance's own.
    fn is_own(self, presented: &PresentedCredential, instance_token: &str) -> bool {
        match self {
            Self::OAuth2 => {
                presented.scheme == "Bearer" && *presented != PresentedCredential::new("Bearer", instance_token)
            }
            Self::PrivateApp => *presented == PresentedCredential::new("Bearer", &private_app_token()),
        }
    }
}

fn private_app_token() -> String {
    SandboxSettings::default().private_app_token.expose().to_owned()
}

/// Runs a script with an instance.
async fn judge(server: &TestServer, connected: Connected, interpreter: Option<PathBuf>, script: &str) {
    let Some(interpreter) = interpreter else { return missing("no HubSpot client to run: run make test") };
    let instance = connected.instance(server).await;
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
    for call in calls {
        let presented = call.authorization.expect("every call has a credential");
        assert!(connected.is_own(&presented, &token), "{}: {presented:?}", call.route);
        assert!(!call.query.iter().any(|name| name == "hapikey"), "{}", call.route);
    }
}

fn node(package: &str) -> Option<PathBuf> {
    node_with(&Path::new(DIRECTORY).join("node_modules").join(package))
}

/// One script, whatever the instance was connected with.
macro_rules! works {
    ($name:ident, $interpreter:expr, $script:literal) => {
        mod $name {
            use super::*;

            on_both!(with_oauth2, |server| async move {
                judge(&server, Connected::OAuth2, $interpreter, $script).await;
            });

            on_both!(with_a_private_app, |server| async move {
                judge(&server, Connected::PrivateApp, $interpreter, $script).await;
            });
        }
    };
}

works!(the_node_client_works, node("@hubspot/api-client"), "api_client.mjs");
works!(the_old_community_client_works, node("hubspot"), "community.mjs");
works!(the_python_client_works, python_with("hubspot"), "api_client.py");
works!(the_dated_python_client_works, python_with("hubspot_sdk"), "dated_sdk.py");
