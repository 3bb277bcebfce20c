"""One call of HubSpot's API: paced, tried again while that is safe, its answer parsed, its failure named.

Reads are tried again on any passing failure. What may have changed something is sent again only when it is known not to
have been done (limits, locks, a connection that never opened): after a time-out, a reset, a 5xx or half an answer its
outcome is unknown, and who asked must look. All waiting of one call has one bound; after it, time must pass outside.
Secrets, addresses and values are in no error and no log.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from tenacity.nap import sleep_using_event

from adapters.crms.hubspot.faults import Asked, error_of
from adapters.crms.hubspot.options import HubSpotOptions
from adapters.crms.hubspot.shapes import Shape
from adapters.http.calls import answer, number
from adapters.http.patience import Again, Pace, patient
from sidecar.errors import ConfigError, UnknownOutcome
from sidecar.ports import Context

if TYPE_CHECKING:
    from adapters.crms.hubspot.transport import Reply, Transport

BURST_WINDOW_S = 10.0
T = TypeVar("T", bound=BaseModel)


class Wire:
    """Speaks to one account; safe to share between threads. The SDK is imported by the first call."""

    def __init__(
        self, options: HubSpotOptions, context: Context, *, sleep: Callable[[float], None] | None = None
    ) -> None:
        self._options = options
        self._context = context
        self._token = context.secret(options.token_env, options.token_file)
        self._sleep = sleep or sleep_using_event(threading.Event())
        self._lock = threading.Lock()
        self._transport: Transport | None = None
        rate = options.search_per_s
        self._burst = Pace("HubSpot", options.burst, BURST_WINDOW_S, nap=self._sleep)
        self._searches = Pace("HubSpot", max(1, int(rate)), max(1.0, 1 / rate), nap=self._sleep)
        self.zone: tzinfo | None = None
        self.calls: Counter[str] = Counter()
        """Calls by operation, for benchmarks and tests."""

    @property
    def token(self) -> str:
        """The token, for the one call that asks HubSpot what it may do."""
        return self._token

    def get(self, shape: type[T], operation: str, path: str, query: Mapping[str, str] | None = None) -> T:
        """Read something."""
        return self._tried(shape, Request(operation, "GET", path, query or {}))

    def ask(self, shape: type[T], operation: str, path: str, body: Any, query: Mapping[str, str] | None = None) -> T:
        """Read something that is asked for by a body; nothing changes by it."""
        return self._tried(shape, Request(operation, "POST", path, query or {}, body))

    def change(self, shape: type[T], operation: str, method: str, path: str, body: Any) -> T:
        """Send what changes something; `UnknownOutcome` when nobody can say whether it did."""
        return self._tried(shape, Request(operation, method, path, {}, body, effect=True))

    def remove(self, operation: str, path: str) -> None:
        """Take something away."""
        self._tried(Shape, Request(operation, "DELETE", path, {}, effect=True))

    def _tried(self, shape: type[T], request: "Request") -> T:
        answered: T = patient(self._options.max_wait_s, self._sleep)(self._once, shape, request)
        return answered

    def _once(self, shape: type[T], request: "Request") -> T:
        transport = self._ready()
        is_search = request.operation == "search"
        for pace in (self._burst, *((self._searches,) if is_search else ())):
            pace.wait(self._options.max_wait_s)
        reply = self._sent(transport, request)
        if not is_search:  # whose answers don't tell
            left = number(reply.headers, "x-hubspot-ratelimit-remaining")
            window_ms = number(reply.headers, "x-hubspot-ratelimit-interval-milliseconds")
            self._burst.learn(int(left) if left is not None else None, window_ms / 1000 if window_ms else None)
        if 200 <= reply.status < 300:
            return _parsed(shape, reply.data, request)
        asked = Asked(request.operation, request.effect, self._context.clock(), self.zone)
        error = error_of(reply.status, reply.headers, reply.body, asked)
        if isinstance(error, Again) and reply.status == 429:
            (self._searches if is_search else self._burst).hold(error.retry_after_s or 0.0)
        raise error

    def _sent(self, transport: "Transport", request: "Request") -> "Reply":
        self.calls[request.operation] += 1
        return answer(
            "HubSpot",
            request,
            self._context.observe,
            lambda: transport.send(request.method, request.path, request.query, request.body),
        )

    def _ready(self) -> "Transport":
        with self._lock:
            if self._transport is None:
                if not self._token:
                    raise ConfigError("the token is empty", setting="crm.token_env")
                from adapters.crms.hubspot.transport import Transport

                given = self._options
                self._transport = Transport(given.base_url, self._token, given.timeouts)
            return self._transport


@dataclass(frozen=True, slots=True)
class Request:
    """One call: a word for it, what to send where, and whether it may change something."""

    operation: str
    method: str
    path: str
    query: Mapping[str, str]
    body: Any = None
    effect: bool = False


def _parsed(shape: type[T], data: Any, request: Request) -> T:
    try:
        return shape.model_validate({} if data in (None, "") else data)
    except ValidationError:
        told = f"HubSpot's answer to {request.operation} can't be read"
        raise (UnknownOutcome if request.effect else Again)(told) from None
