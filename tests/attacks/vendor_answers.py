#!/usr/bin/env python3
"""A vendor that speaks to others than its caller: redirects into the server, cookies for other instances, headers for
proxies and browsers, answers for the next caller. Also what callers can do with an instance's token by mistake."""

import os
import shutil
import subprocess
import pathlib
from urllib.parse import urlsplit

from _stage import AUTHORIZATION, URL, Report, Vendor, call, instance, raw, remove

HERE = pathlib.Path(__file__).resolve().parent
HOST = urlsplit(URL).netloc
NODE = os.environ.get("LIGAND_TEST_NODE") or shutil.which("node")
BASE = "/elements/api-v2"

report, vendor = Report(), Vendor()


# Clients, each as it follows redirects by itself.


def _requests(method, url, authorization):
    import requests

    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, headers={"Authorization": authorization}, timeout=30).text


def _httpx(method, url, authorization):
    import httpx

    with httpx.Client(follow_redirects=True, trust_env=False, timeout=30) as client:
        return client.request(method, url, headers={"Authorization": authorization}).text


def _curl(method, url, authorization):
    # By standard input, because others may see arguments.
    line = ["curl", "-sS", "-L", "--max-redirs", "5", "-m", "30", "--noproxy", "*", "-H", "@-", "-X", method, url]
    return subprocess.run(line, input=f"Authorization: {authorization}\n", capture_output=True, text=True).stdout


def _node(client):
    def one(method, url, authorization):
        environment = {**os.environ, "AUTHORIZATION": authorization}
        line = [NODE, str(HERE / "_client.mjs"), client, method, url]
        return subprocess.run(line, env=environment, capture_output=True, text=True).stdout

    return one


def _harmless(follow):
    """What a client cannot follow is an error to some, and just as good."""

    def one(method, url, authorization):
        try:
            return follow(method, url, authorization)
        except Exception as refused:
            return f"error: {refused}"

    return one


def clients():
    found = {}
    for name, follow in (("requests", _requests), ("httpx", _httpx)):
        try:
            __import__(name)
            found[name] = follow
        except ImportError:
            print(f"SKIPPED: no {name} for this Python")
    if shutil.which("curl"):
        found["curl"] = _curl
    else:
        print("SKIPPED: no curl")
    for name in ("fetch", "axios", "got"):
        probe = NODE and subprocess.run([NODE, str(HERE / "_client.mjs"), name, "PROBE", ""], capture_output=True, check=False)
        if probe and probe.returncode == 0:
            found[name] = _node(name)
        else:
            print(f"SKIPPED: no {name} (npm ci --prefix tests/attacks)")
    return {name: _harmless(follow) for name, follow in found.items()}


def spellings(path):
    """Of an address of the server."""
    host, port = HOST.partition(":")[0], HOST.partition(":")[2] or "80"
    yield from (
        path,
        f"../../..{path}",
        f"/vendor/..{path}",
        f"/..%2f..%2f{path.strip('/')}",
        f"/%2e%2e{path}",
        f"//{HOST}{path}",
        f"///{path.strip('/')}",
        f"http://{HOST}{path}",
        f"HTTP://{HOST.upper()}{path}",
        f"http://{host}.:{port}{path}",
        f"http://localhost:{port}{path}",
        f"http://127.0.0.1:{port}{path}",
        f"http://2130706433:{port}{path}",
        f"http://x:y@{HOST}{path}",
        f"http:{path}",
        f"http:///{path.strip('/')}",
        f"http:\\\\{HOST}{path}",
        f"/\\{HOST}{path}",
        path.replace("/", "\\"),
        f"\t{path}",
    )


