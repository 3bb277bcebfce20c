"""An authority that gives tokens, as Google's and Microsoft's do: consent pages, codes, refresh tokens that rotate.

It knows both vendors' paths, so that any twin of theirs may ask it first (`reply`), and judges what it is asked as RFC
6749, 7523, 7636 and 8628 say: PKCE is computed, assertions are verified, a code is good once. What a person does at the
consent page are methods: `visit` is a browser that says yes, `types` is a person with a code from another screen.
"""

import json
import secrets
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt

from tests.twins.wire.passing import Reply, Request
from tests.twins.wire.twin import real_time

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANTS = {"authorization_code", "refresh_token", "client_credentials", DEVICE, ASSERTION}
ENDINGS = {
    "auth": "authorize", "authorize": "authorize", "token": "token", "revoke": "revoke", "devicecode": "device",
}  # fmt: skip
ROOTS = ("o", "token", "revoke")


@dataclass
class Given:
    """What stands behind a code, a device or a token."""

    scope: str
    account: str = ""
    challenge: str = ""
    redirect: str = ""
    user_code: str = ""
    expires_at: datetime | None = None
    asked: int = 0
    answer: str = "authorization_pending"


@dataclass
class Authority:
    """One provider: `account` is who sits at the consent page; `rotates` makes each refresh token good until used.

    `keeps_old` leaves the used one good after a rotation, as Microsoft does; `unticked` is a scope not given.
    """

    client_id: str = "client-of-the-twin"
    client_secret: str = "client-secret-of-the-twin"
    account: str = "sales@northwind.test"
    rotates: bool = False
    keeps_old: bool = False
    life_s: int = 3600
    interval_s: int = 0
    device_life_s: int = 900
    unticked: str = ""
    clock: Callable[[], datetime] = real_time
    fixed_access: str = ""
    fixed_refresh: str = ""
    public_key: str = ""
    service_email: str = ""
    delegated: frozenset[str] = frozenset()
    codes: dict[str, Given] = field(default_factory=dict)
    devices: dict[str, Given] = field(default_factory=dict)
    refreshes: dict[str, Given] = field(default_factory=dict)
    accesses: dict[str, Given] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    given: int = 0

    # Hands ------------------------------------------------------------------------------------------------------

    def visit(self, address: str, *, says: str = "yes") -> str:
        """Be the browser of a person who consents (or says "no"); return where it is sent back to."""
        reply = self._authorize(urlsplit(address).query, says)
        return str(reply.headers["Location"])

    def types(self, user_code: str, *, says: str = "yes") -> None:
        """Be a person who types a device's code and says yes."""
        for device in self.devices.values():
            if device.user_code == user_code:
                device.answer = "yes" if says == "yes" else "access_denied"
                device.account = self.account
                return
        raise KeyError(user_code)

    def grants(self, scope: str) -> str:
        """Give a refresh token as if somebody had consented."""
        return self._refresh(Given(scope, self.account))

    def withdraw(self) -> None:
        """Let the person take all access back, or an administrator."""
        self.refreshes.clear()
        self.accesses.clear()

    def ends(self, access: str) -> None:
        """End an access token before its time."""
        self.accesses.pop(access, None)

    def opens(self, access: str) -> str:
        """Return whose account an access token opens; empty for one that opens none."""
        found = self.accesses.get(access)
        live = found is not None and found.expires_at is not None and self.clock() < found.expires_at
        return found.account if found and live else ""

    # The wire ---------------------------------------------------------------------------------------------------

    def operation(self, request: Request) -> str:
        """Return what is asked of the authority; empty for what isn't asked of it."""
        steps = urlsplit(request.target).path.strip("/").split("/")
        if steps[0] not in ROOTS and "oauth2" not in steps:
            return ""
        return ENDINGS.get(steps[-1], "")

    def reply(self, request: Request) -> Reply | None:
        """Answer a request that is the authority's to answer."""
        operation = self.operation(request)
        if not operation:
            return None
        with self.lock:
            if operation == "authorize":
                return self._authorize(urlsplit(request.target).query, "yes")
            if request.method != "POST" or urlsplit(request.target).query:
                return _error("invalid_request", "secrets stand in bodies alone")
            form = dict(parse_qsl(request.body.decode()))
            return {"token": self._token, "device": self._device, "revoke": self._revoke}[operation](form)

    def _authorize(self, query: str, says: str) -> Reply:
        told = {name: values[0] for name, values in parse_qs(query, strict_parsing=True).items()}
        assert told["response_type"] == "code" and told["client_id"] == self.client_id, told
        assert told["code_challenge_method"] == "S256" and len(told["state"]) >= 16, told
        redirect = told["redirect_uri"]
        assert urlsplit(redirect).hostname in ("127.0.0.1", "localhost"), redirect
        back = {"state": told["state"]}
        if says == "yes":
            code = secrets.token_urlsafe(12)
            self.codes[code] = Given(self._ticked(told["scope"]), self.account, told["code_challenge"], redirect)
            back |= {"code": code, "scope": self._ticked(told["scope"])}
        else:
            back |= {"error": "access_denied"}
        return Reply(302, b"", {"Location": f"{redirect}?{urlencode(back)}"})

    def _ticked(self, scope: str) -> str:
        return " ".join(word for word in scope.split() if word != self.unticked)

    def _token(self, form: dict[str, str]) -> Reply:
        kind = form.get("grant_type", "")
        if kind not in GRANTS:
            return _error("unsupported_grant_type")
        if kind == ASSERTION:
            return self._asserted(form)
        if form.get("client_id") != self.client_id or form.get("client_secret", "") not in ("", self.client_secret):
            return _error("invalid_client", status=401)
        if kind == "client_credentials":
            if form.get("client_secret") != self.client_secret:
                return _error("invalid_client", status=401)
            return self._gives(Given(form["scope"], self.account), refresh=False)
        if kind == "refresh_token":
            return self._refreshed(form)
        return self._coded(form) if kind == "authorization_code" else self._typed(form)

    def _coded(self, form: dict[str, str]) -> Reply:
        found = self.codes.pop(form.get("code", ""), None)
        digest = sha256(form.get("code_verifier", "").encode()).digest()
        if found is None or urlsafe_b64encode(digest).rstrip(b"=").decode() != found.challenge:
            return _error("invalid_grant")
        if form.get("redirect_uri") != found.redirect:
            return _error("redirect_uri_mismatch")
        return self._gives(found)

    def _typed(self, form: dict[str, str]) -> Reply:
        found = self.devices.get(form.get("device_code", ""))
        if found is None:
            return _error("invalid_grant")
        found.asked += 1
        if found.expires_at is not None and self.clock() >= found.expires_at:
            return _error("expired_token")
        if found.answer != "yes":
            return _error(found.answer)
        del self.devices[form["device_code"]]
        return self._gives(found)

    def _refreshed(self, form: dict[str, str]) -> Reply:
        used = form.get("refresh_token", "")
        found = self.refreshes.get(used)
        if found is None:
            return _error("invalid_grant")
        if self.rotates and not self.keeps_old:
            del self.refreshes[used]
        return self._gives(found, refresh=self.rotates)

    def _asserted(self, form: dict[str, str]) -> Reply:
        try:
            claims = jwt.decode(
                form["assertion"],
                self.public_key,
                algorithms=["RS256"],
                options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
            )
        except jwt.PyJWTError:
            return _error("invalid_grant")
        now = self.clock().timestamp()
        if claims["iss"] != self.service_email or not claims["aud"].endswith("/token"):
            return _error("invalid_grant")
        if not claims["iat"] - 60 <= now < claims["exp"] <= claims["iat"] + 3600:
            return _error("invalid_grant")
        if claims.get("sub") not in self.delegated:
            return _error("unauthorized_client", status=401)
        return self._gives(Given(claims["scope"], claims["sub"]), refresh=False)

    def _device(self, form: dict[str, str]) -> Reply:
        if form.get("client_id") != self.client_id:
            return _error("invalid_client", status=401)
        device, code = secrets.token_urlsafe(20), secrets.token_hex(4).upper()
        until = self.clock() + timedelta(seconds=self.device_life_s)
        self.devices[device] = Given(form["scope"], user_code=code, expires_at=until)
        told = {
            "device_code": device,
            "user_code": code,
            "verification_uri": "https://login.twin.test/device",
            "expires_in": self.device_life_s,
            "interval": self.interval_s,
            "message": "To sign in, open the page and enter the code.",
        }
        return _json(200, told)

    def _revoke(self, form: dict[str, str]) -> Reply:
        if self.refreshes.pop(form.get("token", ""), None) is None:
            return _error("invalid_token")
        self.accesses.clear()
        return _json(200, {})

    def _gives(self, given: Given, *, refresh: bool = True) -> Reply:
        self.given += 1
        access = self.fixed_access or f"access-{self.given}-{secrets.token_urlsafe(12)}"
        until = self.clock() + timedelta(seconds=self.life_s)
        self.accesses[access] = Given(given.scope, given.account, expires_at=until)
        told: dict[str, Any] = {"access_token": access, "token_type": "Bearer", "expires_in": self.life_s}
        told |= {"scope": given.scope}
        return _json(200, told | ({"refresh_token": self._refresh(given)} if refresh else {}))

    def _refresh(self, given: Given) -> str:
        token = self.fixed_refresh or f"refresh-{secrets.token_urlsafe(16)}"
        self.refreshes[token] = Given(given.scope, given.account)
        return token


def _json(status: int, body: Any) -> Reply:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Reply(status, json.dumps(body).encode(), headers)


def _error(code: str, description: str = "told to the developer: canary-of-the-authority", status: int = 400) -> Reply:
    return _json(status, {"error": code, "error_description": description})
