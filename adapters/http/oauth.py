"""Access to an account that a person, or an administrator, let us into: OAuth 2.0 over our own HTTP.

Three ways lead to the same two methods, `access_token` and `refused`: a person's consent, whose refresh token is kept
sealed and may be replaced at every use (`Grant`); a key of a service account that signs for itself (`ServiceAccount`,
RFC 7523); an app's own secret (`ClientCredentials`). Whoever calls an API asks for a token before each call, and says
`refused` after a 401, then asks once more. How a person consents is in `consent`, the endpoints are in `provider`.

The trade-off: two processes that find a token out of date at the same time both renew it, and the second keeps what the
first has saved. Providers bear that; a lock over processes would cost more than the call that it saves.

Sources: RFC 6749 and 7523; Google "Using OAuth 2.0 for Server to Server Applications", Microsoft identity platform
"client credentials flow", as known 2026-11.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from adapters.http.calls import Timeouts
from adapters.http.patience import Again
from adapters.http.provider import MAX_WAIT_S, Endpoint, Provider, RefusedError, Token, google, microsoft
from sidecar.errors import ConfigError
from sidecar.ports import Clock, Observe, Tokens

__all__ = ["Access", "ClientCredentials", "Grant", "Provider", "ServiceAccount", "Token", "google", "microsoft"]

MAX_RACES = 3
LOOK = timedelta(minutes=1)
"""How long a token is given out without a look at what is kept, which another process may have replaced."""
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFE = timedelta(minutes=30)


class Held:
    """An access token that is had under a lock and given out until it ends, or is refused."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None

    def access_token(self) -> str:
        """Return an access token that holds for a minute at least; `ConfigError` says who must let us in again."""
        with self._lock:
            if self._token is None or not self._token.holds(self._clock()) or self._is_stale():
                self._token = self._fresh()
            return self._token.access

    def refused(self, token: str) -> None:
        """Take in that an API refused a token: it isn't given out again."""
        with self._lock:
            if self._token is not None and self._token.access == token:
                self._token = None
            self._forget(token)

    def _fresh(self) -> Token:
        raise NotImplementedError

    def _is_stale(self) -> bool:
        """Say whether what is kept elsewhere may have changed since it was read."""
        return False

    def _forget(self, token: str) -> None:
        """Do what else is to be done about a refused token."""


class Grant(Held):
    """What a person gave us access to by `sidecar connect`; its tokens are kept sealed under the channel's name."""

    def __init__(
        self,
        channel: str,
        provider: Provider,
        client_id: str,
        client_secret: str | None,
        tokens: Tokens,
        clock: Clock,
        timeouts: Timeouts,
        observe: Observe,
        max_wait_s: float = MAX_WAIT_S,
    ) -> None:
        super().__init__(clock)
        self.channel, self.provider, self.client_id = channel, provider, client_id
        self._client_secret = client_secret
        self._tokens = tokens
        self._refused = ""
        self._read_at: datetime | None = None
        self.endpoint = Endpoint(provider, timeouts, observe, clock, max_wait_s)

    @property
    def client(self) -> dict[str, str]:
        """By which words the provider knows us; a desktop app's secret is none, and some have none."""
        secret = {"client_secret": self._client_secret} if self._client_secret else {}
        return {"client_id": self.client_id, **secret}

    def keep(self, token: Token) -> None:
        """Save what a consent brought, in the place of what was there."""
        for _ in range(MAX_RACES):
            if self._tokens.save(self.channel, token.kept(), self._tokens.load(self.channel)):
                with self._lock:
                    self._token, self._refused = None, ""
                return
        raise ConfigError("another process changes its tokens at the same time; try again", setting=self._setting)

    def kept(self) -> Token | None:
        """Return what is saved, if anything can be read of it."""
        return _read(self._tokens.load(self.channel))

    def revoke(self, token: Token | None = None) -> bool:
        """Ask the provider to forget what it gave us; False where it has no way to, or knows of nothing."""
        token = token or self.kept()
        if token is None or not self.provider.revoke_url:
            return False
        form = {"token": token.refresh or token.access}
        return 200 <= self.endpoint.ask("revoke", self.provider.revoke_url, form).status < 300

    @property
    def _setting(self) -> str:
        return f"channels.{self.channel}"

    def _fresh(self) -> Token:
        """Take what another process has saved, if it holds; else renew it."""
        for _ in range(MAX_RACES):
            saved, self._read_at = self._tokens.load(self.channel), self._clock()
            held = _read(saved)
            if held is None:
                raise self._unconnected("nobody has let it in yet")
            if held.holds(self._clock()) and held.access != self._refused:
                return held
            renewed = self._renewed(held)
            if renewed is not None and self._tokens.save(self.channel, renewed.kept(), saved):
                self._refused = ""
                return renewed
        raise Again(f"the tokens of {self.channel} change faster than they can be renewed", retry_after_s=5.0)

    def _renewed(self, held: Token) -> Token | None:
        """Return a new token, with the refresh token that is to be kept; None where another process was first."""
        if not held.refresh:
            raise self._unconnected(f"{self.provider.name} gave no refresh token")
        form = {"grant_type": "refresh_token", "refresh_token": held.refresh, **self.client}
        try:
            token = self.endpoint.token(form)
        except RefusedError as error:
            now = self.kept()
            if now is not None and now.refresh != held.refresh:
                return None
            raise self._unconnected(f"{self.provider.name} refused its refresh token ({error.code})") from None
        return replace(token, refresh=token.refresh or held.refresh, scopes=token.scopes or held.scopes)

    def _forget(self, token: str) -> None:
        self._refused = token

    def _is_stale(self) -> bool:
        """Another process may have let it in anew, or have had it forgotten; the provider may not know of that."""
        return self._read_at is None or not timedelta() <= self._clock() - self._read_at < LOOK

    def _unconnected(self, why: str) -> ConfigError:
        return ConfigError(f"{why}; let it in: sidecar connect {self.channel}", setting=self._setting)


