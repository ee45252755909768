//! What can go wrong, told from what an operation takes: its parameters, its body, or the operation itself.

use std::collections::BTreeMap;

use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, Ref, RefOr, Response};

use crate::http::api::Callers;
use crate::kernel::code::Code::{self, *};

const CREDENTIALS: &[Code] = &[BadCredentials, MissingCredentials];
const CALLER: &[Code] = &[BadCredentials, MissingCredentials, RequestLimit];
const OURS: &[Code] = &[Internal, SecretUnopened, DatabaseUnavailable, KeyUnavailable, Busy];
const BODY: &[Code] = &[BadBody, BodyTooLarge, UnsupportedMediaType];
const VENDOR: &[Code] = &[VendorUnreachable, VendorAddressRefused, VendorTimeout, DatabaseRestored, ServerIsAClone];
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
    VendorForbidden,
    VendorNotFound,
    VendorConflict,
    VendorUnprocessable,
    VendorLocked,
    VendorRateLimited,
];

/// By the name of a parameter, of a body's schema, or of an operation.
const CAUSES: &[(&str, &[&[Code]])] = &[
    ("keyOrId", &[&[ElementNotFound]]),
    ("id", &[&[InstanceNotFound]]),
    ("linkId", &[&[LinkNotFound]]),
    ("revoke_link", &[&[LinkEnded]]),
    ("CreateLink", &[BODY, LINK, &[LimitReached]]),
    ("configId", &[&[ConfigurationNotFound]]),
    ("secretId", &[&[WebhookSecretNotFound, WebhookSecrets]]),
    ("deliveryId", &[&[DeliveryNotFound]]),
    ("status", &[&[BadParameter]]),
    ("pageSize", &[&[BadPageSize]]),
    ("nextPage", &[&[BadNextPage]]),
    ("where", &[&[BadParameter]]),
    ("abridged", &[&[BadParameter]]),
    ("expand", &[&[BadParameter]]),
    ("hydrate", &[&[BadParameter]]),
    ("reAuthenticate", &[&[BadParameter]]),
    (
        "refresh",
        &[&[BadParameter, VendorRefused, VendorConfiguration, AppNotForHost, SecretNeededForNewHost], ADDRESS, VENDOR],
    ),
    ("emptyList", &[&[NothingFound]]),
    ("Idempotency-Key", &[&[BadIdempotencyKey, IdempotencyConflict, InstanceDeleted]]),
    ("hub", &[HUB, ADDRESS, VENDOR]),
    ("fields", &[&[BadWhere]]),
    ("page", &[&[PageTooFar]]),
    ("objectId", &[&[MethodNotAllowed]]),
    ("hubKey", &[&[ElementNotFound]]),
    ("operationId", &[&[ResourceNotFound]]),
    ("version", &[&[BadParameter]]),
    ("HubObject", &[BODY]),
    ("SignIn", &[BODY, &[LoginRefused, TooManyRequests]]),
    ("NewPassword", &[BODY, &[BadPassword, CurrentPasswordRequired, LoginRefused, TooManyRequests]]),
    ("get_secrets", &[&[SignInAgain]]),
    ("endSessions", &[&[BadParameter]]),
    ("emailOrId", &[&[UserNotFound, NotAllowed]]),
    ("roleKey", &[&[UnknownRole]]),
    ("grant_user_role", &[&[RoleGranted]]),
    ("revoke_user_role", &[&[RoleNotGranted, LastAdministrator]]),
    ("list_users", &[&[NotAllowed]]),
    ("CreateUser", &[BODY, &[NotAllowed, UnknownRole, BadPassword, UserExists]]),
    (
        "UpdateUser",
        &[BODY, &[UnknownRole, BadPassword, CurrentPasswordRequired, TooManyRequests, UserExists, LastAdministrator]],
    ),
    ("delete_user", &[&[LastAdministrator]]),
    ("sessionId", &[&[SessionNotFound]]),
    ("CreateInstance", &[BODY, CONNECTION, ADDRESS, VENDOR, &[MissingElement, LimitReached]]),
    ("UpdateInstance", &[BODY, CONNECTION, ADDRESS, VENDOR, &[LimitReached]]),
    ("ConfigurationChange", &[BODY, CONNECTION, ADDRESS, VENDOR, &[LimitReached]]),
    ("OAuthUrlRequest", &[BODY, OAUTH_URL, ADDRESS]),
    ("UpdateOrganization", &[BODY, &[NotAllowed]]),
    ("SavePartnerApp", &[BODY, &[NotAllowed, NoOauth, BadScopes, SecretNeededForNewHost]]),
    (
        "get_default_oauth_url",
        &[
            &[MissingParameter, BadParameter, BadCallbackUrl, AddressNotAllowed, BadScopes, NoOauth, AppNotFound],
            &[AppNotForHost, SecretNeededForNewHost],
            ADDRESS,
            &[LimitReached],
        ],
    ),
    ("get_partner_app", &[&[NoOauth]]),
    ("delete_partner_app", &[&[NotAllowed, NoOauth, AppNotFound]]),
    ("WebhookAddress", &[BODY, &[BadWebhookUrl]]),
    ("get_webhook", &[&[NotAllowed]]),
    ("set_webhook", &[&[NotAllowed]]),
    ("delete_webhook", &[&[NotAllowed]]),
    ("create_webhook_secret", &[&[NotAllowed, WebhookSecrets]]),
    ("delete_webhook_secret", &[&[NotAllowed]]),
    ("get_oauth_url", &[OAUTH_URL, ADDRESS]),
    ("reset_organization_secret", &[&[NotAllowed]]),
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
    ("VendorUnreachable", &[VendorUnreachable, VendorAddressRefused]),
    ("Unavailable", &[DatabaseUnavailable, KeyUnavailable, Busy]),
    ("UnavailableOrHeld", &[DatabaseUnavailable, DatabaseRestored, ServerIsAClone, KeyUnavailable, Busy]),
    ("VendorTimeout", &[VendorTimeout]),
];

/// The failures of an operation by status. Without `callers` it does not look at credentials.
pub fn of(operation: &Operation, callers: Option<Callers>) -> BTreeMap<u16, Vec<Code>> {
    let names = names(operation);
    let causes = CAUSES.iter().filter(|(name, _)| names.contains(name)).flat_map(|(_, codes)| codes.iter().copied());
    let credentials: &[&[Code]] = match callers {
        None => &[],
        Some(Callers::Anyone | Callers::Known) => &[CALLER],
        // Another call may delete the instance behind the token in between.
        Some(Callers::WithElement) => &[CALLER, &[InstanceNotFound]],
    };
    let possible: Vec<Code> = causes.chain([OURS]).chain(credentials.iter().copied()).flatten().copied().collect();
    let mut by_status = BTreeMap::<u16, Vec<Code>>::new();
    for code in Code::ALL.iter().filter(|code| possible.contains(code)) {
        by_status.entry(code.status()).or_default().push(*code);
    }
    by_status
}

/// What an operation takes, and its own name.
fn names(operation: &Operation) -> Vec<&str> {
    let parameters = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter.name.as_str()),
        RefOr::Ref(_) => None,
    });
    let body = operation.request_body.iter().filter_map(|body| match body {
        RefOr::T(body) => body.content.values().find_map(schema_name),
        RefOr::Ref(_) => None,
    });
    parameters.chain(body).chain(operation.operation_id.as_deref()).collect()
}

fn schema_name(content: &RefOr<Content>) -> Option<&str> {
    let RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) = content else { return None };
    schema.ref_location.rsplit('/').next()
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
