//! Every failure that a caller can see, one line each: code, status, what it means. The table feeds the replies, the
//! OpenAPI document and the tests.

macro_rules! codes {
    ($($variant:ident $name:literal $status:literal $sentence:literal;)*) => {
        /// The stable name of a failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($variant),* }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The `code` member of the error body.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name),* }
            }

            /// The HTTP status.
            pub fn status(self) -> u16 {
                match self { $(Code::$variant => $status),* }
            }

            /// What it means, and what to do.
            pub fn sentence(self) -> &'static str {
                match self { $(Code::$variant => $sentence),* }
            }
        }
    };
}

codes! {
    BadBody "bad_body" 400 "The body is not the JSON that this call takes.";
    BadParameter "bad_parameter" 400 "A query parameter is not acceptable.";
    MissingParameter "missing_parameter" 400 "Required query parameters are missing.";
    BadPageSize "bad_page_size" 400 "pageSize must be a whole number from 1 to 200.";
    BadNextPage "bad_next_page" 400 "nextPage is not a token that this server gave out.";
    PageTooFar "page_too_far" 400 "The page lies further on than one call reads: use nextPage.";
    BadWhere "bad_where" 400 "where, orderBy or fields cannot be read, or the vendor cannot do what they say.";
    VendorBadRequest "vendor_bad_request" 400 "The vendor refused the call as it was.";
    BadCallbackUrl "bad_callback_url" 400 "The callback URL is not an absolute http or https address.";
    BadName "bad_name" 400 "The name is missing, or nothing is left of it without markup.";
    BadTags "bad_tags" 400 "The tags are not acceptable.";
    MissingElement "missing_element" 400 "The body names no element.";
    MissingConfiguration "missing_configuration" 400 "Required configuration is missing.";
    BadConfiguration "bad_configuration" 400 "A configuration value is not acceptable.";
    BadAuthenticationType "bad_authentication_type" 400 "The element has no such authentication type.";
    NoOauth "no_oauth" 400 "The element does not use OAuth.";
    BadScopes "bad_scopes" 400 "The scopes are not acceptable, or the element has no such preset.";
    MissingCode "missing_code" 400 "providerData.code is missing.";
    AuthorizationDenied "authorization_denied" 400 "The vendor sent an error instead of a code.";
    VendorRefused "vendor_refused" 400 "The vendor refused the code or the key.";
    VendorConfiguration "vendor_configuration" 400 "The vendor refused the OAuth app: check client id, secret and redirect URL.";
    UnknownGrant "unknown_grant" 400 "No open authorization has this state.";
    VendorHost "vendor_host" 400 "The vendor's host is not one of the element's.";
    IdMismatch "id_mismatch" 400 "The id in the body differs from the id in the path.";
    BadWebhookUrl "bad_webhook_url" 400 "Notices cannot be sent to this address.";
    BadPassword "bad_password" 400 "The password is not acceptable.";
    CurrentPasswordRequired "current_password_required" 400 "A new password wants the present one: send it as currentPassword, or sign in and send the new one within five minutes.";
    UnknownRole "unknown_role" 400 "There is no role with this key.";
    BadLink "bad_link" 400 "The connect link cannot be made as it was asked for.";
    AddressNotAllowed "address_not_allowed" 400 "The address is not on one of the organization's allowed origins.";
    BadIdempotencyKey "bad_idempotency_key" 400 "The Idempotency-Key is not acceptable.";
    BadCredentials "bad_credentials" 401 "Invalid Organization or User secret, or invalid Element token provided.";
    MissingCredentials "missing_credentials" 401 "The call needs an Authorization header.";
    LoginRefused "login_refused" 401 "The user name or the password is wrong.";
    SignInAgain "sign_in_again" 401 "This call wants a session whose person gave the password in the last 15 minutes: sign in again and send the new token.";
    ReauthorizationRequired "reauthorization_required" 401 "The vendor has withdrawn the grant: the user must authorise again.";
    VendorUnauthorized "vendor_unauthorized" 401 "The vendor refused the instance's credential for this call.";
    VendorPaymentRequired "vendor_payment_required" 402 "The vendor wants to be paid for this: look at the account's plan there.";
    NotAllowed "not_allowed" 403 "The caller may not do this.";
    InstanceDisabled "instance_disabled" 403 "The instance is disabled.";
    VendorForbidden "vendor_forbidden" 403 "The vendor does not let this connection do that: a scope, a seat or a right is missing.";
    UserNotFound "user_not_found" 404 "The organization has no such user.";
    RoleNotGranted "role_not_granted" 404 "The user does not have this role.";
    SessionNotFound "session_not_found" 404 "The caller has no such session, or it is over.";
    RouteNotFound "route_not_found" 404 "No such address.";
    ElementNotFound "element_not_found" 404 "No such element.";
    AppNotFound "app_not_found" 404 "The organization has no OAuth app for this element.";
    InstanceNotFound "instance_not_found" 404 "No such instance.";
    LinkNotFound "link_not_found" 404 "No such connect link.";
    HandleNotFound "handle_not_found" 404 "The connect link has no such handle.";
    ConfigurationNotFound "configuration_not_found" 404 "No such configuration entry.";
    ResourceNotFound "resource_not_found" 404 "The element has no such resource.";
    VendorNotFound "vendor_not_found" 404 "The vendor has no such object.";
    NothingFound "nothing_found" 404 "The list is empty.";
    WebhookSecretNotFound "webhook_secret_not_found" 404 "No such webhook secret.";
    DeliveryNotFound "delivery_not_found" 404 "No such delivery.";
    MethodNotAllowed "method_not_allowed" 405 "The address exists, the method does not.";
    StateInUse "state_in_use" 409 "The state already belongs to an open authorization.";
    CodeUsed "code_used" 409 "The code was sent to the vendor before, or is being used at this moment: one code makes one connection.";
    UserExists "user_exists" 409 "A user with this e-mail address exists.";
    RoleGranted "role_granted" 409 "The user has this role already.";
    LastAdministrator "last_administrator" 409 "This is the organization's last administrator who can sign in: make somebody else an administrator first.";
    LinkEnded "link_ended" 409 "The connect link does not work any more.";
    LinkFailed "link_failed" 409 "The vendor gave what was confirmed, and no connection came of it: the link says why.";
    InstanceChanged "instance_changed" 409 "The instance was changed meanwhile, so nothing was saved: look at its current values, and save again.";
    SecretNeededForNewHost "secret_needed_for_new_host" 409 "The vendor is reached at another host than what is stored was given for, so nothing stored is sent there: send every secret anew in the same request.";
    AppNotForHost "app_not_for_host" 409 "The organization's OAuth app was not stored for this host of the vendor: name another host, or add this one to the app's `hosts`.";
    HandleLapsed "handle_lapsed" 410 "What the handle stood for is over: it waits five minutes, and for one confirmation that the vendor answers. Send the person to the link again.";
    InstanceDeleted "instance_deleted" 410 "The instance that this Idempotency-Key made was deleted since: send a new key to make another one.";
    IdempotencyConflict "idempotency_conflict" 409 "The Idempotency-Key was used with another request, or its first call is still under way.";
    WebhookSecrets "webhook_secrets" 409 "One or two webhook secrets are active, no fewer and no more.";
    LimitReached "limit_reached" 409 "The organization has as many of these as it may: delete some, or ask the operator for more.";
    VendorConflict "vendor_conflict" 409 "The vendor has something that contradicts the call.";
    BodyTooLarge "body_too_large" 413 "The body is too large.";
    UnsupportedMediaType "unsupported_media_type" 415 "The body must be application/json.";
    VendorUnprocessable "vendor_unprocessable" 422 "The vendor understood the call and cannot do it.";
    VendorLocked "vendor_locked" 423 "The vendor has locked the object for the moment.";
    VendorRateLimited "vendor_rate_limited" 429 "The vendor takes no more calls for the moment.";
    RequestLimit "request_limit" 429 "The organization sends more requests than it may: wait as Retry-After says.";
    TooManyRequests "too_many_requests" 429 "Too many attempts.";
    Internal "internal" 500 "Something went wrong on our side.";
    SecretUnopened "secret_unopened" 500 "A stored secret does not open, because it was altered, or moved to where it does not belong: the operator finds in the log which one.";
    UpgradeUnsupported "upgrade_unsupported" 501 "WebSockets are not passed through: call the vendor's HTTP API.";
    VendorUnreachable "vendor_unreachable" 502 "The vendor could not be reached, or is not available at the moment: try again later.";
    VendorAnswer "vendor_answer" 502 "The vendor answered, in a way that cannot be used.";
    VendorAddressRefused "vendor_address_refused" 502 "The vendor's address is not one that may be called.";
    DatabaseUnavailable "database_unavailable" 503 "The database is not available.";
    DatabaseRestored "database_restored" 503 "The database was restored, and its refresh tokens may have been used since: none is sent until the operator runs `ligand resume`, but for an instance that is asked for with refresh=true.";
    ServerIsAClone "server_is_a_clone" 503 "This server looks at a copy of a database, and calls no vendor.";
    KeyUnavailable "key_unavailable" 503 "A key that seals the data is not in the key ring.";
    NotReady "not_ready" 503 "The server is stopping.";
    Busy "busy" 503 "The server holds as much at once as it may: try again in a moment.";
    VendorTimeout "vendor_timeout" 504 "The vendor did not answer in time.";
}
