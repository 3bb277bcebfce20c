"""What a call of a vendor's API may come to, before its answer is read: answered, not sent, or nobody knows.

Vendors' clients differ in how they send and in what they raise; their transports put it in these words. What was not
sent may be sent again. What was cut off may have been done: only a call that changes nothing is tried again then, for
anything else whoever asked must look. The errors name the vendor and the operation, and nothing that was sent.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from adapters.http.patience import Again, AgainUnanswered
from sidecar.errors import UnknownOutcome
from sidecar.ports import Observe


class NotSentError(Exception):
    """No connection was opened, so nothing can have happened."""


class BusyError(NotSentError):
    """All connections of our own were taken, so it was not even tried: of the other side that says nothing."""


class CutOffError(Exception):
    """The connection ended, or the time, after the request may have been sent: nobody knows what happened."""


class TooLateError(CutOffError):
    """The time ended."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to connect, for each part of an answer, and for the whole call (`deadline`)."""

    connect_s: float
    read_s: float
    whole_s: float


class Asked(Protocol):
    """What is asked: a word for it, and whether it may change something."""

    @property
    def operation(self) -> str: ...
    @property
    def effect(self) -> bool: ...


class Answered(Protocol):
    """What came back, whatever its status."""

    @property
    def status(self) -> int: ...


A = TypeVar("A", bound=Answered)
MAX_BODY_BYTES = 64 * 1024 * 1024


def answer(vendor: str, asked: Asked, observe: Observe, send: Callable[[], A]) -> A:
    """Send once and observe it; `Again` or `UnknownOutcome` when `send` raised `NotSentError` or `CutOffError`."""
    began, status, is_call = time.monotonic(), None, True
    try:
        reply = send()
        status = reply.status
    except BusyError:
        is_call = False
        raise AgainUnanswered(f"{vendor} was not asked for {asked.operation}: our own connections are taken") from None
    except NotSentError as error:
        raise AgainUnanswered(f"{vendor} can't be reached: {error}") from None
    except CutOffError as error:
        if asked.effect:
            raise UnknownOutcome(f"{vendor} may have done {asked.operation}, or not: {error}") from None
        raise Again(f"{vendor} didn't answer {asked.operation}: {error}") from None
    else:
        return reply
    finally:
        if is_call:
            observe(asked.operation, status, time.monotonic() - began)


def whole(parts: Iterable[bytes]) -> bytes:
    """Return a body that comes in parts; `CutOffError` when it is too large."""
    read, size_bytes = [], 0
    for part in parts:
        read.append(part)
        size_bytes += len(part)
        if size_bytes > MAX_BODY_BYTES:
            raise CutOffError("the answer is too large")
    return b"".join(read)


def number(headers: Mapping[str, str], name: str) -> float | None:
    """Return a header that is a number of at least nothing; names are in lower case."""
    text = headers.get(name, "").strip()
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text) else None
