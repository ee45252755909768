"""Verifies requests with the specification's own library. Lines of JSON: secret, headers, body; answers a line for each."""

import json
import sys

from standardwebhooks import Webhook

for line in sys.stdin:
    request = json.loads(line)
    try:
        notice = Webhook(request["secret"]).verify(request["body"], request["headers"])
        print("good", notice["type"])
    except Exception as error:
        print("bad", error)
