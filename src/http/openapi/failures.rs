//! What can go wrong: what each operation says of itself, and what all of them have in common.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, Ref, RefOr, Response};

use crate::http::api::Callers;
use crate::kernel::code::Code::{self, *};

const CREDENTIALS: &[Code] = &[BadCredentials, MissingCredentials];
const CALLER: &[Code] = &[BadCredentials, MissingCredentials, RequestLimit];
const OURS: &[Code] = &[Internal, SecretUnopened, DatabaseUnavailable, KeyUnavailable, Busy];
const BODY: &[Code] = &[BadBody, BodyTooLarge, UnsupportedMediaType];
const VENDOR: &[Code] =
    &[VendorUnreachable, VendorAnswer, VendorAddressRefused, VendorTimeout, DatabaseRestored, ServerIsAClone];
const ADDRESS: &[Code] = &[MissingConfiguration, BadConfiguration, VendorHost];
const OAUTH_URL: &[Code] = &[MissingParameter, BadParameter, BadCallbackUrl, NoOauth, StateInUse, LimitReached];
const CONNECTION: &[Code] = &[
    ElementNotFound,
    BadName,
    BadTags,
    BadAuthenticationType,
    NoOauth,
    MissingCode,
    AuthorizationDenied,
    UnknownGrant,
    CodeUsed,
    VendorRefused,
    VendorConfiguration,
    IdMismatch,
    AppNotForHost,
    SecretNeededForNewHost,
];

const LINK: &[Code] = &[
    BadLink,
    AddressNotAllowed,
    BadScopes,
    BadName,
    BadTags,
    BadAuthenticationType,
    BadConfiguration,
    IdMismatch,
    ElementNotFound,
    AppNotFound,
    AppNotForHost,
    SecretNeededForNewHost,
    InstanceNotFound,
];

const HUB: &[Code] = &[
    InstanceDisabled,
    ReauthorizationRequired,
    SecretNeededForNewHost,
    ResourceNotFound,
    BadParameter,
    MissingParameter,
    VendorBadRequest,
    VendorUnauthorized,
    VendorPaymentRequired,
    VendorForbidden,
    VendorNotFound,
    VendorConflict,
    VendorUnprocessable,
    VendorLocked,
    VendorRateLimited,
];

/// What many operations have in common, by the name under which they say so. An operation says in `x-failures` what can go wrong
/// with it: some of these, and names of codes.
const GROUPS: &[(&str, &[&[Code]])] = &[
    ("body", &[BODY]),
    ("page", &[&[BadPageSize, BadNextPage]]),
    ("connection", &[CONNECTION, ADDRESS, VENDOR]),
    ("link", &[LINK]),
    ("hub", &[HUB, ADDRESS, VENDOR]),
    ("oauth_url", &[OAUTH_URL, ADDRESS]),
    (
        "refresh",
        &[&[BadParameter, VendorRefused, VendorConfiguration, AppNotForHost, SecretNeededForNewHost], ADDRESS, VENDOR],
    ),
    ("idempotency", &[&[BadIdempotencyKey, IdempotencyConflict, InstanceDeleted]]),
    ("address", &[ADDRESS]),
];

/// Replies that many operations have, under a name of their own.
const SHARED: &[(&str, &[Code])] = &[
    ("Unauthorized", CREDENTIALS),
    ("ElementNotFound", &[ElementNotFound]),
    ("InstanceNotFound", &[InstanceNotFound]),
    ("BodyTooLarge", &[BodyTooLarge]),
    ("UnsupportedMediaType", &[UnsupportedMediaType]),
    ("RequestLimit", &[RequestLimit]),
    ("InternalError", &[Internal, SecretUnopened]),
    ("VendorUnreachable", &[VendorUnreachable, VendorAnswer, VendorAddressRefused]),
    ("Unavailable", &[DatabaseUnavailable, KeyUnavailable, Busy]),
    ("UnavailableOrHeld", &[DatabaseUnavailable, DatabaseRestored, ServerIsAClone, KeyUnavailable, Busy]),
    ("VendorTimeout", &[VendorTimeout]),
];

