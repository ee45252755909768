"""PyPI `oauthlib`: its server with a validator in memory, as its documentation ("Creating a Provider") describes it. Every visitor is
signed in and consents; PKCE is required, refresh tokens rotate."""

import base64
import json
import os
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from oauthlib.oauth2 import RequestValidator, Server

CLIENT, SECRET = "judged-client", "judged-secret"
REDIRECT_URIS = os.environ["REDIRECT_URIS"].split()
codes, access, refresh = {}, {}, {}


class Client:
    client_id = CLIENT


class Validator(RequestValidator):
    def validate_client_id(self, client_id, request):
        request.client = Client()
        return client_id == CLIENT

    def validate_redirect_uri(self, client_id, redirect_uri, request):
        return redirect_uri in REDIRECT_URIS

    def validate_response_type(self, client_id, response_type, client, request):
        return response_type == "code"

    def validate_scopes(self, client_id, scopes, client, request):
        return set(scopes) <= {"contacts", "files"}

    def get_default_scopes(self, client_id, request):
        return ["contacts"]

    def is_pkce_required(self, client_id, request):
        return True

    def save_authorization_code(self, client_id, code, request):
        codes[code["code"]] = {
            "redirect_uri": request.redirect_uri,
            "scopes": request.scopes,
            "challenge": request.code_challenge,
            "method": request.code_challenge_method,
        }

    def authenticate_client(self, request):
        kind, _, pair = request.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            return False
        halves = base64.b64decode(pair).decode().split(":", 1)
        request.client = Client()
        return [urllib.parse.unquote_plus(half) for half in halves] == [CLIENT, SECRET]

    def client_authentication_required(self, request):
        return True

    def validate_grant_type(self, client_id, grant_type, client, request):
        return grant_type in ("authorization_code", "refresh_token")

    def validate_code(self, client_id, code, client, request):
        known = codes.get(code)
        if known:
            request.user, request.scopes = "somebody", known["scopes"]
        return bool(known)

    def confirm_redirect_uri(self, client_id, code, redirect_uri, client, request):
        return codes[code]["redirect_uri"] == redirect_uri

    def get_code_challenge(self, code, request):
        return codes[code]["challenge"]

    def get_code_challenge_method(self, code, request):
        return codes[code]["method"]

    def invalidate_authorization_code(self, client_id, code, request):
        codes.pop(code, None)

    def save_bearer_token(self, token, request):
        if request.grant_type == "refresh_token":
            refresh.pop(request.refresh_token, None)
        access[token["access_token"]] = refresh[token["refresh_token"]] = token

    def validate_refresh_token(self, refresh_token, client, request):
        request.user = "somebody"
        return refresh_token in refresh

    def get_original_scopes(self, refresh_token, request):
        return refresh[refresh_token]["scope"].split()

    def rotate_refresh_token(self, request):
        return True

    def revoke_token(self, token, token_type_hint, request):
        known = access.get(token) or refresh.get(token)
        if known:
            access.pop(known["access_token"], None)
            refresh.pop(known["refresh_token"], None)

    def validate_bearer_token(self, token, scopes, request):
        return token in access


server = Server(Validator(), token_expires_in=1800)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer("GET", None)

    def do_POST(self):
        self.answer("POST", self.rfile.read(int(self.headers.get("content-length", 0))).decode())

    def answer(self, method, body):
        uri, path = "http://127.0.0.1" + self.path, self.path.split("?")[0]
        headers = {name.title(): value for name, value in self.headers.items()}
        if path == "/control/active":
            self.reply(200, {}, json.dumps({"active": body in access or body in refresh}))
        elif path == "/control/end":
            for kept in (codes, access, refresh):
                kept.clear()
            self.reply(200, {}, "{}")
        elif path == "/authorize":
            scopes = urllib.parse.parse_qs(self.path).get("scope", ["contacts"])[0].split()
            said, text, status = server.create_authorization_response(uri, method, body, headers, scopes=scopes)
            self.reply(status, said, text)
        elif path == "/token":
            said, text, status = server.create_token_response(uri, method, body, headers)
            self.reply(status, said, text)
        elif path == "/revoke":
            said, text, status = server.create_revocation_response(uri, method, body, headers)
            self.reply(status, said, text)
        else:
            good, _ = server.verify_request(uri, method, body, headers, scopes=["contacts"])
            self.reply(200 if good else 401, {}, json.dumps({"id": "somebody"} if good else {"error": "invalid_token"}))

    def reply(self, status, headers, text):
        data = (text or "").encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"ready http://127.0.0.1:{web.server_address[1]}", flush=True)
web.serve_forever()
