#!/usr/bin/env python3
"""One organization that takes what it can: as many rows as it may have, links of 60 KB as fast as the server takes them, token
calls and revocations that its vendor never answers. Another one is served meanwhile."""

import json
import os
import statistics
import sys
import threading
import time

from _stage import AUTHORIZATION, Report, Vendor, call, secret

if "LIGAND_OTHER_USER" not in os.environ:
    print("SKIPPED: LIGAND_OTHER_USER and LIGAND_OTHER_ORGANIZATION name no second organization")
    sys.exit(0)

OTHER = f"User {secret('LIGAND_OTHER_USER')}, Organization {secret('LIGAND_OTHER_ORGANIZATION')}"
BASE = "/elements/api-v2"
# Far more than a call takes that nobody holds up, and less than what the attacks last.
PATIENCE = 8.0
# Limits above this are not tried out: set lower ones, with `ligand organizations limit`.
FILLED_UP_TO = 2000

report, vendor = Report(), Vendor()
released = threading.Event()
made = {AUTHORIZATION: [], OTHER: []}


def answer(method, target, headers, body):
    """Nothing to the one whose tokens say so, while it lasts."""
    if b"theirs" in body:
        released.wait(60)
    return 200, [], json.dumps({"access_token": "new", "token_type": "bearer", "expires_in": 3600})


vendor.answer = answer


def timed(method, path, authorization, body=None, headers=None):
    began = time.monotonic()
    status, head, text = call(method, BASE + path, authorization, body, headers)
    return status, head, json.loads(text or "{}"), time.monotonic() - began


def oauth_instance(authorization, name):
    body = {
        "name": f"attack {name}",
        "element": {"key": "attackedoauth"},
        "externalAuthentication": "initial",
        "configuration": {
            "oauth.api.key": "client",
            "oauth.api.secret": "secret",
            "oauth.callback.url": "https://app.example/callback",
            "oauth.user.token": f"access-{name}",
            "oauth.user.refresh_token": f"refresh-{name}",
            "oauth.user.refresh_interval": "600",
        },
    }
    status, _, reply, _ = timed("POST", "/instances", authorization, body)
    if status != 200:
        sys.exit(f"no instance ({status}): {reply}")
    made[authorization].append(reply["id"])
    return reply["id"]


def key_instance(authorization, headers=None):
    body = {"name": "attack key", "element": {"key": "attacked"}, "configuration": {"attacked.key": "k"}}
    reply = timed("POST", "/instances", authorization, body, headers)
    if reply[0] == 200:
        made[authorization].append(reply[2]["id"])
    return reply


def at_once(count, work):
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def floods(mine):
    """Links of 60 KB from sixteen callers."""

    def patches(seconds):
        times, ends = [], time.monotonic() + seconds
        while time.monotonic() < ends:
            status, _, reply, took = timed("PATCH", f"/instances/{mine}", AUTHORIZATION, {"name": "attack renamed"})
            report.check(status == 200, f"a PATCH beside the flood: {status} {reply}")
            times.append(took)
        return times

    alone, stop, links = patches(2), threading.Event(), []
    body = {"elements": ["attacked"], "configuration": {"attacked.key": "x" * 60_000}}

    def flood(_):
        while not stop.is_set():
            status, _, reply, _ = timed("POST", "/connect/links", OTHER, body)
            if status == 200:
                links.append(reply["id"])
            else:
                report.check(status in (409, 429), f"a link of the flood: {status} {reply}")

    threads = at_once(16, flood)
    beside = patches(4)
    stop.set()
    for thread in threads:
        thread.join()
    report.check(max(beside) < PATIENCE, f"a PATCH took {max(beside):.1f} s beside the flood")
    ratio = statistics.median(beside) / statistics.median(alone)
    print(f"a PATCH beside {len(links) / 4:.0f} links of 60 KB a second takes {ratio:.1f} times as long (median)")
    return links


def quotas():
    """Each is refused with its name, and takes nothing from others."""
    limits = timed("GET", "/organizations/me", OTHER)[2]["limits"]
    fill = {
        "instances": lambda _: key_instance(OTHER),
        "links": lambda _: timed("POST", "/connect/links", OTHER, {"elements": ["attacked"]}),
        "idempotencyKeys": lambda number: key_instance(OTHER, {"Idempotency-Key": f"attack {number} {time.time()}"}),
    }
    # Keys first: each comes with an instance.
    for kind in ("idempotencyKeys", "links", "instances"):
        limit = limits[kind]["limit"]
        if limit > FILLED_UP_TO:
            print(f"{kind}: {limit} are not filled")
            continue
        refused = None
        for number in range(limit + 1):
            status, _, reply, _ = fill[kind](number)
            if status != 200:
                refused = (status, reply.get("code"))
                break
        report.check(refused == (409, "limit_reached"), f"{kind}: after {limit} came {refused}")
        used = timed("GET", "/organizations/me", OTHER)[2]["limits"][kind]["used"]
        report.check(used <= limit, f"{kind}: {used} of {limit}")
    status, _, reply, took = key_instance(AUTHORIZATION, {"Idempotency-Key": f"attack {time.time()}"})
    report.check(status == 200 and took < PATIENCE, f"the other organization: {status} {reply} after {took:.1f} s")


def refreshes(mine, theirs):
    """A vendor that keeps one organization's token calls waiting."""
    threads = at_once(len(theirs), lambda number: call("GET", f"{BASE}/instances/{theirs[number]}?refresh=true", OTHER))
    time.sleep(1)
    status, _, reply, took = timed("GET", f"/instances/{mine}?refresh=true", AUTHORIZATION)
    report.check(status == 200 and took < PATIENCE, f"a refresh: {status} {reply} after {took:.1f} s")
    return threads


def revocations(mine, theirs):
    """And their revocations, of which there are as many."""
    before = len(vendor.requests)
    for instance in theirs:
        call("DELETE", f"{BASE}/instances/{instance}", OTHER)
    began = time.monotonic()
    while not any(b"theirs" in body for _, target, _, body in vendor.since(before) if target == "/revoke"):
        if time.monotonic() - began > PATIENCE:
            break
        time.sleep(0.1)
    status, _, reply, _ = timed("DELETE", f"/instances/{mine}", AUTHORIZATION)
    report.check(status == 200, f"a deletion: {status} {reply}")
    began, revoked = time.monotonic(), False
    while not revoked and time.monotonic() - began < PATIENCE:
        revoked = any(b"mine" in body for _, target, _, body in vendor.since(before) if target == "/revoke")
        time.sleep(0.1)
    report.check(revoked, "a grant was not revoked while another organization's revocations hang")


mine = oauth_instance(AUTHORIZATION, "mine")
theirs = [oauth_instance(OTHER, f"theirs-{number}") for number in range(20)]
links = []
try:
    links = floods(mine)
    hanging = refreshes(mine, theirs)
    quotas()
    revocations(mine, theirs)
finally:
    released.set()
    for authorization, instances in made.items():
        for instance in instances:
            call("DELETE", f"{BASE}/instances/{instance}", authorization)
    for link in links:
        call("DELETE", f"{BASE}/connect/links/{link}", OTHER)
report.end()
