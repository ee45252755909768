"""What the scripts of Python share: where to call, the switches of the sandbox, and what an error must be."""

import json
import os
import signal
from contextlib import contextmanager
from urllib.request import Request, urlopen

BASE = os.environ["HUBSPOT_BASE_URL"]
TOKEN = os.environ["HUBSPOT_ACCESS_TOKEN"]
REFUSED = [401, 403, 429, 477, 500, 502, 503]
CATEGORIES = {401: "INVALID_AUTHENTICATION", 403: "MISSING_SCOPES", 404: "OBJECT_NOT_FOUND", 409: "CONFLICT"}

# A call that hangs fails the test.
signal.alarm(120)


def change(switches):
    body = json.dumps(switches).encode()
    urlopen(Request(os.environ["SANDBOX_URL"] + "/control", data=body, method="PATCH"), timeout=10).close()


@contextmanager
def failing(status, times=None):
    """The vendor answers with a status, for so many calls."""
    change({"failure": {"route": "*", "status": status, "times": times}})
    try:
        yield
    finally:
        change({"failure": None})


def caught(call, error):
    try:
        call()
    except error as raised:
        return raised
    raise AssertionError("the call succeeded")


def assert_body(status, body):
    """The vendor's own body, member by member."""
    assert body["status"] == "error" and len(body["correlationId"]) == 36, body
    if status in CATEGORIES:
        assert body["category"] == CATEGORIES[status], body
    if status == 429:
        assert body["policyName"] == "TEN_SECONDLY_ROLLING", body
