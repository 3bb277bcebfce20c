"""Calls of Salesforce's API: tried again while that is safe, counted against the day's calls, their failures named.

Reads are tried again on any passing failure. What may have changed something is sent again only when it is known not
to have been done (a locked row, a busy server that says so, a session that ended): after a time-out, a reset, a 5xx or
half an answer its outcome is unknown, and who asked must look. All waiting of one call has one bound. Secrets,
addresses and values are in no error and no log.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tenacity.nap import sleep_using_event

from adapters.crms.salesforce.faults import SPENT, error_of, problems_in
from adapters.crms.salesforce.options import SalesforceOptions
from adapters.crms.salesforce.vendor import chunks
from adapters.http.budget import Budget
from adapters.http.calls import answer
from adapters.http.patience import patient
from sidecar.errors import TemporaryError
from sidecar.ports import Context

if TYPE_CHECKING:
    from adapters.crms.salesforce.login import Session
    from adapters.crms.salesforce.transport import Reply, Transport

MAX_PAGES = 50
OVER = "the org's API calls of the last 24 hours are used up, or down to crm.reserve: it tries again later"
LOCKED_S = 0.5
MAX_ADDRESS = 4_000
"""Longest query that goes in an address, before it is escaped: 16,384 bytes are the most for an address and headers."""
QUERIES = 5
"""Most queries within one composite call. Source: composite resource, read 2026-11."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One call: a word for it, what to send where, and whether it may change something."""

    operation: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    effect: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A SOQL query; `deleted` also shows what is in the recycle bin, was merged away or is archived."""

    soql: str
    deleted: bool = False

    @property
    def path(self) -> str:
        """Where it is asked, behind the API's version."""
        return "queryAll" if self.deleted else "query"


class Wire:
    """Speaks to one org; safe to share between threads. The client is imported by the first call."""

    def __init__(
        self, options: SalesforceOptions, context: Context, *, sleep: Callable[[float], None] | None = None
    ) -> None:
        self._options, self._context = options, context
        self._secret = context.secret(options.secret_env, options.secret_file)
        self._sleep = sleep or sleep_using_event(threading.Event())
        self._lock = threading.Lock()
        self._transport: Transport | None = None
        self._session: Session | None = None
        self.budget = Budget(context.clock, options.reserve, OVER)
        self.calls: Counter[str] = Counter()
        """Calls by operation, for benchmarks and tests."""

    @property
    def root(self) -> str:
        """Where the API is on its host."""
        return f"/services/data/v{self._options.version}/"

    def session(self) -> "Session":
        """Return who we are in which org; asked for once, since an app's user stays."""
        if self._session is None:
            login = Request("login", "POST", "")
            self._session = patient(self._options.max_wait_s, self._sleep)(
                lambda: answer("Salesforce", login, self._context.observe, lambda: _Known(self._ready().session))
            ).session
        return self._session

    def get(self, operation: str, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Read something; returns the answer's body."""
        return self._tried(Request(operation, "GET", path, query or {}))

    def send(self, operation: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send what changes something; `UnknownOutcome` when nobody can say whether it did."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._tried(Request(operation, method, path, {}, body, named, effect=True))

    def query(self, soql: str, *, deleted: bool = False) -> list[Row]:
        """Return all rows of a query."""
        return self.queries([Query(soql, deleted)])[0]

    def queries(self, asked: Sequence[Query]) -> list[list[Row]]:
        """Return all rows of each query: several of them, or a long one, go in the body of one call."""
        found: list[list[Row]] = []
        for part in chunks(asked, QUERIES):
            pages = self._pages(part)
            found += [self._rest(page) for page in pages]
        return found

    def pause(self) -> None:
        """Wait for a moment, until somebody else is done with a record."""
        self._sleep(LOCKED_S)

    # ----------------------------------------------------------------------------------------------------------------

    def _pages(self, asked: Sequence[Query]) -> list[Row]:
        if len(asked) == 1 and len(asked[0].soql) < MAX_ADDRESS:
            return [_page(self.get("query", asked[0].path, {"q": asked[0].soql}))]
        parts = [
            {"method": "GET", "referenceId": f"q{at}", "url": f"{self.root}{q.path}?{urlencode({'q': q.soql})}"}
            for at, q in enumerate(asked)
        ]
        body = {"allOrNone": False, "compositeRequest": parts}
        answered = self._tried(Request("query", "POST", "composite", {}, body))
        told = answered.get("compositeResponse") if isinstance(answered, Mapping) else None
        if not isinstance(told, list) or len(told) != len(asked):
            raise TemporaryError("Salesforce's answer to query can't be read")
        return [self._part(part) for part in told]

    @staticmethod
    def _part(part: Any) -> Row:
        status = part.get("httpStatusCode") if isinstance(part, Mapping) else None
        if status == 200:
            return _page(part.get("body"))
        said = part.get("body") if isinstance(part, Mapping) else None
        raise error_of(status if isinstance(status, int) else 500, said, "query", effect=False)

    def _rest(self, page: Row) -> list[Row]:
        """Return a page's rows and those of the pages behind it."""
        rows = list(page["records"])
        for _ in range(MAX_PAGES):
            if page.get("done", True):
                return rows
            onward = str(page.get("nextRecordsUrl", ""))
            page = _page(self.get("query", onward.removeprefix(self.root)))
            rows += page["records"]
        raise TemporaryError(f"Salesforce has more than {MAX_PAGES} pages of rows to one query")

    def _tried(self, request: Request) -> Any:
        return patient(self._options.max_wait_s, self._sleep)(self._once, request)

    def _once(self, request: Request) -> Any:
        transport = self._ready()
        self.budget.check()
        self.calls[request.operation] += 1
        reply: Reply = answer(
            "Salesforce",
            request,
            self._context.observe,
            lambda: transport.send(request.method, request.path, request.query, request.body, request.headers),
        )
        from adapters.crms.salesforce.transport import UNREADABLE

        if 200 <= reply.status < 300 and reply.data is not UNREADABLE:
            return reply.data
        if any(problem.code == SPENT for problem in problems_in(reply.data)):
            raise self.budget.exhaust()
        raise error_of(reply.status, reply.data, request.operation, effect=request.effect)

    def _ready(self) -> "Transport":
        with self._lock:
            if self._transport is None:
                from adapters.crms.salesforce.login import Login
                from adapters.crms.salesforce.transport import Transport

                given = self._options
                login = Login(given, self._secret, self._context.clock)
                self._transport = Transport(login, given.version, given.timeouts, self.budget.learn)
            return self._transport


@dataclass(frozen=True, slots=True)
class _Known:
    session: "Session"
    status: int = 200


def _page(data: Any) -> Row:
    if not isinstance(data, dict) or not isinstance(data.get("records"), list):
        raise TemporaryError("Salesforce's answer to query can't be read")
    return data