def redirects(found):
    """Nobody's client deletes or reads anything of the server's."""
    ours, token = instance("attacked", "redirects")
    everything = f"{AUTHORIZATION}, Element {token}"
    victim, victims_token = instance("attacked", "victim")
    vendor.answer = lambda method, target, headers, body: (
        (int(target[1:4]), [f"Location: {vendor.location}"], "") if target[1:4] in ("302", "307") else (200, [], "{}")
    )
    # Node takes its time to start: there two are enough for what parsers do not differ about.
    for name, follow in found.items():
        few = name in ("fetch", "axios", "got")
        for address in list(spellings(f"{BASE}/instances/{victim}")) + ([] if few else list(spellings(f"/instances/{victim}"))):
            vendor.location = address
            follow("DELETE", f"{URL}/vendor/307/x", everything)
            status, _, _ = call("GET", f"{BASE}/instances/{victim}", AUTHORIZATION)
            report.check(status == 200, f"{name} deleted an instance by a redirect to {address}")
            if status != 200:
                victim, victims_token = instance("attacked", "victim")
        for address in list(spellings(f"{BASE}/instances"))[:: 4 if few else 1]:
            vendor.location = address
            said = follow("GET", f"{URL}/vendor/302/x", everything) or ""
            report.check(victims_token not in said, f"{name} read a secret by a redirect to {address}")
    for name, line in (
        ("Location", "{}"),
        ("Content-Location", "{}"),
        ("Link", '<{}>; rel="next"'),
        ("Refresh", "0; url={}"),
    ):
        for address in spellings(f"{BASE}/instances"):
            vendor.answer = lambda *_: (200, [f"{name}: {line.format(address)}"], "{}")
            _, headers, _ = call("GET", "/vendor/x", f"Element {token}")
            text = headers.get(name) or ""
            stays = text == "" or "/vendor" in text
            report.check(stays and "\\" not in text and ".." not in text, f"{name}: {address} came back as {text}")
    remove(ours)
    remove(victim)


def cookies():
    """One jar for two instances takes nothing of one to the other's vendor."""
    a, token_a = instance("attacked", "cookies-a")
    b, token_b = instance("attacked", "cookies-b")
    names = ["sid=of-a; Path=/; Domain=" + HOST.partition(":")[0], "ligand-console=forged; Path=/", "__Host-x=1; Path=/; Secure"]
    vendor.answer = lambda *_: (200, [f"Set-Cookie: {name}" for name in names], "{}")
    try:
        import requests
    except ImportError:
        requests = None
        print("SKIPPED: no requests, so no jar")
    if requests:
        session = requests.Session()
        session.trust_env = False
        for token, expected in ((token_a, []), (token_a, ["sid=of-a"]), (token_b, [])):
            before = len(vendor.requests)
            session.get(f"{URL}/vendor/x", headers={"Authorization": f"Element {token}"}, timeout=30)
            came = [value for _, _, headers, _ in vendor.since(before) for value in headers.get("cookie", [])]
            whole = "; ".join(came)
            report.check(all(part in whole for part in expected), f"a vendor's cookie did not come back: {came}")
            report.check(bool(expected) or not came, f"cookies of another instance travelled: {came}")
            if token == token_a:
                vendor.answer = lambda *_: (200, [f"Set-Cookie: {name}" for name in names], "{}")
        kept = {cookie.name for cookie in session.cookies}
        report.check(all(name.startswith("lv") for name in kept), f"cookies in the server's own name: {kept}")
        report.check(all(cookie.path.startswith("/vendor") for cookie in session.cookies), "a cookie for all of the server")
    before = len(vendor.requests)
    call("GET", "/vendor/x", f"Element {token_b}", headers={"Cookie": f"lv{a}-sid=1; ligand-console=1; sid=2"})
    report.check("cookie" not in vendor.requests[before][2], "a cookie that is not the instance's reached the vendor")
    remove(a)
    remove(b)


def acting_headers():
    """Nothing for proxies, caches and browsers."""
    made, token = instance("attacked", "headers")
    lines = {
        "X-Accel-Redirect": "/protected/x", "X-Accel-Expires": "600", "X-Sendfile": "/etc/passwd", "X-LIGHTTPD-send-file": "/etc/passwd",
        "X-Reproxy-URL": "http://127.0.0.1/", "X-LiteSpeed-Location": "/x", "CDN-Cache-Control": "public, max-age=600",
        "Surrogate-Control": "max-age=600", "X-Envoy-Immediate-Health-Check-Fail": "true",
        "Strict-Transport-Security": "max-age=0", "Alt-Svc": 'h2="evil.example:443"', "Clear-Site-Data": '"*"', "NEL": "{}",
        "Report-To": "{}", "Reporting-Endpoints": 'x="https://evil.example"', "Public-Key-Pins": "x", "Service-Worker-Allowed": "/",
        "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true", "Elements-Error": "reauthorization_required",
    }
    vendor.answer = lambda *_: (
        200, [f"{name}: {value}" for name, value in lines.items()] + ["Cache-Control: public, max-age=600", "Content-Type: text/html"], "x"
    )
    _, headers, _ = call("GET", "/vendor/x", f"Element {token}")
    for name in lines:
        report.check(name not in headers, f"{name} came through")
    control = headers.get("Cache-Control", "")
    report.check("private" in control and "public" not in control, f"Cache-Control: {control}")
    report.check("sandbox" in (headers.get("Content-Security-Policy") or ""), "a page of the vendor is one of this origin")
    report.check(headers.get("X-Content-Type-Options") == "nosniff", "browsers may guess what it is")
    remove(made)


