"""The settings of one Google calendar, and how it is let in: by a person, or by a Workspace's service account."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from adapters.channels.gcalendar.api import SCOPES
from adapters.http.calls import Timeouts
from adapters.http.oauth import Access, Grant, ServiceAccount, google
from adapters.http.options import Address, is_loopback
from sidecar.errors import ConfigError
from sidecar.ports import Context

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class GoogleCalendarOptions(BaseModel):
    """Settings of one calendar."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    calendar: Text = Field(pattern=r"^[^@\s/]+@[^@\s/]+$", description="Its id: an address, as its settings show it")
    client_id: str = Field("", max_length=500, description="Of your own OAuth client, of the type Desktop app")
    client_secret_env: str | None = Field(None, description="Variable with the client's secret")
    client_secret_file: str | None = Field(None, description="File with the client's secret")
    service_account_env: str | None = Field(None, description="Variable with a service account's key, as JSON")
    service_account_file: str | None = Field(None, description="File with a service account's key, as Google made it")
    subject: str = Field("", max_length=500, description="For whom the service account acts; none is for itself")
    push_url: str = Field("", max_length=2_000, description="Where Google tells of news: https://.../hooks/NAME")
    push_secret_env: str | None = Field(
        None, description="Variable with a secret of your own, which pushes are known by"
    )
    push_secret_file: str | None = Field(None, description="File with that secret")
    every_s: float = Field(300.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    batch_size: int = Field(250, ge=1, le=500, description="Events of one page, made durable together")
    max_event_bytes: int = Field(500_000, ge=1_000, le=2_000_000)
    calls_per_s: float = Field(5.0, ge=0.1, le=1000, description="Most calls of the API in a second")
    connect_timeout_s: float = Field(5.0, gt=0, le=60)
    read_timeout_s: float = Field(30.0, gt=0, le=300)
    call_timeout_s: float = Field(60.0, gt=0, le=600)
    max_wait_s: float = Field(20.0, ge=0, le=120, description="Most waiting for limits and retries within one call")
    base_url: Address = Field("https://www.googleapis.com", description="Where the API is")
    accounts_url: Address = Field("https://accounts.google.com", description="Where people consent")
    token_url: Address = Field("https://oauth2.googleapis.com", description="Where tokens are had")

    @field_validator("push_url")
    @classmethod
    def _called(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (not parts.hostname or parts.username or parts.query or parts.fragment):
            raise ValueError("it is this channel's address, such as https://sidecar.example.com/hooks/calendar")
        if url and parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise ValueError("Google calls https alone; http is for a twin on 127.0.0.1")
        return url

    @property
    def timeouts(self) -> Timeouts:
        """Return the time-outs of one call."""
        return Timeouts(self.connect_timeout_s, self.read_timeout_s, self.call_timeout_s)


def access(name: str, options: GoogleCalendarOptions, context: Context) -> Access:
    """Return what gives access tokens; `ConfigError` where neither way is set up, or both are."""
    setting = f"channels.{name}"
    by_account = bool(options.service_account_env or options.service_account_file)
    if by_account == bool(options.client_id):
        told = "give it client_id, for a person's consent, or a service account's key, and not both"
        raise ConfigError(told, setting=f"{setting}.client_id")
    provider = google(SCOPES, options.accounts_url, options.token_url)
    if by_account:
        key = context.secret(options.service_account_env, options.service_account_file)
        setting = f"{setting}.{'service_account_file' if options.service_account_file else 'service_account_env'}"
        acts = (options.subject, context.clock, options.timeouts, context.observe)
        return ServiceAccount(setting, provider, key, *acts)
    secret = None
    if options.client_secret_env or options.client_secret_file:
        secret = context.secret(options.client_secret_env, options.client_secret_file).strip()
    kept = (options.client_id, secret, context.tokens, context.clock, options.timeouts, context.observe)
    return Grant(name, provider, *kept)
