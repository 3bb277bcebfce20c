"""Gets a session from an External Client App, as an integration user, without a password.

Two ways: a JWT that a private key signs for a user, or the app's own secret, for the user whom the app runs as. The old
login by password is not here, because Salesforce is ending it. The answer also says who we are and in which org.
Source: OAuth 2.0 JWT bearer flow and client credentials flow, read 2026-11.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests

from adapters.crms.salesforce.options import SalesforceOptions
from adapters.http.patience import Again
from sidecar.errors import ConfigError
from sidecar.ports import Clock

LIFE = timedelta(minutes=3)
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_WHO = re.compile(r"/id/(00D[a-zA-Z0-9]{12,15})/(005[a-zA-Z0-9]{12,15})$")
_CODE = re.compile(r"[a-z][a-z_]{2,63}")


@dataclass(frozen=True, slots=True)
class Session:
    """A session id, and whose it is in which org."""

    token: str = field(repr=False)
    org: str
    user: str


class Login:
    """Gets sessions for one app."""

    def __init__(self, options: SalesforceOptions, secret: str, clock: Clock) -> None:
        if options.base_url is None:
            raise ConfigError("the org's My Domain, such as https://yours.my.salesforce.com", setting="crm.base_url")
        if not options.client_id:
            raise ConfigError("the consumer key of the External Client App", setting="crm.client_id")
        if options.auth == "jwt" and not options.username:
            raise ConfigError("the integration user's name, for whom a JWT is signed", setting="crm.username")
        if not secret.strip():
            raise ConfigError("it is empty", setting=options.secret_setting)
        self.base_url = options.base_url
        self._options, self._secret, self._clock = options, secret, clock

    def session(self, http: requests.Session) -> Session:
        """Ask for a session; `ConfigError` when it is refused, `Again` when it can't be had just now."""
        url = f"{self.base_url}/services/oauth2/token"
        response = http.request("POST", url, data=self._form(), headers={"Accept": "application/json"})
        said = _json(response.content)
        if response.status_code == 200 and isinstance(said.get("access_token"), str):
            who = _WHO.search(str(said.get("id", "")))
            if who is None:
                raise ConfigError("Salesforce doesn't say whose session it gave: is it an org?", setting="crm.base_url")
            return Session(said["access_token"], *who.groups())
        raise self._refused(response.status_code, said)

    def _form(self) -> dict[str, str]:
        given = self._options
        if given.auth == "client_credentials":
            secret = self._secret.strip()
            return {"grant_type": "client_credentials", "client_id": given.client_id, "client_secret": secret}
        until = int((self._clock() + LIFE).timestamp())
        claims = {"iss": given.client_id, "sub": given.username, "aud": self._audience(), "exp": until}
        try:
            return {"grant_type": GRANT, "assertion": jwt.encode(claims, self._secret, algorithm="RS256")}
        except (ValueError, TypeError, jwt.PyJWTError):
            lacking = "it is no private key in PEM format that could sign a JWT"
            raise ConfigError(lacking, setting=given.secret_setting) from None

    def _audience(self) -> str:
        if self._options.audience:
            return self._options.audience
        host = urlsplit(self.base_url).hostname or ""
        return f"https://{'test' if '.sandbox.' in host else 'login'}.salesforce.com"

    def _refused(self, status: int, said: Mapping[str, Any]) -> Exception:
        code = said.get("error")
        told = f"{status}{f' {code}' if isinstance(code, str) and _CODE.fullmatch(code) else ''}"
        if status >= 500 or status in (200, 408, 429) or code == "server_error" or code == "temporarily_unavailable":
            return Again(f"Salesforce gives no session just now ({told})")
        remedy = {
            "invalid_client_id": "see crm.client_id",
            "invalid_client": f"see crm.client_id, {self._options.secret_setting}",
            "invalid_grant": "is the user allowed in the app's policies, and the key's certificate in the app?",
            "invalid_app_access": "allow the user in the app's policies",
        }.get(str(code), "see the app's OAuth settings, and whether crm.base_url is the org's My Domain")
        return ConfigError(f"Salesforce gives no session ({told}): {remedy}", setting=self._options.secret_setting)


def _json(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