def shared_connections():
    """A vendor that passes over the body of a GET takes it for the next request: nobody else gets that answer."""
    a, token_a = instance("attacked", "KEY-OF-A")
    b, token_b = instance("attacked", "KEY-OF-B")
    vendor.reads = lambda method, target: method not in ("GET", "DELETE", "OPTIONS")
    vendor.answer = lambda method, target, headers, body: (200, [], f"{headers.get('x-api-key')} {target}")
    for method in ("GET", "DELETE", "OPTIONS"):
        for _ in range(6):
            smuggled = "GET /smuggled HTTP/1.1\r\nHost: v\r\nX-Api-Key: KEY-OF-A\r\n\r\n"
            raw(
                f"{method} /vendor/a HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Element {token_a}\r\n"
                f"Content-Length: {len(smuggled)}\r\n\r\n{smuggled}"
            )
            for _ in range(3):
                status, _, text = call("GET", "/vendor/b", f"Element {token_b}")
                report.check(status != 200 or "KEY-OF-B" in text and "/b" in text, f"an answer of another instance: {text}")
    vendor.reads = lambda method, target: True
    before = len(vendor.requests)
    folded = "Transfer_Encoding: chunked\r\nContent_Length: 5\r\nX_Api_Key: stolen\r\nProxy_Authorization: x\r\n"
    raw(f"GET /vendor/x HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Element {token_a}\r\n{folded}\r\n")
    names = set(vendor.requests[before][2])
    report.check(not any("_" in name for name in names), f"headers that a vendor takes for others: {names}")
    remove(a)
    remove(b)


def base_path():
    """One tenant of a vendor does not become another."""
    made, token = instance("attackedtenant", "QUERY KEY/1")
    vendor.answer = lambda method, target, headers, body: (200, [f"X-Echo: {target}", f"X-Plain: QUERY KEY/1"], "{}")
    before = len(vendor.requests)
    for path in ("/../43/x", "/%2e%2e/43/x", "/..%2f43/x", "/a/..;/..;/43", "/%252e%252e/43", "/..%5c43", "/a%2f..%2f..%2f43"):
        answer = raw(f"GET /vendor{path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Element {token}\r\n\r\n")
        report.check(" 400 " in answer.split("\r\n")[0], f"{path}: {answer.splitlines()[:1]}")
    report.check(len(vendor.requests) == before, "a path climbed out of the base path")
    _, headers, _ = call("GET", "/vendor", f"Element {token}")
    report.check(vendor.requests[-1][1].startswith("/tenant/42"), "the base path itself")
    shown = " ".join(headers.values())
    report.check(not any(key in shown for key in ("QUERY KEY/1", "QUERY+KEY", "QUERY%20KEY")), f"the key came back: {shown}")
    remove(made)


def platform_calls():
    """A token in the header sends no call of the platform to a vendor."""
    made, token = instance("attacked", "platform")
    everything = f"{AUTHORIZATION}, Element {token}"
    vendor.answer = lambda *_: (200, [], '{"id": "1"}')
    before = len(vendor.requests)
    families = (
        "accounts/12 audit-logs/x bulk/query common-resources/x customers/x element-products/1 events/x formulas formulas/12 "
        "integrations/1 jobs jobs/12 Jobs %6Aobs metrics/x models/x/schema objects/x/definitions transformations/x/execute usage/1 "
        "users users/12 users/12/roles vdrs/12 "
    ).split()
    for path in [f"/{family}" for family in families] + ["/hubs/crm/bulk/query", "/hubs/crm/objects/x", "/hubs/crm/ping/x"]:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            call(method, BASE + path, everything, {})
            report.check(len(vendor.requests) == before, f"{method} {path} reached the vendor")
            before = len(vendor.requests)
    for method, path in (("POST", "/things"), ("PATCH", "/things/1"), ("DELETE", "/things/1")):
        call(method, BASE + path, everything, {})
        report.check(len(vendor.requests) == before, f"{method} {path} was written without its hub")
    remove(made)


redirects(clients())
cookies()
acting_headers()
shared_connections()
base_path()
platform_calls()
report.end()
