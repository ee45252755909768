//! The vendor's pages: server-rendered, nothing from elsewhere, readable without a script.

use actix_web::http::StatusCode;
use actix_web::http::header::{CROSS_ORIGIN_OPENER_POLICY, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Value, json};

use super::Sandbox;
use super::fields::Fields;
use super::oauth::{AskFault, Asked, CARRIED, with_query};
use super::portal::Portal;
use super::scopes::in_words;
use super::state::IssuedCode;
use crate::kernel::entropy;

const STYLE: &str = include_str!("page.css");
const COPY: &str = include_str!("copy.js");
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E\
                    %3Ccircle cx='12' cy='12' r='9' fill='%23b8401f'/%3E%3C/svg%3E";

struct Page {
    status: StatusCode,
    title: String,
    wide: bool,
    script: bool,
    content: Markup,
}

impl Page {
    fn new(title: impl Into<String>, content: Markup) -> Self {
        Self { status: StatusCode::OK, title: title.into(), wide: false, script: false, content }
    }

    fn render(self, sandbox: &Sandbox) -> HttpResponse {
        let nonce = entropy::url_token(sandbox.entropy.as_ref());
        let nonce = nonce.expose();
        let body = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) " · Sandbox" }
                    link rel="icon" href=(ICON);
                    style nonce=(nonce) { (PreEscaped(STYLE)) }
                }
                body class=(if self.wide { "wide" } else { "narrow" }) {
                    header {
                        (mark())
                        span { "Sandbox vendor" }
                        span.badge { "not the real HubSpot" }
                    }
                    main { (self.content) }
                    footer { "Part of Ligand. Everything here lives in memory and ends with the server." }
                    @if self.script { script nonce=(nonce) { (PreEscaped(COPY)) } }
                }
            }
        };
        // Browsers hold the redirect behind a form to `form-action` too, so it must allow where apps live.
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src data:; \
             base-uri 'none'; frame-ancestors 'none'; form-action 'self' http: https:"
        );
        let mut reply = HttpResponse::build(self.status);
        let opener = sandbox.switches().cross_origin_opener_policy;
        if let Some(opener) = opener.and_then(|opener| HeaderValue::try_from(opener).ok()) {
            reply.insert_header((CROSS_ORIGIN_OPENER_POLICY, opener));
        }
        reply
            .insert_header(("content-security-policy", policy))
            .insert_header(("referrer-policy", "no-referrer"))
            .insert_header(("x-content-type-options", "nosniff"))
            .insert_header(("cache-control", "no-store"))
            .content_type("text/html; charset=utf-8")
            .body(body.into_string())
    }
}

/// Two joined rings.
fn mark() -> Markup {
    html! {
        svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.5" aria-hidden="true" {
            circle cx="8.5" cy="12" r="5.5" {}
            circle cx="15.5" cy="12" r="5.5" {}
        }
    }
}

