"""Plays the user: opens the authorization URL, agrees on the consent page, prints the code that the callback would get."""

import sys
from html.parser import HTMLParser
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener


class ConsentForm(HTMLParser):
    """The first form of the page, filled in as a browser does when its first button is pressed."""

    def __init__(self):
        super().__init__()
        self.action = None
        self.fields = {}
        self._pressed = False

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = attrs.get("action", "")
        is_button = tag == "button" or attrs.get("type") == "submit"
        if tag not in ("input", "button") or not attrs.get("name") or (is_button and self._pressed):
            return
        if attrs.get("type") in ("radio", "checkbox") and "checked" not in attrs:
            return
        self._pressed = self._pressed or is_button
        self.fields[attrs["name"]] = attrs.get("value", "")


class StayHere(HTTPRedirectHandler):
    """The redirect goes to the integrator's application, which need not exist here."""

    def redirect_request(self, *args):
        return None


def visit(request):
    """Returns the page, or the address that the browser is sent to."""
    try:
        with build_opener(StayHere).open(request, timeout=10) as reply:
            return reply.read().decode(), None
    except HTTPError as reply:
        if "Location" in reply.headers:
            return None, reply.headers["Location"]
        raise


def main(url):
    page, location = visit(url)
    if page is not None:
        form = ConsentForm()
        form.feed(page)
        _, location = visit(Request(urljoin(url, form.action), data=urlencode(form.fields).encode()))
    print(parse_qs(urlsplit(location).query)["code"][0])


main(sys.argv[1])
