"""What can be set of a mailbox that is read by IMAP, and which of the ways in is meant: a password, or a token.

Microsoft 365 takes no password from any program, and Google one for apps alone; both take tokens (XOAUTH2). A token is
had as a person who let the channel in, or as what an administrator let in: a service account of a Google Workspace, an
app of a Microsoft tenant.

Source: Google "OAuth 2.0 Mechanism for IMAP", Microsoft "Authenticate an IMAP connection using OAuth", known 2026-11.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.channels.imap.mailbox import Access, Password
from adapters.formats.mime import MAIL_BYTES_MAX
from adapters.http.calls import Timeouts
from adapters.http.oauth import ClientCredentials, Grant, ServiceAccount, google, microsoft
from adapters.http.options import Address
from sidecar.errors import ConfigError
from sidecar.ports import Context

GOOGLE = ("https://mail.google.com/",)
MICROSOFT = ("https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access")
MICROSOFT_APP = ("https://outlook.office365.com/.default",)

Name = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]


class ImapOptions(BaseModel):
    """Settings of one mailbox."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: Name
    port: int | None = Field(None, ge=1, le=65535, description="993 with tls = true, else 143")
    tls: bool | Literal["starttls"] = Field(True, description='true, "starttls", or false on this machine only')
    username: Name
    password_env: str | None = Field(None, description="Variable with the password")
    password_file: str | None = Field(None, description="File with the password")
    oauth: Literal["google", "microsoft"] | None = Field(None, description="Get in by a token of theirs")
    app: bool = Field(False, description="As the app itself (Microsoft) and not as a person who connects it")
    tenant: str = Field("organizations", pattern=r"^[A-Za-z0-9.-]{1,100}$", description="Microsoft's directory")
    client_id: str = Field("", max_length=500, description="Of your own OAuth client or app")
    client_secret_env: str | None = Field(None, description="Variable with its secret")
    client_secret_file: str | None = Field(None, description="File with its secret")
    service_account_env: str | None = Field(None, description="Variable with a Google service account's key, as JSON")
    service_account_file: str | None = Field(None, description="File with a Google service account's key")
    login_url: Address | None = Field(None, description="Where people consent, if not at Google's or Microsoft's own")
    token_url: Address | None = Field(None, description="Where Google's tokens are had, if elsewhere")
    folders: tuple[Name, ...] = Field(("INBOX",), min_length=1, max_length=100)
    sent_folders: tuple[Name, ...] | None = Field(
        None, max_length=100, description="Folders of what your people sent; by default the one marked as such"
    )
    every_s: float = Field(60.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    idle: bool = Field(False, description="Let the server say when there is news, over a connection of its own")
    timeout_s: float = Field(30.0, ge=1, le=300, description="Seconds to wait for the server, at each step")
    batch_size: int = Field(50, ge=1, le=500, description="Mails that are made durable together")
    max_message_bytes: int = Field(MAIL_BYTES_MAX, ge=1_000, le=MAIL_BYTES_MAX)


def access_of(name: str, options: ImapOptions, context: Context) -> Access:
    """Return where the mailbox is and how to get in; `ConfigError` where that is said not at all, or twice."""
    setting = f"channels.{name}"
    has_password = bool(options.password_env or options.password_file)
    if has_password == (options.oauth is not None):
        told = "name the variable that holds the password, or let it in by oauth; not both"
        raise ConfigError(told, setting=f"{setting}.password_env")
    key = _token(name, options, context) if options.oauth else _password(setting, options, context)
    port = options.port or (993 if options.tls is True else 143)
    return Access(options.host, port, options.tls, options.username, key, options.timeout_s, setting)


def _password(setting: str, options: ImapOptions, context: Context) -> Password:
    password = context.secret(options.password_env, options.password_file)
    if not password.isprintable():
        raise ConfigError("the password holds a line end or the like", setting=f"{setting}.password_env")
    return Password(password)


def _token(name: str, options: ImapOptions, context: Context) -> Grant | ServiceAccount | ClientCredentials:
    setting = f"channels.{name}"
    quick = Timeouts(min(options.timeout_s, 10.0), options.timeout_s, 2 * options.timeout_s)
    given = (context.clock, quick, context.observe)
    if options.oauth == "google" and (options.service_account_env or options.service_account_file):
        where = f"{setting}.{'service_account_file' if options.service_account_file else 'service_account_env'}"
        text = context.secret(options.service_account_env, options.service_account_file)
        provider = google(GOOGLE, options.login_url or "", options.token_url or "")
        return ServiceAccount(where, provider, text, options.username, *given)
    if not options.client_id:
        raise ConfigError("write the id of your own OAuth client or app", setting=f"{setting}.client_id")
    has_secret = options.client_secret_env or options.client_secret_file
    secret = context.secret(options.client_secret_env, options.client_secret_file) if has_secret else None
    if options.oauth == "microsoft" and options.app:
        if secret is None:
            raise ConfigError("an app needs its secret", setting=f"{setting}.client_secret_env")
        provider = microsoft(MICROSOFT_APP, options.tenant, options.login_url or "")
        return ClientCredentials(setting, provider, options.client_id, secret, *given)
    if options.oauth == "google":
        provider = google(GOOGLE, options.login_url or "", options.token_url or "")
    else:
        provider = microsoft(MICROSOFT, options.tenant, options.login_url or "")
    return Grant(name, provider, options.client_id, secret, context.tokens, *given)
