"""Asks a vendor's API that only tells: paced, tried again while somebody may wait, and each refusal named for who acts.

Several vendors of calls and meetings answer JSON over HTTPS and differ in little: the address, how they know us, how
often they may be asked. That little is given here; what an answer means is the vendor's adapter's business. No error
names what was asked for, since an address may hold somebody's, and none repeats an answer, which may hold words.

The trade-off: one pace for a whole API. A vendor with limits for each kind of call is asked as slowly as its slowest.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.http.calls import Timeouts, answer, number
from adapters.http.patience import Again, AgainUnanswered, Pace, patient
from sidecar.errors import ConfigError, PermanentError
from sidecar.ports import Observe

if TYPE_CHECKING:  # the HTTP client is imported by the first call
    from adapters.http.pooled import Pooled, Reply

CONNECTIONS = 2
_TRANSIENT = frozenset({408, 409, 423, 425, 429})
_UNKNOWN_US = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Manners:
    """How a vendor's API is asked: its name, at most so many calls in so many seconds, how long is waited in all.

    `credential` is the setting that a refusal names, with `remedy` in words.
    """

    vendor: str
    calls: int
    window_s: float
    max_wait_s: float
    timeouts: Timeouts
    credential: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One question: a word for it, where, and how; `may_lack` are statuses that are an answer and no refusal."""

    operation: str
    url: str
    method: str = "GET"
    query: Mapping[str, str] | None = None
    body: Any = None
    form: Mapping[str, str] | None = None
    may_lack: Collection[int] = ()
    effect: bool = False


class Api:
    """Asks one vendor for one channel; safe to share between threads.

    `headers` returns what makes us known, fresh for each try; `refused` hears of a 401 once, so that it may renew it.
    """

    def __init__(
        self,
        manners: Manners,
        headers: Callable[[], Mapping[str, str]],
        observe: Observe,
        *,
        refused: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._manners, self._headers, self._observe, self._refused = manners, headers, observe, refused
        self._pace = Pace(manners.vendor, manners.calls, manners.window_s)
        self._sleep = sleep or _nap
        self._pooled: Pooled | None = None
        self._lock = threading.Lock()

    def ask(self, ask: Ask) -> "Reply":
        """Return the answer, of a success or of a status in `may_lack`."""
        reply: Reply = patient(self._manners.max_wait_s, self._sleep)(lambda: self._once(ask))
        return reply

    def _once(self, ask: Ask) -> "Reply":
        reply = self._send(ask)
        if reply.status == 401 and 401 not in ask.may_lack and self._refused():
            reply = self._send(ask)
        if reply.status not in ask.may_lack:
            self._raise_for(reply, ask.operation)
        return reply

    def _send(self, ask: Ask) -> "Reply":
        manners = self._manners
        self._pace.wait(manners.window_s + manners.max_wait_s)
        transport, headers = self._ready(), self._headers()
        return answer(
            manners.vendor,
            ask,
            self._observe,
            lambda: transport.send(ask.method, ask.url, headers, query=ask.query, body=ask.body, form=ask.form),
        )

    def _raise_for(self, reply: "Reply", operation: str) -> None:
        status, manners = reply.status, self._manners
        if 200 <= status < 300:
            return
        if status in _TRANSIENT or status >= 500:
            wait_s = number(reply.headers, "retry-after")
            if status == 429 and wait_s is not None:
                self._pace.hold(min(wait_s, 3600.0))
            kind = AgainUnanswered if status == 429 else Again
            raise kind(f"{manners.vendor} answered {status} to {operation}", retry_after_s=wait_s)
        if status in _UNKNOWN_US:
            raise ConfigError(f"answered {status} to {operation}: {manners.remedy}", setting=manners.credential)
        if 300 <= status < 400:
            raise ConfigError(f"answered {status} to {operation}: is base_url right?", setting=manners.credential)
        raise PermanentError(f"{manners.vendor} answered {status} to {operation}")

    def _ready(self) -> "Pooled":
        with self._lock:
            if self._pooled is None:
                from adapters.http.pooled import Pooled

                self._pooled = Pooled(self._manners.timeouts, CONNECTIONS)
            return self._pooled


def rows(reply: "Reply", name: str, vendor: str, *, needs: str = "id") -> list[dict[str, Any]]:
    """Return the rows of an answer's list; one that is no such list counts as an outage, not as an empty one."""
    told = reply.data.get(name) if isinstance(reply.data, dict) else None
    if not isinstance(told, list) or not all(isinstance(row, dict) and (not needs or row.get(needs)) for row in told):
        raise Again(f"{vendor}'s answer holds no list of {name}")
    return told


def _nap(seconds: float) -> None:
    threading.Event().wait(seconds)
