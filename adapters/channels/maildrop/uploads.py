"""A channel for transcripts: the watched folder with a door beside it, to which whole files are posted.

So a file comes in at once, and from another machine. The same words by folder and by door are one activity, since a
transcript is named by what was said in which call and not by its file. The signature (Standard Webhooks) covers the
body and no name or type, so the kind is told by the file's beginning, and who took part by what stands in it. While
`transcripts` is off a file is verified, answered and not kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from adapters.channels.maildrop import MaildropChannel, MaildropOptions
from adapters.channels.maildrop.calls import call_activity
from adapters.formats.standard_webhooks import read_secrets, verify
from sidecar.errors import ConfigError, RejectedInput
from sidecar.model import Activity, Delivery
from sidecar.ports import (
    Captured,
    ChannelCapabilities,
    Context,
    Greeting,
    HookRequest,
    KnownKeys,
    PollBatch,
    nothing_known,
)

UPLOADED = {"uploaded": "yes"}


class TranscriptsOptions(MaildropOptions):
    """Settings of a folder with a door."""

    path: str = Field("", description="The folder, if there is one; a relative path begins at the config file's folder")
    secret_env: str | None = Field(None, description="Variable with the signing secrets, parted by commas")
    secret_file: str | None = Field(None, description="File with the signing secrets, one a line")
    max_body_bytes: int = Field(5_000_000, ge=1_000, le=25_000_000)


class TranscriptsChannel(MaildropChannel):
    """Takes signed files, and polls a folder if it has one."""

    Options = TranscriptsOptions
    capabilities = ChannelCapabilities(webhook=True, poll=True, handshake=True, census=True)
    options: TranscriptsOptions

    def __init__(self, name: str, options: TranscriptsOptions, context: Context) -> None:
        super().__init__(name, options, context)
        setting = f"channels.{name}.{'secret_file' if options.secret_file else 'secret_env'}"
        if not (options.secret_env or options.secret_file):
            raise ConfigError("name the variable that holds the signing secret, or use secret_file", setting=setting)
        self._secrets = read_secrets(context.secret(options.secret_env, options.secret_file), setting)

    def greet(self, request: HookRequest) -> Greeting | None:
        """Answer a file that may not be kept, once it is known to be signed; None for one that may."""
        if request.method != "POST":
            raise RejectedInput("files are posted", status=403)
        if self.options.transcripts:
            return None
        self._checked(request)
        return Greeting("not kept: transcripts is off")

    def verify(self, request: HookRequest) -> Captured:
        """Check the signature on the raw bytes; 401 for anything wrong with it, 413 and 415 for what is never read."""
        key = self._checked(request)
        return Captured(account=self.name, raw=request.body, key=key, headers=UPLOADED)

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what was dropped, if there is a folder."""
        yield from super().poll(cursor) if self.options.path else ()

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield what lies in the folder, if there is one; what was posted can't be asked for again."""
        yield from super().census(since, known) if self.options.path else ()

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read an uploaded transcript, or what was dropped."""
        if "uploaded" in delivery.headers:
            return (call_activity(delivery, self._own, self.options.trusted_speakers),)
        return super().parse(delivery)

    def check(self) -> Sequence[str]:
        """See that the folder is there, if there is one."""
        return super().check() if self.options.path else ()

    def _checked(self, request: HookRequest) -> str:
        if len(request.body) > self.options.max_body_bytes:
            raise RejectedInput(f"body is over {self.options.max_body_bytes} bytes", status=413)
        key = verify(request.headers, request.body, self._secrets, self._clock())
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise RejectedInput("send the body without Content-Encoding", status=415)
        return key
