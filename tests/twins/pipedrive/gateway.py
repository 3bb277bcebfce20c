"""From a request to a reply: who asks, how often, what for, is the body right, do it, is the answer right.

The order is the vendor's: the token, the edge that shuts out who doesn't listen, the limits, the company's standing,
the path, the body. An answer that the schema doesn't fit is a defect of the twin: it is answered as 500 and remembered,
and the twin raises when it is closed.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.twins.pipedrive import routes, schema
from tests.twins.pipedrive.calls import Answer, Call
from tests.twins.pipedrive.company import Author, Company
from tests.twins.pipedrive.errors import ApiError, invalid
from tests.twins.pipedrive.limits import Limits
from tests.twins.wire.faults import html
from tests.twins.wire.passing import Log, Logged, Reply, Request

WORDS = {404: "Unknown method .", 405: "Method not allowed", 410: "This endpoint is gone, use API v2"}


class Gateway:
    """Answers requests for a company. `defects` are answers that don't fit the schema, and crashes of a handler."""

    def __init__(self, company: Company, limits: Limits, log: Log) -> None:
        self.company, self.limits, self.log, self.defects = company, limits, log, list[str]()

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Do what a request asks for and return the reply."""
        with self.company.lock:
            reply = self._reply(request)
            self.note(request, reply, self.operation(request), answered=answered, fault=fault)
            return reply

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""
        self.log.add(Logged(
            request.method, request.target, operation, 1 if request.body else 0, reply.status if reply else None,
            len(request.body), len(reply.body) if reply else 0, request.body if self.log.keeps_bodies else b"",
            answered, fault,
        ))  # fmt: skip

    def operation(self, request: Request) -> str:
        """Return what the log calls this request."""
        asked, _ = self._find(request)
        return asked.operation if asked else "unknown"

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a page of HTML or with JSON, which may be null."""
        kind = "text/html; charset=UTF-8" if isinstance(body, str) else "application/json; charset=utf-8"
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        return Reply(status, text.encode(), {"Content-Type": kind, **(headers or {})})

    def dressed(self, body: Any) -> Any:
        """Return a fault's body as it is: nothing is added here."""
        return body

    def _reply(self, request: Request) -> Reply:
        try:
            token, by = self._author(request)
        except ApiError as error:
            return self._refusal(error, {})
        asked, status = self._find(request)
        is_search = bool(asked and asked.route.is_search)
        if refused := self.limits.refuse(token, is_search, asked.route.cost if asked else 0):
            return self._too_many(refused, token, is_search)
        headers = self.limits.headers(token, is_search)
        if self.company.switches.unpaid:
            return self._refusal(ApiError(402, "Company account is not open (possible reason: trial expired)"), headers)
        if asked is None:
            if status == 410 and self.company.switches.v1_entities != "gone":
                status = 404
            return self._refusal(ApiError(status, WORDS[status]), headers)
        return self._run(asked, request, by, headers)

    def _author(self, request: Request) -> tuple[str, Author]:
        """Return token and author; a token in the query is refused, whatever else is there."""
        switches, headers = self.company.switches, request.headers
        if "api_token" in parse_qs(urlsplit(request.target).query):
            raise ApiError(401, "api_token in the query is not accepted")
        token = headers.get("x-api-token", "")
        user = switches.tokens.get(token)
        if not token and headers.get("authorization", "").startswith("Bearer "):
            token = headers["authorization"].removeprefix("Bearer ")
            user = switches.bearers.get(token)
        if user is None:
            raise ApiError(401, "unauthorized access")
        return token, Author(user, "api", headers.get("user-agent"))

    def _too_many(self, refused: tuple[str, float], token: str, is_search: bool) -> Reply:
        why, wait_s = refused
        if why == "blocked":
            return self.reply(403, html(403).body)
        headers = self.limits.headers(token, is_search)
        if why == "daily":
            words = "Daily API token limit reached"
            headers = {**headers, "retry-after": str(round(wait_s))}
        else:
            words = "Rate limit exceeded"
            headers = {**headers, "x-ratelimit-remaining": "0", "x-ratelimit-reset": str(max(round(wait_s), 1))}
        return self._refusal(ApiError(429, words), headers)

    def _run(self, asked: routes.Asked, request: Request, by: Author, headers: Mapping[str, str]) -> Reply:
        what = f"{request.method} {request.target}"
        try:
            answer = asked.route.handler(self._call(asked, request, by))
        except ApiError as error:
            return self._refusal(error, headers)
        except Exception as error:
            self.defects.append(f"{what}: {error!r}")
            return self.reply(500, {"success": False, "error": repr(error)})
        if wrong := _judge(answer):
            self.defects.append(f"{what}: {wrong[:3]}")
            return self.reply(500, {"success": False, "error": str(wrong[:3])})
        return self.reply(answer.status, answer.body, headers)

    def _call(self, asked: routes.Asked, request: Request, by: Author) -> Call:
        feature = asked.operation.split(".")[0]
        if feature in self.company.switches.features_off:
            raise ApiError(415, f"{feature} is not enabled for this company")
        query = parse_qs(urlsplit(request.target).query, keep_blank_values=True)
        if unknown := sorted(set(query) - asked.query):
            raise invalid(f"query: unknown {unknown}")
        parts = {key: unquote(value) for key, value in asked.parts.items()}
        return Call(self.company, by, parts, query, self._body(asked, request))

    def _body(self, asked: routes.Asked, request: Request) -> Any:
        if asked.model is None:
            return None
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            raise ApiError(415, "Content-Type must be application/json")
        try:
            body = json.loads(request.body)
        except ValueError as error:
            raise ApiError(400, f"Bad request: {error}") from None
        rows = body if asked.route.many else [body]
        if not isinstance(rows, list):
            raise invalid("Expected array")
        for row in rows:
            if wrong := schema.problems(asked.model, row):
                raise invalid("; ".join(wrong[:5]))
        return body

    def _refusal(self, error: ApiError, headers: Mapping[str, str]) -> Reply:
        body = error.body()
        if wrong := schema.problems(schema.Refusal, body):
            self.defects.append(f"refusal {error.status}: {wrong}")
        return self.reply(error.status, body, headers)

    def _find(self, request: Request) -> tuple[routes.Asked | None, int]:
        return routes.find(request.method, urlsplit(request.target).path)


def _judge(answer: Answer) -> list[str]:
    """Return what of an answer's data the schema doesn't fit."""
    if answer.model is None or answer.body["data"] is None:
        return []
    data = answer.body["data"]
    return [line for row in (data if isinstance(data, list) else [data]) for line in schema.problems(answer.model, row)]
