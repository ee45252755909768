//! How instances authenticate: OAuth2, keys, the verification call.

use super::{Findings, check_headers, granted, is_token};
use crate::catalog::element::{ApiKey, AuthenticationType, Element, Placement};
use crate::catalog::oauth2::{ExpirySign, OAuth2};
use crate::catalog::scopes::Scopes;
use crate::catalog::verification::{Refusal, Verification};

/// What the authorization request carries anyway (RFC 6749 section 4.1.1, RFC 7636 section 4.3).
const OWN_PARAMETERS: [&str; 7] =
    ["response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"];

/// What would lead the user elsewhere or bring the answer by another way (RFC 9101, OAuth 2.0 Multiple Response Type Encoding
/// Practices), and what `oauth/url` takes itself.
const NO_WISHES: [&str; 10] = [
    "request",
    "request_uri",
    "response_mode",
    "client_secret",
    "apiKey",
    "apiSecret",
    "callbackUrl",
    "optionalScope",
    "optional_scope",
    "preset",
];

/// Members of a token reply that may be JSON Web Tokens.
const TOKENS: [&str; 3] = ["id_token", "access_token", "refresh_token"];

pub fn check(element: &Element, findings: &mut Findings) {
    let authentication = &element.authentication;
    let default = authentication.default;
    findings.demand(
        element.authentication_types().contains(&default),
        "authentication/type",
        format!(
            "the default type `{}` is not offered: `authentication.{}` is missing",
            default.as_str(),
            default.as_str()
        ),
    );
    if let Some(oauth2) = &authentication.oauth2 {
        check_oauth2(oauth2, findings);
        check_wishes(element, oauth2, findings);
        super::token_requests::check(oauth2, findings);
        super::callback::check(oauth2, findings);
    }
    if let Some(api_key) = &authentication.api_key {
        check_api_key(element, api_key, findings);
    }
    if let Some(verification) = &element.verification {
        check_verification(element, verification, findings);
    }
}