/// `GET /`: what this is, and a way into the consent page.
pub async fn show_start(sandbox: web::Data<Sandbox>) -> HttpResponse {
    let settings = &sandbox.settings;
    let callback = format!("{}/callback", settings.public_url);
    let consent = with_query(
        "/oauth/authorize",
        [
            ("client_id", settings.client_id.as_str()),
            ("redirect_uri", &callback),
            ("scope", "contacts timeline files"),
            ("state", "hubspotcrm"),
        ],
    );
    let content = html! {
        h1 { "A vendor to practise with" }
        p { "It behaves like HubSpot towards an app: a consent page, token endpoints with HubSpot’s own replies, account
             details. It has one app and two accounts." }
        dl {
            dt { "Client ID" } dd { code { (settings.client_id) } }
            dt { "Redirect URL" } dd { code { (callback) } " or any https or localhost address" }
            dt { "Accounts" }
            dd { @for portal in Portal::ALL { div { (portal) " (" (portal.domain()) ")" } } }
            dt { "Switches and calls" } dd { a href="/control" { "/control" } ", " a href="/control/calls" { "/control/calls" } }
        }
        div.buttons { a.button.main href=(consent) { "Connect an account" } }
    };
    Page::new("Start", content).render(&sandbox)
}

pub fn render_consent(sandbox: &Sandbox, asked: &Asked, chosen: Portal, fields: &Fields) -> HttpResponse {
    let target = url::Url::parse(&asked.redirect_uri).ok();
    let target = target.map_or_else(String::new, |url| url.origin().ascii_serialization());
    let content = html! {
        h1 { "Connect " span.name { (asked.client_id) } " to your account?" }
        p.soft { "The app will be able to do what is listed here until you uninstall it." }
        form method="post" action="/oauth/authorize" {
            @for (name, value) in carried(fields) { input type="hidden" name=(name) value=(value); }
            fieldset {
                legend { "Choose an account" }
                @for portal in Portal::ALL.into_iter().filter(|portal| asked.portal.is_none_or(|only| only == *portal)) {
                    label.account {
                        input type="radio" name="account" value=(portal) checked[portal == chosen];
                        span { b { (portal.name()) " " (portal) } small { (portal.domain()) } }
                    }
                }
            }
            h2 { "This app will be able to" }
            (scope_list(&asked.scopes))
            @if !asked.optional_scopes.is_empty() {
                h2 { "And, where your account has it" }
                (scope_list(&asked.optional_scopes))
            }
            div.buttons {
                button.main type="submit" name="decision" value="connect" { "Connect app" }
                button type="submit" name="decision" value="deny" { "Deny" }
            }
        }
        p.soft { "Either way you go back to " code { (target) } "." }
    };
    Page::new("Connect an app", content).render(sandbox)
}

fn scope_list(scopes: &[String]) -> Markup {
    html! {
        ul {
            @for scope in scopes {
                li {
                    svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true" {
                        path d="M3 8.5l3.5 3.5L13 4.5" {}
                    }
                    span { (in_words(scope)) }
                    code { (scope) }
                }
            }
        }
    }
}

fn carried(fields: &Fields) -> impl Iterator<Item = (&str, &str)> {
    CARRIED.into_iter().filter_map(|name| Some((name, fields.get(name)?)))
}

/// A fault of the app, or an account that is not for it: shown here, because HubSpot sends nothing back.
pub fn render_fault(sandbox: &Sandbox, fault: &AskFault, fields: &Fields) -> HttpResponse {
    let content = html! {
        h1 { "This app can’t be connected" }
        p { (fault) }
        p.soft { (fault.advice()) }
        div.buttons {
            @if fault.is_of_account() {
                a.button.main href=(with_query("/oauth/authorize", carried(fields))) { "Choose another account" }
            } @else {
                a.button href="/" { "Start page of the sandbox" }
            }
        }
    };
    Page { status: StatusCode::BAD_REQUEST, ..Page::new("Authorization failed", content) }.render(sandbox)
}

/// `GET /callback`: where the sandbox's app sends its users when it has no page of its own.
pub async fn show_callback(sandbox: web::Data<Sandbox>, request: HttpRequest) -> HttpResponse {
    let fields = Fields::parse(request.query_string().as_bytes());
    if let Some(error) = fields.get("error") {
        return render_denial(&sandbox, error, &fields);
    }
    let code = fields.get("code").unwrap_or_default();
    let now = sandbox.clock.now();
    // A command is offered only for a code that was issued here: nobody is led to paste a stranger's text.
    match sandbox.locked(|inner| inner.ledger.code(code).cloned()) {
        Some(known) if known.spent => {
            render_useless(&sandbox, "This code has been used", "A code works once. Connect again to get another one.")
        }
        Some(known) if now >= known.expires_at => {
            render_useless(&sandbox, "This code has expired", "Connect again to get another one.")
        }
        Some(known) => render_code(&sandbox, code, &known),
        None => render_useless(
            &sandbox,
            "There is no code here",
            "The address must carry a code that this sandbox gave out since it was started.",
        ),
    }
}

fn render_code(sandbox: &Sandbox, code: &str, known: &IssuedCode) -> HttpResponse {
    let seconds = known.expires_at.signed_duration_since(sandbox.clock.now()).num_seconds();
    let content = html! {
        h1 { "Connected. Now create the instance" }
        p { "The vendor gave this code to the app:" }
        code.key { (code) }
        p.soft {
            "It works once, for " (seconds) " seconds, until "
            (known.expires_at.format("%H:%M:%S UTC")) "."
        }
        div.bar {
            h2 { "Paste this into your terminal" }
            button #copy type="button" hidden aria-live="polite" { "Copy" }
        }
        pre #command tabindex="0" aria-label="Command that creates the instance" { (command(sandbox, code, known)) }
        p.soft {
            "The shell variables " code { "LIGAND_USER" } " and " code { "LIGAND_ORGANIZATION" }
            " are set by the export lines that " code { "ligand serve --sandbox" } " prints at its start."
        }
        p { a href=(again(sandbox, Some(known))) { "Too late? Connect again" } }
    };
    Page { wide: true, script: true, ..Page::new("Connected", content) }.render(sandbox)
}

