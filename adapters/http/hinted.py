"""A recorder of calls that is polled and beside that posts webhooks: each says that there is news, and nothing more.

Nothing in a webhook is believed but that it came from the vendor, who tells the same by its API. It makes a poll due.
Its bytes are kept as they came where words may be kept; while `transcripts` is off they may hold some, in fields that
nobody has told us of, so then a webhook is verified, answered, and only the poll that it makes due is written down.

Webhooks are a choice: without a secret a channel polls alone, and refuses whatever is posted to it.
"""

from collections.abc import Sequence

from pydantic import Field

from adapters.http.polled import PolledOptions, PolledRecorder
from sidecar.errors import RejectedInput
from sidecar.model import Activity, Delivery
from sidecar.ports import Captured, Greeting, HookRequest

HEARD = Greeting("heard; nothing of it is kept", is_hint=True)


class HintedOptions(PolledOptions):
    """Settings of one that may post."""

    max_body_bytes: int = Field(1_000_000, ge=1_000, le=50_000_000, description="Of one webhook")


class HintedRecorder(PolledRecorder):
    """Takes one vendor's webhooks as hints; `checked`, `heard` and `see` are the vendor's."""

    options: HintedOptions
    takes_hooks: bool = False

    def checked(self, request: HookRequest) -> bytes:
        """Return what a request tells; `RejectedInput` (401) for what the vendor didn't vouch for."""
        raise NotImplementedError

    def heard(self, told: bytes) -> Greeting | None:
        """Return the answer to what may not be kept; None for what may be."""
        return None if self.options.transcripts else HEARD

    def see(self, raw: bytes) -> None:
        """Look whether a webhook that was kept is one of the vendor's; `PermanentError` for none."""
        raise NotImplementedError

    def greet(self, request: HookRequest) -> Greeting | None:
        """Answer a webhook of which nothing may be kept."""
        if request.method != "POST":
            raise RejectedInput("nobody asks here whose address it is", status=403)
        return self.heard(self._admitted(request))

    def verify(self, request: HookRequest) -> Captured:
        """Check who vouches for it; 401 for anything wrong with that, 413 and 415 for what is never read."""
        self._admitted(request)
        return Captured(self.name, request.body, is_hint=True)

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a call into its activity, and a webhook into none: what it hints at comes by the poll."""
        if "kind" in delivery.headers or "fault" in delivery.headers:
            return super().parse(delivery)
        self.see(delivery.raw)
        return ()

    def _admitted(self, request: HookRequest) -> bytes:
        if not self.takes_hooks:
            raise RejectedInput("no webhooks are set up for this channel", status=404)
        if len(request.body) > self.options.max_body_bytes:
            raise RejectedInput(f"body is over {self.options.max_body_bytes} bytes", status=413)
        told = self.checked(request)
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise RejectedInput("send the body without Content-Encoding", status=415)
        return told