fn check_oauth2(oauth2: &OAuth2, findings: &mut Findings) {
    const AT: &str = "authentication/oauth2";
    findings.demand(!oauth2.description.trim().is_empty(), format!("{AT}/description"), "`description` is empty");
    for name in oauth2.authorize.parameters.keys() {
        let own = OWN_PARAMETERS.iter().any(|own| own == name || oauth2.name(own) == name);
        findings.demand(
            !own,
            format!("{AT}/authorize/parameters/{name}"),
            format!("`{name}` is not the element's to set"),
        );
    }
    check_scopes(&oauth2.scopes, findings);
    check_presets(oauth2, findings);
    check_headers(&format!("{AT}/token/headers"), &oauth2.token.headers, findings);
    let reply = &oauth2.reply;
    findings.demand(
        !reply.access_token.is_empty(),
        format!("{AT}/reply/accessToken"),
        "no pointer to the access token",
    );
    let pointers = [
        ("reply/accessToken", &reply.access_token),
        ("reply/refreshToken", &reply.refresh_token),
        ("reply/expiresIn", &reply.expires_in),
        ("reply/refreshTokenExpiresIn", &reply.refresh_token_expires_in),
        ("reply/scope", &reply.scope),
        ("reply/account", &reply.account),
        ("reply/accountName", &reply.account_name),
        ("reply/accountBefore", &reply.account_before),
        ("errors/code", &oauth2.errors.code),
        ("errors/message", &oauth2.errors.message),
    ];
    let introspection = oauth2.introspection.iter().flat_map(|it| {
        [
            ("introspection/scope", &it.scope),
            ("introspection/account", &it.account),
            ("introspection/accountName", &it.account_name),
            ("introspection/accountBefore", &it.account_before),
        ]
    });
    for (member, pointers) in pointers.into_iter().chain(introspection) {
        for (at, pointer) in pointers.iter().enumerate() {
            check_pointer(&format!("{AT}/{member}/{at}"), pointer, findings);
        }
    }
    check_beside_account(
        &format!("{AT}/reply"),
        &reply.account,
        (&reply.account_name, &reply.account_before),
        findings,
    );
    if let Some(it) = &oauth2.introspection {
        check_beside_account(
            &format!("{AT}/introspection"),
            &it.account,
            (&it.account_name, &it.account_before),
            findings,
        );
    }
    let claims = [
        ("accessToken", &reply.access_token),
        ("refreshToken", &reply.refresh_token),
        ("expiresIn", &reply.expires_in),
        ("refreshTokenExpiresIn", &reply.refresh_token_expires_in),
        ("scope", &reply.scope),
    ];
    for (member, pointers) in claims {
        for (at, pointer) in pointers.iter().enumerate() {
            let Some(token) = TOKENS.iter().find(|token| pointer.contains(&format!("/{token}/"))) else { continue };
            findings.without_effect(
                format!("{AT}/reply/{member}/{at}"),
                format!("claims of `{token}` tell `account`, `accountName` and variables, and nothing else"),
            );
        }
    }
    for code in oauth2.errors.terminal.iter().filter(|code| oauth2.errors.configuration.contains(code)) {
        findings
            .add(format!("{AT}/errors/terminal"), format!("`{code}` is both terminal and a fault of configuration"));
    }
    let errors = &oauth2.errors;
    for code in &errors.unavailable {
        let refuses = [&errors.denied, &errors.terminal, &errors.configuration].iter().any(|list| list.contains(code));
        let at = format!("{AT}/errors/unavailable");
        findings.demand(!refuses, &at, format!("`{code}` is unavailable and a refusal, too"));
        findings.demand(!code.trim().is_empty(), at, "`unavailable` names nothing");
    }
    let lifetimes = [("defaultLifetime", oauth2.refresh.default_lifetime), ("idleLimit", oauth2.refresh.idle_limit)];
    for (member, _) in lifetimes.iter().filter(|(_, seconds)| *seconds == Some(0)) {
        findings.add(format!("{AT}/refresh/{member}"), format!("`{member}` is zero"));
    }
    findings.demand(oauth2.refresh.concurrency > 0, format!("{AT}/refresh/concurrency"), "`concurrency` is zero");
    for (at, sign) in oauth2.expired.iter().enumerate() {
        check_expiry_sign(&format!("{AT}/expired/{at}"), sign, findings);
    }
    check_placement(&format!("{AT}/placement"), &oauth2.placement, findings);
}

fn check_wishes(element: &Element, oauth2: &OAuth2, findings: &mut Findings) {
    let optional = oauth2.scopes.optional_parameter.as_deref();
    for (at, name) in oauth2.authorize.allow.iter().enumerate() {
        let place = format!("authentication/oauth2/authorize/allow/{at}");
        let mut variables = element.variables.values();
        let taken = OWN_PARAMETERS.iter().any(|own| own == name || oauth2.name(own) == name)
            || NO_WISHES.contains(&name.as_str())
            || optional == Some(name)
            || variables.any(|variable| variable.parameter.as_ref() == Some(name));
        findings.demand(!taken, &place, format!("`{name}` is not a caller's to set"));
        findings.demand(is_token(name), &place, format!("`{name}` is no name of a parameter"));
        let twice = oauth2.authorize.allow.iter().take(at).any(|before| before == name);
        findings.demand(!twice, place, format!("`{name}` is allowed twice"));
    }
}

fn check_expiry_sign(at: &str, sign: &ExpirySign, findings: &mut Findings) {
    findings.demand((200..600).contains(&sign.status), format!("{at}/status"), "`status` is no HTTP status");
    if let Some(pointer) = &sign.at {
        check_pointer(&format!("{at}/at"), pointer, findings);
    }
    findings.demand(sign.at.is_some() != sign.is.is_empty(), at, "`at` and `is` belong together");
}

