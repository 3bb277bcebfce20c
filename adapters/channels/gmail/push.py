"""Google's pushes: Pub/Sub says that a mailbox has news, in a request that bears a token of Google's and no signature.

The token (an OpenID Connect JWT) says who pushes and to whom; it covers neither body nor time of the news. So a push is
believed to come from the configured service account, and its body is a hint: it makes a poll due, and what it says of
the mailbox moves no cursor.

Google's keys change every few days. They are fetched by the poll, or in the background when a push names a key that
isn't known, since the door can't wait; until they are there the sender is asked to come again. How often strangers can
cause a fetch is bounded. The trade-off: the first push after a start may be taken at its second coming.

Source: "Authentication for push subscriptions" of Pub/Sub, and accounts.google.com's openid-configuration (jwks_uri
https://www.googleapis.com/oauth2/v3/certs), read 2026-11: RS256; aud as configured, else the endpoint's address; email
and email_verified of the service account; iss https://accounts.google.com.
"""

import json
import threading
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from adapters.http.calls import Timeouts, answer
from adapters.http.patience import Again
from sidecar.errors import RejectedInput, SidecarError, TemporaryError
from sidecar.ports import Clock, Observe

if TYPE_CHECKING:  # both are imported by the first push
    from jwt import PyJWK

ISSUERS = frozenset({"https://accounts.google.com", "accounts.google.com"})
MAX_SKEW = timedelta(minutes=5)
MAX_LIFE = timedelta(hours=2)
MAX_TOKEN_CHARS = 8_000
REFRESH_AFTER = timedelta(hours=6)
AGAIN_AFTER = timedelta(seconds=60)
RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class Pushes:
    """Whose pushes are taken: the audience of their tokens, and the service account that they bear."""

    audience: str
    email: str


class Certs:
    """Google's public keys by their ids, as last fetched."""

    def __init__(self, url: str, timeouts: Timeouts, clock: Clock, observe: Observe) -> None:
        self._url, self._timeouts, self._clock, self._observe = url, timeouts, clock, observe
        self._keys: dict[str, PyJWK] = {}
        self._tried_at: datetime | None = None
        self._fetched_at: datetime | None = None
        self._lock = threading.Lock()

    def key(self, name: str) -> "PyJWK":
        """Return a key; `RejectedInput` for one that Google doesn't have, `TemporaryError` where that isn't known."""
        found = self._keys.get(name)
        if found is not None:
            return found
        if self._is_due(AGAIN_AFTER):
            threading.Thread(target=self._quietly, name="google-certs", daemon=True).start()
            raise TemporaryError("Google's keys are being fetched", retry_after_s=RETRY_S)
        if self._fetched_at is None:
            raise TemporaryError("Google's keys aren't known yet", retry_after_s=RETRY_S)
        raise RejectedInput("the token is signed with a key that Google doesn't have", status=401)

    def refresh(self) -> None:
        """Fetch the keys unless they are fresh; trouble with that is none of the poll's, and stays away a while."""
        now = self._clock()
        is_fresh = self._fetched_at is not None and now - self._fetched_at <= REFRESH_AFTER
        if not is_fresh and (self._tried_at is None or now - self._tried_at >= AGAIN_AFTER):
            self._quietly()

    def _is_due(self, after: timedelta) -> bool:
        with self._lock:
            now = self._clock()
            if self._tried_at is not None and now - self._tried_at < after:
                return False
            self._tried_at = now
            return True

    def _quietly(self) -> None:
        try:
            self.fetch()
        except SidecarError:
            self._tried_at = self._clock()

    def fetch(self) -> None:
        """Fetch the keys; those that can't be read are left out."""
        from jwt import PyJWK, PyJWKError

        from adapters.http.pooled import Pooled

        transport = Pooled(self._timeouts, 1)
        reply = answer("Google", _Asked(), self._observe, lambda: transport.send("GET", self._url, {}))
        rows = reply.data.get("keys") if isinstance(reply.data, dict) else None
        if reply.status != 200 or not isinstance(rows, list):
            raise Again(f"Google answered {reply.status} to certs")
        keys: dict[str, PyJWK] = {}
        for row in rows[:50]:
            if isinstance(row, dict) and row.get("kty") == "RSA" and isinstance(row.get("kid"), str):
                try:
                    keys[row["kid"]] = PyJWK.from_dict(row, algorithm="RS256")
                except (PyJWKError, ValueError):
                    continue
        self._keys, self._fetched_at = keys, self._clock()


def verify_push(headers: Mapping[str, str], pushes: Pushes, certs: Certs, now: datetime) -> None:
    """Check the token of a push; `RejectedInput` (401) for anything wrong with it."""
    import jwt

    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.casefold() != "bearer" or not token or len(token) > MAX_TOKEN_CHARS or not token.isascii():
        raise _refused("bears no token")
    try:
        head = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError):
        raise _refused("bears no token") from None
    name = head.get("kid")
    if head.get("alg") != "RS256" or not isinstance(name, str):
        raise _refused("is signed in another way than Google's")
    key = certs.key(name)
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=pushes.audience,
            options={"require": ["aud", "exp", "iat", "iss"], "verify_exp": False, "verify_iat": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError):
        raise _refused("isn't signed by Google for this audience") from None
    _check(claims, pushes, now)


def history_in(body: bytes) -> tuple[str, int]:
    """Return the mailbox and the history id that a push names; `ValueError` for a body that is none."""
    try:
        told = json.loads(body)
        news = json.loads(b64decode(told["message"]["data"], validate=True))
        mailbox, history = news["emailAddress"], int(news["historyId"])
    except (ValueError, KeyError, TypeError, RecursionError, Base64Error):
        raise ValueError("this is no push of Gmail's") from None
    if not isinstance(mailbox, str):
        raise ValueError("this is no push of Gmail's")
    return mailbox, history


def delivery_of(body: bytes) -> str | None:
    """Return the id that a push keeps when it is sent again; None where it names none."""
    try:
        name = json.loads(body)["message"]["messageId"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return f"push:{name}" if isinstance(name, str) and name.isascii() and name.isalnum() and len(name) <= 64 else None


def _check(claims: Mapping[str, Any], pushes: Pushes, now: datetime) -> None:
    if claims.get("iss") not in ISSUERS:
        raise _refused("has another issuer than Google")
    if claims.get("email") != pushes.email or claims.get("email_verified") is not True:
        raise _refused("is another service account's")
    begins, ends = claims.get("iat"), claims.get("exp")
    if not isinstance(begins, int) or not isinstance(ends, int):
        raise _refused("has no times")
    at, skew = now.timestamp(), MAX_SKEW.total_seconds()
    if not begins - skew <= at <= ends + skew or ends - begins > MAX_LIFE.total_seconds():
        raise _refused("is out of time")


def _refused(why: str) -> RejectedInput:
    return RejectedInput(f"the push's token {why}", status=401)


@dataclass(frozen=True, slots=True)
class _Asked:
    operation: str = "certs"
    effect: bool = False
