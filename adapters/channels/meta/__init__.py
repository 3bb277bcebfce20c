"""Meta's webhooks: WhatsApp (Cloud API), Messenger and Instagram, one address for all three.

`verify` vouches for the raw bytes and looks at nothing inside them; `parse` reads them later, each platform by its own
file. One request may hold many entries, numbers and pages, so one delivery becomes many activities. Meta gives a
request no id and no time, and sends it again in other company; what keeps an activity the same is its message's own id.

Left out on purpose: media are named and not fetched, the history of an onboarded WhatsApp app and receipts are kept
and counted without becoming talk, and nothing is ever sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from adapters.channels.meta.envelope import read_delivery
from adapters.channels.meta.signature import greet, read_secrets, verify
from sidecar.errors import ConfigError, RejectedInput, UnsupportedFeature
from sidecar.model import Activity, Delivery
from sidecar.ports import Captured, ChannelCapabilities, Context, Extent, Greeting, HookRequest, PollBatch


class MetaOptions(BaseModel):
    """Settings of one Meta app."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    secret_env: str | None = Field(None, description="Variable with the app secrets, parted by commas")
    secret_file: str | None = Field(None, description="File with the app secrets, one a line")
    verify_token_env: str | None = Field(None, description="Variable with the token of the address check")
    verify_token_file: str | None = Field(None, description="File with the token of the address check")
    bot_apps: tuple[str, ...] = Field((), description="Ids of the apps whose messages a bot writes")
    max_body_bytes: int = Field(3_000_000, ge=1_000, le=50_000_000)


class MetaChannel:
    """Takes what Meta's webhooks tell of WhatsApp numbers, Facebook pages and Instagram accounts."""

    Options = MetaOptions
    capabilities = ChannelCapabilities(webhook=True, edits=True, deletions=True, handshake=True, stamped=False)

    def __init__(self, name: str, options: MetaOptions, context: Context) -> None:
        at = f"channels.{name}"
        setting = f"{at}.{'secret_file' if options.secret_file else 'secret_env'}"
        if not (options.secret_env or options.secret_file):
            raise ConfigError("name the variable that holds the app secret, or use secret_file", setting=setting)
        self.name = name
        self.options = options
        self._secrets = read_secrets(context.secret(options.secret_env, options.secret_file), setting)
        self._tokens: tuple[bytes, ...] = ()
        if options.verify_token_env or options.verify_token_file:
            setting = f"{at}.{'verify_token_file' if options.verify_token_file else 'verify_token_env'}"
            text = context.secret(options.verify_token_env, options.verify_token_file)
            self._tokens = read_secrets(text, setting)

    def greet(self, request: HookRequest) -> Greeting | None:
        """Return Meta's challenge to whoever knows the verify token; 403 for anybody else."""
        if request.method == "POST":
            return None
        return Greeting(greet(request.query, self._tokens))

    def verify(self, request: HookRequest) -> Captured:
        """Check the signature on the raw bytes; 401 for anything wrong with it, 413 and 415 for what is never read."""
        if len(request.body) > self.options.max_body_bytes:
            raise RejectedInput(f"body is over {self.options.max_body_bytes} bytes", status=413)
        verify(request.headers, request.body, self._secrets)
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise RejectedInput("send the body without Content-Encoding", status=415)
        headers = {"content-type": request.headers.get("content-type", "")[:200]}
        return Captured(account=self.name, raw=request.body, headers=headers)

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Refuse: WhatsApp has nothing to ask for, and the other two are not asked yet."""
        raise UnsupportedFeature("Meta's webhooks can't be polled")

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a request into the activities of all its entries."""
        return read_delivery(delivery, frozenset(self.options.bot_apps))

    def extent(self, since: datetime) -> Extent:
        """Refuse: there is no history to read."""
        raise UnsupportedFeature("Meta's webhooks have no history")

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Refuse: there is no history to read."""
        raise UnsupportedFeature("Meta's webhooks have no history")

    def check(self) -> Sequence[str]:
        """Find nothing wrong: a webhook whose secrets can be read waits for its sender."""
        return ()
