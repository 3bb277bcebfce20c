"""One call of Pipedrive's API: paced, counted in tokens, tried again while that is safe, its failure named.

Reads are tried again on any passing failure. What may have changed something is sent again only when it is known not to
have been done: after a time-out, a reset, a 5xx or half an answer its outcome is unknown, and who asked must look. All
waiting of one call has one bound. Secrets, addresses and values are in no error and no log.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tenacity.nap import sleep_using_event

from adapters.crms.pipedrive.faults import BURST_S, BlockedError, error_of, is_spent
from adapters.crms.pipedrive.options import PipedriveOptions
from adapters.http.budget import Budget, at_midnight
from adapters.http.calls import answer, number
from adapters.http.patience import Again, Pace, patient
from sidecar.errors import ConfigError, TemporaryError
from sidecar.ports import Context

if TYPE_CHECKING:
    from adapters.crms.pipedrive.transport import Reply, Transport

PAGE = 500
OVER = "the company's tokens of this day are used up; it goes on at midnight"
TOKENS: Mapping[str, int] = {
    "get": 1, "list": 10, "search": 20, "write": 5, "remove": 3, "fields": 10, "notes": 20, "note": 2, "write_note": 10,
    "users": 20, "me": 2, "changelog": 20, "pipelines": 5, "provision": 5,
}  # fmt: skip
"""What a call costs of the day's budget, by operation. Source: rate limiting guide, read 2026-11."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call: a word for it, what to send where, and whether it may change something."""

    operation: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    @property
    def effect(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"


class Wire:
    """Speaks to one company; safe to share between threads. The client is imported by the first call."""

    def __init__(
        self, options: PipedriveOptions, context: Context, *, sleep: Callable[[float], None] | None = None
    ) -> None:
        self._options, self._context = options, context
        self._token = context.secret(options.token_env, options.token_file)
        self._sleep = sleep or sleep_using_event(threading.Event())
        self._lock = threading.Lock()
        self._transport: Transport | None = None
        self._burst = Pace("Pipedrive", options.burst, BURST_S, nap=self._sleep)
        self._searches = Pace("Pipedrive", options.search_burst, BURST_S, nap=self._sleep)
        renewed = at_midnight(ZoneInfo(options.reset_timezone))
        self.budget = Budget(context.clock, options.reserve, OVER, renewed)
        self.calls: Counter[str] = Counter()
        """Calls by operation, for benchmarks and tests."""

    @property
    def tokens(self) -> int:
        """Tokens of the day's budget that this process's calls cost."""
        return sum(TOKENS[operation] * count for operation, count in self.calls.items())

    def get(self, operation: str, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Read something; returns the answer's body."""
        return self._tried(Request(operation, "GET", path, query or {}))

    def send(self, operation: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Send what changes something; `UnknownOutcome` when nobody can say whether it did."""
        return self._tried(Request(operation, method, path, {}, body))

    def rows(self, operation: str, path: str, query: Mapping[str, str], pages: int) -> Iterator[dict[str, Any]]:
        """Yield the rows of a list, page by page; `TemporaryError` for a list beyond a bound of pages."""
        asked = {"limit": str(PAGE), **query}
        for _ in range(pages):
            answer = self.get(operation, path, asked)
            yield from rows_in(answer)
            further = onward(answer)
            if not further:
                return
            asked = {**asked, **further}
        raise TemporaryError(f"Pipedrive lists more than {pages} pages at {operation}")

    def _tried(self, request: Request) -> dict[str, Any]:
        answered: dict[str, Any] = patient(self._options.max_wait_s, self._sleep)(self._once, request)
        return answered

    def _once(self, request: Request) -> dict[str, Any]:
        transport = self._ready()
        self.budget.check()
        pace = self._searches if request.operation == "search" else self._burst
        for each in dict.fromkeys((self._burst, pace)):
            each.wait(self._options.max_wait_s)
        reply = self._sent(transport, request)
        left = number(reply.headers, "x-daily-ratelimit-token-remaining")
        if left is not None:
            self.budget.learn(int(left))
        if reply.status == 204:
            return {}
        if 200 <= reply.status < 300 and isinstance(reply.data, dict) and reply.data.get("success", True):
            return reply.data
        if is_spent(reply):
            raise self.budget.exhaust()
        error = error_of(reply, request.operation, effect=request.effect)
        if isinstance(error, Again) and reply.status == 429:
            pace.hold(error.retry_after_s or 0.0)
        if isinstance(error, BlockedError):
            self._burst.hold(error.retry_after_s or 0.0)
        raise error

    def _sent(self, transport: "Transport", request: Request) -> "Reply":
        self.calls[request.operation] += 1
        return answer(
            "Pipedrive",
            request,
            self._context.observe,
            lambda: transport.send(request.method, request.path, request.query, request.body),
        )

    def _ready(self) -> "Transport":
        with self._lock:
            if self._transport is None:
                if not self._token:
                    raise ConfigError("the token is empty", setting="crm.token_env")
                if self._options.base_url is None:
                    raise ConfigError(
                        "where the company is, such as https://yours.pipedrive.com", setting="crm.base_url"
                    )
                from adapters.crms.pipedrive.transport import Transport

                given = self._options
                self._transport = Transport(str(given.base_url), self._token, given.timeouts)
            return self._transport


def rows_in(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an answer's rows: `data` is a list, or holds its list as `items`, or is null for none."""
    data = answer.get("data")
    if isinstance(data, dict):
        data = data.get("items")
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def row_in(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer's one row, empty without one."""
    data = answer.get("data")
    return data if isinstance(data, dict) else {}


def onward(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return what a request for the next page adds: a cursor, or a start where v1 counts."""
    more = answer.get("additional_data") or {}
    if more.get("next_cursor"):
        return {"cursor": str(more["next_cursor"])}
    pages = more.get("pagination") or {}
    return {"start": str(pages["next_start"])} if pages.get("more_items_in_collection") else {}
