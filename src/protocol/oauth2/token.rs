//! Requests to the token endpoint and its neighbours: exchange, refresh, revoke, introspect.

use url::form_urlencoded::byte_serialize;

use super::client::Client;
use crate::catalog::oauth2::{ClientAuthentication, Introspection, OAuth2, Revoke, TokenCall, TokenMethod};
use crate::kernel::secret::Secret;
use crate::kernel::template::Template;
use crate::protocol::fault::VendorFault;
use crate::protocol::request::VendorRequest;
use crate::protocol::variables::Values;

/// A code for a token (RFC 6749 section 4.1.3): the fields that the standard names, the verifier with PKCE, and what the element adds.
pub fn exchange(
    oauth2: &OAuth2,
    client: &Client,
    code: &Secret,
    redirect_uri: &str,
    verifier: Option<&Secret>,
    values: Values<'_>,
) -> Result<VendorRequest, VendorFault> {
    let mut fields = vec![
        ("grant_type", Secret::new("authorization_code")),
        ("code", code.clone()),
        ("redirect_uri", Secret::new(redirect_uri)),
    ];
    fields.extend(verifier.map(|verifier| ("code_verifier", verifier.clone())));
    let mut request = request(oauth2, &oauth2.token.url, client, oauth2.exchange_call(), fields, values)?;
    request.secrets.push(code.clone());
    request.secrets.extend(verifier.cloned());
    Ok(request)
}

/// A refresh token for a new access token (RFC 6749 section 6).
pub fn refresh(
    oauth2: &OAuth2,
    client: &Client,
    refresh_token: &Secret,
    values: Values<'_>,
) -> Result<VendorRequest, VendorFault> {
    let fields = vec![("grant_type", Secret::new("refresh_token")), ("refresh_token", refresh_token.clone())];
    let mut request = request(oauth2, oauth2.refresh_url(), client, oauth2.refresh_call(), fields, values)?;
    request.secrets.push(refresh_token.clone());
    Ok(request)
}

/// Ends a grant (RFC 7009 section 2.1).
pub fn revoke(
    oauth2: &OAuth2,
    revoke: &Revoke,
    client: &Client,
    (token, hint): (&Secret, &str),
    values: Values<'_>,
) -> Result<VendorRequest, VendorFault> {
    let fields = vec![("token", token.clone()), ("token_type_hint", Secret::new(hint))];
    let mut request =
        request(oauth2, &revoke.url, client, beside(oauth2, revoke.client_authentication), fields, values)?;
    request.secrets.push(token.clone());
    Ok(request)
}

/// Asks what an access token is good for (RFC 7662 section 2.1).
pub fn introspect(
    oauth2: &OAuth2,
    introspection: &Introspection,
    client: &Client,
    access_token: &Secret,
    values: Values<'_>,
) -> Result<VendorRequest, VendorFault> {
    let fields = vec![("token", access_token.clone()), ("token_type_hint", Secret::new("access_token"))];
    let call = beside(oauth2, introspection.client_authentication);
    let mut request = request(oauth2, &introspection.url, client, call, fields, values)?;
    request.secrets.push(access_token.clone());
    Ok(request)
}

/// A call to a neighbour of the token endpoint: the client authenticates there as at the token endpoint unless said otherwise.
fn beside(oauth2: &OAuth2, client_authentication: Option<ClientAuthentication>) -> TokenCall<'_> {
    static NONE: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    TokenCall {
        client_authentication: client_authentication.unwrap_or(oauth2.token.client_authentication),
        method: TokenMethod::Post,
        parameters: &NONE,
    }
}

fn request(
    oauth2: &OAuth2,
    url: &Template,
    client: &Client,
    call: TokenCall<'_>,
    mut fields: Vec<(&str, Secret)>,
    values: Values<'_>,
) -> Result<VendorRequest, VendorFault> {
    let method = match call.method {
        TokenMethod::Post => "POST",
        TokenMethod::Get => "GET",
    };
    let mut request = VendorRequest::new(values, method, client.url(url, values)?)?;
    request.set_headers(&oauth2.token.headers, values)?;
    let secret = Some(&client.secret).filter(|secret| !secret.is_empty());
    match oauth2.chosen_authentication(values.configuration).unwrap_or(call.client_authentication) {
        ClientAuthentication::Post => {
            fields.push(("client_id", client.id.clone()));
            // An empty one is left out (RFC 6749 section 2.3.1).
            fields.extend(secret.map(|secret| ("client_secret", secret.clone())));
        }
        // Both halves are form-encoded first (RFC 6749 section 2.3.1).
        ClientAuthentication::Basic => request.basic(&form_encoded(&client.id), &form_encoded(&client.secret)),
        ClientAuthentication::BasicRaw => request.basic(&client.id, &client.secret),
        ClientAuthentication::Query => {
            let mut query = request.url.query_pairs_mut();
            query.append_pair(oauth2.name("client_id"), client.id.expose());
            if let Some(secret) = secret {
                query.append_pair(oauth2.name("client_secret"), secret.expose());
            }
        }
        // RFC 6749 section 3.2.1.
        ClientAuthentication::None => fields.push(("client_id", client.id.clone())),
    }
    let named = fields.iter().map(|(name, value)| (oauth2.name(name), value.clone()));
    let mut fields: Vec<_> = named.filter(|(name, _)| !call.parameters.contains_key(*name)).collect();
    fields.extend(call.parameters.iter().map(|(name, value)| (name.as_str(), Secret::new(value))));
    match call.method {
        TokenMethod::Post => {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value)).collect();
            request.set_fields(oauth2.token.body, &fields);
        }
        TokenMethod::Get => {
            let pairs = fields.iter().map(|(name, value)| (*name, value.expose()));
            request.url.query_pairs_mut().extend_pairs(pairs);
        }
    }
    request.secrets.push(client.secret.clone());
    Ok(request)
}

fn form_encoded(text: &Secret) -> Secret {
    Secret::new(byte_serialize(text.expose().as_bytes()).collect::<String>())
}
