//! What a vendor's answer says of the scopes that a link insists on, and what comes of it.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::browser::{Browser, set_up, shown};
use crate::support::on_both;
use crate::support::server::{Setup, run_with};
use crate::support::vendor::{Vendor, elements};

const TOKEN: &str = "/oauth2/token/";
const REVOKE: &str = "/oauth2/revoke/";

/// One reply of a vendor: what its file says of scopes, what the link asks for, what is granted, and what is seen of it.
struct Case {
    file: &'static str,
    asked: &'static str,
    reply: Value,
    /// The link fails for these, and the grant is revoked.
    missing: &'static [&'static str],
    /// It is connected all the same.
    unconfirmed: &'static [&'static str],
}

/// What the file knows is told apart; the vendor's way of writing is no refusal.
fn told() -> Vec<Case> {
    const GOOGLE: &str = "complete = true\n\
        aliases = { email = [\"https://www.googleapis.com/auth/userinfo.email\"], \
        profile = [\"https://www.googleapis.com/auth/userinfo.profile\"] }";
    const MICROSOFT: &str = "prefixes = [\"https://graph.microsoft.com/\"]\nignoreCase = true\nuntold = [\"email\"]";
    const SHOPIFY: &str = "separator = \",\"\nimplies = { \"write_*\" = [\"read_*\"] }";
    const GITHUB: &str =
        "implies = { repo = [\"repo:*\"], \"admin:org\" = [\"write:org\"], \"write:org\" = [\"read:org\"] }";
    let case = |file, asked, reply: &str, missing| Case { file, asked, reply: json!(reply), missing, unconfirmed: &[] };
    vec![
        // requests/requests-oauthlib #387
        case(
            GOOGLE,
            "openid email profile",
            "https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile openid",
            &[],
        ),
        case(GOOGLE, "openid email profile", "https://www.googleapis.com/auth/userinfo.email openid", &["profile"]),
        // AzureAD/microsoft-authentication-library-for-go #214
        case(MICROSOFT, "User.Read Mail.Read", "https://graph.microsoft.com/User.Read mail.read", &[]),
        case(MICROSOFT, "User.Read Mail.Read", "https://graph.microsoft.com/User.Read", &["Mail.Read"]),
        // AzureAD/microsoft-authentication-library-common-for-objc PR 1364: `email` is granted and not named.
        case(MICROSOFT, "email User.Read", "User.Read", &[]),
        // ericdude4/shopifex #45
        case(SHOPIFY, "read_products,write_products", "write_products", &[]),
        case(SHOPIFY, "read_products,write_products", "read_products", &["write_products"]),
        // GitHub's "Scopes for OAuth apps", normalized scopes: a list with commas and without what others include.
        case(GITHUB, "repo repo:status admin:org read:org", "repo,admin:org", &[]),
        case(GITHUB, "repo gist", "repo", &["gist"]),
        case("untold = [\"*\"]", "a b", "whatever", &[]),
    ]
}

