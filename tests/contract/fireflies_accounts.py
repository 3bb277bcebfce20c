"""An account of Fireflies as the contract needs it: its webhook, which signs, and its API, which a twin answers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapters.channels.fireflies import FirefliesChannel, FirefliesOptions
from adapters.channels.fireflies.api import WHOLE
from sidecar.ports import Context, HookRequest
from tests.contract.channel import NOW
from tests.contract.recorders import FIRST, OTHER, RecorderHarness, bad_signatures, hexadecimal


class FirefliesHarness(RecorderHarness):
    """One account."""

    def build(self, given: Mapping[str, Any], told: Context) -> FirefliesChannel:
        """Make the channel."""
        options = {"secret_env": "SECRET", "token_env": "TOKEN", "calls_per_minute": 6000, **given}
        return FirefliesChannel("notes", FirefliesOptions(**options), told)

    def laid(self, meeting: str) -> bytes:
        """Return the API's answer about a meeting."""
        raw: bytes = self.twin.whole(meeting, WHOLE)
        return raw

    def request(self, body: bytes, at: datetime = NOW, secret: str | None = None) -> HookRequest:
        """Sign a body as Fireflies does, which signs no time."""
        return HookRequest({"x-hub-signature": f"sha256={hexadecimal(secret or FIRST, body)}"}, body)

    def bad_headers(self, good: Mapping[str, str], body: bytes) -> dict[str, dict[str, str]]:
        """Return heads of which none is right for a body."""
        others = {
            "another tenant's": f"sha256={hexadecimal(OTHER, body)}",
            "of another body": f"sha256={hexadecimal(FIRST, body + b' ')}",
            "without the key": f"sha256={hexadecimal('', body)}",
        }
        return bad_signatures("x-hub-signature", "sha256=", good, others)
