"""What can be set of a mailbox that is read by the Gmail API, and what must fit together before anything is asked.

Who lets the channel in is said by one of two ways and not by both: an OAuth client of the operator's own, through which
a person consents, or a service account's key. Pushes need all of their settings or none.
"""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from adapters.channels.gmail.push import Pushes
from adapters.formats.mime import MAIL_BYTES_MAX
from adapters.http.calls import Timeouts
from adapters.http.oauth import Grant, ServiceAccount, google
from adapters.http.options import Address
from sidecar.errors import ConfigError
from sidecar.ports import Context

SCOPES = ("https://www.googleapis.com/auth/gmail.readonly",)
_TOPIC = re.compile(r"projects/[a-z0-9:.-]{4,64}/topics/[A-Za-z][\w.~+%-]{2,254}", re.ASCII)

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Labels = Annotated[tuple[Text, ...], Field(max_length=100)]


class GmailOptions(BaseModel):
    """Settings of one mailbox."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    mailbox: Text = Field(pattern=r"^[^@\s]+@[^@\s]+$", description="Its address; no other mailbox is let in")
    client_id: str | None = Field(None, max_length=500, description="Of your own OAuth client, of the type Desktop app")
    client_secret_env: str | None = Field(None, description="Variable with the client's secret")
    client_secret_file: str | None = Field(None, description="File with the client's secret")
    service_account_env: str | None = Field(None, description="Variable with a service account's key, as JSON")
    service_account_file: str | None = Field(None, description="File with a service account's key, as Google made it")
    include_labels: Labels = Field((), description="Labels that count, by name; none is all")
    exclude_labels: Labels = Field(("SPAM", "CHAT"), description="Labels that don't; drafts never do")
    deletions: bool = Field(True, description="Whether a mail that is deleted for good there is left aside here")
    topic: str = Field("", max_length=400, description="Pub/Sub topic that Gmail tells of news")
    push_audience: str = Field("", max_length=500, description="Audience of the push subscription's tokens")
    push_email: str = Field("", max_length=500, description="Service account that the push subscription signs with")
    every_s: float = Field(60.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    batch_size: int = Field(50, ge=1, le=500, description="Mails that are made durable together")
    max_message_bytes: int = Field(MAIL_BYTES_MAX, ge=1_000, le=MAIL_BYTES_MAX)
    units_per_s: int = Field(100, ge=10, le=10_000, description="Most quota units in a second, of Gmail's usual 250")
    connect_timeout_s: float = Field(5.0, gt=0, le=60)
    read_timeout_s: float = Field(60.0, gt=0, le=300)
    call_timeout_s: float = Field(120.0, gt=0, le=600)
    max_wait_s: float = Field(20.0, ge=0, le=120, description="Most waiting for limits and retries within one call")
    base_url: Address = Field("https://gmail.googleapis.com", description="Where the API is")
    accounts_url: Address = Field("https://accounts.google.com", description="Where people consent")
    token_url: Address = Field("https://oauth2.googleapis.com", description="Where tokens are had")
    certs_url: Address = Field("https://www.googleapis.com", description="Where Google's keys are")

    @property
    def timeouts(self) -> Timeouts:
        """Return the time-outs of one call."""
        return Timeouts(self.connect_timeout_s, self.read_timeout_s, self.call_timeout_s)


def access_of(name: str, options: GmailOptions, context: Context) -> Grant | ServiceAccount:
    """Return what gives access tokens, as the options say; `ConfigError` where they say nothing, or two things."""
    setting = f"channels.{name}"
    provider = google(SCOPES, options.accounts_url, options.token_url)
    given = (context.clock, options.timeouts, context.observe, options.max_wait_s)
    if options.service_account_env or options.service_account_file:
        if options.client_id:
            raise ConfigError("name either client_id or a service account", setting=f"{setting}.client_id")
        where = f"{setting}.{'service_account_file' if options.service_account_file else 'service_account_env'}"
        key = context.secret(options.service_account_env, options.service_account_file)
        return ServiceAccount(where, provider, key, options.mailbox, *given)
    if not options.client_id:
        told = "write the id of your own OAuth client, or name a service account's key"
        raise ConfigError(told, setting=f"{setting}.client_id")
    has_secret = options.client_secret_env or options.client_secret_file
    secret = context.secret(options.client_secret_env, options.client_secret_file) if has_secret else None
    return Grant(name, provider, options.client_id, secret, context.tokens, *given)


def pushes_of(options: GmailOptions, setting: str) -> Pushes | None:
    """Return whose pushes are taken; None where none are set up, `ConfigError` where that is half done."""
    if options.topic and not _TOPIC.fullmatch(options.topic):
        raise ConfigError("write projects/PROJECT/topics/TOPIC", setting=f"{setting}.topic")
    named = {"topic": options.topic, "push_audience": options.push_audience, "push_email": options.push_email}
    if not any(named.values()):
        return None
    if missing := [name for name, value in named.items() if not value]:
        raise ConfigError("pushes need topic, push_audience and push_email", setting=f"{setting}.{missing[0]}")
    return Pushes(options.push_audience, options.push_email)
