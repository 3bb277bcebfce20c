"""One attempt of a person to let a channel in, on a machine that may have no browser: by a code, or by a browser's way.

By a code (RFC 8628): the person opens a page anywhere and types it. By a browser (RFC 8252 with PKCE, RFC 7636): they
are sent to a port of their own machine, where nobody need listen, for the address that the browser shows then is the
answer; whoever reads it besides has a code without the verifier, which stays here. The state in it is compared, so that
an address of another attempt, or of somebody's trap, is refused.

What was given is kept only after a first call showed whose account it opens. The trade-off: an attempt lives in one
process's memory, and one that was interrupted begins anew.

Source: RFC 6749, 7636, 8252, 8628, and the errors `authorization_declined`, `bad_verification_code` of Microsoft's
"device authorization grant", as known 2026-11.
"""

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from adapters.http.loopback import wait_for_browser
from adapters.http.oauth import Grant
from adapters.http.provider import RefusedError, Token
from sidecar.errors import ConfigError, PermanentError, SidecarError
from sidecar.ports import Clock, Invitation

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
STATE_CHARS, VERIFIER_CHARS = 32, 64
MAX_ADDRESS_CHARS = 8_000
BROWSER_LIFE = timedelta(minutes=30)
MAX_CODE_LIFE = timedelta(hours=1)
WAIT_S, SLOWER_S, MAX_INTERVAL_S = 5.0, 5.0, 60.0
_NO = frozenset({"access_denied", "authorization_declined"})
_LATE = frozenset({"expired_token", "code_expired", "bad_verification_code"})
_UNNAMED = frozenset({"offline_access", "openid", "email", "profile"})
"""Scopes that a provider doesn't name among those that it gave."""


