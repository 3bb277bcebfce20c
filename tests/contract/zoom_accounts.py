"""An account of Zoom as the contract needs it: its webhook, which signs a time, and its API, which a twin answers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapters.channels.zoom import ZoomChannel, ZoomOptions
from sidecar.ports import Context, HookRequest
from tests.contract.channel import NOW
from tests.contract.recorders import FIRST, OTHER, RecorderHarness, bad_signatures, hexadecimal


class ZoomHarness(RecorderHarness):
    """One account."""

    def build(self, given: Mapping[str, Any], told: Context) -> ZoomChannel:
        """Make the channel."""
        options = {
            "account_id": self.twin.account,
            "client_id": self.twin.client,
            "login_url": given["base_url"],
            "secret_env": "SECRET",
            "client_secret_env": "TOKEN",
            "calls_per_s": 1000,
            **given,
        }
        return ZoomChannel("zoom", ZoomOptions(**options), told)

    def laid(self, meeting: str) -> bytes:
        """Return the file of a meeting's words."""
        raw: bytes = self.twin.transcript(meeting)
        return raw

    def words_of(self, meeting: str) -> str:
        """Return the id of the file of a meeting's words."""
        files = self.twin.meetings[meeting]["recording_files"]
        return next(str(file["id"]) for file in files if file["file_type"] == "TRANSCRIPT")

    def request(self, body: bytes, at: datetime = NOW, secret: str | None = None) -> HookRequest:
        """Sign a body as Zoom does."""
        return signed(body, str(int(at.timestamp())), secret or FIRST)

    def bad_headers(self, good: Mapping[str, str], body: bytes) -> dict[str, dict[str, str]]:
        """Return heads of which none is right for a body."""
        stamp = good["x-zm-request-timestamp"]
        others = {
            "another tenant's": signed(body, stamp, OTHER).headers["x-zm-signature"],
            "for another time": signed(body, str(int(stamp) - 1), FIRST).headers["x-zm-signature"],
            "without the time": f"v0={hexadecimal(FIRST, body)}",
            "without the version": f"v0={hexadecimal(FIRST, f'{stamp}:'.encode() + body)}",
        }
        stamps = (
            "",
            "now",
            f"{stamp}.0",
            "nan",
            f"-{stamp}",
            f"+{stamp}",
            "๑๗๙",
            f"{stamp}000",
            "9" * 400,
            "0",
            f" {stamp}",
        )
        heads = {f"time: {value!r}": {**good, "x-zm-request-timestamp": value} for value in stamps}
        return heads | bad_signatures("x-zm-signature", "v0=", good, others)


def signed(body: bytes, stamp: str, secret: str) -> HookRequest:
    """Sign raw bytes as Zoom does."""
    digest = hexadecimal(secret, f"v0:{stamp}:".encode() + body)
    return HookRequest({"x-zm-request-timestamp": stamp, "x-zm-signature": f"v0={digest}"}, body)
