//! What the answer to a verification call means. A status alone does not tell: some vendors say no under a 200, and a mistyped
//! host answers for itself.

use serde_json::Value;

use super::fault::VendorFault;
use super::request::{VendorReply, VendorRequest};
use super::{signs, words};
use crate::catalog::element::Element;
use crate::catalog::verification::{Refusal, Verification};

/// What the vendor says to a credential that it takes. `hint`: ours, for one that it refuses.
pub fn read(
    element: &Element,
    rules: &Verification,
    hint: Option<&str>,
    request: &VendorRequest,
    reply: &VendorReply,
) -> Result<Value, VendorFault> {
    let (status, body) = (reply.status, reply.json());
    let message = words::of(&element.messages, request, reply);
    let refused = |hint: Option<String>| {
        Err(VendorFault::Refused { status, code: None, message: message.clone(), hint, terminal: true })
    };
    let busy = || {
        let (retry_after, message) = (reply.retry_after, message.clone());
        Err(VendorFault::Unavailable { status, retry_after, message })
    };
    // Some vendors limit calls by a 403 (RFC 9110 section 10.2.3 knows the header with any status).
    if status == 403 && reply.retry_after.is_some() {
        return busy();
    }
    if refuses(rules, status, body.as_ref()) {
        return refused(hint.map(str::to_owned));
    }
    if reply.is_success() {
        return match accepts(rules, body.as_ref()) {
            // Pages are for people: who is not signed in, and who is elsewhere, gets one.
            true if rules.accepted.is_empty() && words::is_page(reply) => refused(Some(astray(element, "a web page"))),
            true => Ok(body.unwrap_or_default()),
            false => refused(hint.map(str::to_owned)),
        };
    }
    if reply.is_transient() {
        return busy();
    }
    let of_customers = element.base_url.has_variable_host();
    match status {
        300..=399 if of_customers => refused(Some(astray(element, &redirect(request, reply)))),
        404 | 410 if of_customers => refused(Some(astray(element, &format!("status {status}")))),
        400 | 422 => {
            let form =
                "Check the form of the key: whether it is whole, without anything around it, and of the right kind.";
            refused(Some(hint.map_or(form.to_owned(), |hint| format!("{form} {hint}"))))
        }
        _ => Err(VendorFault::Strange {
            what: "an unexpected status of the verification call",
            at: "verification",
            seen: reply.seen(request),
        }),
    }
}

/// Whether the answer refuses the credential, as the element says.
pub fn refuses(rules: &Verification, status: u16, body: Option<&Value>) -> bool {
    rules.refused.iter().any(|refusal| match refusal {
        Refusal::Status(known) => *known == status,
        Refusal::Sign(sign) => signs::has(sign, status, body),
    })
}

/// Whether a success is one: as the element says, or else unless it says no.
pub fn accepts(rules: &Verification, body: Option<&Value>) -> bool {
    match rules.accepted.as_slice() {
        [] => !["/ok", "/success"].iter().any(|at| signs::text_at(body, at).is_some_and(|said| said == "false")),
        signs => signs.iter().any(|sign| signs::accepts(sign, body)),
    }
}

fn astray(element: &Element, seen: &str) -> String {
    let Some(hosts) = host_configuration(element) else { return format!("It answered with {seen}.") };
    format!("It answered with {seen}, as another host would: check {hosts}.")
}

/// What a customer says of the host.
fn host_configuration(element: &Element) -> Option<String> {
    use crate::kernel::template::Place;
    let names = element.base_url.places().filter(|(_, place)| *place != Place::Path).map(|(name, _)| name);
    let names = names.filter_map(|name| element.variables.get(name)?.configuration.as_deref());
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn redirect(request: &VendorRequest, reply: &VendorReply) -> String {
    match reply.redirect(request) {
        Some(place) => format!("a redirect to {place}"),
        None => "a redirect".to_owned(),
    }
}
