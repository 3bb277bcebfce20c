"""The mail notifier under the contract, with a real mail server on a socket."""

import email
import email.policy
import socket
import ssl
import subprocess
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from adapters.notifiers.smtp import SmtpNotifier, SmtpOptions
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.model import Own
from sidecar.ports import Context
from tests.contract.notifier import NOTICE, NOW, SECRET, Heard, NotifierContract
from tests.support.ports import free_port

# A server on this machine is the one case in which a login goes without TLS.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")


class MailDesk:
    """A server that takes mails from one user, and the notifier that sends them there."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.heard: list[Heard] = []
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.code = ""
        self.greets = True
        self.port = free_port()  # the controller asks for a port that it can name
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            authenticator=self._known,
            auth_require_tls=tls is not None,
            auth_required=True,
            tls_context=tls,
            require_starttls=tls is not None,
            ready_timeout=60,
        )
        self._controller.start()
        self._silence: socket.socket | None = None
        self.notifier = self.made()

    def made(self, **options: object) -> SmtpNotifier:
        """Return a notifier with other options."""
        given: dict[str, object] = {
            "host": "127.0.0.1", "port": self.port, "tls": False, "username": "sidecar", "password_env": "PASSWORD",
            "from": "sidecar@ours.test", "to": ["ops@ours.test", "night@ours.test"], "timeout_s": 30,
        }  # fmt: skip
        context = Context(clock=lambda: NOW, own=Own(), base=Path(), secret=lambda env, file: SECRET)
        kept = {name: value for name, value in (given | options).items() if value is not None}
        return SmtpNotifier("smtp", SmtpOptions.model_validate(kept), context)

    def fails(self, how: str) -> None:
        """Refuse, be busy, or not be there."""
        if how == "gone":
            self.close()
        elif how == "silent":
            self._silence = socket.create_server(("127.0.0.1", 0))
            self.notifier = self.made(port=self._silence.getsockname()[1], timeout_s=0.3)
        else:
            self.code = {"busy": "451", "refused": "550", "login": "535"}[how]

    def close(self) -> None:
        """End the server, twice if need be."""
        if self._silence:
            self._silence.close()
        if self._controller.server is not None:
            self._controller.stop()

    def _known(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        is_right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"sidecar", SECRET.encode())
        refused = "535 canary-of-the-server"
        return AuthResult(success=is_right and self.code != "535", handled=False, message=refused)

    async def handle_RCPT(  # noqa: N802  the library's name
        self, server: SMTP, session: Session, envelope: Envelope, to: str, options: Any
    ) -> str:
        """Take a recipient, or refuse every one."""
        if self.code == "550":
            return "550 canary-of-the-server"
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  the library's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take a mail."""
        if self.code:
            return f"{self.code} canary-of-the-server"
        content = envelope.content
        assert isinstance(content, bytes)
        mail = email.message_from_bytes(content, policy=email.policy.default)
        self.mails.append(mail)
        self.recipients += envelope.rcpt_tos
        self.heard.append(Heard(mail["Message-ID"], mail.get_content()))
        return "250 OK"


@pytest.fixture
def desk() -> Iterator[MailDesk]:
    """A desk that takes mails."""
    desk = MailDesk()
    yield desk
    desk.close()


class TestSmtpNotifier(NotifierContract):
    """`SmtpNotifier` keeps the promises of the port."""


def test_a_mail_names_what_is_wrong_in_its_subject(desk: MailDesk) -> None:
    """Everybody named gets it, it can be read in a list of mails, and no vacation reply comes back."""
    desk.notifier.tell(NOTICE)
    [mail] = desk.mails
    assert mail["Subject"] == f"CRM sidecar: {NOTICE.summary}"
    assert (mail["From"], mail["Auto-Submitted"]) == ("sidecar@ours.test", "auto-generated")
    assert desk.recipients == ["ops@ours.test", "night@ours.test"]


def test_a_mail_that_the_server_will_not_have_is_no_outage(desk: MailDesk) -> None:
    """What is refused for good isn't sent for ever; seen to fail with every code temporary."""
    desk.code = "554"
    with pytest.raises(PermanentError, match="554") as caught:
        desk.notifier.tell(NOTICE)
    assert "canary" not in str(caught.value)


def test_a_look_finds_a_wrong_password(desk: MailDesk) -> None:
    """`check` logs in, so that a wrong password is found before it matters; seen to fail with a connection alone."""
    desk.fails("login")
    [line] = desk.notifier.check()
    assert "login" in line


def test_a_server_without_tls_gets_no_password(desk: MailDesk) -> None:
    """Who asks for STARTTLS never goes on without; seen to fail with the answer overlooked."""
    with pytest.raises(ConfigError, match="tls"):
        desk.made(tls="starttls").tell(NOTICE)


def test_only_a_trusted_server_gets_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that nobody vouches for is the operator's error; once trusted, the mail goes over STARTTLS."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    desk = MailDesk(context)
    try:
        with pytest.raises(ConfigError, match="SSLCertVerificationError"):
            desk.made(tls="starttls").tell(NOTICE)
        assert desk.mails == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        desk.made(tls="starttls").tell(NOTICE)
        assert len(desk.mails) == 1
    finally:
        desk.close()


def test_a_server_that_speaks_no_tls_is_an_outage(desk: MailDesk) -> None:
    """TLS from the first byte to a server that has none fails as an outage, and doesn't hang."""
    with pytest.raises(TemporaryError):
        desk.made(tls=True).tell(NOTICE)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": "mail.ours.test"}, "this machine"),
        ({"username": None}, "go together"),
        ({"password_env": None}, "go together"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(desk: MailDesk, options: dict[str, object], words: str) -> None:
    """No password crosses a network in the clear, and none goes without a name; seen to fail without the checks."""
    with pytest.raises(ConfigError, match=words):
        desk.made(**options)
