"""The generic signed webhook: web chat, booking systems, and whatever else can POST a documented JSON event.

`verify` vouches for the raw bytes and looks at nothing inside them; `parse` reads them later, by the models of
`events`.
Which words a signature makes trustworthy is decided in `activities`, and how a booking can be quoted in `bookings`. A
sender that gives two events the same `webhook-id` loses the second: that id is the delivery's, by the standard.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from adapters.channels.webhook.activities import read_activity
from adapters.channels.webhook.events import read_event
from adapters.formats.standard_webhooks import read_secrets, verify
from sidecar.errors import ConfigError, RejectedInput, UnsupportedFeature
from sidecar.model import Activity, Delivery
from sidecar.ports import Captured, ChannelCapabilities, Context, Extent, HookRequest, PollBatch

RESERVED_NAMES = {"email", "phone", "domain"}


class WebhookOptions(BaseModel):
    """Settings of one signed webhook."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    secret_env: str | None = Field(None, description="Variable with the signing secrets, parted by commas")
    secret_file: str | None = Field(None, description="File with the signing secrets, one a line")
    trusted_bookings: bool = Field(True, description="Whether booking events are the booking system's own word")
    max_body_bytes: int = Field(1_000_000, ge=1_000, le=50_000_000)


class WebhookChannel:
    """Takes events that are signed by Standard Webhooks."""

    Options = WebhookOptions
    capabilities = ChannelCapabilities(webhook=True, edits=True, deletions=True, bookings=True)
    source = ""

    def __init__(self, name: str, options: WebhookOptions, context: Context) -> None:
        setting = f"channels.{name}.{'secret_file' if options.secret_file else 'secret_env'}"
        if name in RESERVED_NAMES:
            raise ConfigError("this name is taken by a kind of identifier", setting=f"channels.{name}")
        if not (options.secret_env or options.secret_file):
            raise ConfigError("name the variable that holds the signing secret, or use secret_file", setting=setting)
        self.name = name
        self.options = options
        self._clock = context.clock
        self._secrets = read_secrets(context.secret(options.secret_env, options.secret_file), setting)

    def verify(self, request: HookRequest) -> Captured:
        """Check the signature on the raw bytes; 401 for anything wrong with it, 413 and 415 for what is never read."""
        if len(request.body) > self.options.max_body_bytes:
            raise RejectedInput(f"body is over {self.options.max_body_bytes} bytes", status=413)
        key = verify(request.headers, request.body, self._secrets, self._clock())
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise RejectedInput("send the body without Content-Encoding", status=415)
        headers = {"content-type": request.headers.get("content-type", "")[:200]}
        return Captured(account=self.name, raw=request.body, key=key, headers=headers)

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Refuse: nothing can be asked of a sender."""
        raise UnsupportedFeature("a webhook can't be polled")

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read one event into one activity."""
        return (read_activity(delivery, read_event(delivery.raw), self.options.trusted_bookings),)

    def extent(self, since: datetime) -> Extent:
        """Refuse: there is no history to read."""
        raise UnsupportedFeature("a webhook has no history")

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Refuse: there is no history to read."""
        raise UnsupportedFeature("a webhook has no history")

    def check(self) -> Sequence[str]:
        """Find nothing wrong: a webhook whose secrets can be read waits for its sender."""
        return ()
