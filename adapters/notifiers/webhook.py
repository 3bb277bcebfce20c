"""Notices as webhooks: a small JSON body, signed as Standard Webhooks where a secret is given.

Most addresses of chat systems are secrets in themselves, so an address may come from the environment or a file. `text`
says everything in a few lines, which is the key that chat systems show; `data` is for programs.

Source: Standard Webhooks 1.0, 2026-11-22: HMAC-SHA256 over `id.timestamp.body`, base64, `v1,`; secrets of 24 to 64
bytes, base64 behind `whsec_`.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from adapters.http import Http
from sidecar.errors import ConfigError
from sidecar.model import Notice
from sidecar.ports import Context

SETTING = "ops.webhook"
PREFIX = "whsec_"
SECRET_BYTES = (24, 64)
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class WebhookOptions(BaseModel):
    """Settings of `[ops.webhook]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str | None = Field(None, max_length=2_000, description="Where notices are posted; https")
    url_env: str | None = Field(None, description="Variable with the address, where it is a secret")
    url_file: str | None = Field(None, description="File with the address")
    secret_env: str | None = Field(None, description="Variable with the signing secret")
    secret_file: str | None = Field(None, description="File with the signing secret")
    timeout_s: float = Field(10.0, gt=0, le=60, description="Seconds to wait, at each step")


class WebhookNotifier:
    """Posts notices to one address; fulfils the port `Notifier`."""

    Options = WebhookOptions

    def __init__(self, name: str, options: WebhookOptions, context: Context) -> None:
        self.name = name
        self._clock = context.clock
        named = options.url_env or options.url_file
        if bool(named) == bool(options.url):
            raise ConfigError("write the address in url, or name where it is in url_env or url_file", setting=SETTING)
        self._url = _address(context.secret(options.url_env, options.url_file) if named else options.url or "")
        self._secret: bytes | None = None
        if options.secret_env or options.secret_file:
            self._secret = _secret(context.secret(options.secret_env, options.secret_file))
        self._http = Http(SETTING, options.timeout_s, context.clock, context.observe)

    def tell(self, notice: Notice) -> None:
        """Post one notice; a repetition bears the same id."""
        body = json.dumps(_body(notice), ensure_ascii=False).encode()
        self._http.post("notice", self._url, {"content-type": "application/json", **self._signed(notice, body)}, body)

    def check(self) -> Sequence[str]:
        """Find nothing: only sending shows whether an address takes notices (`sidecar alerts test`)."""
        return ()

    def _signed(self, notice: Notice, body: bytes) -> dict[str, str]:
        stamp = str(int(self._clock().timestamp()))
        headers = {"webhook-id": notice.id, "webhook-timestamp": stamp}
        if self._secret is not None:
            digest = hmac.digest(self._secret, f"{notice.id}.{stamp}.".encode() + body, "sha256")
            headers["webhook-signature"] = "v1," + base64.b64encode(digest).decode()
        return headers


def _body(notice: Notice) -> dict[str, object]:
    data = {
        "rule": notice.rule,
        "subject": notice.subject,
        "state": notice.state,
        "summary": notice.summary,
        "remedy": notice.remedy,
        "since": notice.since.isoformat(),
    }
    text = notice.headline + (f"\n{notice.remedy}" if notice.remedy else "")
    return {"type": f"ops.{notice.state}", "timestamp": notice.at.isoformat(), "text": text, "data": data}


def _address(text: str) -> str:
    try:
        parts = urlsplit(text.strip())
        is_address = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    except ValueError:
        is_address = False
    if not is_address or not text.strip().isprintable():
        raise ConfigError("the address begins with https:// (http only on this machine)", setting=SETTING)
    return text.strip()


def _secret(text: str) -> bytes:
    encoded = text.removeprefix(PREFIX)
    try:
        secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(f"a secret is base64, as a rule with {PREFIX} before it", setting=SETTING) from None
    low, high = SECRET_BYTES
    if not low <= len(secret) <= high:
        raise ConfigError(f"a secret has {low} to {high} bytes, this one {len(secret)}", setting=SETTING)
    return secret
