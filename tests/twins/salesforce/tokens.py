"""Who asks: the two ways to a session that servers use, and the sessions that there are.

JWT bearer: an assertion signed by the key whose certificate the app holds, for the app (`iss`) and a user (`sub`), for
the login server (`aud`), valid for minutes. Client credentials: the app's key and secret, on the org's own domain.
Source: Salesforce help, "OAuth 2.0 JWT Bearer Flow", and users' reports of its refusals, read 2026-11; client
credentials as simple-salesforce asks for them. How far ahead an assertion may end isn't documented: five minutes here.
"""

import base64
import secrets
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from tests.twins.salesforce.errors import session_expired
from tests.twins.salesforce.org import Org

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LONGEST_S = 300.0


class Refused(Exception):
    """A refusal of the token endpoint, which has a shape of its own."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error, self.description = error, description


class Sessions:
    """The sessions of an org, each until it was idle for too long or somebody ended it."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self.open: dict[str, tuple[str, datetime]] = {}
        self.granted = 0

    def issue(self, user: str) -> str:
        """Return a new session of a user."""
        token = f"{self.org.id[:15]}!{secrets.token_urlsafe(32)}"
        self.open[token] = (user, self.org.clock())
        return token

    def user(self, authorization: str) -> str:
        """Return whose session this is, or raise the 401."""
        token = authorization.removeprefix("Bearer ").removeprefix("OAuth ")
        user, last = self.open.get(token, ("", None))
        now = self.org.clock()
        if last is None or now - last > timedelta(seconds=self.org.switches.session_s):
            self.open.pop(token, None)
            raise session_expired()
        self.open[token] = (user, now)
        return user

    def exchange(self, body: bytes, authorization: str = "") -> dict[str, Any]:
        """Return what the token endpoint answers, or raise its refusal; key and secret may come as Basic."""
        form = {name: values[-1] for name, values in parse_qs(body.decode("latin-1")).items()}
        if authorization.startswith("Basic "):
            pair = base64.b64decode(authorization.removeprefix("Basic ")).decode("latin-1")
            form["client_id"], _, form["client_secret"] = pair.partition(":")
        grant = form.get("grant_type", "")
        if grant == JWT_GRANT and "jwt" in self.org.switches.grants:
            user = self._by_assertion(form.get("assertion", ""))
        elif grant == "client_credentials" and "client_credentials" in self.org.switches.grants:
            user = self._by_secret(form)
        else:
            raise Refused("unsupported_grant_type", "grant type not supported")
        self.granted += 1
        domain = self.org.switches.my_domain
        return {
            "access_token": self.issue(user), "scope": "api web", "instance_url": f"https://{domain}",
            "id": f"https://login.salesforce.com/id/{self.org.id}/{user}", "token_type": "Bearer",
            "issued_at": str(int(self.org.clock().timestamp() * 1000)), "api_instance_url": "https://api.salesforce.com",
        }  # fmt: skip

    def _by_secret(self, form: dict[str, str]) -> str:
        switches = self.org.switches
        if form.get("client_id") != switches.consumer_key:
            raise Refused("invalid_client_id", "client identifier invalid")
        if form.get("client_secret") != switches.consumer_secret:
            raise Refused("invalid_client", "invalid client credentials")
        return self.org.integration_user

    def _by_assertion(self, assertion: str) -> str:
        import jwt

        switches = self.org.switches
        audiences = [*switches.audiences, f"https://{switches.my_domain}"]
        try:
            claims = jwt.decode(assertion, key_pair()[1], algorithms=["RS256"], audience=audiences,
                                options={"require": ["iss", "sub", "aud", "exp"], "verify_exp": False})  # fmt: skip
        except jwt.InvalidAudienceError:
            raise Refused("invalid_grant", "audience is invalid") from None
        except jwt.PyJWTError:
            raise Refused("invalid_grant", "invalid assertion") from None
        left_s = float(claims["exp"]) - self.org.clock().timestamp()
        if not 0 < left_s <= LONGEST_S:
            raise Refused(
                "invalid_grant", "expired authorization code" if left_s <= 0 else "expiration is too far away"
            )
        if claims["iss"] != switches.consumer_key:
            raise Refused("invalid_client_id", "client identifier invalid")
        for user in self.org.every("User"):
            if user.values["Username"] == claims["sub"] and user.values["IsActive"]:
                return user.id
        raise Refused("invalid_grant", "user hasn't approved this consumer")


@cache
def key_pair() -> tuple[str, str]:
    """Return a private and a public key in PEM, the same for every twin of this process."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def refused(error: Refused) -> dict[str, str]:
    """Return the body of a refusal."""
    return {"error": error.error, "error_description": error.description}
