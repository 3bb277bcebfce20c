"""Notices as mails, handed to a mail server that takes mails from us.

The connection is made for each mail and given up again: there are few, and a connection that is kept is found dead when
it matters. What the server says is never repeated, because it may quote an address; its code is enough to act upon.
"""

import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.http.deadline import STEPS, connected, trusting, within
from sidecar.errors import ConfigError, PermanentError, SidecarError, TemporaryError
from sidecar.model import Notice
from sidecar.ports import Context

SETTING = "ops.smtp"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PORTS = {True: 465, "starttls": 587, False: 25}

Address = Annotated[str, Field(max_length=254, pattern=r"^[^@\s<>,;]+@[^@\s<>,;]+$")]


class SmtpOptions(BaseModel):
    """Settings of `[ops.smtp]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = Field(min_length=1, max_length=253, description="The mail server")
    port: int | None = Field(None, ge=1, le=65_535, description='465 with tls = true, 587 with "starttls", else 25')
    tls: bool | Literal["starttls"] = Field("starttls", description='true, "starttls", or false on this machine only')
    username: str | None = Field(None, min_length=1, max_length=500, description="Who we are to the server")
    password_env: str | None = Field(None, description="Variable with the password")
    password_file: str | None = Field(None, description="File with the password")
    sender: Address = Field(alias="from", description="Whose mails they are")
    to: tuple[Address, ...] = Field(min_length=1, max_length=20, description="Who is told")
    timeout_s: float = Field(20.0, gt=0, le=120, description="Seconds to wait for the server, at each step")


class SmtpNotifier:
    """Sends notices by mail; fulfils the port `Notifier`."""

    Options = SmtpOptions

    def __init__(self, name: str, options: SmtpOptions, context: Context) -> None:
        self.name = name
        self._options = options
        if options.tls is False and options.host not in LOOPBACK:
            raise ConfigError(
                'without tls only a server on this machine: true, or "starttls"', setting=f"{SETTING}.tls"
            )
        has_password = bool(options.password_env or options.password_file)
        if has_password != bool(options.username):
            raise ConfigError("a username and a password go together", setting=f"{SETTING}.username")
        self._password = context.secret(options.password_env, options.password_file) if has_password else ""

    def tell(self, notice: Notice) -> None:
        """Send one mail to everybody; who can't be reached doesn't keep it from the others."""
        with _named(), self._connected() as server:
            server.send_message(self._mail(notice))

    def check(self) -> Sequence[str]:
        """Connect and log in, and send nothing."""
        try:
            with _named(), self._connected():
                return ()
        except SidecarError as error:
            return (str(error),)

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        options = self._options
        port = options.port or _PORTS[options.tls]
        trusted = trusting(ssl.create_default_context())
        with (
            within(STEPS * options.timeout_s),
            _Smtp(options.host, port, options.timeout_s, options.tls, trusted) as server,
        ):
            if options.tls == "starttls":
                server.starttls(context=trusted)
            if options.username:
                server.login(options.username, self._password)
            yield server

    def _mail(self, notice: Notice) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"] = self._options.sender, ", ".join(self._options.to)
        mail["Subject"] = " ".join(notice.headline.split())[:200]
        mail["Date"] = notice.at
        mail["Message-ID"] = f"<{notice.id}@{self._options.sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"  # so that no vacation reply comes back (RFC 3834)
        lines = (notice.summary, "", notice.remedy, "", f"Since {notice.since:%Y-%m-%d %H:%M} UTC, {notice.rule}.")
        mail.set_content("\n".join(lines))
        return mail


class _Smtp(smtplib.SMTP):
    """A conversation whose connection ends with the call, over TLS from its first byte on where that is asked for."""

    def __init__(self, host: str, port: int, timeout_s: float, tls: bool | str, trusted: ssl.SSLContext) -> None:
        self._tls, self._trusted = tls, trusted
        super().__init__(host, port, timeout=timeout_s)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = connected(host, port, timeout)
        return self._trusted.wrap_socket(sock, server_hostname=host) if self._tls is True else sock


@contextmanager
def _named() -> Iterator[None]:
    """Turn what the library raises into who must act."""
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        raise ConfigError(f"the server refuses the login ({error.smtp_code})", setting=SETTING) from None
    except (smtplib.SMTPNotSupportedError, ssl.SSLCertVerificationError) as error:
        raise ConfigError(
            f"the server can't do what is asked of it ({type(error).__name__}); look at tls and username",
            setting=SETTING,
        ) from None
    except smtplib.SMTPRecipientsRefused:
        raise ConfigError("the server takes mail for none of these", setting=f"{SETTING}.to") from None
    except smtplib.SMTPResponseException as error:
        if 500 <= error.smtp_code < 600:
            raise PermanentError(f"{SETTING}: the server refuses the mail ({error.smtp_code})") from None
        raise TemporaryError(f"{SETTING}: the server can't take the mail now ({error.smtp_code})") from None
    except (smtplib.SMTPException, OSError) as error:
        raise TemporaryError(f"{SETTING} could not be reached: {type(error).__name__}") from None