class OAuthConsent:
    """An attempt for one grant; `whose` says whose account an access token opens, `ConfigError` for a wrong one."""

    def __init__(self, grant: Grant, clock: Clock, whose: Callable[[str], str]) -> None:
        self.by_code = grant.provider.by_code
        self.wait_s = WAIT_S
        self._grant, self._clock, self._whose = grant, clock, whose
        self._invited: Invitation | None = None
        self._device = self._state = self._verifier = ""

    def invite(self, port: int | None) -> Invitation:
        """Begin: with a code where `port` is None, else for a browser that will be sent to this port of its machine."""
        if port is None and not self.by_code:
            raise PermanentError(f"{self._grant.provider.name} gives no codes to type; it needs a browser")
        self._invited = self._code() if port is None else self._browser(port)
        return self._invited

    def take(self, told: str = "") -> str | None:
        """Return whose account it is, once what was given is kept; None while the person hasn't answered."""
        if self._invited is None:
            raise PermanentError("nobody was invited yet")
        if self._clock() >= self._invited.until:
            raise PermanentError("nobody answered in time; begin anew")
        form = {"grant_type": DEVICE, "device_code": self._device} if self._device else self._answered(told)
        token = self._asked(form)
        return None if token is None else self._kept(token)

    def listen(self, timeout_s: float) -> str:
        """Wait on the invitation's port of this machine for the browser; return the address that it was sent to."""
        redirect = self._invited.redirect if self._invited else ""
        port = urlsplit(redirect).port
        if port is None:
            raise PermanentError("no browser was invited")
        return redirect + wait_for_browser(port, timeout_s, lambda query: hmac.compare_digest(
            _only(query, "state").encode(), self._state.encode()
        ))  # fmt: skip

    def end(self) -> bool:
        """Ask the provider to take the access back; False where it has no way to, or none was given."""
        return self._grant.revoke()

    def _code(self) -> Invitation:
        """Ask for a code. The page that it belongs to is the provider's word, and must be one that a browser opens."""
        endpoint, provider = self._grant.endpoint, self._grant.provider
        form = {"client_id": self._grant.client_id, "scope": " ".join(provider.scopes)}
        told = endpoint.ask("device", provider.device_url, form).data
        told = told if isinstance(told, dict) else {}
        device, code = told.get("device_code"), told.get("user_code")
        page = told.get("verification_uri") or told.get("verification_url")
        if not all(isinstance(word, str) and word for word in (device, code)) or not _is_page(page):
            raise ConfigError(
                f"{provider.name} gives no code; is client_id right, and may the app be used without a browser?",
                setting=f"channels.{self._grant.channel}",
            )
        self._device = str(device)
        self.wait_s = min(max(_seconds(told.get("interval"), WAIT_S), 0.0), MAX_INTERVAL_S)
        life = timedelta(seconds=max(_seconds(told.get("expires_in"), 900.0), 1.0))
        return Invitation(str(page), self._clock() + min(life, MAX_CODE_LIFE), code=str(code))

    def _browser(self, port: int) -> Invitation:
        from oauthlib.common import generate_token
        from oauthlib.oauth2 import WebApplicationClient

        provider = self._grant.provider
        redirect = f"http://{provider.loopback}:{port}/"
        client = WebApplicationClient(self._grant.client_id)
        self._device, self._state = "", generate_token(STATE_CHARS)
        self._verifier = client.create_code_verifier(VERIFIER_CHARS)
        query = {
            "response_type": "code",
            "client_id": self._grant.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(provider.scopes),
            "state": self._state,
            "code_challenge": client.create_code_challenge(self._verifier, "S256"),
            "code_challenge_method": "S256",
            **provider.extra,
        }
        until: datetime = self._clock() + BROWSER_LIFE
        return Invitation(f"{provider.authorize_url}?{urlencode(query)}", until, redirect=redirect)

    def _answered(self, told: str) -> dict[str, str]:
        """Return what a browser's address asks for; it is somebody's text, and may be any."""
        from oauthlib.oauth2 import OAuth2Error
        from oauthlib.oauth2.rfc6749.parameters import parse_authorization_code_response

        redirect, query = self._invited.redirect if self._invited else "", _query(told)
        try:  # oauthlib wants https and knows no exception for the person's own machine (RFC 8252, 7.3)
            found = parse_authorization_code_response(f"https://localhost/?{query}", state=self._state)
        except OAuth2Error as error:
            if error.error in _NO:
                raise PermanentError("the person at the page said no") from None
            why = "is no answer to this attempt: copy all of it, from the newest page"
            raise PermanentError(f"the address that the browser was sent to {why}") from None
        verifier = {"code_verifier": self._verifier, "redirect_uri": redirect}
        return {"grant_type": "authorization_code", "code": found["code"], **verifier}

    def _asked(self, form: dict[str, str]) -> Token | None:
        client = self._grant.client if not self._device else {"client_id": self._grant.client_id}
        try:
            return self._grant.endpoint.token({**form, **client})
        except RefusedError as error:
            if error.code == "authorization_pending":
                return None
            if error.code == "slow_down":
                self.wait_s = min(self.wait_s + SLOWER_S, MAX_INTERVAL_S)
                return None
            if error.code in _NO:
                raise PermanentError("the person at the page said no") from None
            if error.code in _LATE:
                raise PermanentError("the code isn't good any more; begin anew") from None
            told = f"{self._grant.provider.name} gave no token ({error.code}); are client_id and its secret right?"
            raise ConfigError(told, setting=f"channels.{self._grant.channel}") from None

    def _kept(self, token: Token) -> str:
        """Keep what was given, once it is whole and shown to be the right account's."""
        provider, setting = self._grant.provider, f"channels.{self._grant.channel}"
        if not token.refresh:
            told = f"{provider.name} gave no refresh token; take the app's access away in the account, then begin anew"
            raise ConfigError(told, setting=setting)
        given = {_bare(scope) for scope in token.scopes}
        if missing := [s for s in provider.scopes if given and s not in _UNNAMED and _bare(s) not in given]:
            told = f"{provider.name} gave no access to {', '.join(missing)}: tick every box at its page"
            raise ConfigError(told, setting=setting)
        try:
            account = self._whose(token.access)
        except ConfigError:
            self._given_back(token)
            raise
        self._grant.keep(token)
        return account

    def _given_back(self, token: Token) -> None:
        """Let go of another account's access at once, where its provider can be told."""
        try:
            self._grant.revoke(token)
        except SidecarError:
            pass  # it was kept nowhere, and its owner can take it away


def _is_page(page: object) -> bool:
    """Whether a person can be sent there."""
    try:
        parts = urlsplit(page) if isinstance(page, str) else urlsplit("")
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


def _query(told: str) -> str:
    """Return the query of an address that somebody pasted, whatever is around it."""
    text = told.strip()
    if len(text) > MAX_ADDRESS_CHARS:
        return ""
    try:
        return urlsplit(text).query
    except ValueError:
        return ""


def _only(query: str, name: str) -> str:
    found = parse_qs(query).get(name, [])
    return found[0] if len(found) == 1 else ""


def _bare(scope: str) -> str:
    """Return a scope without the resource before it, which providers leave out or add."""
    return scope.rstrip("/").rpartition("/")[2].casefold()


def _seconds(value: Any, default: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default
