//! `ligand elements try`: plays a recorded reply of a vendor through an element's file, and shows what is read.

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use super::{Ended, print, serve};
use crate::catalog::Catalog;
use crate::catalog::element::Element;
use crate::catalog::variable::Kept;
use crate::config::{Call, Try};
use crate::kernel::clock::{Clock as _, SystemClock, api_date};
use crate::outbound::recorded;
use crate::protocol::account::{self, VendorAccount};
use crate::protocol::oauth2::{introspection, reply};
use crate::protocol::variables::{Replied, Values, given_by_verification};
use crate::protocol::{VendorFault, VendorReply, VendorRequest, verification};

/// Bytes of a recorded reply that are unpacked at most.
const LARGEST: usize = 1 << 20;

pub fn run(Try { catalogue, key, reply: file, call }: &Try) -> Ended {
    let catalog = Catalog::load(catalogue.elements_dir.as_deref());
    let catalog = catalog.map_err(|complaints| serve::complaints_text(&complaints))?;
    let missing = || format!("there is no element {key}: give the directory of its file as --elements-dir");
    let element = catalog.get(key).ok_or_else(missing)?;
    let bytes = std::fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let now = SystemClock.now();
    let recorded = recorded(&bytes, LARGEST, now).map_err(|fault| fault.to_string())?;
    let lines = read(element, *call, &recorded, now)?;
    print(&lines.join("\n"))
}

/// What is read, a line each.
fn read(
    element: &Element,
    call: Option<Call>,
    recorded: &VendorReply,
    now: DateTime<Utc>,
) -> Result<Vec<String>, String> {
    let oauth2 = element.authentication.oauth2.as_ref();
    // Where the element's address is a customer's nothing hangs on the name.
    let url = Url::parse("https://vendor.invalid/").map_err(|error| error.to_string())?;
    let request = VendorRequest::new(Values::none(element), "POST", url).map_err(|fault| fault.to_string())?;
    let call = call.unwrap_or(if oauth2.is_some() { Call::Token } else { Call::Verification });
    let none = |what: &str| format!("{} has no {what}", element.key);
    let told = |fault: VendorFault, what| refused(element, fault, what);
    match call {
        Call::Token => {
            let oauth2 = oauth2.ok_or_else(|| none("OAuth 2.0"))?;
            match reply::read(element, oauth2, &request, recorded, now) {
                Ok(token) => Ok(of_token(element, &token, now)),
                Err(fault) => told(fault, "the code, or the refresh token"),
            }
        }
        Call::Introspection => {
            let oauth2 = oauth2.ok_or_else(|| none("OAuth 2.0"))?;
            let rules = oauth2.introspection.as_ref().ok_or_else(|| none("introspection"))?;
            match introspection::read(oauth2, rules, &request, recorded) {
                Ok(asked) => Ok(vec![scopes(asked.scopes.as_deref()), of_account(asked.account.as_ref())]),
                Err(fault) => told(fault, "the introspection"),
            }
        }
        Call::Verification => {
            let rules = element.verification.as_ref().ok_or_else(|| none("verification"))?;
            let read = match &element.authentication.api_key {
                Some(_) => verification::read(element, rules, None, &request, recorded),
                None => verification::read_of_token(element, rules, &request, recorded),
            };
            match read {
                Ok(body) => {
                    let account = account::read(rules.account(), Some(&body));
                    let mut lines = vec!["the key is accepted".to_owned(), of_account(account.as_ref())];
                    lines.extend(variables(element, &given_by_verification(element, &body)));
                    Ok(lines)
                }
                Err(fault) => told(fault, "the API key"),
            }
        }
    }
}

fn secret(text: &str) -> String {
    format!("*** ({} characters)", text.chars().count())
}