fn check_scopes(scopes: &Scopes, findings: &mut Findings) {
    const AT: &str = "authentication/oauth2/scopes";
    findings.demand(!scopes.separator.is_empty(), format!("{AT}/separator"), "`separator` is empty");
    findings.demand(
        scopes.optional_parameter.as_deref() != Some(""),
        format!("{AT}/optionalParameter"),
        "`optionalParameter` is empty",
    );
    let lists = [
        ("default", Some(&scopes.default)),
        ("whenEmpty", scopes.when_empty.as_ref()),
        ("always", Some(&scopes.always)),
    ];
    for (member, list) in lists {
        check_list(&format!("{AT}/{member}"), list.into_iter().flatten(), &scopes.separator, findings);
    }
    granted::check(scopes, findings);
    for (name, words) in &scopes.words {
        let fits = !words.trim().is_empty() && name.matches('*').count() <= 1;
        findings.demand(fits, format!("{AT}/words/{name}"), format!("`{name}` has no words, or more than one `*`"));
    }
    for (at, mixture) in scopes.mixtures.iter().enumerate() {
        let whole = !mixture.any.is_empty() && !mixture.with.is_empty() && !mixture.warning.trim().is_empty();
        findings.demand(whole, format!("{AT}/mixtures/{at}"), "`any`, `with` and `warning` must not be empty");
    }
}

fn check_presets(oauth2: &OAuth2, findings: &mut Findings) {
    for (name, preset) in &oauth2.presets {
        let at = format!("authentication/oauth2/presets/{name}");
        findings.demand(!preset.description.trim().is_empty(), &at, format!("the preset `{name}` has no description"));
        findings.demand(!preset.scopes.is_empty(), &at, format!("the preset `{name}` has no scopes"));
        let named = preset.optional_scopes.is_empty() || oauth2.scopes.optional_parameter.is_some();
        findings.demand(named, &at, format!("the preset `{name}` has optional scopes, and no parameter for them"));
        let separator = &oauth2.scopes.separator;
        check_list(&format!("{at}/scopes"), &preset.scopes, separator, findings);
        check_list(&format!("{at}/optionalScopes"), &preset.optional_scopes, separator, findings);
    }
}

pub(super) fn check_list<'a>(
    at: &str,
    list: impl IntoIterator<Item = &'a String>,
    separator: &str,
    findings: &mut Findings,
) {
    for (index, scope) in list.into_iter().enumerate() {
        let separated = !separator.is_empty() && scope.contains(separator);
        let splits = scope.is_empty() || scope.contains(char::is_whitespace) || separated;
        findings.demand(!splits, format!("{at}/{index}"), format!("`{scope}` is not one scope"));
    }
}

fn check_api_key(element: &Element, api_key: &ApiKey, findings: &mut Findings) {
    const AT: &str = "authentication/apiKey";
    let key = &api_key.configuration;
    findings.demand(!api_key.description.trim().is_empty(), format!("{AT}/description"), "`description` is empty");
    match element.entry(key) {
        None => findings.add(format!("{AT}/configuration"), format!("the configuration key `{key}` is not declared")),
        Some(entry) => {
            let fits =
                entry.applies_to(AuthenticationType::ApiKey) && entry.required && entry.is_secret() && !entry.internal;
            let reason =
                format!("the configuration key `{key}` must be required, secret, not internal, and for apiKey");
            findings.demand(fits, format!("{AT}/configuration"), reason);
        }
    }
    if let Some(username) = &api_key.username {
        let fits = element.entry(username).is_some_and(|entry| entry.required && !entry.internal);
        let reason = format!("the configuration key `{username}` must be declared, required and not internal");
        findings.demand(fits, format!("{AT}/username"), reason);
    }
    let pairs = api_key.forms.iter().any(|form| form.placement == Placement::Pair);
    findings.demand(
        pairs == api_key.username.is_some(),
        format!("{AT}/forms"),
        "the placement `pair` and `username` need each other",
    );
    let last = api_key.forms.len().saturating_sub(1);
    findings.demand(!api_key.forms.is_empty(), format!("{AT}/forms"), "a key has no way to travel");
    for (at, form) in api_key.forms.iter().enumerate() {
        check_placement(&format!("{AT}/forms/{at}/placement"), &form.placement, findings);
        let reason =
            "the last form, and no other, must do without a prefix and `when`: it takes the keys that fit no other";
        let any = form.prefix.is_none() && form.when.is_none();
        findings.demand(any == (at == last), format!("{AT}/forms/{at}"), reason);
    }
}

