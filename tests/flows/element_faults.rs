//! `ligand elements check` on files that are wrong in one place each: it names the fault, and the line.

use std::fs;

use crate::support::program::Ligand;

const CONTRIBUTING: &str = include_str!("../../CONTRIBUTING.md");
const OAUTH2: &str = "[authentication.oauth2]\n";
const AUTHORIZE: &str = "[authentication.oauth2.authorize]\n";
const TOKEN: &str = "clientAuthentication = \"basic\"\n";
const REFRESH: &str = "rotates = true\n";
const VERIFICATION: &str = "path = \"/me\"\n";
const DESK: &str = "[variables.desk]\n";
const BASE: &str = "baseUrl = \"https://{desk}.acmedesk.example/api/v1\"\n";

/// What is put behind a text of the file, or in its place; a text of the line that is complained about; and what is said.
enum Fault {
    Behind(&'static str, &'static str, &'static str, &'static str),
    Instead(&'static str, &'static str, &'static str, &'static str),
}
use Fault::{Behind, Instead};

const FAULTS: &[Fault] = &[
    // What the types say.
    Instead("hub = ", "hubb = ", "hubb", "unknown field `hubb`"),
    Instead(TOKEN, "clientAuthentication = \"basicc\"\n", "basicc", "unknown variant `basicc`"),
    Instead("/oauth/token\"", "/oauth/{token\"", "/oauth/{token", "a `{` is never closed"),
    Behind(BASE, "hosts = \"all\"\n", "hosts =", "expected a list of hosts, or \"any\""),
    Behind(TOKEN, "method = \"get\"\n", "method =", "unknown variant `get`"),
    Behind(DESK, "kept = \"hidden\"\n", "kept =", "unknown variant `hidden`"),
    // URLs and variables.
    Instead("baseUrl = \"https:", "baseUrl = \"http:", "baseUrl", "it is neither https nor on this machine"),
    Instead(
        "{desk}.acmedesk.example/api",
        "{dusk}.acmedesk.example/api",
        "{dusk}",
        "the variable `dusk` is not declared",
    ),
    Instead(
        "{desk}.acmedesk.example/api",
        "{desk}.herokuapp.com/api",
        "herokuapp",
        "customers run servers of their own below",
    ),
    Behind(
        BASE,
        "signupUrl = \"http://acmedesk.example\"\n",
        "signupUrl",
        "`signupUrl` is no address that begins with https://",
    ),
    Behind(BASE, "hosts = [\"com\"]\n", "hosts =", "`com` is no lower-case host name of two labels or more"),
    Instead(
        DESK,
        "[variables.idle]\nreply = \"/idle\"\n[variables.desk]\n",
        "variables.idle",
        "used by no URL, no header and no resource, and not `kept`",
    ),
    Behind(BASE, "headers = { X-Desk = \"{dusk}\" }\n", "headers", "the variable `dusk` is not declared"),
    Behind(TOKEN, "headers = { X-Desk = \"{dusk}\" }\n", "headers", "the variable `dusk` is not declared"),
    Behind(DESK, "reply = \"desk\"\n", "reply =", "the JSON pointer `desk` does not begin with `/`"),
    Behind(DESK, "callback = \"state\"\n", "callback =", "`state` is not the vendor's own parameter"),
    Behind(DESK, "reply = \"/desk\"\nkept = \"secret\"\n", "kept =", "`desk` is secret, and stands in a URL"),
    Behind(DESK, "kept = \"plain\"\n", "kept =", "`desk` is kept, and the vendor tells it nowhere"),
    Behind(AUTHORIZE, "issuer = \"https://{tenant}.example\"\n", "issuer =", "the variable `tenant` is not declared"),
    // Requests.
    Behind(AUTHORIZE, "parameters = { state = \"x\" }\n", "parameters", "`state` is not the element's to set"),
    Behind(TOKEN, "parameters = { client_id = \"x\" }\n", "parameters", "`client_id` is not the element's to set"),
    Behind(OAUTH2, "names = { clientid = \"client_key\" }\n", "names", "`clientid` is none of client_id"),
    Behind(OAUTH2, "names = { code = \"x\", scope = \"x\" }\n", "names", "`x` is the name of two parameters"),
    Behind(TOKEN, "method = \"GET\"\nbody = \"json\"\n", "body =", "a GET has no body"),
    Behind(REFRESH, "supported = false\n", "rotates", "`rotates` says nothing where `supported` is false"),
    Instead("defaultLifetime = 3600", "defaultLifetime = 0", "defaultLifetime", "`defaultLifetime` is zero"),
    Behind(OAUTH2, "callback = { code = \"\" }\n", "callback", "`` is not the vendor's own parameter"),
    Behind(OAUTH2, "expired = [{ status = 401, at = \"/error\" }]\n", "expired", "`at` and `is` belong together"),
    // Replies.
    Behind(
        OAUTH2,
        "reply = { expiresIn = [\"expires\"] }\n",
        "reply =",
        "the JSON pointer `expires` does not begin with `/`",
    ),
    Behind(OAUTH2, "reply = { scope = [\"/id_token/scp\"] }\n", "reply =", "claims of `id_token` tell"),
    Behind(OAUTH2, "reply = { scope = [\"/access_token/scp\"] }\n", "reply =", "claims of `access_token` tell"),
    Behind(OAUTH2, "reply = { refreshTokenExpiresIn = [\"/id_token/exp\"] }\n", "reply =", "claims of `id_token` tell"),
    Instead(
        AUTHORIZE,
        "[authentication.oauth2.names]\nclient_id = \"client_key\"\n[authentication.oauth2.authorize]\nallow = [\"client_key\"]\n",
        "allow =",
        "`client_key` is not a caller's to set",
    ),
    Behind(
        OAUTH2,
        "reply = { accountName = [\"/name\"] }\n",
        "reply =",
        "`accountName` is read beside `account` alone",
    ),
    Behind(
        OAUTH2,
        "errors = { terminal = [\"invalid_client\"] }\n",
        "errors =",
        "is both terminal and a fault of configuration",
    ),
    Behind(
        OAUTH2,
        "errors = { unavailable = [\"invalid_grant\"] }\n",
        "errors =",
        "`invalid_grant` is unavailable and a refusal, too",
    ),
    Behind(OAUTH2, "errors = { unavailable = [\"\"] }\n", "errors =", "`unavailable` names nothing"),
    Behind(
        OAUTH2,
        "reply = { accountBefore = [\"/url\"] }\n",
        "reply =",
        "`accountBefore` is read beside `account` alone",
    ),
    Instead(
        "default = [\"tickets.read\"]",
        "default = [\"tickets read\"]",
        "default = [",
        "`tickets read` is not one scope",
    ),
    // The call that proves a credential.
    Instead(VERIFICATION, "path = \"me\"\n", "path =", "`me` does not begin with `/`"),
    Behind(VERIFICATION, "url = \"https://acmedesk.example/me\"\n", "path =", "the call has an address already"),
    Behind(VERIFICATION, "refused = [500]\n", "refused", "`refused` must list statuses from 300 to 499, and signs"),
    Behind(VERIFICATION, "unavailable = [{ status = 200 }]\n", "unavailable", "every success would be an outage"),
    Behind(VERIFICATION, "method = \"get\"\n", "method", "`get` is no method, in capitals"),
    Instead("name = \"X-Api-Key\"", "name = \"X Api Key\"", "X Api Key", "`X Api Key` is no header name"),
    // Inputs.
    Instead(
        "key = \"acmedesk.api.key\"",
        "key = \"desk\"",
        "configuration = \"acmedesk.api.key\"",
        "the configuration key `acmedesk.api.key` is not declared",
    ),
    Instead(
        "description = \"The client ID of the app.\"",
        "description = \"\"",
        "description = \"\"",
        "`description` of `oauth.api.key` is empty",
    ),
    Instead(
        "groupControl = true",
        "groupControl = true\nwithoutEffect = [\"x\"]",
        "withoutEffect",
        "`x` is not one of its values",
    ),
    // What hangs on a choice, and what is an app's to say.
    Behind(
        TOKEN,
        "clientAuthenticationBy = \"desk\"\n",
        "clientAuthenticationBy",
        "the configuration key `desk` must be a COMBO with a default",
    ),
    Instead(
        "{ in = \"header\", name = \"X-Api-Key\" }",
        "{ in = \"headerNamed\", by = \"nothing\" }",
        "headerNamed",
        "the configuration key `nothing` must be declared, required, and neither internal nor secret",
    ),
    Instead(
        "[[authentication.apiKey.forms]]\n",
        "[[authentication.apiKey.forms]]\nwhen = { key = \"desk\", is = [\"x\"] }\n",
        "when =",
        "`desk` must be a COMBO with `groupControl`",
    ),
    Behind(
        "description = \"The client ID of the app.\"\n",
        "when = { key = \"authentication.type\", is = [\"basic\"] }\n",
        "when =",
        "`basic` is none of the values of `authentication.type`",
    ),
    Behind(
        "description = \"The client ID of the app.\"\n",
        "app = true\nsecret = true\n",
        "app = true",
        "what an app says is neither internal nor secret",
    ),
];

