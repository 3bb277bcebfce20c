"""A mailbox that stops is told to whoever operates it, by a real post to a real address, and so is its return."""

import imaplib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from sidecar.app.alarms import GONE_S
from sidecar.app.history import read_history
from sidecar.app.reconcile import reconcile
from sidecar.journal import CursorSet, Entry
from tests.contract.imap_servers import PASSWORD, Server, mail_devel
from tests.support.facts import SetClock
from tests.support.houses import House, buys
from tests.support.receivers import Receiver, receiving

USER = "rep@ours.test"
MONDAY = datetime(2026, 11, 16, 12, tzinfo=UTC)
CONFIG = """
[channels.mail]
type = "imap"
host = "127.0.0.1"
port = {port}
tls = false
username = "{user}"
password_env = "MAIL_PASSWORD"
every_s = 600
timeout_s = 30
[ops.webhook]
url_env = "OPS_URL"
timeout_s = 30
"""


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a mail server."""
    with mail_devel() as server:
        with server.hand(USER) as hand:
            assert hand.create("Sent")[0] == "OK"
        yield server


class Desk:
    """A mailbox, the sidecar that reads it, and those who are told when it stops."""

    def __init__(self, folder: Path, server: Server, receiver: Receiver) -> None:
        self.server, self.receiver, self.mails = server, receiver, 0
        env = {"MAIL_PASSWORD": PASSWORD, "OPS_URL": receiver.url}
        after = CONFIG.format(port=server.port, user=USER)
        self.house = House(folder, "sqlite:///j.db", buys(), clock=SetClock(MONDAY), after=after, env=env).start()

    def arrive(self, *times: datetime) -> None:
        """Let customers' mails arrive."""
        with self.server.hand(USER) as hand:
            for at in times:
                self.mails += 1
                head = f"From: ann@x.test\r\nTo: {USER}\r\nSubject: Offer\r\nDate: {format_datetime(at)}\r\n"
                head += f"Message-ID: <m{self.mails}@x.test>\r\nContent-Type: text/plain\r\n\r\n"
                raw = f"{head}Is it in stock?\r\n".encode()
                assert hand.append("INBOX", "", imaplib.Time2Internaldate(at), raw)[0] == "OK"

    def look(self) -> list[tuple[str, str, str]]:
        """Poll, look and tell; return what was posted since, by rule, subject and state."""
        self.house.app.worker.poll_all(["mail", "drop"])
        self.house.work()
        before = len(self.receiver.requests)
        self.house.app.alarms.tick()
        posts = (json.loads(body)["data"] for _, body in self.receiver.requests[before:])
        return [(post["rule"], post["subject"], post["state"]) for post in posts]

    def later(self, seconds: float) -> list[tuple[str, str, str]]:
        """Let time pass, and look."""
        self.house.clock.move(seconds)
        return self.look()


def test_a_mailbox_that_stops_is_told_and_its_return_too(tmp_path: Path, server: Server) -> None:
    """Three weeks of history make Monday's usual: silence at noon is posted once, and the next mail calls it off.

    Seen to fail with history counted as of today.
    """
    with receiving() as receiver:
        desk = Desk(tmp_path, server, receiver)
        with desk.house as house:
            mondays = [MONDAY - timedelta(days=7 * week) for week in range(1, 4)]
            desk.arrive(*(day + timedelta(minutes=minutes) for day in mondays for minutes in range(0, 180, 12)))
            assert read_history(house.app, "mail", MONDAY - timedelta(days=60)) == 45
            house.work()
            assert desk.look() == []
            desk.arrive(house.clock())
            assert desk.later(600) == []
            assert [desk.later(3_600) for _ in range(2)] == [[], []]
            assert desk.later(3_600) == [("quiet", "channel:mail", "begun")]
            assert desk.later(600) == []
            desk.arrive(house.clock())
            assert desk.later(60) == []
            assert desk.later(GONE_S + 60) == [("quiet", "channel:mail", "ended")]


def test_mails_that_a_poll_skipped_are_found_and_fetched(tmp_path: Path, server: Server) -> None:
    """A place in the mailbox that was wrong costs no mail: the count finds what lies before it, once, and only that."""
    with receiving() as receiver:
        desk = Desk(tmp_path, server, receiver)
        with desk.house as house:
            since = house.clock() - timedelta(days=1)
            desk.arrive(house.clock(), house.clock())
            desk.look()
            place = dict(house.journal.cursor("mail", "poll") or {})
            place["INBOX"] |= {"uid": place["INBOX"]["uid"] + 100}
            house.journal.commit(Entry(cursors=(CursorSet("mail", "poll", place),)))
            desk.arrive(house.clock(), house.clock(), house.clock())
            desk.later(60)
            assert len(house.facts("activity")) == 2
            found = reconcile(house.app, "mail", since, fetch=True)
            assert (found.counted, found.held, found.number("missing"), found.fetched) == (5, 2, 3, 3)
            house.work()
            again = reconcile(house.app, "mail", since, fetch=True)
            assert (again.counted, again.held, again.number("missing"), again.number("gone")) == (5, 5, 0, 0)
            assert len(house.facts("activity")) == 5
            assert not house.parked()
