"""A door that remembers, a server around it, and a socket that says exactly the bytes that a test wants.

Libraries for HTTP refuse to send what a hostile sender sends, so the wire is spoken by hand here.
"""

import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from types import TracebackType
from typing import Self

import httpx2
import orjson

from sidecar.errors import RejectedInput
from sidecar.links import Linked
from sidecar.ports import HookRequest
from sidecar.web import Limits, serve_http

PATIENCE_S = 30.0
CANARY = "ann.lee@customer.test"
LONG = "x" * 70_000
QUICK = Limits(header_timeout_s=1.0, linger_s=0.3)
"""Little patience with heads; a second of it, since a test that is to say something must get to it in time."""


@dataclass
class KeepingDoor:
    """A door with one channel, `web`, whose signature is the word "right"; `keep` decides what becomes of a request."""

    max_body_bytes: int = 10_000
    keep: Callable[[HookRequest], "Future[object]"] | None = None
    found: Sequence[str] = ()
    known: Sequence[str] = ()
    measured: bytes = b""
    kept: list[HookRequest] = field(default_factory=list)
    pending: list["Future[object]"] = field(default_factory=list)
    answers: list[tuple[str, int]] = field(default_factory=list)
    shows: Callable[[str], str] | None = None
    news: threading.Condition = field(default_factory=threading.Condition)

    def receive(self, channel: str, request: HookRequest) -> "Future[object]":
        """Check the signature, remember the request, and answer at once unless `keep` says otherwise."""
        if channel != "web":
            raise RejectedInput(f"there is no channel {channel!r}", status=404)
        if request.headers.get("signature") != "right":
            raise RejectedInput("wrong signature", status=401)
        future = self.keep(request) if self.keep else _settled()
        with self.news:
            self.kept.append(request)
            self.pending.append(future)
            self.news.notify_all()
        return future

    def problems(self) -> Sequence[str]:
        """Return what was set."""
        return self.found

    def notes(self) -> Sequence[str]:
        """Return what was set."""
        return self.known

    def metrics(self) -> bytes:
        """Return what was set."""
        return self.measured

    def linked(self, path: str) -> Linked:
        """Take any path for a link that ends with the word "sealed"."""
        if self.shows is None or not path.endswith("sealed"):
            raise RejectedInput("no link", status=410 if path.endswith("ended") else 404)
        return Linked(path, "", date(2026, 1, 1))

    def page(self, linked: Linked) -> str:
        """Return what was set for a path."""
        assert self.shows is not None
        return self.shows(linked.record)

    def answered(self, channel: str, status: int) -> None:
        """Remember an answer."""
        self.answers.append((channel, status))

    def wait_for(self, count: int) -> None:
        """Wait until so many requests have come."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.kept) >= count, PATIENCE_S), f"{len(self.kept)} of {count} came"


def _settled() -> "Future[object]":
    future: Future[object] = Future()
    future.set_result(None)
    return future


@dataclass
class Running:
    """A server that runs; `stop` asks it to end, `ended` waits for it."""

    port: int
    admin_port: int
    stop: threading.Event
    thread: threading.Thread

    def ended(self) -> bool:
        """Wait for the end."""
        self.thread.join(PATIENCE_S)
        return not self.thread.is_alive()

    def listens(self) -> bool:
        """Say whether a new connection is taken."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S).close()
        except ConnectionError:  # refused, or reset in the midst of closing
            return False
        return True


@contextmanager
def running(door: KeepingDoor, limits: Limits | None = None) -> Iterator[Running]:
    """Serve on free ports until the end of the block."""
    stop, ports, listens = threading.Event(), list[int](), threading.Event()

    def listening(port: int, admin_port: int) -> None:
        ports.extend((port, admin_port))
        listens.set()

    def serve() -> None:
        serve_http(door, "127.0.0.1", 0, "127.0.0.1", 0, stop, limits=limits, listening=listening)

    thread = threading.Thread(target=serve, name="serve-http")
    thread.start()
    assert listens.wait(PATIENCE_S)
    server = Running(ports[0], ports[1], stop, thread)
    try:
        yield server
    finally:
        stop.set()
        for future in door.pending:
            if not future.done():
                future.set_result(None)
        assert server.ended()


@dataclass(frozen=True)
class Heard:
    """An answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """The words of a refusal."""
        words: str = orjson.loads(self.body)["error"]
        return words


class Wire:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.file.close()
        self.socket.close()

    def say(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def hear(self, *, body: bool = True) -> Heard | None:
        """Read one answer; None when the connection was closed instead."""
        line = self.file.readline()
        if not line:
            return None
        headers: dict[str, str] = {}
        while (header := self.file.readline()).strip():
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", "0")) if body else 0
        return Heard(int(line.split()[1]), headers, self.file.read(length))

    def is_closed(self) -> bool:
        """Wait until the other side closes, and say whether it did so without another word."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    def trickle(self, data: bytes, every_s: float = 0.02) -> None:
        """Send a byte at a time until the other side speaks, or closes."""
        for position in range(len(data)):
            try:
                self.socket.sendall(data[position : position + 1])
            except ConnectionError:
                return
            if select.select([self.socket], [], [], every_s)[0]:
                return


def post(
    body: bytes = b"{}",
    *,
    path: str = "/hooks/web",
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    length: str | None = None,
) -> bytes:
    """Write a request that the door takes, or one that differs from it where named."""
    fields = {"host": "sidecar.test", "signature": "right", "content-length": length or str(len(body))}
    fields |= headers or {}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value != "-")
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def chunked(*chunks: bytes) -> bytes:
    """Write a request with a chunked body."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return post(body, headers={"content-length": "-", "transfer-encoding": "chunked"})


def look(port: int, path: str) -> httpx2.Response:
    """Get what a listener shows, as a well-behaved client does, and straight from it whatever proxies there are."""
    with httpx2.Client(trust_env=False) as client:
        return client.get(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S)


def ask(port: int, data: bytes, *, body: bool = True) -> Heard:
    """Say one thing and return what was answered."""
    with Wire(port) as wire:
        wire.say(data)
        heard = wire.hear(body=body)
    assert heard is not None, "closed without an answer"
    return heard
