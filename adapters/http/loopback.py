"""A port of this machine that waits for one browser: it hears where the browser was sent, answers a line, and closes.

It listens on 127.0.0.1 alone, where `ssh -L` leads from somebody's own machine, and takes nothing but the address that
the caller vouches for; a port scanner, a browser's second thoughts about icons, or another attempt's address are
answered with 404, and the wait goes on. Requests and time are bounded.
"""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from time import monotonic
from urllib.parse import urlsplit

from sidecar.errors import PermanentError

MAX_REQUESTS = 100
REQUEST_S = 5.0
_THANKS = b"Thank you. You can close this page and go back to the sidecar."


def wait_for_browser(port: int, timeout_s: float, is_ours: Callable[[str], bool]) -> str:
    """Return the query (with its `?`) of the first request whose query is ours; `PermanentError` if none comes."""
    try:
        server = _Once(port, is_ours)
    except OSError as error:
        raise PermanentError(f"port {port} of this machine can't be opened ({error.strerror}); name another") from None
    until = monotonic() + timeout_s
    with server:
        for _ in range(MAX_REQUESTS):
            server.timeout = max(until - monotonic(), 0.0)
            server.handle_request()
            if server.query is not None:
                return f"?{server.query}"
            if monotonic() >= until:
                break
    raise PermanentError(f"no browser came to port {port} of this machine in time")


class _Once(HTTPServer):
    allow_reuse_address = True

    def __init__(self, port: int, is_ours: Callable[[str], bool]) -> None:
        self.query: str | None = None
        self.is_ours = is_ours
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Go on: whoever broke off was not the browser that we wait for."""


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_S
    server: _Once

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        is_ours = parts.path in ("", "/") and self.server.is_ours(parts.query)
        if is_ours:
            self.server.query = parts.query
        body = _THANKS if is_ours else b"not found"
        self.send_response(200 if is_ours else 404)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the address holds a code."""
