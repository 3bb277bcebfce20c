"""A real HTTP server that takes what is posted to it, and answers, hangs or goes as a test says."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


class Receiver:
    """Listens on a port of its own; each request is kept with its headers, names in lower case."""

    def __init__(self, path: str = "hook") -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answer: tuple[int, dict[str, str]] = (204, {})
        self.is_silent = False
        self._ended = Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/{path}"

    def close(self) -> None:
        """End the server, twice if need be."""
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if receiver.is_silent:
                    receiver._ended.wait(10)
                    return
                receiver.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status, more = receiver.answer
                said = b"" if status == 204 else b"canary-of-the-server " * 10_000
                self.send_response(status)
                for name, value in {**more, "content-length": str(len(said))}.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(said)
                except ConnectionError:
                    return  # an answer that long is not read to its end

            def log_message(self, format: str, *arguments: object) -> None:
                """Say nothing."""

        return Handler


@contextmanager
def receiving(path: str = "hook") -> Iterator[Receiver]:
    """Listen for the length of a block."""
    receiver = Receiver(path)
    try:
        yield receiver
    finally:
        receiver.close()
