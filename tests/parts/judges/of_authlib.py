"""PyPI `Authlib`: its server for Flask with models in memory, as its documentation ("Flask OAuth 2.0 Server") describes it. Every visitor
is signed in and consents; PKCE is required, the redirect has `iss`, refresh tokens rotate."""

import os

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter
from flask import Flask, jsonify, request
from werkzeug.serving import make_server

CLIENT, SECRET = "judged-client", "judged-secret"
REDIRECT_URIS = os.environ["REDIRECT_URIS"].split()
METHODS = ["client_secret_post"]
codes, access, refresh = {}, {}, {}


class Client(ClientMixin):
    client_id = CLIENT

    def get_client_id(self):
        return CLIENT

    def get_default_redirect_uri(self):
        return REDIRECT_URIS[0]

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri in REDIRECT_URIS

    def check_client_secret(self, client_secret):
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method, endpoint):
        return method in METHODS

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type in ("authorization_code", "refresh_token")


class User:
    def get_user_id(self):
        return "somebody"


class Code(AuthorizationCodeMixin):
    def __init__(self, code, asked):
        self.code, self.user = code, asked.user
        self.redirect_uri, self.scope = asked.payload.redirect_uri, asked.payload.scope
        self.code_challenge = asked.payload.data.get("code_challenge")
        self.code_challenge_method = asked.payload.data.get("code_challenge_method")

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope


class Token(TokenMixin):
    def __init__(self, token):
        self.token = token

    def check_client(self, client):
        return client.get_client_id() == CLIENT

    def get_scope(self):
        return self.token["scope"]

    def get_expires_in(self):
        return self.token["expires_in"]

    def is_expired(self):
        return False

    def is_revoked(self):
        return self.token["access_token"] not in access


def forget(token):
    access.pop(token.token["access_token"], None)
    refresh.pop(token.token["refresh_token"], None)


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def save_authorization_code(self, code, request):
        codes[code] = Code(code, request)

    def query_authorization_code(self, code, client):
        return codes.get(code)

    def delete_authorization_code(self, authorization_code):
        codes.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code):
        return authorization_code.user


class RefreshGrant(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token):
        return refresh.get(refresh_token)

    def authenticate_user(self, refresh_token):
        return User()

    def revoke_old_credential(self, refresh_token):
        forget(refresh_token)


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = METHODS

    def query_token(self, token_string, token_type_hint):
        return access.get(token_string) or refresh.get(token_string)

    def revoke_token(self, token, request):
        forget(token)


class Validator(BearerTokenValidator):
    def authenticate_token(self, token_string):
        return access.get(token_string)


class Issuer(IssuerParameter):
    def get_issuer(self):
        return request.host_url.rstrip("/")


def save_token(token, asked):
    access[token["access_token"]] = refresh[token["refresh_token"]] = Token(token)


app = Flask(__name__)
app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
server = AuthorizationServer(app, query_client=lambda id: Client() if id == CLIENT else None, save_token=save_token)
server.register_grant(CodeGrant, [CodeChallenge(required=True)])
server.register_grant(RefreshGrant)
server.register_endpoint(Revocation)
server.register_extension(Issuer())
protected = ResourceProtector()
protected.register_token_validator(Validator())


@app.get("/authorize")
def authorize():
    user = User()
    return server.create_authorization_response(grant_user=user, grant=server.get_consent_grant(end_user=user))


@app.post("/token")
def token():
    return server.create_token_response()


@app.post("/revoke")
def revoke():
    return server.create_endpoint_response(Revocation.ENDPOINT_NAME)


@app.get("/me")
@protected("contacts")
def me():
    return jsonify(id="somebody", scope=current_token.get_scope())


@app.post("/control/active")
def active():
    told = request.get_data(as_text=True)
    return jsonify(active=told in access or told in refresh)


@app.post("/control/end")
def end():
    for kept in (codes, access, refresh):
        kept.clear()
    return jsonify()


web = make_server("127.0.0.1", 0, app, threaded=True)
print(f"ready http://127.0.0.1:{web.server_port}", flush=True)
web.serve_forever()
