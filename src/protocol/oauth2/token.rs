//! Requests to the token endpoint and its neighbours: exchange, refresh, revoke, introspect.

use url::form_urlencoded::byte_serialize;

use super::client::Client;
use crate::catalog::oauth2::{BodyEncoding, ClientAuthentication, Introspection, OAuth2, Revoke};
use crate::kernel::secret::Secret;
use crate::kernel::template::Template;
use crate::protocol::fault::VendorFault;
use crate::protocol::request::VendorRequest;
use crate::protocol::variables::Values;

/// A code for a token (RFC 6749 section 4.1.3). Exactly the fields that the standard names, and the verifier with PKCE.
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
    let mut request = request(oauth2, &oauth2.token.url, client, oauth2.token.client_authentication, fields, values)?;
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
    let mut request =
        request(oauth2, oauth2.refresh_url(), client, oauth2.token.client_authentication, fields, values)?;
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
    let authentication = revoke.client_authentication.unwrap_or(oauth2.token.client_authentication);
    let mut request = request(oauth2, &revoke.url, client, authentication, fields, values)?;
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
    let authentication = introspection.client_authentication.unwrap_or(oauth2.token.client_authentication);
    let mut request = request(oauth2, &introspection.url, client, authentication, fields, values)?;
    request.secrets.push(access_token.clone());
    Ok(request)
}

fn request(
    oauth2: &OAuth2,
    url: &Template,
    client: &Client,
    authentication: ClientAuthentication,
    mut fields: Vec<(&str, Secret)>,
    values: Values<'_>,
) -> Result<VendorRequest, VendorFault> {
    let mut request = VendorRequest::new(values.element, "POST", client.url(url, values)?);
    for (name, value) in &oauth2.token.headers {
        request.set_header(name, Secret::new(value));
    }
    match authentication {
        ClientAuthentication::Post => {
            fields.push(("client_id", client.id.clone()));
            fields.push(("client_secret", client.secret.clone()));
        }
        // Both halves are form-encoded first (RFC 6749 section 2.3.1).
        ClientAuthentication::Basic => request.basic(&form_encoded(&client.id), &form_encoded(&client.secret)),
        ClientAuthentication::Query => {
            let mut query = request.url.query_pairs_mut();
            query.append_pair("client_id", client.id.expose()).append_pair("client_secret", client.secret.expose());
        }
    }
    let encoding: BodyEncoding = oauth2.token.body;
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value)).collect();
    request.set_fields(encoding, &fields);
    request.secrets.push(client.secret.clone());
    Ok(request)
}

fn form_encoded(text: &Secret) -> Secret {
    Secret::new(byte_serialize(text.expose().as_bytes()).collect::<String>())
}
