"""Where a provider's OAuth is, and what its token endpoint answers: questions and answers alone, nothing is kept here.

oauthlib knows the words, the checks and the errors of OAuth; the requests are ours, bounded and observed. No secret
stands in an address, a representation or an error: of what an endpoint says only the error's code is repeated, and only
if it looks like one. A token that was given and lost on the way may be asked for again, so these calls are tried again.

Sources: RFC 6749 and 8628; Google "OAuth 2.0 for Mobile & Desktop Apps", Microsoft identity platform "device
authorization grant" and its v2.0 endpoints, as known 2026-11.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from adapters.http.calls import Timeouts, answer, number
from adapters.http.patience import Again, patient
from sidecar.ports import Clock, Observe

if TYPE_CHECKING:  # the HTTP client is imported by the first call
    from adapters.http.pooled import Pooled, Reply

MARGIN = timedelta(seconds=60)
MAX_LIFE = timedelta(days=1)
DEFAULT_LIFE_S = 3600
MISSING = "missing_token"
MAX_WAIT_S = 20.0
_TRANSIENT = frozenset({408, 425, 429})
_PASSING = frozenset({"temporarily_unavailable", "server_error"})
_CODE_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz_")


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider's OAuth is, and what is asked of it: addresses, scopes, and what else its consent page takes.

    `by_code`: a headless machine shows a code to type (RFC 8628); else the browser is sent back to `loopback`.
    """

    name: str
    authorize_url: str
    token_url: str
    scopes: tuple[str, ...]
    device_url: str = ""
    revoke_url: str = ""
    loopback: str = "127.0.0.1"
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def by_code(self) -> bool:
        """Whether the provider knows codes for machines without a browser."""
        return bool(self.device_url)


def google(scopes: tuple[str, ...], accounts_url: str = "", token_host: str = "") -> Provider:
    """Return Google's OAuth, or a stand-in's; it gives a code to type for no scope of Gmail's or Calendar's.

    Source: accounts.google.com/.well-known/openid-configuration and the desktop flow's page, as known 2026-11: a
    refresh token comes only with `access_type=offline`, and again only with `prompt=consent`.
    """
    accounts, tokens = accounts_url or "https://accounts.google.com", token_host or "https://oauth2.googleapis.com"
    return Provider(
        name="Google",
        authorize_url=f"{accounts}/o/oauth2/v2/auth",
        token_url=f"{tokens}/token",
        revoke_url=f"{tokens}/revoke",
        scopes=scopes,
        extra={"access_type": "offline", "prompt": "consent"},
    )


def microsoft(scopes: tuple[str, ...], tenant: str = "organizations", login_url: str = "") -> Provider:
    """Return Microsoft's OAuth for a tenant, a sovereign cloud's where `login_url` says so; it revokes nothing.

    Source: learn.microsoft.com, identity platform v2.0 endpoints, as known 2026-11: `offline_access` is what brings a
    refresh token, and http://localhost is taken as a redirect with any port.
    """
    base = f"{login_url or 'https://login.microsoftonline.com'}/{tenant}/oauth2/v2.0"
    return Provider(
        name="Microsoft",
        authorize_url=f"{base}/authorize",
        token_url=f"{base}/token",
        device_url=f"{base}/devicecode",
        scopes=scopes,
        loopback="localhost",
    )


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, until when it holds, and what came with it."""

    access: str = field(repr=False)
    expires_at: datetime
    refresh: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ()

    def holds(self, now: datetime) -> bool:
        """Say whether it will still be taken when it arrives."""
        return now + MARGIN < self.expires_at

    def kept(self) -> dict[str, Any]:
        """Return what is saved of it."""
        until = self.expires_at.astimezone(UTC).isoformat()
        return {"access": self.access, "expires_at": until, "refresh": self.refresh, "scopes": list(self.scopes)}


class Endpoint:
    """Posts forms to a provider's token endpoint, and says what became of it in our words."""

    def __init__(
        self, provider: Provider, timeouts: Timeouts, observe: Observe, clock: Clock, max_wait_s: float = MAX_WAIT_S
    ) -> None:
        self.provider, self.clock, self._max_wait_s = provider, clock, max_wait_s
        self._timeouts, self._observe = timeouts, observe
        self._lock = threading.Lock()
        self._pooled: Pooled | None = None

    def ask(self, operation: str, url: str, form: Mapping[str, str]) -> "Reply":
        """Post a form; whatever is no matter of time comes back, with its status."""

        def once() -> "Reply":
            transport = self._ready()
            reply = answer(
                self.provider.name, _Asked(operation), self._observe, lambda: transport.send("POST", url, {}, form=form)
            )
            code = error_code(reply.data)
            if reply.status in _TRANSIENT or reply.status >= 500 or code in _PASSING:
                wait_s = number(reply.headers, "retry-after")
                raise Again(f"{self.provider.name} answered {reply.status} to {operation}", retry_after_s=wait_s)
            return reply

        reply: Reply = patient(self._max_wait_s, _nap)(once)
        return reply

    def token(self, form: Mapping[str, str]) -> Token:
        """Ask for an access token; `RefusedError` says by which code it was refused."""
        return self.read(self.ask("token", self.provider.token_url, form))

    def read(self, reply: "Reply") -> Token:
        """Read an answer to such a question."""
        from oauthlib.oauth2 import OAuth2Error
        from oauthlib.oauth2.rfc6749.parameters import parse_token_response

        is_success, told = 200 <= reply.status < 300, dict[str, Any]()
        try:
            told = parse_token_response(json.dumps(reply.data if isinstance(reply.data, dict) else {}))
        except OAuth2Error as error:
            code = _shown(error.error) or MISSING
        except (TypeError, ValueError, AttributeError, OverflowError):  # what oauthlib makes of nonsense
            code = MISSING
        else:
            access = told.get("access_token")
            code = "" if isinstance(access, str) and access.isascii() and access and is_success else MISSING
        if code == MISSING and is_success:
            raise Again(f"{self.provider.name}'s answer to a question for a token holds none")
        if code:
            raise RefusedError(code if code != MISSING else f"status {reply.status}")
        refresh = told.get("refresh_token")
        life = timedelta(seconds=min(max(_whole(told.get("expires_in")), 0), MAX_LIFE.total_seconds()))
        scopes = tuple(scope for scope in told.get("scope") or () if isinstance(scope, str))
        return Token(
            str(told["access_token"]), self.clock() + life, refresh if isinstance(refresh, str) else "", scopes
        )

    def _ready(self) -> "Pooled":
        with self._lock:
            if self._pooled is None:
                from adapters.http.pooled import Pooled

                self._pooled = Pooled(self._timeouts, 2)
            return self._pooled


class RefusedError(Exception):
    """A provider gives no token; `code` is its word for why, or ours for an answer that was none."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Asked:
    operation: str
    effect: bool = False


def error_code(data: Any) -> str:
    """Return the code of an OAuth error, if that is what was answered; nothing that isn't one of OAuth's words."""
    return _shown(data.get("error")) if isinstance(data, dict) else ""


def _whole(seconds: object) -> int:
    try:
        return int(seconds) if isinstance(seconds, int | float | str) and seconds else DEFAULT_LIFE_S
    except (ValueError, OverflowError):
        return DEFAULT_LIFE_S


def _shown(code: object) -> str:
    return code if isinstance(code, str) and len(code) <= 60 and set(code) <= _CODE_CHARS else ""


def _nap(seconds: float) -> None:
    threading.Event().wait(seconds)
