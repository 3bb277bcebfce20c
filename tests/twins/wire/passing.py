"""What goes over a twin's socket, what is remembered of it, and what answers: the same for every vendor's twin.

Nothing here knows a vendor: a gateway is whatever answers a request, names its operation and may dress a fault's body.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

BODY_LIMIT, KEPT = 10_000_000, 200_000


@dataclass(frozen=True)
class Request:
    """What came over the socket."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What goes over the socket."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Logged:
    """One request as it was dealt with; `answered` is false where the work was done and nobody told."""

    method: str
    path: str
    operation: str
    inputs: int
    status: int | None
    size_in_bytes: int
    size_out_bytes: int
    body: bytes
    answered: bool
    fault: str = ""


@dataclass
class Log:
    """The requests so far, the newest last and the oldest forgotten, and how many of each operation."""

    entries: deque[Logged] = field(default_factory=lambda: deque(maxlen=KEPT))
    counts: Counter[str] = field(default_factory=Counter)
    keeps_bodies: bool = True

    def add(self, entry: Logged) -> None:
        """Keep an entry."""
        self.entries.append(entry)
        self.counts[entry.operation] += 1


class Gateway(Protocol):
    """Answers requests; `defects` is what the twin itself did wrong."""

    defects: list[str]

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Do what a request asks for and return the reply."""

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""

    def operation(self, request: Request) -> str:
        """Return what the log calls this request."""

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a body of text or JSON."""

    def dressed(self, body: Any) -> Any:
        """Return a fault's body with what the vendor adds to every refusal."""