fn of_token(element: &Element, token: &reply::Token, now: DateTime<Utc>) -> Vec<String> {
    let refresh_token = token.refresh_token.as_ref().map(|token| secret(token.expose()));
    let lifetime = match (token.lifetime, token.expires_at) {
        (None, _) => "not known, so until the vendor refuses it".to_owned(),
        (Some(_), None) => "for ever".to_owned(),
        (Some(seconds), Some(_)) => format!("{seconds} seconds"),
    };
    let mut lines = vec![
        format!("access token: {}", secret(token.access_token.expose())),
        format!("it lives: {lifetime}"),
        format!("refresh token: {}", refresh_token.as_deref().unwrap_or("none")),
    ];
    if let Some(end) = token.ends_at {
        let days = end.signed_duration_since(now).checked_add(&TimeDelta::minutes(1)).map(|left| left.num_days());
        lines.push(format!("it ends: {} ({} days)", api_date(end), days.unwrap_or_default()));
    }
    lines.extend([scopes(token.scopes.as_deref()), of_account(token.account.as_ref())]);
    lines.extend(variables(element, &token.replied));
    lines
}

fn scopes(scopes: Option<&[String]>) -> String {
    let scopes = scopes.map(|scopes| scopes.join(" "));
    format!("granted scopes: {}", scopes.as_deref().unwrap_or("not told"))
}

fn of_account(account: Option<&VendorAccount>) -> String {
    let shown = account.map(|account| match &account.name {
        Some(name) => format!("{} ({name})", account.id),
        None => account.id.clone(),
    });
    format!("account: {}", shown.as_deref().unwrap_or("not told"))
}

fn variables(element: &Element, replied: &Replied) -> Vec<String> {
    let shown = |(name, value): (&String, &String)| {
        let kept = element.variables.get(name).and_then(|variable| variable.kept);
        match kept {
            Some(Kept::Secret) => format!("variable {name}: {}", secret(value)),
            Some(Kept::Plain) | None => format!("variable {name}: {value}"),
        }
    };
    replied.variables.iter().map(shown).collect()
}

/// A refusal is something to be read; what cannot be is a fault of the file, or of the reply.
fn refused(element: &Element, fault: VendorFault, what: &str) -> Result<Vec<String>, String> {
    let meaning = match &fault {
        VendorFault::Refused { terminal: true, .. } => "refused for good",
        VendorFault::Refused { .. } => "refused, which the file does not call final",
        VendorFault::Configuration { .. } => "the OAuth app is refused",
        VendorFault::Unavailable { .. } => "an outage, or a limit: it is tried again later",
        _ => return Err(format!("the reply is not read: {}", fault.into_error(&element.name, what).message)),
    };
    let code = match &fault {
        VendorFault::Refused { code: Some(code), .. } | VendorFault::Configuration { code: Some(code), .. } => {
            format!(" (code {code})")
        }
        _ => String::new(),
    };
    let error = fault.into_error(&element.name, what);
    let mut lines = vec![format!("{meaning}{code}"), format!("callers learn: {} {}", error.code.name(), error.message)];
    lines.extend(error.retry_after.map(|seconds| format!("retry after: {seconds} seconds")));
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(element: &Element, status: u16, body: &str) -> String {
        let recorded =
            VendorReply { status, body: body.as_bytes().to_vec(), retry_after: Some(7), ..VendorReply::default() };
        read(element, Some(Call::Token), &recorded, SystemClock.now()).unwrap().join("\n")
    }

    #[test]
    fn what_is_kept_as_a_secret_is_not_printed() {
        let mut element = Element::clone(Catalog::load(None).unwrap().get("hubspotcrm").unwrap());
        let token = "{\"access_token\":\"THE-TOKEN\",\"hub_id\":62515}";
        assert!(tried(&element, 200, token).contains("variable portalId: 62515"));
        element.variables.get_mut("portalId").unwrap().kept = Some(Kept::Secret);
        let lines = tried(&element, 200, token);
        assert!(lines.contains("variable portalId: *** (5 characters)"), "{lines}");
        assert!(!lines.contains("portalId: 62515"), "{lines}");
    }

    #[test]
    fn when_to_try_again_is_said_as_vendors_do() {
        let element = Element::clone(Catalog::load(None).unwrap().get("hubspotcrm").unwrap());
        let lines = tried(&element, 503, "{}");
        assert!(lines.ends_with("retry after: 7 seconds"), "{lines}");
    }
}
