//! The part of the organization's page that says where it is told what happens. A secret is seen once, when it is made.

use maud::{Markup, html};

use super::session::Operator;
use super::{parts, texts};
use crate::http::extract::Parameters;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::notices::webhook::{SecretView, WebhookAddress, WebhookView};

/// What a form did: a word for `texts::done`, or a secret to be seen once.
pub enum Done {
    Word(&'static str),
    Secret(String),
}

/// The actions of this part; none of another part's.
pub async fn act(operator: &Operator, form: &Parameters) -> Result<Option<Done>, ApiError> {
    let (services, actor) = (&operator.services, &operator.actor);
    let word = match form.get("do") {
        Some("set-webhook") => {
            let url = form.get("url").unwrap_or_default().trim().to_owned();
            let view = services.set_webhook(actor, &WebhookAddress { url }).await?;
            if let Some(secret) = view.secrets.into_iter().find_map(|made| made.secret) {
                return Ok(Some(Done::Secret(secret)));
            }
            "saved"
        }
        Some("remove-webhook") => {
            services.remove_webhook(actor).await?;
            "webhook-removed"
        }
        Some("add-secret") => {
            let SecretView { secret, .. } = services.add_webhook_secret(actor).await?;
            return Ok(secret.map(Done::Secret));
        }
        Some("remove-secret") => {
            let id = form.number("id")?.ok_or_else(|| ApiError::new(Code::BadBody, texts::UNKNOWN_ACTION))?;
            services.remove_webhook_secret(actor, id).await?;
            "secret-removed"
        }
        _ => return Ok(None),
    };
    Ok(Some(Done::Word(word)))
}

pub fn render(operator: &Operator, here: &str, view: &WebhookView, entered: Option<&Parameters>) -> Markup {
    let url = entered.and_then(|form| form.given("url")).or(view.url.as_deref()).unwrap_or_default();
    let address = parts::Input { kind: "url", ..parts::Input::text("url", "Address", url) };
    html! {
        section aria-labelledby="webhook" {
            h2 #webhook { "Webhook" }
            p.soft { (texts::WEBHOOK_HINT) }
            form method="post" action=(here) {
                (operator.sealed(Some("set-webhook")))
                (address.hint(texts::WEBHOOK_ADDRESS_HINT).required().render())
                div.buttons { button.main type="submit" { "Save the address" } }
            }
            @if view.url.is_some() {
                form.buttons method="post" action=(here) {
                    (operator.sealed(Some("remove-webhook")))
                    button.danger type="submit" { "Tell nothing any more" }
                }
            }
            h3 { "Secrets" }
            @for secret in &view.secrets { (kept(operator, here, secret)) }
            form.buttons method="post" action=(here) {
                (operator.sealed(Some("add-secret")))
                button type="submit" { "Make a secret" }
            }
        }
    }
}

fn kept(operator: &Operator, here: &str, secret: &SecretView) -> Markup {
    html! {
        form.inline method="post" action=(here) {
            (operator.sealed(Some("remove-secret")))
            input type="hidden" name="id" value=(secret.id);
            span { "Secret " (secret.id) ", made " (parts::date(Some(&secret.created_at))) }
            button.small type="submit" aria-label={ "Remove secret " (secret.id) } { "Remove" }
        }
    }
}
