#!/usr/bin/env python3
"""Secrets that follow an address: a colleague, a customer or a caller with tokens names another host of the vendor's, which is
somebody else's, and waits for what the organization stored to arrive there."""

import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

from _stage import AUTHORIZATION, URL, VENDOR, Report, Vendor, call, secret

BASE = "/elements/api-v2"
OWN, PORT = VENDOR.rsplit(":", 1)
OTHER = "127.0.0.2"
CALLBACK = "https://app.example/callback"
STORED = ["THE-KEY", "APP-SECRET", "OWN-SECRET", "ACCESS-TOKEN", "REFRESH-TOKEN"]

# Who may use the organization's connections and administers nothing. Without one the administrator tries the same.
PLAIN = os.environ.get("LIGAND_PLAIN_USER")
colleague = f"User {PLAIN}, Organization {secret('LIGAND_ORGANIZATION')}" if PLAIN else AUTHORIZATION

report, own = Report(), Vendor()
try:
    other = Vendor(f"{OTHER}:{PORT}")
except OSError:
    print(f"SKIPPED: {OTHER} is no address of this machine")
    sys.exit(0)


def answers(access, refresh):
    reply = {"id": 1, "access_token": access, "refresh_token": refresh, "expires_in": 3600, "renewal": OWN}
    return lambda method, target, headers, body: (200, [], json.dumps(reply))


own.answer, other.answer = answers("ACCESS-TOKEN", "REFRESH-TOKEN"), answers("a-token", "another-token")
made = []


def ask(who, method, path, body=None):
    status, _, text = call(method, BASE + path, who, body)
    try:
        said = json.loads(text) if text else None
    except ValueError:
        said = text
    return status, said


def connect(what, configuration, more=None, who=AUTHORIZATION):
    body = {"element": {"key": "attackedhosts"}, "name": f"attack {what}", "configuration": configuration, **(more or {})}
    status, said = ask(who, "POST", "/instances", body)
    if status == 200:
        made.append(said["id"])
    return status, said


def needed(what, configuration, more=None):
    status, said = connect(what, configuration, more)
    if status != 200:
        sys.exit(f"no instance ({status}): {said}")
    return said


def refused(answer, codes, what):
    status, said = answer
    code = said.get("code") if isinstance(said, dict) else None
    report.check(status == 409 and code in codes, f"{what}: {status} {said}")
    stolen(what)


def stolen(what):
    """Nothing that is stored may have come to the other host, by whatever answer."""
    for method, target, headers, body in other.requests:
        whole = f"{method} {target} {headers} {body!r}"
        report.check(not any(word in whole for word in STORED), f"{what}: the other host was sent {whole}")
    other.requests.clear()


def plain_text_of(text):
    return text.replace("&amp;", "&").replace("&#x27;", "'").replace("&quot;", '"')


class Customer:
    """A browser with one cookie, that follows nothing by itself."""

    def __init__(self):
        self.cookie = None

    def open(self, address, fields=None):
        data = urllib.parse.urlencode(fields).encode() if fields is not None else None
        request = urllib.request.Request(urllib.parse.urljoin(URL, address), data=data)
        if self.cookie:
            request.add_header("Cookie", self.cookie)
        try:
            reply = opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            reply = error
        with reply:
            set_cookie = reply.headers.get("Set-Cookie")
            if set_cookie:
                self.cookie = set_cookie.split(";")[0]
            return reply.status, reply.headers, reply.read().decode(errors="replace")

    def submit(self, address, **entered):
        _, _, page = self.open(address)
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
        fields = {name: plain_text_of(value) for name, value in hidden}
        return self.open(address, {**fields, **{f"field.{name}": value for name, value in entered.items()}})


class _Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stays())
NEEDED = ("secret_needed_for_new_host",)
NOT_ITS_OWN = ("app_not_for_host",)


