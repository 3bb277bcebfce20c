"""From a request to a reply: who asks, is there a call left, what for, is the body JSON, do it, is the answer right.

An answer that holds a record with a field that its describe hasn't, or of another type, is a defect of the twin: it is
remembered, and the twin raises when it is closed.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.twins.salesforce import describing, judge, routes, tokens
from tests.twins.salesforce.access import Access
from tests.twins.salesforce.calls import Answer, Call
from tests.twins.salesforce.errors import ApiError, Condition, not_found
from tests.twins.salesforce.limits import Limits
from tests.twins.salesforce.org import Org
from tests.twins.salesforce.querying import Cursors
from tests.twins.salesforce.tokens import Sessions
from tests.twins.wire.passing import Log, Logged, Reply, Request

JSON = "application/json;charset=UTF-8"
NESTED = ("composite", "tooling.", "lists.", "choices", "resources", "limits", "describe_global")
WORDS = {404: ("NOT_FOUND", "The requested resource does not exist"),
         405: ("METHOD_NOT_ALLOWED", "HTTP Method not allowed. Allowed are HEAD,GET,POST,PATCH,DELETE")}  # fmt: skip


class Gateway:
    """Answers requests for an org. `defects` are answers that don't fit the describes, and crashes of a handler."""

    def __init__(self, org: Org, limits: Limits, log: Log) -> None:
        self.org, self.limits, self.log, self.defects = org, limits, log, list[str]()
        self.sessions, self.cursors = Sessions(org), Cursors()

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Do what a request asks for and return the reply."""
        with self.org.lock:
            reply = self._reply(request)
            self.note(request, reply, self.operation(request), answered=answered, fault=fault)
            return reply

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""
        self.log.add(Logged(
            request.method, request.target, operation, _inputs(request), reply.status if reply else None,
            len(request.body), len(reply.body) if reply else 0, request.body if self.log.keeps_bodies else b"",
            answered, fault,
        ))  # fmt: skip

    def operation(self, request: Request) -> str:
        """Return what the log calls this request."""
        path = urlsplit(request.target).path
        asked, _ = routes.find(request.method, path)
        return (
            asked.operation
            if asked
            else {"/services/oauth2/token": "token", "/services/data": "versions"}.get(path, "unknown")
        )

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a page of HTML, with JSON, or with nothing."""
        if body is None:
            return Reply(status, b"", dict(headers or {}))
        kind = "text/html;charset=UTF-8" if isinstance(body, str) else JSON
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        return Reply(status, text.encode(), {"Content-Type": kind, **(headers or {})})

    def dressed(self, body: Any) -> Any:
        """Return a fault's body as it is: nothing is added here."""
        return body

    def _reply(self, request: Request) -> Reply:
        path = urlsplit(request.target).path.rstrip("/")
        if len(request.target) > self.org.switches.uri_limit:
            return self.reply(414, "<html><head><title>414</title></head><body>URI Too Long</body></html>")
        if path == "/services/oauth2/token":
            return self._token(request)
        if path == "/services/data" and request.method == "GET":
            return self.reply(200, describing.versions(*self.org.switches.versions))
        headers: dict[str, str] = {}
        try:
            user = self.sessions.user(request.headers.get("authorization", ""))
            headers = self.limits.header()
            self.limits.count()
            headers = self.limits.header()
            if path == "/services/oauth2/userinfo":
                return self._told(describing.user_info(self._call(user)), headers)
            return self._told(self._dispatched(user, request), headers)
        except Condition as condition:
            return self.reply(condition.status, None, headers)
        except ApiError as error:
            return self.reply(error.status, error.body(), headers)
        except Exception as error:
            self.defects.append(f"{request.method} {request.target}: {error!r}")
            return self.reply(500, [{"message": repr(error), "errorCode": "UNKNOWN_EXCEPTION"}], headers)

    def _token(self, request: Request) -> Reply:
        if request.method != "POST":
            return self.reply(405, {"error": "invalid_request", "error_description": "must use HTTP POST"})
        try:
            return self.reply(200, self.sessions.exchange(request.body, request.headers.get("authorization", "")))
        except tokens.Refused as error:
            return self.reply(400, tokens.refused(error))

    def _dispatched(self, user: str, request: Request) -> Answer:
        asked, query = self._find(request.method, request.target)
        body = _body(request) if asked.route.takes_body else None
        return asked.route.handler(self._call(user, asked, query, request.headers, body))

    def nested(
        self, outer: Call, method: str, url: str, headers: Mapping[str, str], body: Any, everything: bool
    ) -> Answer:
        """Answer a part of a composite, as the same user and in the same call."""
        asked, query = self._find(method, url)
        if asked.route.kind.startswith(NESTED):
            raise ApiError("INVALID_INPUT", f"{url} is not supported in a composite")
        if asked.route.takes_body and not isinstance(body, dict):
            raise ApiError("JSON_PARSER_ERROR", "the subrequest needs a body")
        call = self._call(outer.access.user, asked, query, headers, body if asked.route.takes_body else None)
        call.is_nested, call.all_or_none = True, everything
        return asked.route.handler(call)

    def _find(self, method: str, target: str) -> tuple[routes.Asked, dict[str, list[str]]]:
        split = urlsplit(target)
        asked, status = routes.find(method, split.path)
        if asked is None:
            code, words = WORDS[status]
            raise ApiError(code, words, status=status)
        low, high = self.org.switches.versions
        if not low <= float(asked.version) <= high:
            raise not_found()
        return asked, parse_qs(split.query, keep_blank_values=True)

    def _call(
        self,
        user: str,
        asked: routes.Asked | None = None,
        query: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Call:
        access = Access(self.org, user, is_tooling=bool(asked and asked.route.is_tooling))
        parts = {key: unquote(value) for key, value in asked.parts.items()} if asked else {}
        version = asked.version if asked else "68.0"
        return Call(
            self.org, self.limits, self.cursors, access, version, parts, query or {}, headers or {}, body, self.nested
        )

    def _told(self, answer: Answer, headers: Mapping[str, str]) -> Reply:
        if wrong := judge.problems(self.org, answer.body):
            self.defects.append(str(wrong[:3]))
        return self.reply(answer.status, answer.body, {**answer.headers, **headers})


def _body(request: Request) -> dict[str, Any]:
    """Return the JSON object that a request must bring, or raise the 400 or 415."""
    if not request.headers.get("content-type", "").lower().startswith("application/json"):
        raise ApiError("UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json", status=415)
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise ApiError("JSON_PARSER_ERROR", f"Unexpected character: {error}") from None
    if not isinstance(body, dict):
        raise ApiError("JSON_PARSER_ERROR", "Cannot deserialize instance of object from the given value")
    return body


def _inputs(request: Request) -> int:
    """Return how many records, or parts of a composite, a request brings."""
    try:
        body = json.loads(request.body) if request.body.startswith(b"{") else {}
    except ValueError:
        return 1
    rows = body.get("records") or body.get("compositeRequest") or body.get("ids")
    return len(rows) if isinstance(rows, list) else int(bool(request.body))
