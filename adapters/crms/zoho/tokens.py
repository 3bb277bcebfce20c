"""The one access token of a process: had under a lock, shared by everybody, renewed before it ends.

Zoho gives ten access tokens in ten minutes for a refresh token and then blocks it, so a token for each ledger or thread
would lock all of them out. Ledgers that hold the same refresh token share one `Tokens`. A token that is refused is
renewed once, and not by each of the threads that were refused with it. Processes may share it by a file (`shelf`).
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from adapters.crms.zoho.faults import SETTING
from adapters.crms.zoho.shelf import Access, Shelf
from adapters.http.options import safe
from adapters.http.patience import Again
from sidecar.errors import ConfigError, TemporaryError
from sidecar.ports import Clock

if TYPE_CHECKING:  # the HTTP client is imported by the first call
    from adapters.http.pooled import Reply

MOST, WINDOW = 8, timedelta(minutes=10)
"""Tokens that are asked for in a window: two fewer than the most, for another process with the same refresh token."""
MAX_LIFE_S, EARLY = 3600, timedelta(minutes=2)
_TELLS = {
    "invalid_client": "the client id or its secret is wrong, or of another data center",
    "invalid_client_secret": "the client's secret is wrong",
    "invalid_code": "the refresh token is revoked, or of another client or data center",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a token is had with."""

    accounts: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)

    @property
    def mark(self) -> str:
        """Return a word for these that tells nothing of them."""
        return sha256("\0".join((self.accounts, self.client_id, self.refresh_token)).encode()).hexdigest()


class Tokens:
    """Holds the access token of one refresh token."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._access: Access | None = None
        self._refused = ""
        self._asked: deque[datetime] = deque(maxlen=MOST)

    def access(self, clock: Clock, shelf: Shelf, ask: Callable[[], "Reply"]) -> Access:
        """Return the token; `ask` has a new one where neither we nor the shelf have one that holds."""
        with self._lock:
            now, held = clock(), self._access
            if held is None or not self._holds(held, now):
                held = shelf.taken()
                if held is None or not self._holds(held, now):
                    held = self._renewed(now, ask)
                    shelf.put(held)
                self._access = held
            return held

    def refused(self, token: str) -> None:
        """Forget a token that Zoho didn't accept, unless somebody has renewed it already."""
        with self._lock:
            self._refused = token
            if self._access is not None and self._access.token == token:
                self._access = None

    def _holds(self, access: Access, now: datetime) -> bool:
        is_in_time = access.until - timedelta(seconds=MAX_LIFE_S) <= now < access.until - EARLY
        return is_in_time and access.token != self._refused

    def _renewed(self, now: datetime, ask: Callable[[], "Reply"]) -> Access:
        if len(self._asked) == MOST and now - self._asked[0] < WINDOW:
            wait_s = (self._asked[0] + WINDOW - now).total_seconds()
            raise TemporaryError(
                "too many access tokens were needed; Zoho blocks who asks for more", retry_after_s=wait_s
            )
        reply = ask()
        self._asked.append(now)  # an outage, in which nobody answers, uses up nothing
        told: dict[str, Any] = reply.data if isinstance(reply.data, dict) else {}
        token, api = told.get("access_token"), told.get("api_domain")
        if isinstance(token, str) and token and isinstance(api, str):
            try:
                safe_api = safe(api)
            except ValueError:
                raise ConfigError(
                    "the token's answer names no safe address of the API", setting="crm.accounts_url"
                ) from None
            life = told.get("expires_in")
            life_s = min(life, MAX_LIFE_S) if isinstance(life, int) and life > 0 else MAX_LIFE_S
            return Access(token, safe_api, now + timedelta(seconds=life_s))
        raise _refusal(reply, told)


def _refusal(reply: "Reply", told: dict[str, Any]) -> Exception:
    error = str(told.get("error") or "")
    if error in _TELLS:
        return ConfigError(f"{_TELLS[error]} ({error})", setting=SETTING)
    said = f"{error} {told.get('error_description') or ''}".casefold()
    if reply.status == 429 or "denied" in said or "too many" in said:
        return TemporaryError("Zoho gives no more access tokens for now", retry_after_s=WINDOW.total_seconds())
    if reply.status >= 500 or not told:
        return Again(f"Zoho's accounts are unavailable ({reply.status})")
    return ConfigError(f"Zoho gives no access token ({reply.status})", setting=SETTING)


_SHARED: dict[str, Tokens] = {}
_SHARED_LOCK = threading.Lock()


def shared(credentials: Credentials) -> Tokens:
    """Return the `Tokens` that everybody in this process shares who holds the same refresh token."""
    with _SHARED_LOCK:
        return _SHARED.setdefault(credentials.mark, Tokens())
