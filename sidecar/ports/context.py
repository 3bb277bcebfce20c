"""What every adapter is given to work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from sidecar.errors import ConfigError
from sidecar.model import Own

Clock = Callable[[], datetime]
"""Returns the time as aware UTC; injected, so that tests and replays own it."""

Observe = Callable[[str, int | None, float], None]
"""Told of each HTTP call: the operation (a word of a closed set, never a URL), its status, or None without an answer,
and how many seconds it took."""


def unobserved(operation: str, status: int | None, seconds: float) -> None:
    """Count nothing: whom nobody watches."""


class Tokens(Protocol):
    """Keeps what an adapter must not lose and nobody may read: tokens that change while it runs, encrypted at rest."""

    def load(self, name: str) -> Mapping[str, Any] | None:
        """Return what was saved under a name, or None; `ConfigError` where it can't be decrypted."""

    def save(self, name: str, value: Mapping[str, Any], expected: Mapping[str, Any] | None) -> bool:
        """Replace what is saved, durably, if it still is `expected`; False when another process was first."""


class NoTokens:
    """Keeps nothing: who has no key to encrypt with."""

    def load(self, name: str) -> Mapping[str, Any] | None:
        """Refuse."""
        raise ConfigError("tokens can't be kept without a key to encrypt them with")

    def save(self, name: str, value: Mapping[str, Any], expected: Mapping[str, Any] | None) -> bool:
        """Refuse."""
        raise ConfigError("tokens can't be kept without a key to encrypt them with")


@dataclass(frozen=True, slots=True)
class Context:
    """What every adapter is given: the clock, our side, the folder of the config file, and a reader of secrets.

    `observe(operation, status, seconds)` is told of each call of a vendor's API; it costs nearly nothing, never raises.
    `secret(env, file)` returns the secret named by an `*_env` or `*_file` option and raises `ConfigError` without one.
    `live_since` is since when a channel is ours (None: from now on): what is older is history, for a backfill alone.
    Relative paths in options are relative to `base`. `tokens` keeps what a vendor gives us anew while we run.
    """

    clock: Clock
    own: Own
    base: Path
    secret: Callable[[str | None, str | None], str]
    live_since: datetime | None = None
    observe: Observe = unobserved
    tokens: Tokens = field(default_factory=NoTokens)
