"""The accounts host: access tokens for a refresh token, an hour each, and not many of them.

A refused refresh is mostly a 200 that holds `error`. Ten tokens in ten minutes and the refresh token is blocked; of
thirty that live, the oldest dies with the next. Source: Zoho's accounts guides and live reports, read 2026-11-22.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_hex
from typing import Any

from tests.twins.zoho.org import Switches

LIFE, WINDOW, MINTED, LIVE = timedelta(hours=1), timedelta(minutes=10), 10, 30
THROTTLED = {
    "error_description": "You have made too many requests continuously. Please try again after some time.",
    "error": "Access Denied", "status": "failure",
}  # fmt: skip


@dataclass
class Tokens:
    """Which tokens live. Another org on the same port knows none of them.

    `minted` counts all that ever did; `most` is how many a refresh token gets in ten minutes, None for any number.
    """

    clock: Callable[[], datetime]
    switches: Switches
    minted: int = 0
    most: int | None = MINTED
    of_this_org: str = field(default_factory=lambda: token_hex(8))
    _live: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    _recent: dict[str, deque[datetime]] = field(default_factory=dict)
    _blocked_until: dict[str, datetime] = field(default_factory=dict)

    def refresh(self, asked: Mapping[str, str], api_domain: str) -> tuple[int, dict[str, Any]]:
        """Return status and body for a request for a token."""
        switches, refresh = self.switches, asked.get("refresh_token", "")
        if asked.get("client_id") != switches.client_id:
            return switches.token_answer_status, {"error": "invalid_client"}
        if asked.get("client_secret") != switches.client_secret:
            return switches.token_answer_status, {"error": "invalid_client_secret"}
        if asked.get("grant_type") != "refresh_token":
            return switches.token_answer_status, {"error": "unsupported_grant_type"}
        if refresh not in switches.refresh_tokens:
            return switches.token_answer_status, {"error": "invalid_code"}
        if self._is_throttled(refresh):
            return 400, THROTTLED
        answer = {"access_token": self.mint(refresh), "scope": " ".join(switches.scopes), "api_domain": api_domain}
        return 200, {**answer, "token_type": "Bearer", "expires_in": int(LIFE.total_seconds())}

    def mint(self, refresh: str) -> str:
        """Return a new access token of a refresh token, without any throttle."""
        self.minted += 1
        token = "1000." + sha256(f"{self.of_this_org}-{refresh}-{self.minted}".encode()).hexdigest()[:32]
        alive = [each for each, (of, _) in self._live.items() if of == refresh]
        if len(alive) >= LIVE:
            del self._live[alive[0]]
        self._live[token] = (refresh, self.clock() + LIFE)
        return token

    def owner(self, token: str) -> int | None:
        """Return which user a token acts as, None when it is none or no more."""
        refresh, until = self._live.get(token, ("", self.clock()))
        return self.switches.refresh_tokens.get(refresh) if self.clock() < until else None

    def revoke(self) -> None:
        """Let every access token die at once."""
        self._live.clear()

    def _is_throttled(self, refresh: str) -> bool:
        now, recent = self.clock(), self._recent.setdefault(refresh, deque(maxlen=1000))
        if now < self._blocked_until.get(refresh, now):
            return True
        while recent and recent[0] <= now - WINDOW:
            recent.popleft()
        if self.most is not None and len(recent) >= self.most:
            self._blocked_until[refresh] = now + WINDOW
            return True
        recent.append(now)
        return False
