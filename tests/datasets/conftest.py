"""A web site on this machine that can misbehave, for the tests of downloading."""

import http.server
import threading

import pytest

from datasets import download


class Site:
    """Serves `content` under any name. Paths below /moved lead to one below /absent, and that answers 404."""

    def __init__(self, url):
        self.url = url
        self.content = b""
        self.ranges = True  # honor the Range header
        self.sized = True  # state a Content-Length
        self.cuts = []  # break the next answers after so many bytes
        self.requests = []  # the Range header of each request, None without


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        site = self.server.site
        wanted = self.headers.get("Range")
        site.requests.append(wanted)
        if self.path.startswith("/moved"):
            self._head(302, [("Location", f"{site.url}/absent")])
        elif self.path.startswith("/absent"):
            self._head(404, [])
        else:
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and site.ranges else 0
            self._send(site, start, 206 if start else 200)

    def _send(self, site, start, status):
        body = site.content[start:]
        if not body:
            self._head(416, [])
            return
        self._head(status, [("Content-Length", str(len(body)))] if site.sized else [])
        self.wfile.write(body[: site.cuts.pop(0)] if site.cuts else body)

    def _head(self, status, headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSE", 0)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.site = Site(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.site
        server.shutdown()
