"""Where adapters keep the tokens that vendors give them anew while they run: sealed, in the journal's own settings.

They live beside the book and not in it: a token is of this installation and no fact, it is replaced many times a day,
and nobody explains or replays it. So exports never hold one, and a backup holds it sealed. A token is replaced only by
whoever has seen the one before, in one transaction: of two processes that renewed at the same time, the second loads
what the first has saved.

The key is read when the first token is, so that a sidecar without such channels needs none.
"""

import json
from collections.abc import Mapping
from threading import Lock
from typing import Any

from sidecar.config import Settings
from sidecar.errors import ConfigError, PermanentError
from sidecar.journal import Journal
from sidecar.seal import HOW, Seal, keys_of

MAX_BYTES = 65_536
_PREFIX = "tokens:"


class Vault:
    """Keeps tokens by name, a channel's usually."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings, self._journal = settings, journal
        self._seal: Seal | None = None
        self._lock = Lock()

    def load(self, name: str) -> Mapping[str, Any] | None:
        """Return what was saved under a name, or None; `ConfigError` where it can't be decrypted."""
        return self._opened(name, self._journal.meta(_PREFIX + name))

    def save(self, name: str, value: Mapping[str, Any], expected: Mapping[str, Any] | None) -> bool:
        """Replace what is saved, durably, if it still is `expected`; False when another process was first."""
        text = json.dumps(dict(value)).encode()
        if len(text) > MAX_BYTES:
            raise PermanentError(f"the tokens of {name} have {len(text)} bytes; at most {MAX_BYTES} are kept")
        held = self._journal.meta(_PREFIX + name)
        if self._opened(name, held) != (None if expected is None else json.loads(json.dumps(dict(expected)))):
            return False
        return self._journal.swap_meta(_PREFIX + name, held, self._ready().seal(name, text))

    def forget(self, name: str) -> bool:
        """Forget what is saved under a name, readable or not; False when there was nothing, or it was just replaced."""
        held = self._journal.meta(_PREFIX + name)
        return held is not None and self._journal.swap_meta(_PREFIX + name, held, None)

    def probe(self) -> None:
        """Do nothing where tokens could be kept; else say in a `ConfigError` what is missing."""
        self._ready()

    def _opened(self, name: str, sealed: str | None) -> Mapping[str, Any] | None:
        if sealed is None:
            return None
        try:
            value = json.loads(self._ready().open(name, sealed))
        except ConfigError as error:
            if error.setting:
                raise
            told = f"the tokens of {name} can't be opened: {error}; put the key back, or: sidecar connect {name}"
            raise ConfigError(told, setting="tokens.key_env") from None
        return value if isinstance(value, dict) else None

    def _ready(self) -> Seal:
        with self._lock:
            if self._seal is None:
                self._seal = seal_of(self._settings)
            return self._seal


def seal_of(settings: Settings) -> Seal:
    """Return what seals by the config's keys; `ConfigError` where there is none, or none that is good."""
    section = settings.tokens
    if not (section.key_env or section.key_file):
        told = f"name the variable or file with the key that seals the tokens which channels are given; {HOW}"
        raise ConfigError(told, setting="tokens.key_env")
    try:
        return Seal(keys_of(settings.secret(section.key_env, section.key_file)))
    except ConfigError as error:
        raise ConfigError(str(error), setting="tokens.key_env" if section.key_env else "tokens.key_file") from None
