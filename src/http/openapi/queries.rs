//! Query parameters and headers for the OpenAPI document only. They are read by name, because an empty one counts as
//! not given and an unknown one as nothing.

#![expect(dead_code, reason = "the members are read by the derive only")]

use utoipa::IntoParams;

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct PageQuery {
    /// How many at most
    #[param(minimum = 1, maximum = 200, default = 200)]
    page_size: Option<i64>,
    /// The `Elements-Next-Page-Token` of the page before
    next_page: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ResetQuery {
    /// `false`: sessions that were opened before go on
    #[param(default = true)]
    end_sessions: Option<bool>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ElementListQuery {
    /// Without configuration and resources
    abridged: Option<bool>,
    /// Conditions on `key`, `hub`, `name`, `active`, `private` and `extended`, joined by AND
    #[param(example = "key in ('hubspot','sfdc') AND private='false'")]
    r#where: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MetadataQuery {
    /// With everything that is known
    expand: Option<bool>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct OAuthUrlQuery {
    /// The client id of your OAuth app at the vendor
    #[param(example = "sandbox-client")]
    api_key: String,
    /// Where the vendor sends the user back to
    #[param(example = "https://www.mycoolapp.com/auth")]
    callback_url: String,
    /// Accepted for older clients and never used: leave it out
    api_secret: Option<String>,
    /// Scopes, separated by spaces or commas; absent and empty have each their own default
    scope: Option<String>,
    /// Scopes that the user may lack, where the vendor knows such
    optional_scope: Option<String>,
    /// Comes back with the code; default: the element's key
    state: Option<String>,
    /// The vendor's host for this user, where there are several
    site_address: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct DefaultOAuthUrlQuery {
    /// Where the browser is sent in the end: on one of the organization's `allowedOrigins`
    #[param(example = "https://www.mycoolapp.com/auth")]
    callback_url: String,
    /// Scopes without which there is no connection, separated by spaces or commas; default: the app's
    scope: Option<String>,
    /// Scopes that the vendor may leave out; default: the app's
    optional_scope: Option<String>,
    /// A set of scopes that the element names, in the place of the app's
    preset: Option<String>,
    /// Comes back with the code; default: the element's key
    state: Option<String>,
    /// The vendor's host for this user, where there are several
    site_address: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct InstanceListQuery {
    /// Instances with all of these tags
    #[param(rename = "tags[]", style = Form, explode)]
    tags: Option<Vec<String>>,
    /// A part of the name
    search_text: Option<String>,
    /// Your own name for the customer
    external_id: Option<String>,
    /// `false`: without configuration
    #[param(default = true)]
    hydrate: Option<bool>,
    /// `200`: an empty list is no failure
    #[param(example = "200")]
    empty_list: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct LinkListQuery {
    /// Your own name for the customer
    external_id: Option<String>,
    /// `pending`, `opened`, `authorised`, `denied`, `failed`, `expired` or `revoked`
    #[param(example = "pending")]
    status: Option<String>,
    /// `200`: an empty list is no failure
    #[param(example = "200")]
    empty_list: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct DeliveryListQuery {
    /// `waiting`, `parked`, `delivered` or `failed`
    #[param(example = "failed")]
    status: Option<String>,
    /// Notices about this instance
    instance_id: Option<i64>,
    /// Notices about this connect link, or sent to its address
    link_id: Option<i64>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct AuditLogQuery {
    /// Not before this day (UTC) or time
    #[param(example = "2026-03-01")]
    from: Option<String>,
    /// To the end of this day (UTC), or before this time
    #[param(example = "2026-03-31T12:00:00Z")]
    to: Option<String>,
    /// Made by this user
    user_id: Option<i64>,
    /// In this account
    account_id: Option<i64>,
    /// What was done, by its name
    #[param(example = "instance.created")]
    action: Option<String>,
    /// What was changed: `instance`, `link`, `user`, `session`, `organization`, `app`, `webhook`, `element`, `key`, `customer` or
    /// `order`
    #[param(example = "instance")]
    kind: Option<String>,
    /// The id of what was changed
    entity_id: Option<i64>,
    /// Your own name for the customer
    external_id: Option<String>,
    /// The `Elements-Request-Id` of the call
    request_id: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ChangeQuery {
    /// Get a new credential in any case
    #[param(default = false)]
    re_authenticate: Option<bool>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ImportQuery {
    /// Look at every line, and store nothing
    #[param(default = false)]
    dry_run: Option<bool>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RefreshQuery {
    /// Renew the access token first, unless that happened in the last ten seconds. When the vendor cannot be reached and
    /// the old token is still good, the reply is the instance as it is, with the reason in `Elements-Error`
    #[param(default = false)]
    refresh: Option<bool>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyHeader {
    /// 1 to 255 visible ASCII characters of your choice, kept for a day: a repeated call gets the first one's answer
    #[param(rename = "Idempotency-Key", nullable = false)]
    idempotency_key: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct HubListQuery {
    /// Conditions joined by AND and OR: `=`, `!=`, `<`, `>`, `<=`, `>=`, `LIKE`, `IN`, `IS NULL`, `IS NOT NULL`; texts in single
    /// quotes, `%` for any text
    #[param(example = "email = 'jo@example.com'")]
    r#where: Option<String>,
    /// A field with `asc` or `desc`, or several with commas between
    #[param(example = "createdate desc")]
    order_by: Option<String>,
    /// Names of fields, with commas between; the others are left out
    #[param(example = "email,firstname")]
    fields: Option<String>,
    /// Which page, without `nextPage`; a call reads at most ten pages of the vendor
    #[param(minimum = 1, default = 1)]
    page: Option<i64>,
    /// How many at most
    #[param(minimum = 1, maximum = 200, default = 200)]
    page_size: Option<i64>,
    /// The `Elements-Next-Page-Token` of the page before
    next_page: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HubObjectQuery {
    /// Names of fields, with commas between; the others are left out
    #[param(example = "email,firstname")]
    fields: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct DocumentForm {
    /// Only this operation, by the id that it has in the document
    #[param(example = "GET-contacts")]
    operation_id: Option<String>,
    /// `2.0` or `3.1`
    #[param(default = "2.0")]
    version: Option<String>,
    /// Where the API is, in place of this server
    #[param(example = "https://api.example.com")]
    base_url: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ObjectDocumentForm {
    /// With the fields that the vendor names, those of its customer included
    #[param(default = false)]
    discovery: Option<bool>,
    /// Accepted for older clients: a document holds nothing but the basic
    #[param(default = true)]
    basic: Option<bool>,
    /// Definitions stand where they are needed, instead of references
    #[param(default = false)]
    resolve_references: Option<bool>,
}