class ServiceAccount(Held):
    """A Google service account that acts for a mailbox, as a Workspace's administrator allowed it to.

    `key` is the JSON file that Google made; `subject` is for whom it acts, empty for itself.
    """

    def __init__(
        self,
        setting: str,
        provider: Provider,
        key: str,
        subject: str,
        clock: Clock,
        timeouts: Timeouts,
        observe: Observe,
        max_wait_s: float = MAX_WAIT_S,
    ) -> None:
        super().__init__(clock)
        self._setting, self._provider, self._subject = setting, provider, subject
        self._email, self._key_id, self._key = _service_key(key, setting)
        self._endpoint = Endpoint(provider, timeouts, observe, clock, max_wait_s)

    def _fresh(self) -> Token:
        try:
            return self._endpoint.token({"grant_type": JWT_BEARER, "assertion": self._assertion()})
        except RefusedError as error:
            remedy = {
                "unauthorized_client": "give its client id these scopes under domain-wide delegation in the console",
                "invalid_grant": "is the key deleted there, the mailbox spelt right, and the clock of this machine?",
            }.get(error.code, "see the service account and its delegation")
            told = f"{self._provider.name} refused the service account ({error.code}): {remedy}"
            raise ConfigError(told, setting=self._setting) from None

    def _assertion(self) -> str:
        import jwt

        now = self._clock()
        claims = {
            "iss": self._email,
            "scope": " ".join(self._provider.scopes),
            "aud": self._provider.token_url,
            "iat": int(now.timestamp()),
            "exp": int((now + ASSERTION_LIFE).timestamp()),
        } | ({"sub": self._subject} if self._subject else {})
        headers = {"kid": self._key_id} if self._key_id else None
        try:
            return jwt.encode(claims, self._key, algorithm="RS256", headers=headers)
        except (jwt.PyJWTError, ValueError, TypeError):
            raise ConfigError("its private key can't sign; download a new one", setting=self._setting) from None


class ClientCredentials(Held):
    """An app of a Microsoft tenant, with permissions of its own that an administrator consented to."""

    def __init__(
        self,
        setting: str,
        provider: Provider,
        client_id: str,
        client_secret: str,
        clock: Clock,
        timeouts: Timeouts,
        observe: Observe,
        max_wait_s: float = MAX_WAIT_S,
    ) -> None:
        super().__init__(clock)
        self._setting, self._provider = setting, provider
        self._client_id, self._client_secret = client_id, client_secret
        self._endpoint = Endpoint(provider, timeouts, observe, clock, max_wait_s)

    def _fresh(self) -> Token:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "scope": " ".join(self._provider.scopes),
        }
        try:
            return self._endpoint.token(form)
        except RefusedError as error:
            remedy = {
                "invalid_client": "is the secret's value (not its id) written, and not expired?",
                "unauthorized_client": "is the app in this tenant, and its permissions consented to?",
            }.get(error.code, "see the app's registration, its permissions and its tenant")
            told = f"{self._provider.name} refused the app ({error.code}): {remedy}"
            raise ConfigError(told, setting=self._setting) from None


Access = Grant | ServiceAccount | ClientCredentials
"""What gives access tokens, in whichever way."""


def _read(saved: Mapping[str, Any] | None) -> Token | None:
    """Return a saved token; what can't be read counts as none."""
    if saved is None:
        return None
    access, refresh, scopes = saved.get("access"), saved.get("refresh"), saved.get("scopes")
    if not isinstance(access, str) or not isinstance(refresh, str) or not isinstance(scopes, list):
        return None
    try:
        expires_at = datetime.fromisoformat(str(saved.get("expires_at")))
    except ValueError:
        return None
    if expires_at.tzinfo is None:
        return None
    return Token(access, expires_at, refresh, tuple(str(scope) for scope in scopes))


def _service_key(text: str, setting: str) -> tuple[str, str, str]:
    """Return e-mail, key id and private key of a service account's file."""
    try:
        told = json.loads(text)
        email, key_id, key = told["client_email"], told.get("private_key_id", ""), told["private_key"]
    except (ValueError, KeyError, TypeError, AttributeError):
        told = "this is no key of a service account: a JSON file with client_email and private_key"
        raise ConfigError(told, setting=setting) from None
    if not all(isinstance(word, str) for word in (email, key_id, key)):
        raise ConfigError("this is no key of a service account", setting=setting)
    return email, key_id, key
