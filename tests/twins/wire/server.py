"""The socket: HTTP/1.1 with keep-alive on loopback, where faults strike.

Threads of the standard library's server, each with one connection. `down` closes the listening socket and every
connection, `up` opens the same port again; between the two the port is bound and not listened on, or the system would
give it to the next who asks for any.
"""

import contextlib
import socket
import struct
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.twins.wire.faults import BlackHole, Drop, Faults, Late, Reset, Slow, Status, Truncated
from tests.twins.wire.passing import BODY_LIMIT, Gateway, Reply, Request

JOIN_S, POLL_S, IDLE_S, TRICKLE_S = 5.0, 0.02, 60.0, 0.05
TOLD_NOTHING = b""


class Server:
    """Listens on a port of loopback, any free one unless it is named, while it is up, and keeps that port for good."""

    def __init__(self, gateway: Gateway, faults: Faults, port: int = 0) -> None:
        self.gateway, self.faults, self.port = gateway, faults, port
        self.stopping = threading.Event()
        self.timers: list[threading.Timer] = []
        self._listener: _Listener | None = None
        self._thread: threading.Thread | None = None
        self._kept: socket.socket | None = None

    def up(self) -> None:
        """Open the port and serve."""
        if self._listener is None:
            self.stopping.clear()
            self.leave()
            self._listener = _Listener(self, self.port)
            self.port = self._listener.server_address[1]
            self._thread = threading.Thread(target=self._listener.serve_forever, args=(POLL_S,), daemon=True)
            self._thread.start()

    def down(self) -> None:
        """Close the port and every connection; requests are refused."""
        if self._listener is not None and self._thread is not None:
            self.stopping.set()
            self._listener.shutdown()
            self._listener.server_close()
            self._kept = _bound(self.port)
            self._listener.hang_up()
            self._thread.join(JOIN_S)
            self._listener = None

    def leave(self) -> None:
        """Give the port back, if it is kept while nobody listens on it."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def settle(self, timeout_s: float = JOIN_S) -> None:
        """Wait until all late work is done."""
        for timer in list(self.timers):
            timer.join(timeout_s)
        self.timers = [timer for timer in self.timers if timer.is_alive()]

    def cancel(self) -> None:
        """Forget late work that has not been done yet."""
        for timer in self.timers:
            timer.cancel()
        self.settle()

    def later(self, delay_s: float, work: Callable[[], object]) -> None:
        """Do some work on a thread of its own, after a delay."""
        timer = threading.Timer(delay_s, work)
        timer.daemon = True
        self.timers.append(timer)
        timer.start()


def _bound(port: int) -> socket.socket:
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", port))
    return kept


class _Listener(ThreadingHTTPServer):
    """The standard library's server, which knows its connections so that it can end them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512
    allow_reuse_address = True

    def __init__(self, owner: Server, port: int) -> None:
        self.owner, self.lock = owner, threading.Lock()
        self.live: dict[socket.socket, threading.Thread] = {}
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        with self.lock:
            self.live[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        with self.lock:
            self.live.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Remember what went wrong here; connections that break are what this server is for."""
        error = sys.exception()
        if not isinstance(error, OSError):
            self.owner.gateway.defects.append(f"the server itself, or what a test runs before a request: {error!r}")

    def hang_up(self) -> None:
        """End every connection and its thread."""
        with self.lock:
            live = dict(self.live)
        for connection in live:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in live.values():
            if thread is not threading.current_thread():
                thread.join(JOIN_S)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_S
    server: _Listener

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the log is `Log`."""

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PATCH = do_PUT = do_DELETE = do_PROPFIND = do_REPORT = do_GET  # noqa: N815, RUF100

    def _serve(self) -> None:
        owner = self.server.owner
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit() or int(length) > BODY_LIMIT:
            self.close_connection = True
            self._send(Reply(411, TOLD_NOTHING))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(int(length)))
        before, action = owner.faults.strike(request.method, request.target, request.body)
        for call in before:
            call()
        if action is None:
            self._send(owner.gateway.answer(request))
        else:
            self._strike(request, action)

    def _strike(self, request: Request, action: Any) -> None:
        gateway, name = self.server.owner.gateway, type(action).__name__
        if isinstance(action, Reset | BlackHole):
            gateway.note(request, None, gateway.operation(request), answered=False, fault=name)
            self._reset() if isinstance(action, Reset) else self._hang(action.hold_s)
        elif isinstance(action, Late):
            late = self.server.owner.later
            late(action.after_s, lambda: gateway.answer(request, answered=False, fault=name))
            self._hang(action.hold_s)
        elif isinstance(action, Status):
            self._status(request, action)
        else:
            reply = gateway.answer(request, answered=not isinstance(action, Drop), fault=name)
            self._spoil(reply, action)

    def _status(self, request: Request, action: Status) -> None:
        gateway = self.server.owner.gateway
        reply = gateway.reply(action.status, gateway.dressed(action.body), action.headers)
        if action.after_work:
            gateway.answer(request, answered=False, fault="Status")
        else:
            gateway.note(request, reply, gateway.operation(request), answered=True, fault="Status")
        self._send(reply)

    def _spoil(self, reply: Reply, action: Drop | Slow | Truncated) -> None:
        if isinstance(action, Slow):
            self._trickle(self._raw(reply, len(reply.body)), action.bytes_per_s)
            return
        self.close_connection = True
        if isinstance(action, Truncated):
            kept = reply.body[: int(len(reply.body) * action.keep)]
            length = len(kept) if action.honest else len(reply.body)
            self._write(self._raw(Reply(reply.status, kept, reply.headers), length))

    def _send(self, reply: Reply) -> None:
        self._write(self._raw(reply, len(reply.body)))

    def _raw(self, reply: Reply, length: int) -> bytes:
        told = {**reply.headers, "Content-Length": str(length), "Date": self.date_time_string()}
        if self.close_connection:
            told["Connection"] = "close"
        if reply.status == 204:
            del told["Content-Length"]
        lines = [f"HTTP/1.1 {reply.status} {self.responses.get(reply.status, ('Error',))[0]}"]
        lines += [f"{name}: {value}" for name, value in told.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + reply.body

    def _write(self, raw: bytes) -> None:
        self.wfile.write(raw)

    def _trickle(self, raw: bytes, bytes_per_s: float) -> None:
        step = max(int(bytes_per_s * TRICKLE_S), 1)
        for start in range(0, len(raw), step):
            self._write(raw[start : start + step])
            if self.server.owner.stopping.wait(step / bytes_per_s):
                self.close_connection = True
                return

    def _hang(self, hold_s: float) -> None:
        self.server.owner.stopping.wait(hold_s)
        self.close_connection = True

    def _reset(self) -> None:
        """Close so that the other side sees a reset, not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