const SAID: &str = "x-failures";

/// The failures of an operation by status, which it says no more from then on. Without `callers` it does not look at credentials.
pub fn take(operation: &mut Operation, callers: Option<Callers>) -> BTreeMap<u16, Vec<Code>> {
    let said = said(operation);
    if let Some(extensions) = &mut operation.extensions {
        extensions.remove(SAID);
    }
    operation.extensions = operation.extensions.take().filter(|left| !left.is_empty());
    let named: Vec<Code> = said.iter().filter_map(|name| named(name)).flatten().collect();
    let credentials: &[&[Code]] = match callers {
        None => &[],
        Some(Callers::Anyone | Callers::Known) => &[CALLER],
        // Another call may delete the instance behind the token in between.
        Some(Callers::WithElement) => &[CALLER, &[InstanceNotFound]],
    };
    let of_all = [OURS].into_iter().chain(credentials.iter().copied()).flatten();
    let possible: Vec<Code> = named.into_iter().chain(of_all.copied()).collect();
    let mut by_status = BTreeMap::<u16, Vec<Code>>::new();
    for code in Code::ALL.iter().filter(|code| possible.contains(code)) {
        by_status.entry(code.status()).or_default().push(*code);
    }
    by_status
}

fn said(operation: &Operation) -> Vec<String> {
    let said = operation.extensions.as_ref().and_then(|extensions| extensions.get(SAID));
    let names = said.and_then(Value::as_array).into_iter().flatten();
    names.map(|name| name.as_str().unwrap_or_default().to_owned()).collect()
}

/// A group, or the one code of that name.
fn named(name: &str) -> Option<Vec<Code>> {
    let group = GROUPS.iter().find(|(group, _)| *group == name).map(|(_, codes)| codes.concat());
    group.or_else(|| Code::ALL.iter().find(|code| code.name() == name).map(|code| vec![*code]))
}

/// The replies that `response` refers to.
pub fn shared() -> impl Iterator<Item = (String, RefOr<Response>)> {
    SHARED.iter().map(|(name, codes)| ((*name).to_owned(), described(codes).into()))
}

/// One status with the codes that it can have.
pub fn response(codes: &[Code]) -> RefOr<Response> {
    match SHARED.iter().find(|(_, shared)| *shared == codes) {
        Some((name, _)) => Ref::from_response_name(*name).into(),
        None => described(codes).into(),
    }
}

fn described(codes: &[Code]) -> Response {
    let lines: Vec<_> = codes.iter().map(|code| format!("* `{}`: {}", code.name(), code.sentence())).collect();
    let mut response = Response::new(lines.join("\n"));
    let content = Content::new(Some(Ref::from_schema_name("Error")));
    response.content.insert("application/json".to_owned(), content.into());
    super::add_header(&mut response, super::REQUEST_ID);
    for code in codes {
        match code.status() {
            401 => super::add_header(&mut response, super::CHALLENGE),
            429 | 503 => super::add_header(&mut response, super::RETRY_AFTER),
            _ => {}
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use utoipa_actix_web::AppExt as _;

    use super::*;
    use crate::http::api::AREAS;

    #[test]
    fn operations_name_what_there_is() {
        let mut named_by_some = Vec::new();
        for area in AREAS {
            let (_, mut part) = App::new().into_utoipa_app().configure(area.routes).split_for_parts();
            for operation in part.paths.paths.values_mut().flat_map(crate::http::openapi::operations_mut) {
                let id = operation.operation_id.clone().unwrap();
                for name in said(operation) {
                    assert!(named(&name).is_some(), "{id}: there is no group and no code {name}");
                    named_by_some.push(name);
                }
            }
        }
        for (group, _) in GROUPS {
            assert!(named_by_some.iter().any(|name| name == group), "no operation says {group}");
        }
    }
}
