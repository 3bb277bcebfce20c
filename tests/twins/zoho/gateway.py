"""From a request to a reply: who asks, how often, may they, what for, do it, is the answer right.

The order: the accounts host, the token, calls at once, the path, credits, the scope. An answer that the schema doesn't
fit is a defect of the twin: it is answered as 500 and remembered, and the twin raises when it is closed.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.twins.wire.passing import Log, Logged, Reply, Request
from tests.twins.zoho import composite, merging, routes, schema
from tests.twins.zoho.calls import Answer, Call
from tests.twins.zoho.errors import ApiError, wrong_param
from tests.twins.zoho.limits import Limits
from tests.twins.zoho.org import Author, Org
from tests.twins.zoho.tokens import Tokens

COMPOSITE_WEIGHT = 5
TOO_MANY = "You have made too many requests. Please try again later."
WORDS = {
    "INVALID_URL_PATTERN": (404, "Please check if the URL trying to access is a correct one"),
    "INVALID_REQUEST_METHOD": (400, "The http request method type is not a valid one"),
}
Done = tuple[int, Any, Mapping[str, str]]


class Gateway:
    """Answers requests for an org. `defects` are answers that don't fit the schema, and crashes of a handler."""

    def __init__(self, org: Org, tokens: Tokens, limits: Limits, log: Log) -> None:
        self.org, self.tokens, self.limits, self.log, self.defects = org, tokens, limits, log, list[str]()
        self.api_domain = ""

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Do what a request asks for and return the reply."""
        weight = COMPOSITE_WEIGHT if _path(request) == routes.COMPOSITE else 1
        has_room = self.limits.enter(weight)
        try:
            with self.org.lock:
                reply = self._reply(request) if has_room or _path(request) == routes.TOKEN else self._too_many()
                self.note(request, reply, self.operation(request), answered=answered, fault=fault)
                return reply
        finally:
            if has_room:
                self.limits.leave(weight)

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""
        # an access token's request holds secrets
        body = request.body if self.log.keeps_bodies and operation != "token" else b""
        self.log.add(Logged(
            request.method, request.target, operation, _inputs(request), reply.status if reply else None,
            len(request.body), len(reply.body) if reply else 0, body, answered, fault,
        ))  # fmt: skip

    def operation(self, request: Request) -> str:
        """Return what the log calls this request."""
        if _path(request) in (routes.TOKEN, routes.COMPOSITE):
            return "token" if _path(request) == routes.TOKEN else "composite"
        asked, _ = routes.find(request.method, _path(request))
        return asked.operation if asked else "unknown"

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a page of HTML, with JSON, or with nothing."""
        kind = "text/html; charset=UTF-8" if isinstance(body, str) else "application/json;charset=UTF-8"
        text = body if isinstance(body, str) else "" if body is None else json.dumps(body, ensure_ascii=False)
        return Reply(status, text.encode(), {"Content-Type": kind, **(headers or {})})

    def dressed(self, body: Any) -> Any:
        """Return a fault's body as it is: nothing is added here."""
        return body

    def _reply(self, request: Request) -> Reply:
        merging.settle(self.org)
        if _path(request) == routes.TOKEN:
            return self._token(request)
        try:
            by = self._author(request)
        except ApiError as error:
            return self._refusal(error)
        if _path(request) == routes.COMPOSITE:
            return self._composite(request, by)
        status, body, headers = self._run(request, by, is_composite=False)
        return self.reply(status, body, headers)

    def _token(self, request: Request) -> Reply:
        if request.method != "POST":
            return self.reply(405, {"error": "invalid_method"})
        asked = parse_qs(urlsplit(request.target).query) | parse_qs(request.body.decode("utf-8", "replace"))
        status, body = self.tokens.refresh({name: each[-1] for name, each in asked.items()}, self.api_domain)
        if status == 200 and "access_token" in body and (wrong := schema.problems(schema.Token, body)):
            self.defects.append(f"token: {wrong}")
        return self.reply(status, body)

    def _author(self, request: Request) -> Author:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Zoho-oauthtoken" or not token:
            raise ApiError(401, "AUTHENTICATION_FAILURE", "Authentication failed")
        number = self.tokens.owner(token)
        if number is None:
            raise ApiError(401, "INVALID_TOKEN", "invalid oauth token")
        return Author(self.org.users[number - 1]["id"], "crm_api")

    def _composite(self, request: Request, by: Author) -> Reply:
        if "ZohoCRM.composite_requests.CUSTOM" not in self.org.switches.scopes:
            return self._refusal(ApiError(401, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL"))
        if not self.limits.spend(1):
            return self._too_many()
        try:
            status, body, credits = composite.run(
                self.org, _json(request), lambda sub: self._run(sub, by, is_composite=True)
            )
        except ApiError as error:
            return self._refusal(error)
        self.limits.spend(credits - 1)
        return self.reply(*self._judged("composite", Answer(status, body, schema.Composite)))

    def _run(self, request: Request, by: Author, *, is_composite: bool) -> Done:
        """Return status, body and headers for one request, which a composite may hold."""
        what = f"{request.method} {request.target}"
        try:
            asked, why = routes.find(request.method, _path(request))
            if asked is None:
                raise _unknown(why, request)
            call = self._call(asked, request, by, is_composite)
            if not asked.allowed(self.org.switches.scopes):
                raise ApiError(401, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL")
            if not is_composite and not self.limits.spend(asked.route.cost(call)):
                too_many = self._too_many()
                return too_many.status, json.loads(too_many.body), too_many.headers
            return self._judged(what, asked.route.handler(call))
        except ApiError as error:
            return self._refused(error)
        except Exception as error:
            self.defects.append(f"{what}: {error!r}")
            return self._refused(ApiError(500, "INTERNAL_ERROR", repr(error)))

    def _call(self, asked: routes.Asked, request: Request, by: Author, is_composite: bool) -> Call:
        query = parse_qs(urlsplit(request.target).query, keep_blank_values=True)
        if unknown := sorted(set(query) - asked.route.query):
            raise wrong_param(unknown[0], message=f"unknown param {unknown}")
        if is_composite and asked.is_read and asked.route.kind != "coql":
            query = {"per_page": [str(composite.READS)], **query}
        parts = {key: unquote(value) for key, value in asked.parts.items()}
        return Call(self.org, by, parts, query, request.headers, _json(request), is_composite)

    def _judged(self, what: str, answer: Answer) -> Done:
        if answer.model and (wrong := schema.problems(answer.model, answer.body)):
            self.defects.append(f"{what}: {wrong[:3]}")
            return self._refused(ApiError(500, "INTERNAL_ERROR", str(wrong[:3])))
        return answer.status, answer.body, self.limits.headers()

    def _refused(self, error: ApiError) -> Done:
        body = error.body()
        if wrong := schema.problems(schema.Refusal, body[error.key][0] if error.key else body):
            self.defects.append(f"refusal {error.status}: {wrong}")
        return error.status, body, self.limits.headers()

    def _refusal(self, error: ApiError) -> Reply:
        return self.reply(*self._refused(error))

    def _too_many(self) -> Reply:
        """Refuse for credits or for calls at once: nothing tells which."""
        status, body, headers = self._refused(ApiError(429, "TOO_MANY_REQUESTS", TOO_MANY))
        return self.reply(status, body, headers if self.org.switches.tells_credits_on_429 else {})


def _unknown(why: str, request: Request) -> ApiError:
    """Return the refusal of what no route serves; where rows are written or gone, it stands in their place."""
    key = "data" if request.method in ("POST", "PUT") or _path(request).endswith("/deleted") else None
    if why == "INVALID_MODULE":
        details = {"resource_path_index": 0}
        return ApiError(400, why, "the module name given seems to be invalid", details, key)
    status, message = WORDS[why]
    return ApiError(status, why, message)


def _json(request: Request) -> Any:
    if not request.body:
        return None
    try:
        return json.loads(request.body)
    except ValueError:
        raise ApiError(400, "INVALID_DATA", "either the request body or parameters is in wrong format") from None


def _inputs(request: Request) -> int:
    """Return how many rows a request holds."""
    try:
        body = json.loads(request.body) if request.body else {}
    except ValueError:
        return 1
    rows = body.get("data") if isinstance(body, dict) else None
    return len(rows) if isinstance(rows, list) else int(bool(request.body))


def _path(request: Request) -> str:
    return urlsplit(request.target).path