def moved_instances():
    """Whoever may change the address of a connection does not know its secrets."""
    key = needed("key", {"authentication.type": "apiKey", "desk": OWN, "attacked.key": "THE-KEY"})
    app = {"desk": OWN, "oauth.api.key": "own", "oauth.api.secret": "OWN-SECRET", "oauth.callback.url": CALLBACK}
    oauth = needed("oauth", app, {"providerData": {"code": "a-code"}})
    for what, instance, tries in (
        ("a key", key, [{"desk": OTHER}, {"desk": OTHER, "attacked.key": "********"}]),
        ("tokens", oauth, [{"desk": OTHER}, {"desk": OTHER, "oauth.api.secret": "********"}]),
    ):
        for configuration in tries:
            for method in ("PATCH", "PUT"):
                said = ask(colleague, method, f"/instances/{instance['id']}", {"configuration": configuration})
                refused(said, NEEDED, f"{method} of the host of {what}")
            token = f"Element {instance['token']}"
            said = ask(f"{token}, {colleague}", "PATCH", "/instances", {"configuration": configuration})
            refused(said, NEEDED, f"the host of {what} by the instance's token")
        entries = ask(colleague, "GET", f"/instances/{instance['id']}/configuration")[1]
        entry = next(entry["id"] for entry in entries if entry["key"] == "desk")
        path = f"/instances/{instance['id']}/configuration/{entry}"
        refused(ask(colleague, "PATCH", path, {"propertyValue": OTHER}), NEEDED, f"the entry with the host of {what}")
    # A code for the new host still goes there with the old client secret.
    body = {"configuration": {"desk": OTHER}, "providerData": {"code": "b-code"}}
    refused(ask(colleague, "PATCH", f"/instances/{oauth['id']}", body), NEEDED, "a code for another host")
    # Nor may tokens that somebody brings say where they are renewed with it.
    tokens = {"oauth.user.token": "t", "oauth.user.refresh_token": "r", "oauth.user.refresh_interval": "1"}
    body = {"externalAuthentication": "initial", "configuration": tokens, "providerData": {"renewal": OTHER}}
    refused(ask(colleague, "PATCH", f"/instances/{oauth['id']}", body), NEEDED, "a host for renewals by providerData")
    link = {"elements": ["attackedhosts"], "instanceId": oauth["id"], "configuration": {"desk": OTHER}}
    status, said = ask(colleague, "POST", "/connect/links", link)
    if status == 200:
        customer = Customer()
        _, headers, _ = customer.submit(said["url"])
        come_back(customer, headers)
    stolen("a link that renews at another host")


def come_back(customer, headers):
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(headers.get("Location") or "").query)
    if "state" in asked:
        path = urllib.parse.urlsplit(asked["redirect_uri"][0]).path
        customer.open(f"{path}?code=c-code&state={urllib.parse.quote(asked['state'][0])}")


def the_organizations_app():
    """Whoever names the host of a new connection does not know the organization's client secret."""
    app = {"clientId": "app", "clientSecret": "APP-SECRET", "hosts": [OWN]}
    status, said = ask(AUTHORIZATION, "PUT", "/elements/attackedhosts/app", app)
    report.check(status == 200, f"the app is stored: {status} {said}")
    there = {"desk": OTHER, "oauth.callback.url": CALLBACK}
    code = {"providerData": {"code": "d-code"}}
    refused(connect("by code", there, code, colleague), NOT_ITS_OWN, "a code of another host")
    tokens = {"oauth.user.token": "t", "oauth.user.refresh_token": "r", "oauth.user.refresh_interval": "1"}
    brought = {"externalAuthentication": "initial"}
    refused(connect("by tokens", {**there, **tokens}, brought, colleague), NOT_ITS_OWN, "tokens of another host")
    named = {**brought, "providerData": {"renewal": OTHER}}
    here = {"desk": OWN, "oauth.callback.url": CALLBACK, **tokens}
    refused(connect("by a renewal", here, named, colleague), NOT_ITS_OWN, "tokens that are renewed at another host")
    link = {"elements": ["attackedhosts"], "configuration": {"desk": OTHER}}
    refused(ask(colleague, "POST", "/connect/links", link), NOT_ITS_OWN, "the configuration of a link")
    query = urllib.parse.urlencode({"desk": OTHER, "callbackUrl": CALLBACK})
    ask(colleague, "GET", f"/elements/attackedhosts/oauth/url/default?{query}")
    stolen("the address of an authorization")
    status, said = ask(colleague, "POST", "/connect/links", {"elements": ["attackedhosts"]})
    report.check(status == 200, f"a link: {status} {said}")
    customer = Customer()
    status, headers, page = customer.submit(said["url"], desk=OTHER)
    report.check(status == 400 and not headers.get("Location"), f"a customer's host: {status}")
    come_back(customer, headers)
    stolen("a customer's host")
    # An app of one's own may be anywhere, and its place is nobody else's.
    status, mine = connect("own app", {**there, "oauth.api.key": "mine", "oauth.api.secret": "mine"}, code, colleague)
    other.requests.clear()
    if status == 200:
        none = {"configuration": {"oauth.api.key": None, "oauth.api.secret": None}}
        path = f"/instances/{mine['id']}"
        refused(ask(colleague, "PATCH", path, {**none, **code}), NOT_ITS_OWN, "an instance that gives up its app")
        ask(colleague, "PATCH", path, none)
        ask(colleague, "GET", f"{path}?refresh=true")
        stolen("a renewal without an app of one's own")
    # The secret does not follow a further host either.
    wider = {"clientId": "app", "hosts": [OWN, OTHER]}
    refused(ask(AUTHORIZATION, "PUT", "/elements/attackedhosts/app", wider), NEEDED, "a further host of the app")
    # And where it belongs it serves.
    unused = {"providerData": {"code": "e-code"}}
    good, said = connect("good", {"desk": OWN, "oauth.callback.url": CALLBACK}, unused, colleague)
    report.check(good == 200, f"the app's own host: {good} {said}")


try:
    moved_instances()
    the_organizations_app()
finally:
    for instance in made:
        ask(AUTHORIZATION, "DELETE", f"/instances/{instance}")
    ask(AUTHORIZATION, "DELETE", "/elements/attackedhosts/app")
stolen("what is given back at the end")
report.end()
