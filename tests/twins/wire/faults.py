"""What goes wrong on the way, by rule: which requests, how likely, how often, and what happens to them.

Rules are asked in the order in which they were added and the first that strikes decides, except for `Before`, which
only runs something and lets the request go on.
"""

import random
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Drop:
    """The work is done, and the connection closed without an answer."""


@dataclass(frozen=True)
class Reset:
    """The connection is reset before any work."""


@dataclass(frozen=True)
class Late:
    """No answer comes; the work is done so many seconds later. The connection hangs for `hold_s`."""

    after_s: float
    hold_s: float = 30.0


@dataclass(frozen=True)
class Slow:
    """The work is done, and the answer trickles."""

    bytes_per_s: float


@dataclass(frozen=True)
class Truncated:
    """The work is done, and the answer breaks off; with `honest`, its length is told as if it were all."""

    keep: float = 0.5
    honest: bool = False


@dataclass(frozen=True)
class BlackHole:
    """Nothing is done and nothing comes."""

    hold_s: float = 30.0


@dataclass(frozen=True)
class Status:
    """This status is answered; no work is done, or with `after_work` it is."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after_work: bool = False


@dataclass(frozen=True)
class Before:
    """Something happens before the request is applied: a person types between our read and our write."""

    call: Callable[[], object]


Action = Drop | Reset | Late | Slow | Truncated | BlackHole | Status | Before


def html(status: int, after_work: bool = False) -> Status:
    """Return an answer of the edge in front of the API, which speaks HTML (502, 503, 504, 521, 523, 524, 530)."""
    page = f"<html><head><title>{status}</title></head><body><h1>Error {status}</h1><p>cloudflare</p></body></html>"
    return Status(status, page, after_work=after_work)


@dataclass
class Rule:
    """Which requests are struck, by what is in their body as well, and by what. `times` None is without end."""

    action: Action
    method: str = ".*"
    path: str = ".*"
    body: bytes = b""
    times: int | None = 1
    probability: float = 1.0
    struck: int = 0

    def strikes(self, method: str, path: str, body: bytes, dice: random.Random) -> bool:
        """Tell whether this request is struck, and count it."""
        if self.times is not None and self.struck >= self.times:
            return False
        if not (re.fullmatch(self.method, method) and re.search(self.path, path) and self.body in body):
            return False
        if self.probability < 1.0 and dice.random() >= self.probability:
            return False
        self.struck += 1
        return True


@dataclass
class Faults:
    """The rules of a twin."""

    dice: random.Random
    rules: list[Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, action: Action, **more: Any) -> Rule:
        """Add a rule and return it: `struck` tells how often it has."""
        rule = Rule(action, **more)
        self.rules.append(rule)
        return rule

    def strike(self, method: str, path: str, body: bytes = b"") -> tuple[list[Callable[[], object]], Action | None]:
        """Return what is to be run before this request, and what happens to it."""
        before: list[Callable[[], object]] = []
        with self._lock:
            for rule in list(self.rules):
                if rule.strikes(method, path, body, self.dice):
                    if not isinstance(rule.action, Before):
                        return before, rule.action
                    before.append(rule.action.call)
        return before, None
