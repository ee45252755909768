//! `serve --sandbox`: the bundled vendor beside the server, and the text that gets somebody going.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpServer, web};
use url::Url;

use crate::catalog::Catalog;
use crate::kernel::clock::Clock;
use crate::kernel::entropy::Entropy;
use crate::sandbox::{self, Sandbox, SandboxSettings};
use crate::service::people::sign_in::Secrets;

/// The elements that speak with the sandbox.
const ELEMENTS: &[&str] = &["hubspotcrm", "hubspot"];
/// Seconds that a code of `serve --sandbox` lives: somebody reads and pastes meanwhile.
const CODE_LIFETIME: i64 = 600;

pub struct SandboxVendor {
    pub state: web::Data<Sandbox>,
    pub address: SocketAddr,
    pub handle: ServerHandle,
}

/// Binds and builds the vendor's server; the caller runs it. What it knows ends with it.
pub fn start(
    listen: SocketAddr,
    ligand_url: String,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<(SandboxVendor, Server), String> {
    start_kept(listen, ligand_url, (clock, entropy), None)
}

/// The same; `file` keeps grants and records for the next start.
pub fn start_kept(
    listen: SocketAddr,
    ligand_url: String,
    (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
    file: Option<&Path>,
) -> Result<(SandboxVendor, Server), String> {
    if !listen.ip().is_loopback() {
        return Err(format!("LIGAND_SANDBOX_LISTEN: the sandbox listens on loopback addresses only, not on {listen}"));
    }
    let listener =
        std::net::TcpListener::bind(listen).map_err(|error| format!("LIGAND_SANDBOX_LISTEN {listen}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let public_url = format!("http://localhost:{}", address.port());
    let settings = SandboxSettings { public_url, ligand_url, ..SandboxSettings::default() };
    let sandbox = Sandbox::new(clock, entropy, settings);
    let state = web::Data::new(match file {
        Some(file) => sandbox.keep_in(file).map_err(|error| format!("{}: {error}", file.display()))?,
        None => sandbox,
    });
    state.set(|switches| switches.code_lifetime = CODE_LIFETIME);
    let shared = state.clone();
    let server = HttpServer::new(move || App::new().configure(sandbox::configure(shared.clone())))
        .workers(1)
        .disable_signals()
        // A hung call ends when its caller goes away.
        .h1_allow_half_closed(false)
        .listen(listener)
        .map_err(|error| error.to_string())?
        .run();
    let handle = server.handle();
    Ok((SandboxVendor { state, address, handle }, server))
}

impl SandboxVendor {
    /// Points the sandbox's elements at it.
    pub fn redirect(&self, catalog: &mut Catalog) -> Result<(), String> {
        let base = Url::parse(&format!("http://{}", self.address)).map_err(|error| error.to_string())?;
        catalog.point_at(ELEMENTS, &base);
        tracing::warn!(vendor = %base, elements = ?ELEMENTS, "SANDBOX: these elements speak with the bundled vendor, not with HubSpot");
        Ok(())
    }

    /// Everything that is needed to run the story by paste.
    pub fn introduction(&self, ligand_url: &str, secrets: &Secrets) -> String {
        let settings = self.state.settings();
        let callback = format!("{}/callback", settings.public_url);
        let api = format!("{ligand_url}/elements/api-v2");
        format!(
            r#"
The sandbox vendor listens on {vendor}. It knows one OAuth app and one API key.

1. Once in every shell that you paste into:

export LIGAND_USER='{user}'
export LIGAND_ORGANIZATION='{organization}'

2. Ask where to send a user:

curl '{api}/elements/hubspotcrm/oauth/url?apiKey={client_id}&callbackUrl={callback}'

3. Open the oauthUrl of the reply in a browser and choose "Connect app". The page after it shows the code and the
   command that creates the instance.

4. Or create an instance with an API key:

curl -X POST {api}/instances \
  -H "authorization: User $LIGAND_USER, Organization $LIGAND_ORGANIZATION" -H 'content-type: application/json' -d '{{
  "element":{{"key":"hubspotcrm"}},
  "configuration":{{"hubspot.authorization.apikey":"{api_key}","authentication.type":"apiKey","create.bulk.properties":"false"}},
  "tags":["Docs"],"name":"API Instance"}}'

The API is described at {ligand_url}/docs
"#,
            vendor = settings.public_url,
            user = secrets.user_secret,
            organization = secrets.organization_secret,
            client_id = settings.client_id,
            api_key = settings.api_key.expose(),
        )
    }
}
