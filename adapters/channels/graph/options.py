"""What mail and calendar of Microsoft 365 have to be told alike: whose mailbox, by which app, and how patiently.

An app signs in as itself (`app`, with a secret, for any mailbox that an admin lets it read) or as the person who
connected it (`delegated`). The mailbox is named in both cases, lest a wrong account be read after a wrong sign-in.

The addresses are options for Microsoft's national clouds, and for a rehearsal with a twin.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from adapters.channels.graph.push import safe_hook
from adapters.http.calls import Timeouts
from adapters.http.options import Address

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,199}$")]


class GraphOptions(BaseModel):
    """Settings of one mailbox, for mail and calendar alike."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    mailbox: str = Field(
        max_length=320,
        pattern=r"^[^\s/?#<>@]{1,64}@[^\s/?#<>@]{1,255}$",
        description="User principal name of the mailbox",
    )
    tenant: Id = Field(description="The directory's id, or a domain of it")
    client_id: Id = Field(description="The app's id")
    auth: Literal["app", "delegated"] = Field("app", description="As the app itself, or as whoever connects it")
    client_secret_env: str | None = Field(None, description="Variable with the app's secret; needed for app")
    client_secret_file: str | None = Field(None, description="File with the app's secret")
    notification_url: str = Field("", max_length=2_000, description="This channel's public address; none: polls alone")
    client_state_env: str | None = Field(None, description="Variable with the secret that notifications must bring")
    client_state_file: str | None = Field(None, description="File with that secret, several one a line")
    max_body_bytes: int = Field(1_000_000, ge=1_000, le=10_000_000, description="Of one notification")
    login_url: Address = Field("https://login.microsoftonline.com", description="Where the app signs in")
    graph_url: Address = Field("https://graph.microsoft.com", description="Where Graph is, without a path")
    connect_timeout_s: float = Field(5.0, gt=0, le=60)
    read_timeout_s: float = Field(30.0, gt=0, le=300)
    call_timeout_s: float = Field(120.0, gt=0, le=600)
    max_wait_s: float = Field(20.0, ge=0, le=120, description="Most waiting for limits and retries within one call")
    calls_per_s: float = Field(8.0, ge=0.1, le=1000, description="Most calls in a second")

    @field_validator("notification_url")
    @classmethod
    def _callable(cls, url: str) -> str:
        if url:
            safe_hook(url)
        return url

    @property
    def timeouts(self) -> Timeouts:
        """Return the time-outs of one call."""
        return Timeouts(self.connect_timeout_s, self.read_timeout_s, self.call_timeout_s)
