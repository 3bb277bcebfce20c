"""One call of Zoho's API: few at once, counted in credits, tried again while that is safe, its failure named.

Reads are tried again on any passing failure. What may have changed something is sent again only when it is known not to
have been done (a token that wasn't accepted, too many calls at once, a connection that never opened); after a time-out,
a reset, a 5xx or half an answer its outcome is unknown, and who asked must look. All waiting of one call has one bound.
Secrets, addresses and values are in no error and no log.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenacity.nap import sleep_using_event

from adapters.crms.zoho import coql
from adapters.crms.zoho.faults import REVOKED, BlockedError, code_in, error_of
from adapters.crms.zoho.options import ZohoOptions
from adapters.crms.zoho.shelf import Access, Shelf
from adapters.crms.zoho.tokens import Credentials, shared
from adapters.crms.zoho.vendor import API, PAGE
from adapters.http.budget import Budget
from adapters.http.calls import answer, number
from adapters.http.patience import Pace, patient
from sidecar.errors import ConfigError, TemporaryError
from sidecar.ports import Context

if TYPE_CHECKING:
    from adapters.http.pooled import Pooled, Reply

CREDITS = "x-api-credits-remaining"
"""What is left of the org's credits over a rolling day, which Zoho says only once half of them are used.

Its 429 doesn't say whether credits or places for calls at once have run out, so what it said last decides: with credits
left, or nothing said, it was too many calls at once.
"""
OVER = "the org's API credits are used up; it goes on as they come back"
DISCRETE_PAGES = 10
"""Pages that may be asked for by number; beyond them it goes by a token."""
ROOMY, ROOMY_S = 10_000, 10.0
"""The pace is only there to be held: Zoho counts calls at once, not calls in a window."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call: a word for it, what to send where, whether it may change something, and under which key its rows are.

    An answer with a list under `rows` is one to be read row by row, whatever its status says of them together.
    """

    operation: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    effect: bool = False
    rows: str = ""


class Wire:
    """Speaks to one org; safe to share between threads. The HTTP client is imported by the first call."""

    def __init__(self, options: ZohoOptions, context: Context, *, sleep: Callable[[float], None] | None = None) -> None:
        self._options, self._context = options, context
        secret = context.secret(options.client_secret_env, options.client_secret_file)
        refresh = context.secret(options.refresh_token_env, options.refresh_token_file)
        self._credentials = Credentials(options.accounts, options.client_id, secret, refresh)
        self._tokens = shared(self._credentials)
        kept_in = options.access_token_cache
        self._shelf = Shelf(context.base / kept_in if kept_in else None, self._credentials.mark)
        self._sleep = sleep or sleep_using_event(threading.Event())
        self._lock = threading.Lock()
        self._transport: Pooled | None = None
        self._places = threading.BoundedSemaphore(options.concurrency)
        self._pace = Pace("Zoho", ROOMY, ROOMY_S, nap=self._sleep)
        self.credits = Budget(context.clock, options.reserve, OVER)
        self.calls: Counter[str] = Counter()
        """Calls by operation, for benchmarks and tests."""

    def get(
        self, operation: str, path: str, query: Mapping[str, str] | None = None, since: str | None = None
    ) -> dict[str, Any]:
        """Read something, or only what changed since a time; returns the answer's body, empty for nothing."""
        headers = {"If-Modified-Since": since} if since else {}
        return self._tried(Request(operation, "GET", path, query or {}, None, headers))

    def ask(self, operation: str, query: str, pages: int, *, whole: bool = True) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query, page by page; beyond a bound of pages `TemporaryError`, unless a part will do."""
        for paged in coql.paged(query, pages):
            body = self._tried(Request(operation, "POST", "/coql", {}, {"select_query": paged}))
            yield from rows_in(body, "data")
            if not info_in(body).get("more_records"):
                return
        if whole:
            raise TemporaryError(f"Zoho finds more than {pages} pages at {operation}")

    def found(self, operation: str, query: str) -> list[str]:
        """Return the ids that one page of a query finds."""
        body = self._tried(Request(operation, "POST", "/coql", {}, {"select_query": query}))
        return [str(row.get("id")) for row in rows_in(body, "data")]

    def send(
        self, operation: str, method: str, path: str, body: Any, *, query: Mapping[str, str] | None = None,
        unmodified_since: str | None = None, rows: str = "data"
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Send what changes something; returns what became of each row. `UnknownOutcome` when nobody can say."""
        headers = {"If-Unmodified-Since": unmodified_since} if unmodified_since else {}
        request = Request(operation, method, path, query or {}, body, headers, effect=True, rows=rows)
        return rows_in(self._tried(request), rows)

    def rows(
        self, operation: str, path: str, query: Mapping[str, str], pages: int, since: str | None = None,
        key: str = "data"
    ) -> Iterator[dict[str, Any]]:  # fmt: skip
        """Yield the rows of a list, page by page; `TemporaryError` for a list beyond a bound of pages."""
        asked = {"per_page": str(PAGE), **query}
        for page in range(1, pages + 1):
            body = self.get(operation, path, asked, since)
            yield from rows_in(body, key)
            info = info_in(body)
            if not info.get("more_records"):
                return
            if page < DISCRETE_PAGES or not info.get("next_page_token"):
                asked = {**asked, "page": str(page + 1)}
            else:
                asked = {**{k: v for k, v in asked.items() if k != "page"}, "page_token": str(info["next_page_token"])}
        raise TemporaryError(f"Zoho lists more than {pages} pages at {operation}")

    def _tried(self, request: Request) -> dict[str, Any]:
        answered: dict[str, Any] = patient(self._options.max_wait_s, self._sleep)(self._once, request)
        return answered

    def _once(self, request: Request) -> dict[str, Any]:
        self.credits.check()
        self._pace.wait(self._options.max_wait_s)
        reply = self._accepted(request)
        left, is_done = number(reply.headers, CREDITS), 200 <= reply.status < 300
        if left is not None or is_done:
            self.credits.learn(int(left) if left is not None else None)
        if reply.status in (204, 304):
            return {}
        data = reply.data if isinstance(reply.data, dict) else {}
        told = data.get(request.rows) if request.rows else None
        is_told = isinstance(told, list) and bool(told) and all(isinstance(row, dict) for row in told)
        if data and (is_done or (is_told and reply.status < 500 and reply.status not in (401, 429))):
            return data
        if reply.status == 429 and self.credits.is_spent:
            raise self.credits.exhaust()
        error = error_of(reply, request.operation, effect=request.effect)
        if isinstance(error, BlockedError):
            self._pace.hold(error.retry_after_s or 0.0)
        raise error

    def _accepted(self, request: Request) -> "Reply":
        """Send with the token that is held; with a new one if Zoho doesn't accept it, since then nothing was done."""
        access = self._access()
        reply = self._sent(request, access)
        if reply.status == 401 and code_in(reply.data) in REVOKED:
            self._tokens.refused(access.token)
            reply = self._sent(request, self._access())
        return reply

    def _sent(self, request: Request, access: Access) -> "Reply":
        if not self._places.acquire(timeout=max(self._options.max_wait_s, 0.01)):
            raise TemporaryError("too many calls to Zoho are under way", retry_after_s=1.0)
        try:
            self.calls[request.operation] += 1
            headers = {"Authorization": f"Zoho-oauthtoken {access.token}", **request.headers}
            url = (self._options.base_url or access.api) + API + request.path
            transport, query, body = self._ready(), request.query, request.body
            return answer(
                "Zoho",
                request,
                self._context.observe,
                lambda: transport.send(request.method, url, headers, query=query, body=body),
            )
        finally:
            self._places.release()

    def _access(self) -> Access:
        given = self._credentials
        for value, setting in (
            (given.client_id, "crm.client_id"),
            (given.client_secret, "crm.client_secret_env"),
            (given.refresh_token, "crm.refresh_token_env"),
        ):
            if not value:
                raise ConfigError("it is empty; docs/zoho.md says how to make one", setting=setting)
        return self._tokens.access(self._context.clock, self._shelf, self._refreshed)

    def _refreshed(self) -> "Reply":
        given, transport = self._credentials, self._ready()
        form = {
            "grant_type": "refresh_token",
            "client_id": given.client_id,
            "client_secret": given.client_secret,
            "refresh_token": given.refresh_token,
        }
        self.calls["token"] += 1
        asked = Request("token", "POST", "")
        url = f"{given.accounts}/oauth/v2/token"
        return answer("Zoho", asked, self._context.observe, lambda: transport.send("POST", url, {}, form=form))

    def _ready(self) -> "Pooled":
        with self._lock:
            if self._transport is None:
                from adapters.http.pooled import Pooled

                given = self._options
                self._transport = Pooled(given.timeouts, given.concurrency + 1)  # one for the token
            return self._transport


def rows_in(body: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return an answer's rows."""
    found = body.get(key)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def info_in(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an answer tells about its page."""
    found = body.get("info")
    return found if isinstance(found, dict) else {}
