//! What the answer to a verification call means. A status alone does not tell: some vendors say no under a 200, and a mistyped
//! host answers for itself.

use serde_json::Value;

use super::fault::VendorFault;
use super::request::{VendorReply, VendorRequest};
use super::{signs, words};
use crate::catalog::element::Element;
use crate::catalog::verification::{Refusal, Verification};

/// For a key whose form may be wrong.
const FORM: &str = "Check the form of the key: whether it is whole, without anything around it, and of the right kind.";

/// What an answer means for the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Accepted,
    Refused,
    /// A success that is for people: who is not signed in, and who is elsewhere, gets a page.
    Page,
    /// An outage, or a limit.
    Busy,
    /// Nothing that the element knows; the status may tell.
    Unknown,
}

/// Ours, for what the vendor refuses.
struct Hints<'a> {
    refused: Option<&'a str>,
    form: Option<&'a str>,
}

/// What the vendor says to a key that it takes. `hint`: ours, for one that it refuses.
pub fn read(
    element: &Element,
    rules: &Verification,
    hint: Option<&str>,
    request: &VendorRequest,
    reply: &VendorReply,
) -> Result<Value, VendorFault> {
    told(element, rules, &Hints { refused: hint, form: Some(FORM) }, request, reply)
}

/// The same of an access token, which nobody has typed.
pub fn read_of_token(
    element: &Element,
    rules: &Verification,
    request: &VendorRequest,
    reply: &VendorReply,
) -> Result<Value, VendorFault> {
    told(element, rules, &Hints { refused: None, form: None }, request, reply)
}

/// `body`: the reply's.
pub fn meaning(rules: &Verification, reply: &VendorReply, body: Option<&Value>) -> Meaning {
    // Some vendors limit calls by a 403 (RFC 9110 section 10.2.3 knows the header with any status).
    if reply.status == 403 && reply.retry_after.is_some() {
        return Meaning::Busy;
    }
    if rules.unavailable.iter().any(|sign| signs::has(sign, reply.status, body)) {
        return Meaning::Busy;
    }
    if refuses(rules, reply.status, body) {
        return Meaning::Refused;
    }
    if reply.is_success() {
        return match accepts(rules, body) {
            true if rules.accepted.is_empty() && words::is_page(reply) => Meaning::Page,
            true => Meaning::Accepted,
            false => Meaning::Refused,
        };
    }
    if reply.is_transient() { Meaning::Busy } else { Meaning::Unknown }
}

fn told(
    element: &Element,
    rules: &Verification,
    hints: &Hints<'_>,
    request: &VendorRequest,
    reply: &VendorReply,
) -> Result<Value, VendorFault> {
    let (status, body) = (reply.status, reply.json());
    // Of an answer that is taken nobody reads them.
    let message = || words::of(&element.messages, request, reply);
    let refused = |hint: Option<String>| {
        Err(VendorFault::Refused { status, code: None, message: message(), hint, terminal: true })
    };
    match meaning(rules, reply, body.as_ref()) {
        Meaning::Accepted => return Ok(body.unwrap_or_default()),
        Meaning::Refused => return refused(hints.refused.map(str::to_owned)),
        Meaning::Page => return refused(Some(astray(element, "a web page"))),
        Meaning::Busy => {
            let (retry_after, message) = (reply.retry_after, message());
            return Err(VendorFault::Unavailable { status, retry_after, message });
        }
        Meaning::Unknown => {}
    }
    let of_customers = element.base_url.has_variable_host();
    match status {
        300..=399 if of_customers => refused(Some(astray(element, &redirect(request, reply)))),
        404 | 410 if of_customers => refused(Some(astray(element, &format!("status {status}")))),
        400 | 422 => {
            let said: Vec<_> = [hints.form, hints.refused].into_iter().flatten().collect();
            refused(Some(said.join(" ")).filter(|said| !said.is_empty()))
        }
        _ => Err(VendorFault::Strange {
            what: "an unexpected status of the verification call",
            at: "verification",
            seen: reply.seen(request),
        }),
    }
}

/// Whether the answer refuses the credential, as the element says.
fn refuses(rules: &Verification, status: u16, body: Option<&Value>) -> bool {
    rules.refused.iter().any(|refusal| match refusal {
        Refusal::Status(known) => *known == status,
        Refusal::Sign(sign) => signs::has(sign, status, body),
    })
}

/// Whether a success is one: as the element says, or else unless it says no.
fn accepts(rules: &Verification, body: Option<&Value>) -> bool {
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