/// The call that turns the code into an instance, for a POSIX shell.
fn command(sandbox: &Sandbox, code: &str, known: &IssuedCode) -> String {
    let settings = &sandbox.settings;
    let element = match known.state.as_deref() {
        Some("hubspot") => "hubspot",
        _ => "hubspotcrm",
    };
    let mut provider = json!({"code": code});
    // With PKCE the state leads to the verifier.
    if let (Some(_), Some(state), Some(provider)) = (&known.challenge, &known.state, provider.as_object_mut()) {
        provider.insert("state".to_owned(), Value::from(state.as_str()));
    }
    let body = json!({
        "element": {"key": element},
        "providerData": provider,
        "configuration": {
            "authentication.type": "oauth2",
            "oauth.callback.url": known.redirect_uri,
            "oauth.api.key": settings.client_id,
            "oauth.api.secret": settings.client_secret.expose(),
        },
        "tags": ["Docs"],
        "name": "API Instance",
    });
    let url = format!("{}/elements/api-v2/instances", settings.ligand_url);
    format!(
        "curl -X POST {} \\\n  -H \"authorization: User $LIGAND_USER, Organization $LIGAND_ORGANIZATION\" \\\n  \
         -H 'content-type: application/json' \\\n  -d {}",
        quoted(&url),
        quoted(&laid_out(&body))
    )
}

/// JSON with a line for each member, and for each of a larger object's: short, but still readable.
fn laid_out(body: &Value) -> String {
    let members = body.as_object().into_iter().flatten().map(|(name, value)| {
        let large = value.as_object().is_some_and(|members| members.len() > 1);
        let value = if large { format!("{value:#}").replace('\n', "\n  ") } else { value.to_string() };
        format!("  {}: {value}", Value::from(name.as_str()))
    });
    format!("{{\n{}\n}}", members.collect::<Vec<_>>().join(",\n"))
}

/// One word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn render_denial(sandbox: &Sandbox, error: &str, fields: &Fields) -> HttpResponse {
    let denied = error == "access_denied";
    let content = html! {
        h1 { @if denied { "Access was denied" } @else { "The vendor sent an error" } }
        p {
            @if denied { "Nothing was connected: the user chose Deny on the consent page." }
            @else { "Nothing was connected. These are the vendor’s words:" }
        }
        dl {
            dt { "error" } dd { code { (error) } }
            @if let Some(text) = fields.get("error_description") { dt { "error_description" } dd { (text) } }
            @if let Some(state) = fields.get("state") { dt { "state" } dd { code { (state) } } }
        }
        div.buttons { a.button.main href=(again(sandbox, None)) { "Try again" } }
    };
    Page::new("Not connected", content).render(sandbox)
}

fn render_useless(sandbox: &Sandbox, title: &str, advice: &str) -> HttpResponse {
    let content = html! {
        h1 { (title) }
        p { (advice) }
        div.buttons { a.button.main href=(again(sandbox, None)) { "Connect again" } }
    };
    Page { status: StatusCode::BAD_REQUEST, ..Page::new(title, content) }.render(sandbox)
}

/// The consent page once more, as it was for a code without PKCE; else the start page, because a challenge is used once.
fn again(sandbox: &Sandbox, known: Option<&IssuedCode>) -> String {
    let Some(known) = known.filter(|known| known.challenge.is_none()) else { return "/".to_owned() };
    let scopes = known.scopes.join(" ");
    let state = known.state.as_deref().map(|state| ("state", state));
    let asked =
        [("client_id", sandbox.settings.client_id.as_str()), ("redirect_uri", &known.redirect_uri), ("scope", &scopes)];
    with_query("/oauth/authorize", asked.into_iter().chain(state))
}
