"""The settings of one Meta app: its secrets, and what is asked of the Graph API beside what comes by itself."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from adapters.channels.meta.graph import Reached
from adapters.http.calls import Timeouts
from adapters.http.options import Address
from sidecar.errors import ConfigError
from sidecar.ports import Context

PageId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,40}$")]


class MetaOptions(BaseModel):
    """Settings of one Meta app."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    secret_env: str | None = Field(None, description="Variable with the app secrets, parted by commas")
    secret_file: str | None = Field(None, description="File with the app secrets, one a line")
    verify_token_env: str | None = Field(None, description="Variable with the token of the address check")
    verify_token_file: str | None = Field(None, description="File with the token of the address check")
    token_env: str | None = Field(None, description="Variable with a system user's access token, for files and pages")
    token_file: str | None = Field(None, description="File with a system user's access token")
    pages: tuple[PageId, ...] = Field((), max_length=100, description="Ids of the pages whose talk the poll asks for")
    history: bool = Field(False, description="Whether what an onboarded WhatsApp Business app said before is read")
    bot_apps: tuple[str, ...] = Field((), description="Ids of the apps whose messages a bot writes")
    public_url: Address | None = Field(None, description="Our own address, for answers to requests for deletion")
    graph_url: Address = Field("https://graph.facebook.com", description="Where the Graph API is")
    graph_version: str = Field("v23.0", pattern=r"^v[0-9]{1,3}\.[0-9]{1,2}$")
    every_s: float = Field(600.0, ge=10, le=86_400, description="Seconds from one poll to the next")
    batch_size: int = Field(20, ge=1, le=200, description="Conversations that are made durable together")
    overlap_s: int = Field(3_600, ge=60, le=86_400, description="How far back each poll looks again")
    max_body_bytes: int = Field(3_000_000, ge=1_000, le=50_000_000)
    max_media_bytes: int = Field(16_000_000, ge=1_000, le=100_000_000, description="Largest file that is fetched")
    connect_timeout_s: float = Field(5.0, gt=0, le=60)
    read_timeout_s: float = Field(30.0, gt=0, le=300)
    call_timeout_s: float = Field(60.0, gt=0, le=600)
    max_wait_s: float = Field(20.0, ge=0, le=120, description="Most waiting for limits and retries within one call")
    calls_per_s: float = Field(5.0, ge=0.1, le=1000, description="Most calls of the API in a second")

    @property
    def has_token(self) -> bool:
        """Say whether an access token is named."""
        return bool(self.token_env or self.token_file)


def reached(options: MetaOptions, context: Context, setting: str) -> Reached:
    """Return how the API is reached, with the token where one is named; `ConfigError` for one that can't be sent."""
    key = f"{setting}.{'token_file' if options.token_file else 'token_env'}"
    token = context.secret(options.token_env, options.token_file).strip() if options.has_token else ""
    if not (token.isprintable() and token.isascii()) or " " in token:
        raise ConfigError("the token holds what no header can", setting=key)
    if options.pages and not token:
        raise ConfigError("pages are asked for with an access token; name the variable that holds it", setting=key)
    return Reached(
        options.graph_url,
        options.graph_version,
        token,
        Timeouts(options.connect_timeout_s, options.read_timeout_s, options.call_timeout_s),
        options.max_wait_s,
        options.calls_per_s,
        options.max_media_bytes,
        setting,
    )
