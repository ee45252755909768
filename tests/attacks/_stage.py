"""What attacks have in common: a caller of the server, and a vendor with ill will."""

import json
import os
import socket
import sys
import threading
import urllib.error
import urllib.request

URL = os.environ.get("LIGAND_URL", "http://localhost:8080").rstrip("/")
VENDOR = os.environ.get("LIGAND_ATTACKS_VENDOR", "127.0.0.1:9099")


def secret(name):
    if name not in os.environ:
        sys.exit(f"{name} is not set: see tests/attacks/README.md")
    return os.environ[name]


AUTHORIZATION = f"User {secret('LIGAND_USER')}, Organization {secret('LIGAND_ORGANIZATION')}"


class Report:
    """What held, and what did not."""

    def __init__(self):
        self.held, self.broken = 0, []

    def check(self, good, what):
        if good:
            self.held += 1
        else:
            self.broken.append(what)
            print(f"BROKEN: {what}", flush=True)

    def end(self):
        print(f"{self.held} held, {len(self.broken)} broken")
        sys.exit(1 if self.broken else 0)


class _Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stays())


def call(method, path, authorization, body=None, headers=None):
    """Status, headers and body of one call; redirects are not followed."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data=data, method=method, headers=dict(headers or {}))
    request.add_header("Authorization", authorization)
    if body is not None:
        request.add_header("Content-Type", "application/json")
    try:
        with _opener.open(request, timeout=30) as reply:
            return reply.status, reply.headers, reply.read().decode(errors="replace")
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, refused.read().decode(errors="replace")


def raw(text, read_for=3.0):
    """Bytes to the server as they are, and what comes back until it is silent."""
    host, _, port = URL.split("//", 1)[1].partition(":")
    with socket.create_connection((host, int(port or 80)), timeout=read_for) as connection:
        connection.sendall(text.encode("latin-1"))
        said = b""
        try:
            while not _whole(said):
                piece = connection.recv(65536)
                if not piece:
                    break
                said += piece
        except TimeoutError:
            pass
    return said.decode("latin-1")


def _whole(said):
    head, end, body = said.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return bool(end) and len(body) >= int(value)
    return False


def instance(element, key):
    """Makes an instance and gives its id and token."""
    body = {"name": f"attack {key}", "element": {"key": element}, "configuration": {"attacked.key": key}}
    status, _, text = call("POST", "/elements/api-v2/instances", AUTHORIZATION, body)
    if status != 200:
        sys.exit(f"no instance of {element} ({status}): {text}")
    made = json.loads(text)
    return made["id"], made["token"]


def remove(instance_id):
    call("DELETE", f"/elements/api-v2/instances/{instance_id}", AUTHORIZATION)


class Vendor:
    """Answers what an attack wants. `answer` gets method, target, headers (lower case, a list of values each) and body, and
    gives status, header lines and body. It reads no body where `reads` says so."""

    def __init__(self, address=VENDOR):
        host, port = address.rsplit(":", 1)
        self.answer = lambda method, target, headers, body: (200, [], "{}")
        self.reads = lambda method, target: True
        self.requests = []
        self.listener = socket.create_server((host, int(port)))
        threading.Thread(target=self._accept, daemon=True).start()

    def since(self, count):
        return self.requests[count:]

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        read = b""
        try:
            while True:
                while b"\r\n\r\n" not in read:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    read += piece
                head, read = read.split(b"\r\n\r\n", 1)
                lines = head.decode("latin-1").split("\r\n")
                method, target, _ = lines[0].split(" ", 2)
                headers = {}
                for line in lines[1:]:
                    name, _, value = line.partition(":")
                    headers.setdefault(name.strip().lower(), []).append(value.strip())
                length = int(headers.get("content-length", ["0"])[0]) if self.reads(method, target) else 0
                while len(read) < length:
                    read += connection.recv(65536)
                body, read = read[:length], read[length:]
                self.requests.append((method, target, headers, body))
                # The call that proves a key: what attacks answer proves none.
                status, more, text = (200, [], "{}") if target.endswith("/me") else self.answer(method, target, headers, body)
                text = text.encode()
                if not any(line.lower().startswith("content-type:") for line in more):
                    more = [*more, "Content-Type: application/json"]
                start = "\r\n".join([f"HTTP/1.1 {status} -", *more, f"Content-Length: {len(text)}", "", ""])
                connection.sendall(start.encode("latin-1") + (b"" if method == "HEAD" else text))
        except (OSError, ValueError):
            return
        finally:
            connection.close()
