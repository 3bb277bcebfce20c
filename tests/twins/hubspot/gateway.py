"""From a request to a reply: who asks, how often, what for, is the body right, do it, is the answer right.

The order is the vendor's: the edge, the token, the limits, the path, the scopes, the body. An answer that the SDK's own
models don't fit is a defect of the twin: it is answered as 500 and remembered, and the twin raises when it is closed.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.twins.hubspot import routes, schema
from tests.twins.hubspot.calls import Answer, Call
from tests.twins.hubspot.errors import ApiError, invalid, invalid_body, missing_scopes
from tests.twins.hubspot.faults import too_many
from tests.twins.hubspot.portal import Portal
from tests.twins.wire.faults import html
from tests.twins.wire.passing import Log, Logged, Reply, Request

TOKEN = re.compile(r"Bearer [A-Za-z0-9._~+/-]+=*")
TARGET_CHARS = 15_000


class Gateway:
    """Answers requests for a portal. `defects` are answers that the SDK's models refuse, and crashes of a handler."""

    def __init__(self, portal: Portal, log: Log) -> None:
        self.portal, self.log, self.defects = portal, log, list[str]()
        self.checks_answers = True

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Do what a request asks for and return the reply."""
        with self.portal.lock:
            operation, reply = self._reply(request)
            self.note(request, reply, operation, answered=answered, fault=fault)
            return reply

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""
        self.log.add(Logged(
            request.method, request.target, operation, _count_inputs(request.body), reply.status if reply else None,
            len(request.body), len(reply.body) if reply else 0, request.body if self.log.keeps_bodies else b"",
            answered, fault,
        ))  # fmt: skip

    def operation(self, request: Request) -> str:
        """Return what the log calls this request."""
        asked = self._find(request)
        return _named(asked) if asked else "unknown"

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a body of text or JSON, and the id by which support would find it."""
        kind = "text/html;charset=utf-8" if isinstance(body, str) else "application/json;charset=utf-8"
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        raw = b"" if status == 204 or body is None else text.encode()
        return Reply(status, raw, {"Content-Type": kind, **(headers or {})})

    def dressed(self, body: Any) -> Any:
        """Return a refusal with the id by which support would find it."""
        return {**body, "correlationId": self.portal.correlation_id()} if isinstance(body, dict) else body

    def _reply(self, request: Request) -> tuple[str, Reply]:
        token = request.headers.get("authorization", "")
        if token and not TOKEN.fullmatch(token):
            return "unknown", self._page(530)
        if len(request.target) > TARGET_CHARS:
            return "unknown", self._page(414)
        try:
            self._check_token(token)
        except ApiError as error:
            return "unknown", self._refusal(error)
        asked = self._find(request)
        operation = _named(asked) if asked else "unknown"
        is_search = operation.endswith(".search")
        if refused := self.portal.limits.refuse(is_search):
            policy, wait_s = refused
            many = too_many(policy, wait_s if self.portal.limits.retry_after else None)
            body = many.body | {"correlationId": self.portal.correlation_id()}
            return operation, self.reply(429, body, {**many.headers, **self._headers(is_search)})
        if asked is None:
            return operation, self._page(404)
        return operation, self._run(asked, request, is_search)

    def _page(self, status: int) -> Reply:
        return self.reply(status, html(status).body)

    def _run(self, asked: routes.Asked, request: Request, is_search: bool) -> Reply:
        try:
            answer = asked.route.handler(self._call(asked, request))
        except ApiError as error:
            return self._refusal(error, self._headers(is_search))
        except Exception as error:
            self.defects.append(f"{request.method} {request.target}: {error!r}")
            return self.reply(500, {"status": "error", "message": repr(error), "correlationId": "twin"})
        if wrong := self._judge(answer):
            self.defects.append(f"{request.method} {request.target}: {wrong[:3]}")
            return self.reply(500, {"status": "error", "message": str(wrong[:3]), "correlationId": "twin"})
        return self.reply(answer.status, answer.body, self._headers(is_search))

    def _call(self, asked: routes.Asked, request: Request) -> Call:
        parts = {key: unquote(value) for key, value in asked.parts.items()}
        query = parse_qs(urlsplit(request.target).query, keep_blank_values=True)
        self._check_scopes(asked.route.scopes(parts))
        if unknown := sorted(set(query) - asked.route.query):
            raise invalid(f"Unknown query parameters: {unknown}")
        body = self._body(asked, parts, request)
        return Call(self.portal, asked.version, parts, query, body, len(request.body.decode()))

    def _body(self, asked: routes.Asked, parts: Mapping[str, str], request: Request) -> Any:
        if not request.body and asked.route.model is None:
            return None
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json")
        try:
            body = json.loads(request.body, object_pairs_hook=_without_repeats)
        except ValueError as error:
            raise ApiError(400, "INVALID_JSON", f"Invalid input JSON: {error}") from None
        if asked.route.model:
            module, name = asked.route.model(parts)
            if wrong := schema.problems(module, name, asked.route.for_judge(body), nulls=False):
                raise invalid_body(wrong, name)
        return body

    def _judge(self, answer: Answer) -> list[str]:
        if answer.model is None or not self.checks_answers:
            return []
        return schema.problems(*answer.model, answer.body, nulls=True)

    def _refusal(self, error: ApiError, headers: Mapping[str, str] | None = None) -> Reply:
        body = error.body(self.portal.correlation_id())
        # Every module has the same class of error; the contacts' stands for all.
        if wrong := schema.problems("hubspot.crm.contacts", "Error", _without_status(body), nulls=True):
            self.defects.append(f"refusal {error.status}: {wrong}")
        return self.reply(error.status, body, headers)

    def _check_token(self, header: str) -> None:
        if header.removeprefix("Bearer ") not in self.portal.switches.tokens:
            raise ApiError(
                401, "INVALID_AUTHENTICATION",
                "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find "
                "more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
            )  # fmt: skip

    def _check_scopes(self, wanted: list[set[str]]) -> None:
        for any_of in wanted:
            if not any_of & self.portal.switches.scopes:
                raise missing_scopes(sorted(any_of))

    def _find(self, request: Request) -> routes.Asked | None:
        return routes.find(request.method, urlsplit(request.target).path, self.portal.switches.versions)

    def _headers(self, is_search: bool) -> dict[str, str]:
        told = {"X-HubSpot-Correlation-Id": self.portal.correlation_id()}
        return told if is_search else told | self.portal.limits.headers()


def _named(asked: routes.Asked) -> str:
    try:
        return asked.operation
    except ApiError:
        return "unknown"


def _without_status(body: dict[str, Any]) -> dict[str, Any]:
    """Return an error without `status`, which every answer has and the SDK's model has not."""
    return {key: value for key, value in body.items() if key != "status"}


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _count_inputs(body: bytes) -> int:
    """Return how many rows a request has; one for a request of one."""
    if not body:
        return 0
    try:
        parsed = json.loads(body)
    except ValueError:
        return 0
    return len(parsed["inputs"]) if isinstance(parsed, dict) and isinstance(parsed.get("inputs"), list) else 1