fn check_placement(at: &str, placement: &Placement, findings: &mut Findings) {
    match placement {
        Placement::Authorization { scheme } => {
            findings.demand(
                scheme.is_empty() || is_token(scheme),
                at,
                format!("`{scheme}` is no authentication scheme"),
            );
        }
        Placement::Header { name } => findings.demand(is_token(name), at, format!("`{name}` is no header name")),
        Placement::Query { name } => findings.demand(!name.is_empty(), at, "the query parameter has no name"),
        Placement::Basic { username, password } => {
            let holders = [username, password].into_iter().filter(|part| part.contains("{credential}")).count();
            findings.demand(holders == 1, at, "exactly one of `username` and `password` must hold `{credential}`");
            findings.demand(!username.contains(':'), at, "a colon in `username` would end it");
        }
        // `choices` looks at those.
        Placement::Pair | Placement::HeaderNamed { .. } | Placement::QueryNamed { .. } => {}
    }
}

fn check_verification(element: &Element, verification: &Verification, findings: &mut Findings) {
    let Verification {
        method, path, url, refused, unavailable, accepted, account, account_name, account_before, ..
    } = verification;
    for (member, pointers) in [("account", account), ("accountName", account_name), ("accountBefore", account_before)] {
        for (at, pointer) in pointers.iter().enumerate() {
            check_pointer(&format!("verification/{member}/{at}"), pointer, findings);
        }
    }
    check_beside_account("verification", account, (account_name, account_before), findings);
    for (at, sign) in unavailable.iter().enumerate() {
        let at = format!("verification/unavailable/{at}");
        check_expiry_sign(&at, sign, findings);
        let every = sign.at.is_none() && (200..300).contains(&sign.status);
        findings.demand(!every, at, "without `at` every success would be an outage");
    }
    match url {
        None => {
            findings.demand(path.starts_with('/'), "verification/path", format!("`{path}` does not begin with `/`"))
        }
        Some(_) => findings.demand(path.is_empty(), "verification/path", "the call has an address already: its `url`"),
    }
    let (at, called) = match url {
        Some(url) => ("verification/url", url),
        None => ("verification/path", &element.base_url),
    };
    for name in called.variables() {
        let Some(variable) = element.variables.get(name) else { continue };
        let by_call_alone = variable.verification.is_some()
            && variable.configuration.is_none()
            && variable.default.is_none()
            && variable.reply.is_none();
        findings.demand(
            !by_call_alone,
            at,
            format!(
                "the call tells `{name}`, which its own address needs: name an address without it as `verification.url`"
            ),
        );
    }
    let known = matches!(method.as_str(), "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE");
    findings.demand(known, "verification/method", format!("`{method}` is no method, in capitals"));
    findings.demand(!refused.is_empty(), "verification/refused", "`refused` is empty");
    for (at, refusal) in refused.iter().enumerate() {
        let at = format!("verification/refused/{at}");
        match refusal {
            Refusal::Status(status) => {
                let fits = (300..500).contains(status);
                findings.demand(fits, at, "`refused` must list statuses from 300 to 499, and signs");
            }
            Refusal::Sign(sign) => check_expiry_sign(&at, sign, findings),
        }
    }
    for (at, sign) in accepted.iter().enumerate() {
        check_pointer(&format!("verification/accepted/{at}/at"), &sign.at, findings);
    }
    findings.demand(method != "HEAD" || accepted.is_empty(), "verification/accepted", "no reply to HEAD has a body");
}

/// Without the account nobody asks what it is called, or was.
fn check_beside_account(at: &str, account: &[String], (name, before): (&[String], &[String]), findings: &mut Findings) {
    for (member, pointers) in [("accountName", name), ("accountBefore", before)] {
        if account.is_empty() && !pointers.is_empty() {
            findings.without_effect(format!("{at}/{member}"), format!("`{member}` is read beside `account` alone"));
        }
    }
}

/// JSON pointers begin with `/` (RFC 6901).
pub fn check_pointer(at: &str, pointer: &str, findings: &mut Findings) {
    findings.demand(pointer.starts_with('/'), at, format!("the JSON pointer `{pointer}` does not begin with `/`"));
}
