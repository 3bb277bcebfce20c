"""What every adapter is given to work with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sidecar.model import Own

Clock = Callable[[], datetime]
"""Returns the time as aware UTC; injected, so that tests and replays own it."""

Observe = Callable[[str, int | None, float], None]
"""Told of each HTTP call: the operation (a word of a closed set, never a URL), its status, or None without an answer,
and how many seconds it took."""


def unobserved(operation: str, status: int | None, seconds: float) -> None:
    """Count nothing: whom nobody watches."""


@dataclass(frozen=True, slots=True)
class Context:
    """What every adapter is given: the clock, our side, the folder of the config file, and a reader of secrets.

    `observe(operation, status, seconds)` is told of each call of a vendor's API; it costs nearly nothing, never raises.
    `secret(env, file)` returns the secret named by an `*_env` or `*_file` option and raises `ConfigError` without one.
    Relative paths in options are relative to `base`.
    """

    clock: Clock
    own: Own
    base: Path
    secret: Callable[[str | None, str | None], str]
    installed_at: datetime | None = None
    observe: Observe = unobserved
