"""The IMAP channel under the contract, against mail-devel and, where it is installed, against Dovecot."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.imap import ImapChannel, ImapOptions
from sidecar.errors import ConfigError, TemporaryError, Withheld
from sidecar.model import Role
from sidecar.ports import Captured
from tests.contract.channel import (
    CANARY,
    INSTALLED,
    NOW,
    PollContract,
    Secrets,
    all_captured,
    context,
    delivered,
    last_cursor,
    parsed,
)
from tests.contract.imap_servers import PASSWORD, Refusing, Server, dovecot, mail_devel, tls_before
from tests.support.ports import free_port

FIXTURES = Path(__file__).parent.parent / "fixtures" / "email_rfc822"
MAX_BYTES = 100_000
_users = count(1)
_recorded: dict[tuple[int, Path], Captured] = {}


@dataclass
class ImapHarness:
    """A mailbox that nobody else uses, with an inbox and a sent folder."""

    server: Server
    base: Path
    batch_size: int = 3
    fixtures: Path = FIXTURES
    parked: frozenset[str] = frozenset()
    secrets: tuple[str, ...] = (PASSWORD,)
    user: str = field(default_factory=lambda: f"rep{next(_users)}")
    mails: int = 0
    opened: ExitStack = field(default_factory=ExitStack)
    front: Refusing | None = None
    port: int = 0
    uids: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with self.server.hand(self.user) as hand:
            assert hand.create("Sent")[0] == "OK"

    @property
    def channel(self) -> ImapChannel:
        """The mailbox's channel."""
        return self.reopen()

    def reopen(self, clock: Callable[[], datetime] = lambda: NOW) -> ImapChannel:
        """Make the channel anew."""
        return self.made(clock=clock)

    def made(
        self, password: str = PASSWORD, clock: Callable[[], datetime] = lambda: NOW, **options: Any
    ) -> ImapChannel:
        """Make a channel with some options changed."""
        settings = {
            "host": "127.0.0.1",
            "port": self.port or self.server.port,
            "tls": False,
            "username": self.user,
            "password_env": "MAIL_PASSWORD",
            "timeout_s": 10,
            "batch_size": self.batch_size,
            "max_message_bytes": MAX_BYTES,
            **options,
        }
        return ImapChannel("mail", ImapOptions(**settings), context(self.base, Secrets(MAIL_PASSWORD=password), clock))

    def mail(self, sender: str = "Ann Lee <ann@example.org>", text: str = "Is it in stock?", **headers: str) -> bytes:
        """Return a mail that no other mail repeats, with a byte that is no UTF-8."""
        self.mails += 1
        fields = {
            "From": sender,
            "To": "Bob <bob@ours.test>",
            "Subject": f"Question {self.mails}",
            "Message-ID": f"<{self.user}.{self.mails}@example.org>",
            "Date": "Sun, 22 Nov 2026 10:00:00 +0100",
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return head.encode() + b"\r\n" + text.encode() + b" caf\xe9\r\n"

    def lay(self, raw: bytes, folder: str = "INBOX", arrived_at: datetime = NOW - timedelta(minutes=30)) -> int:
        """Let a mail arrive in a folder."""
        return self.server.append(self.user, folder, raw, arrived_at)

    def put(self) -> bytes:
        """Let a new mail arrive."""
        raw = self.mail()
        self.lay(raw)
        return raw

    def put_old(self) -> bytes:
        """Let there have been a mail before the installation."""
        raw = self.mail()
        self.lay(raw, arrived_at=INSTALLED - timedelta(days=40))
        return raw

    def put_oversized(self) -> None:
        """Let a mail arrive that is larger than the limit."""
        self.lay(self.mail(text="x" * 70 + "\r\n" * MAX_BYTES))

    def put_withheld(self) -> bytes:
        """Let a mail arrive that the server then answers NO for."""
        raw = self.mail()
        if not self.front:
            self.front = Refusing(self.server.port)
            self.port = self.opened.enter_context(self.front.listening())
        self.uids[raw] = self.lay(raw)
        self.front.refused.add(self.uids[raw])
        return raw

    def name_of(self, raw: bytes) -> tuple[str, Mapping[str, str]]:
        """Return the key of a mail, and its headers, as a poll names it that can't fetch it."""
        with self.server.hand(self.user) as hand:
            generation = hand.status("INBOX", "(UIDVALIDITY)")[1][0].split()[-1].strip(b")").decode()
        uid = str(self.uids[raw])
        return f"INBOX:{generation}:{uid}", {"folder": "INBOX", "sent": "0", "uid": uid}

    def mend(self) -> None:
        """Let the server be well."""
        assert self.front
        self.front.refused.clear()

    def receive(self) -> Captured:
        """Let a mail arrive and poll it."""
        self.put()
        return all_captured(self.channel.poll(None))[-1]

    def broken(self) -> Captured:
        """Let something arrive that is no mail."""
        self.lay(f"{CANARY}\r\n\r\n{CANARY}\r\n".encode())
        return all_captured(self.channel.poll(None))[-1]

    def from_fixture(self, path: Path) -> Captured:
        """Let a recorded mail arrive and poll it."""
        known = (self.server.port, path)
        if known not in _recorded:  # once for each server, because the contract asks for all of them several times
            raw = path.read_bytes()
            self.lay(raw if b"\r\n" in raw else raw.replace(b"\n", b"\r\n"))
            _recorded[known] = all_captured(self.channel.poll(None))[-1]
        return _recorded[known]

    def unreachable(self) -> ImapChannel:
        """Return the channel with nobody at the other end."""
        return self.made(port=free_port())

    def refused(self) -> ImapChannel:
        """Return the channel with a wrong password."""
        return self.made(password="wrong")


class ImapContract(PollContract):
    """What a mailbox promises beyond every poller's promises."""

    def test_a_mailbox_is_left_as_it_was(self, harness: ImapHarness) -> None:
        """Reading marks nothing as read; seen to fail with BODY[] instead of BODY.PEEK[] and a writable folder."""
        harness.put()
        assert len(all_captured(harness.channel.poll(None))) == 1
        with harness.server.hand(harness.user) as hand:
            hand.select("INBOX", readonly=True)
            assert hand.search(None, "UNSEEN")[1] == [b"1"]

    def test_a_folder_made_anew_is_listed_anew(self, harness: ImapHarness) -> None:
        """A new UIDVALIDITY makes old UIDs meaningless: everything is read again; seen to fail with it ignored."""
        options: dict[str, Any] = {"folders": ["Enquiries"], "sent_folders": []}
        with harness.server.hand(harness.user) as hand:
            hand.create("Enquiries")
        first = [harness.mail(), harness.mail()]
        for raw in first:
            harness.lay(raw, "Enquiries")
        cursor = last_cursor(harness.made(**options).poll(None))
        with harness.server.hand(harness.user) as hand:
            hand.delete("Enquiries")
            hand.create("Enquiries")
        harness.lay(first[1], "Enquiries")
        channel = harness.made(**options)
        found = all_captured(channel.poll(cursor))
        assert [captured.raw for captured in found] == [first[1]]
        assert found[0].key is not None
        assert str((cursor or {})["Enquiries"]["uidvalidity"]) not in found[0].key

    def test_a_mail_that_was_left_out_tells_of_its_folder(self, harness: ImapHarness) -> None:
        """Where that is read no more, or was renamed, this lasts: no outage. Seen to fail as the operator's error."""
        with harness.server.hand(harness.user) as hand:
            hand.create("Enquiries")
        uid = str(harness.lay(harness.mail(), "Enquiries"))
        channel = harness.made(folders=["Enquiries"], sent_folders=[])
        (captured,) = all_captured(channel.poll(None))
        headers = dict(captured.headers) | {"uid": uid}
        assert [one.key for one in channel.retrieve(str(captured.key), headers)] == [captured.key]
        with pytest.raises(Withheld, match="isn't read any more"):
            harness.channel.retrieve(str(captured.key), headers)
        with harness.server.hand(harness.user) as hand:
            hand.rename("Enquiries", "Questions")
        with pytest.raises(Withheld, match="renamed or removed"):
            channel.retrieve(str(captured.key), headers)

    def test_a_cursor_that_cant_be_read_is_a_lost_one(self, harness: ImapHarness) -> None:
        """Whatever has become of a cursor, mails are read again rather than missed."""
        raw = harness.put()
        cursors: list[dict[str, Any]] = [{"INBOX": 7}, {"INBOX": {"uidvalidity": "x"}}, {"INBOX": None}, {"INBOX": {}}]
        for cursor in cursors:
            assert [captured.raw for captured in all_captured(harness.channel.poll(cursor))] == [raw]

    def test_an_empty_folder_costs_nothing_twice(self, harness: ImapHarness) -> None:
        """`n:*` names the last mail even when n is past it; that mail isn't read again; seen to fail unfiltered."""
        harness.put()
        cursor = last_cursor(harness.channel.poll(None))
        assert list(harness.channel.poll(cursor)) == []

    def test_old_mail_that_is_moved_in_stays_history(self, harness: ImapHarness) -> None:
        """A mail from before the installation isn't read because somebody files it; seen to fail without the floor."""
        harness.put()
        cursor = last_cursor(harness.channel.poll(None))
        harness.put_old()
        assert not all_captured(harness.channel.poll(cursor))

    def test_history_ends_where_polling_begins(self, harness: ImapHarness) -> None:
        """On the day of the installation no mail is read by both, nor by neither; seen to fail without the border."""
        before, after = harness.mail(), harness.mail()
        harness.lay(before, arrived_at=INSTALLED - timedelta(hours=1))
        harness.lay(after, arrived_at=INSTALLED + timedelta(hours=1))
        assert [captured.raw for captured in all_captured(harness.channel.poll(None))] == [after]
        since = INSTALLED - timedelta(days=1)
        assert [captured.raw for captured in all_captured(harness.channel.backfill(since, None))] == [before]
        assert harness.channel.extent(since).oldest == INSTALLED - timedelta(hours=1)

    def test_the_sent_folder_is_found_and_speaks_for_us(self, harness: ImapHarness) -> None:
        """What lies in the sent folder is an agent's, authenticated; what merely names us in From is not."""
        raw = harness.mail(sender="Bob <bob@ours.test>", To="ann@example.org")
        harness.lay(raw, "Sent")
        harness.lay(raw, "INBOX")
        found = all_captured(harness.channel.poll(None))
        twins = [parsed(harness.channel, captured)[0] for captured in found]
        sent = next(twin for twin in twins if twin.actor.authenticated)
        weaker = next(twin for twin in twins if not twin.actor.authenticated)
        assert (sent.actor.role, weaker.actor.role) == (Role.AGENT, Role.AGENT)
        assert sent.external_id == weaker.external_id
        assert sent.version == f"sent:{weaker.version}"
        assert sent.id != weaker.id

    def test_a_mail_in_two_folders_is_one_activity(self, harness: ImapHarness) -> None:
        """A mail that was copied or moved is two deliveries and one activity; seen to fail with the UID as its id."""
        raw = harness.mail()
        with harness.server.hand(harness.user) as hand:
            hand.create("Archive")
        for folder in ("INBOX", "Archive"):
            harness.lay(raw, folder)
        channel = harness.made(folders=["INBOX", "Archive"])
        found = all_captured(channel.poll(None))
        assert len({delivered(channel, captured).id for captured in found}) == 2
        assert len({parsed(channel, captured)[0].id for captured in found}) == 1

    def test_the_arrival_bounds_what_a_date_may_claim(self, harness: ImapHarness) -> None:
        """A Date in the future doesn't outrank everybody; seen to fail with the offset of the arrival dropped."""
        arrived_at = (NOW - timedelta(minutes=30)).astimezone(timezone(timedelta(hours=5, minutes=30)))
        harness.lay(harness.mail(Date="Fri, 01 Jan 2038 00:00:00 +0000"), arrived_at=arrived_at)
        (captured,) = all_captured(harness.channel.poll(None))
        (activity,) = parsed(harness.channel, captured)
        assert activity.at == arrived_at.replace(microsecond=0)
        assert any("arrival" in problem for problem in activity.problems)

    def test_an_oversized_mail_stays_parked(self, harness: ImapHarness) -> None:
        """The reason is kept with the delivery, so that a second try doesn't take the headers for the mail."""
        harness.put_oversized()
        (captured,) = all_captured(harness.channel.poll(None))
        with pytest.raises(Exception, match="at most 100000"):
            harness.channel.parse(delivered(harness.channel, captured))
        assert captured.raw.startswith(b"From: Ann Lee")

    def test_check_says_which_folder_is_missing(self, harness: ImapHarness) -> None:
        """A misspelt folder is named by check, with those that exist, and stops the poll as the operator's error."""
        channel = harness.made(folders=["INBOX", "Enquries"], sent_folders=["Gesendet"])
        (line,) = channel.check()
        assert "Enquries" in line
        assert "Gesendet" in line
        assert "Sent" in line
        with pytest.raises(ConfigError, match="folders"):
            all_captured(channel.poll(None))

    def test_names_beyond_ascii_are_understood(self, harness: ImapHarness) -> None:
        """Folders of any script are found by the name that people see."""
        with harness.server.hand(harness.user) as hand:
            assert hand.create("Entw&APw-rfe")[0] == "OK"  # modified UTF-7, which is how such names travel
        raw = harness.mail()
        harness.lay(raw, "Entw&APw-rfe")
        channel = harness.made(folders=["Entwürfe"])
        (captured,) = all_captured(channel.poll(None))
        assert captured.raw == raw
        assert captured.headers["folder"] == "Entwürfe"

    def test_nothing_of_a_mail_is_logged(self, harness: ImapHarness, caplog: pytest.LogCaptureFixture) -> None:
        """Words, addresses and password reach no log, not even at DEBUG; seen to fail at the library's own level."""
        caplog.set_level("DEBUG")
        harness.lay(harness.mail(text=CANARY, Subject=CANARY))
        assert all_captured(harness.channel.poll(None))
        for word in (CANARY, PASSWORD, "ann@example.org"):
            assert word not in caplog.text


@pytest.fixture(scope="module")
def mail_devel_server() -> Iterator[Server]:
    """Run one server for all tests; every test has a mailbox of its own."""
    with mail_devel() as running:
        yield running


@pytest.fixture(scope="module")
def dovecot_server() -> Iterator[Server]:
    """Run one server for all tests, in a folder whose path is short enough for its sockets."""
    with tempfile.TemporaryDirectory(prefix="dove") as folder:
        Path(folder).chmod(0o755)
        with dovecot(Path(folder) / "d") as running:
            yield running


class TestImapChannelOnMailDevel(ImapContract):
    """The IMAP channel keeps its promises on the server that comes with the tools."""

    @pytest.fixture
    def harness(self, mail_devel_server: Server, tmp_path: Path) -> Iterator[ImapHarness]:
        """Return an empty mailbox."""
        harness = ImapHarness(mail_devel_server, tmp_path)
        with harness.opened:
            yield harness

    def test_tls_on_a_plain_port_is_the_operators_error(self, harness: ImapHarness) -> None:
        """A wrong tls setting is named as such; seen to fail with SSLError taken for an outage."""
        with pytest.raises(ConfigError, match=r"channels\.mail\.tls"):
            all_captured(harness.made(tls=True).poll(None))

    def test_starttls_that_is_not_offered_is_the_operators_error(self, harness: ImapHarness) -> None:
        """No password is sent in clear because a server, or somebody in between, offers no STARTTLS."""
        with pytest.raises(ConfigError, match=r"channels\.mail\.tls"):
            all_captured(harness.made(tls="starttls").poll(None))

    def test_a_silent_server_is_an_outage(self, harness: ImapHarness) -> None:
        """A server that accepts and says nothing costs one time-out, not a worker."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            channel = harness.made(port=silent.getsockname()[1], timeout_s=1)
            with pytest.raises(TemporaryError):
                all_captured(channel.poll(None))


@pytest.mark.skipif(
    not shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin"), reason="Dovecot is not installed"
)
class TestImapChannelOnDovecot(ImapContract):
    """The IMAP channel keeps its promises on the server that most mailboxes live on."""

    @pytest.fixture
    def harness(self, dovecot_server: Server, tmp_path: Path) -> Iterator[ImapHarness]:
        """Return an empty mailbox."""
        harness = ImapHarness(dovecot_server, tmp_path)
        with harness.opened:
            yield harness


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
class TestImapTls:
    """TLS with a certificate that is, and one that is not, to be trusted."""

    @pytest.fixture
    def certificate(self, tmp_path: Path) -> tuple[Path, Path]:
        """Make a certificate for this machine that signs itself."""
        certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return certificate, key

    def test_only_a_trusted_certificate_gets_the_password(
        self,
        certificate: tuple[Path, Path],
        mail_devel_server: Server,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A certificate nobody vouches for is the operator's error; once trusted, the mails come in over TLS."""
        harness = ImapHarness(mail_devel_server, tmp_path)
        raw = harness.put()
        with tls_before(mail_devel_server.port, *certificate) as port:
            with pytest.raises(ConfigError, match=r"certificate of 127\.0\.0\.1 isn't valid"):
                all_captured(harness.made(tls=True, port=port).poll(None))
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
            channel = harness.made(tls=True, port=port)
            assert [captured.raw for captured in all_captured(channel.poll(None))] == [raw]
