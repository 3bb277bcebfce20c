"""What Graph answers: routes, pages, refusals in its words; with an authority beside it that signs in."""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.twins.graph.mailboxes import Asked, Mailboxes
from tests.twins.graph.rounds import DeadError
from tests.twins.graph.subscribing import Subscribing
from tests.twins.wire.passing import Log, Logged, Reply, Request

if TYPE_CHECKING:
    from tests.twins.graph import GraphTwin

AT_ONCE = 4
CODES = {400: "BadRequest", 401: "InvalidAuthenticationToken", 403: "ErrorAccessDenied", 404: "ErrorItemNotFound"}


class GraphGateway:
    """Answers for one mailbox; `defects` are calls that real Graph would have to bear, and we never make."""

    def __init__(self, twin: "GraphTwin", log: Log) -> None:
        self.twin, self.log, self.defects = twin, log, list[str]()
        self._mail, self._subscribing = Mailboxes(twin), Subscribing(twin)
        self._busy = 0

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Do what a request asks for and return the reply."""
        with self.twin.lock:
            self._busy += 1
            if self._busy > AT_ONCE:
                self.defects.append("more than four calls at once")
        try:
            reply = self._reply(request)
        finally:
            with self.twin.lock:
                self._busy -= 1
        self.note(request, reply, self.operation(request), answered=answered, fault=fault)
        return reply

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""
        status, size_bytes = (reply.status, len(reply.body)) if reply else (None, 0)
        told = (request.method, request.target, operation, 1, status, len(request.body), size_bytes, request.body)
        self.log.add(Logged(*told, answered, fault))

    def operation(self, request: Request) -> str:
        """Return what the log calls this request."""
        path = unquote(urlsplit(request.target).path)
        if asked := self.twin.authority.operation(request):
            return asked
        for word in (
            "token",
            "devicecode",
            "subscriptions",
            "$value",
            "delta",
            "calendarView",
            "events",
            "childFolders",
        ):
            if f"/{word}" in path:
                return f"{request.method} {word}"
        return f"{request.method} {'messages' if '/messages' in path else 'mailFolders'}"

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a body of JSON, or of bytes."""
        if isinstance(body, bytes):
            return Reply(status, body, {"Content-Type": "text/plain", **(headers or {})})
        raw = b"" if body is None else json.dumps(body).encode()
        return Reply(status, raw, {"Content-Type": "application/json", **(headers or {})})

    def dressed(self, body: Any) -> Any:
        """Return a fault's body as Graph words it."""
        return body if body is not None else {"error": {"code": "TooManyRequests", "message": "Please retry."}}

    def _reply(self, request: Request) -> Reply:
        parts = urlsplit(request.target)
        if "/oauth2/" in parts.path:
            told = self.twin.authority.reply(request) if parts.path.split("/")[1] == self.twin.tenant else None
            return told or self.reply(400, {"error": "invalid_request", "error_description": "Tenant not found."})
        headers = {name.lower(): value for name, value in request.headers.items()}
        account = self.twin.authority.opens(headers.get("authorization", "").removeprefix("Bearer "))
        if account != self.twin.mailbox:
            return self._refused(403 if account else 401)
        prefer = headers.get("prefer", "")
        if 'IdType="ImmutableId"' not in prefer:
            self.defects.append(f"no immutable id asked for: {request.method} {parts.path}")
        size = re.search(r"odata\.maxpagesize=(\d+)", prefer)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        path = re.sub(r"^/v1\.0/", "", parts.path)
        if path.startswith("subscriptions"):
            body = json.loads(request.body) if request.body else {}
            return self._known(self._subscribing.answer(request.method, unquote(path), body))
        whose, _, rest = path.removeprefix("users/").partition("/")
        if path.startswith("me/"):
            whose, rest = self.twin.mailbox, path.removeprefix("me/")
        if unquote(whose).casefold() != self.twin.mailbox.casefold() or request.method != "GET":
            return self._refused(404, "ErrorInvalidUser")
        with self.twin.lock:
            return self._read(
                Asked(path, [unquote(step) for step in rest.split("/")], query, int(size[1]) if size else 10)
            )

    def _read(self, asked: Asked) -> Reply:
        try:
            return self._known(self._mail.answer(asked, f"{self.twin.url}/v1.0/"))
        except DeadError as error:
            if error.shape == "gone":
                again = f"{self.twin.url}/v1.0/{quote(asked.path)}?$deltatoken="
                told = {"error": {"code": "resyncRequired", "message": "Resync required."}}
                return self.reply(410, told, {"Location": again})
            status = 404 if error.shape == "syncStateNotFound" else 400
            return self._refused(status, error.shape)

    def _known(self, told: tuple[int, Any]) -> Reply:
        status, body = told
        return self.reply(status, body) if status < 300 else self._refused(status, body or "")

    def _refused(self, status: int, code: str = "") -> Reply:
        error = {"code": code or CODES.get(status, "UnknownError"), "message": "The twin refuses."}
        return self.reply(
            status, {"error": {**error, "innerError": {"request-id": "x", "date": "2026-11-22T10:00:00"}}}
        )
