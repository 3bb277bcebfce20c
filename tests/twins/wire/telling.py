"""A gateway for twins of APIs that only tell: JSON in and out, each answer noted; its twin decides what is answered."""

import json
from collections.abc import Mapping
from threading import RLock
from typing import Any, Protocol

from tests.twins.wire.passing import Log, Logged, Reply, Request


class Telling(Protocol):
    """A twin that answers requests; `lock` guards what it holds, `defects` are its own mistakes."""

    lock: RLock

    def respond(self, request: Request) -> Reply:
        """Return what the vendor would answer."""

    def named(self, request: Request) -> str:
        """Return what the log calls a request."""


class TellingGateway:
    """Answers for one twin; `defects` are answers that don't fit the vendor's shapes, and crashes."""

    def __init__(self, twin: Telling, log: Log) -> None:
        self.twin, self.log, self.defects = twin, log, list[str]()

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Do what a request asks for and return the reply."""
        with self.twin.lock:
            reply = self.twin.respond(request)
            self.note(request, reply, self.operation(request), answered=answered, fault=fault)
            return reply

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""
        status, size_bytes = (reply.status, len(reply.body)) if reply else (None, 0)
        told = (request.method, request.target, operation, 1, status, len(request.body), size_bytes, request.body)
        self.log.add(Logged(*told, answered, fault))

    def operation(self, request: Request) -> str:
        """Return what the log calls this request."""
        return self.twin.named(request)

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a body of JSON, or of text as it is."""
        return told(status, body, headers)

    def dressed(self, body: Any) -> Any:
        """Return a fault's body as it is."""
        return body


def told(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a reply with a body of JSON, or of bytes as they are."""
    if isinstance(body, bytes):
        return Reply(status, body, dict(headers or {}))
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})