/// Where the file says nothing a scope is refused only when nothing that was named may stand for it.
fn untold() -> Vec<Case> {
    let case = |asked, reply: Value, missing, unconfirmed| Case { file: "", asked, reply, missing, unconfirmed };
    vec![
        case(
            "openid email profile",
            json!("https://www.googleapis.com/auth/userinfo.email openid"),
            &[],
            &["email", "profile"],
        ),
        case("User.Read Mail.Read", json!("https://graph.microsoft.com/User.Read"), &[], &["User.Read", "Mail.Read"]),
        case("User.Read", json!("user.read"), &[], &["User.Read"]),
        case("read_products write_products", json!("write_products"), &[], &["read_products"]),
        // mozilla/fxa-content-server #3576: a scope is granted as its parts.
        case("profile", json!("profile:email profile:avatar"), &[], &["profile"]),
        // GitHub's apps always answer with an empty scope.
        case("a b", json!(""), &[], &["a", "b"]),
        // Shopify/shopify_app #221: commas, as the vendor's pages write them.
        case("read_products,read_orders", json!("read_products,read_orders"), &[], &[]),
        case("a b", json!("a\nb"), &[], &[]),
        case("a b", json!("a;b"), &[], &[]),
        case("a b", json!("a+b"), &[], &[]),
        case("a b", json!(["a", "b"]), &[], &[]),
        case("a b", json!([{ "name": "a" }, { "name": "b" }]), &[], &[]),
        // Facebook's permissions say of each how it stands (Facebook Login, "Handling declined permissions").
        case(
            "mail pages",
            json!([{ "permission": "mail", "status": "granted" }, { "permission": "pages", "status": "declined" }]),
            &["pages"],
            &[],
        ),
        // RFC 6749 section 5.1: what is granted is named where it is not what was asked for.
        case("a b", json!("a"), &["b"], &[]),
        case("tickets.read customers.read", json!("tickets.read"), &["customers.read"], &[]),
        case("tickets.read tickets.write", json!("tickets.read"), &["tickets.write"], &[]),
        // No answer means: all of it.
        case("a b", Value::Null, &[], &[]),
    ]
}

/// A copy of one vendor for each case.
fn copies(vendor: &Vendor, cases: &[Case]) -> TempDir {
    let origin = format!("http://{}", vendor.address);
    let text = |(at, case): (usize, &Case)| {
        [format!("key = \"v{at}\""), format!("id = {}", 10_001 + at), format!("default = [\"x\"]\n{}", case.file)]
    };
    let texts: Vec<[String; 3]> = cases.iter().enumerate().map(text).collect();
    let changes: Vec<_> = texts
        .iter()
        .map(|[key, id, scopes]| {
            [
                ("key = \"closeio\"", key.as_str()),
                ("id = 146", id),
                ("default = [\"all.full_access\"]", scopes),
                ("https://api.close.com", &origin),
            ]
        })
        .collect();
    let copies: Vec<_> = changes.iter().map(|changes| ("closeio", changes.as_slice())).collect();
    elements(&copies)
}

on_both!(only_what_the_vendor_surely_refused_fails_a_link, in |database| {
    let vendor = Vendor::start();
    let cases: Vec<Case> = told().into_iter().chain(untold()).collect();
    let copies = copies(&vendor, &cases);
    vendor.answers(REVOKE, 200, json!({}));
    let setup = Setup { elements: Some(copies.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let caller = set_up(&server).await;
        let revoked = || vendor.requests().iter().filter(|request| request.path == REVOKE).count();
        for (at, case) in cases.iter().enumerate() {
            let Case { file, asked, reply, missing, unconfirmed } = case;
            let key = format!("v{at}");
            let app = json!({ "clientId": "client", "clientSecret": "secret" });
            caller.put(&format!("/elements/{key}/app"), &app).await.ok();
            let token = json!({
                "access_token": "at", "refresh_token": format!("rt-{at}"), "expires_in": 3600, "scope": reply,
            });
            vendor.answers(TOKEN, 200, token);
            let body = json!({ "elements": [key], "scopes": asked });
            let made = caller.post("/connect/links", &body).await.ok();
            let browser = Browser::new(&server);
            let page = browser.get(made["url"].as_str().unwrap()).await;
            let state = browser.send_form(&page, &[]).await.parameter("state").expect("a state");
            let before = revoked();
            browser.get(&format!("/connector/callback?code=c{at}&state={state}")).await;
            server.services.revoke_due_grants().await.expect("no fault");
            let after = shown(&caller, &made).await;
            let about = format!("{file:?}: {asked:?} -> {reply}: {after}");
            let status = if missing.is_empty() { "authorised" } else { "failed" };
            assert_eq!(after["status"], status, "{about}");
            assert_eq!((&after["missingScopes"], &after["unconfirmedScopes"]), (&json!(missing), &json!(unconfirmed)), "{about}");
            assert_eq!(revoked() - before, usize::from(!missing.is_empty()), "{about}");
        }
    });
});
