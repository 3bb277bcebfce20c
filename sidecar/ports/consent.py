"""How a person lets a channel into an account: what they must open, and what comes of it.

A port of its own because a machine without a screen does this at a command, long before or after the channel runs.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a person must open, and until when it holds.

    `code` is what they type there. Without one their browser is sent on, to an address that begins with `redirect`, and
    that address is the answer.
    """

    address: str
    until: datetime
    code: str = ""
    redirect: str = ""


class Consent(Protocol):
    """One attempt to be let in: `invite` once, then `take` until it says whose account it is."""

    by_code: bool
    """Whether the provider knows codes for machines without a browser."""
    wait_s: float
    """How long to wait before the next `take`, as the provider asks."""

    def invite(self, port: int | None) -> Invitation:
        """Begin: with a code where `port` is None, else for a browser that will be sent to this port of its machine."""

    def take(self, told: str = "") -> str | None:
        """Return whose account it is, once what was given is kept; None while the person hasn't answered.

        `told` is the address that the browser was sent to. `PermanentError` where the person said no, came too late, or
        it is the address of another attempt; `ConfigError` where it is another account than the configured one.
        """

    def listen(self, timeout_s: float) -> str:
        """Wait on the invitation's port of this machine for the browser; return the address that it was sent to.

        `PermanentError` where the port is taken, or nobody came.
        """

    def end(self) -> bool:
        """Ask the provider to take the access back; False where it has no way to, or none was given."""


@runtime_checkable
class Connectable(Protocol):
    """What a channel offers beside, whose account a person lets it into."""

    def consent(self) -> Consent:
        """Return an attempt; `ConfigError` where this channel is let in another way, such as by a service account."""