fn example() -> String {
    let text = CONTRIBUTING.split_once("```toml my-elements/acmedesk.toml\n").expect("the example").1;
    text.split_once("```").expect("its end").0.to_owned()
}

#[test]
fn each_fault_of_thirty_files_is_named_with_its_line() {
    assert!(FAULTS.len() >= 30);
    let directory = tempfile::tempdir().expect("a directory");
    let mut expected = Vec::new();
    for (number, fault) in FAULTS.iter().enumerate() {
        let text = example().replace("id = 10001", &format!("id = {}", 20_000 + number));
        let text = text.replace("key = \"acmedesk\"", &format!("key = \"acmedesk{number}\""));
        let (at, with, line_of, said) = match *fault {
            Behind(at, more, line_of, said) => (at, [at, more].concat(), line_of, said),
            Instead(at, with, line_of, said) => (at, with.to_owned(), line_of, said),
        };
        assert!(text.contains(at), "{at}");
        let text = text.replacen(at, &with, 1);
        let line = text.lines().position(|line| line.contains(line_of)).expect("the line") + 1;
        fs::write(directory.path().join(format!("{number:02}.toml")), text).expect("a file");
        expected.push((format!("/{number:02}.toml:{line}: "), said));
    }
    let path = directory.path().to_str().expect("a path");
    let checked = Ligand::new().run(&["elements", "check", "--elements-dir", path]);
    checked.fails("the elements are not in order");
    let complaints: Vec<&str> = checked.errors.lines().skip(1).collect();
    for (place, said) in &expected {
        let own: Vec<_> = complaints.iter().filter(|line| line.contains(&place[..9])).collect();
        assert!(own.iter().any(|line| line.contains(place) && line.contains(said)), "{place}{said}: {own:#?}");
    }
}
