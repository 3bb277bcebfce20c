"""One mail that an IMAP server refuses waits by its own schedule, whatever the folder that it lies in comes to.

A small scripted server answers on a real socket; the book is a real one, whose time stands still between the steps.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sidecar.model import Delivery, WorkKind, WorkRow
from tests.contract.imap_servers import PASSWORD
from tests.support.facts import SetClock
from tests.support.houses import House
from tests.unit.test_channel_imap import Answers, body, scripted

BEGIN = datetime(2026, 11, 22, 9, tzinfo=UTC)
QUARTER_S = 900.0
BOX = """
[channels.box]
type = "imap"
host = "127.0.0.1"
port = {port}
tls = false
username = "rep"
password_env = "BOX_PASSWORD"
sent_folders = []
timeout_s = 30
folders = {folders}
"""


class Box:
    """A mailbox with three mails in each folder, and the sidecar that reads it; one mail of Old is refused.

    Of several folders one is open for all connections, so they are for tests in which one at a time reads mails.
    """

    def __init__(self, folder: Path, *folders: str) -> None:
        self.folder, self.clock = folder, SetClock(BEGIN)
        self.selected, self.refused, self.asked = "", {("Old", 2)}, 0
        self.hangs_up = set[tuple[str, int]]()
        self.folders, self.uidvalidity = set(folders), 7

    def answers(self) -> Answers:
        """Return what the server answers with."""
        return {"EXAMINE": self._examine, "FETCH": self._fetch, "LIST": self._list}

    def opened(self, port: int) -> "Box":
        """Open the book, and read what is there."""
        env, settings = {"BOX_PASSWORD": PASSWORD}, BOX.format(port=port, folders=json.dumps(sorted(self.folders)))
        self.house = House(self.folder, "sqlite:///j.db", after=settings, clock=self.clock, env=env).start()
        self.poll()
        return self

    def poll(self, times: int = 1) -> None:
        """Poll, and do all that follows; each time a quarter of an hour later."""
        for _ in range(times):
            self.house.app.worker.poll_all(["box"])
            self.house.work()
            self.clock.move(QUARTER_S)

    def set_folders(self, old: str, new: str) -> None:
        """Change the settings, and start anew."""
        config = self.folder / "config.toml"
        config.write_text(config.read_text().replace(old, new))
        self.house.restart()
        self.house.start()

    def left(self) -> list[WorkRow]:
        """Return what is not done of fetching and reading."""
        kinds = (WorkKind.POLL, WorkKind.PARSE)
        return [row for row in self.house.journal.work("due", "waiting", "parked") if row.work.kind in kinds]

    def withheld(self) -> list[str]:
        """Return the keys of what stands in the book for mails that were refused."""
        found = (fact for fact in self.house.facts("delivery") if isinstance(fact, Delivery))
        return [fact.key for fact in found if "withheld" in fact.headers]

    def read(self) -> set[str]:
        """Return the keys of the mails that came."""
        return {fact.key for fact in self.house.facts("delivery") if isinstance(fact, Delivery)} - set(self.withheld())

    def _examine(self, command: str) -> list[bytes]:
        self.selected = command.split()[1].strip('"')
        if self.selected not in self.folders:
            return [b"NO [NONEXISTENT] no such folder"]
        generation = [f"OK [UIDVALIDITY {self.uidvalidity}] valid".encode()] if self.uidvalidity else []
        return [b"3 EXISTS", *generation, b"OK [UIDNEXT 4] next", b"OK [READ-ONLY] open"]

    def _fetch(self, command: str) -> list[bytes]:
        wanted = {(self.selected, int(uid)) for uid in command.split()[2].split(",")}
        if "BODY.PEEK[]" in command and wanted & self.hangs_up:
            return []
        if "BODY.PEEK[]" in command and wanted & self.refused:
            self.asked += 1
            return [b"NO [SERVERBUG] broken"]
        if "<0.1>" in command:
            return [
                re.sub(rb"BODY\[\] \{\d+\}\r\n.*$", b"BODY[]<0> {1}\r\nF)", line, flags=re.S) for line in body(command)
            ]
        return body(command)

    def _list(self, _: str) -> list[bytes]:
        return [*(f'LIST () "/" {name}'.encode() for name in sorted(self.folders)), b"OK listed"]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """Open a mailbox."""
    box = Box(tmp_path, "INBOX", "Old")
    with scripted(box.answers()) as port, box.opened(port).house:
        assert box.withheld() == ["withheld:Old:7:2"]
        yield box


def test_a_mail_whose_folder_is_read_no_more_waits_for_a_person(box: Box) -> None:
    """It says so, is parked, and a retry brings it once the folder is read again; seen to fail by waiting for ever."""
    box.folders.remove("Old")
    box.set_folders('folders = ["INBOX", "Old"]', 'folders = ["INBOX"]')
    box.poll(5)
    (row,) = box.left()
    assert "folder 'Old' isn't read any more" in str(row.parked_reason)
    assert f"sidecar work --retry parse {row.work.key}" in str(row.parked_reason)
    box.refused.clear()
    box.folders.add("Old")
    box.set_folders('folders = ["INBOX"]', 'folders = ["INBOX", "Old"]')
    assert box.house.journal.retry(row.work)
    box.poll()
    assert "Old:7:2" in box.read()
    assert not box.left()


def test_a_server_without_uidvalidity_leaves_what_is_parked_as_it_is(tmp_path: Path) -> None:
    """Each poll lists all anew, and its tries go on none the less; seen to fail with each listing taken for news."""
    box = Box(tmp_path, "Old")
    box.uidvalidity = 0
    with scripted(box.answers()) as port, box.opened(port).house:
        box.poll(5)
        (row,) = box.left()
        assert row.parked_reason
        assert row.attempts >= 5
        box.poll()
        assert box.left() == [row]
        assert box.withheld() == ["withheld:Old:0:2"]
        box.refused.clear()
        box.poll()
        assert "Old:0:2" in box.read()
        assert not box.left()


def test_a_mail_at_which_the_server_hangs_up_holds_no_other_back(tmp_path: Path) -> None:
    """After some polls it is left out by name, is parked, and comes once it can; seen to fail by holding its folder."""
    box = Box(tmp_path, "Old")
    box.refused, box.hangs_up = set(), {("Old", 2)}
    with scripted(box.answers()) as port, box.opened(port).house:
        box.poll(3)
        assert box.read() == {"Old:7:1"}
        assert [row.work.kind for row in box.left()] == [WorkKind.POLL]
        box.poll(6)
        assert box.read() == {"Old:7:1", "Old:7:3"}
        (row,) = box.left()
        assert "Old:7:2 can't be fetched, though others can: 127.0.0.1 hangs up" in str(row.parked_reason)
        box.hangs_up = set()
        assert box.house.journal.retry(row.work)
        box.poll()
        assert "Old:7:2" in box.read()
        assert not box.left()


def test_a_server_that_hangs_up_at_every_mail_is_an_outage(tmp_path: Path) -> None:
    """However often, nothing is set aside, and all come at its end; seen to fail without a look at another mail."""
    box = Box(tmp_path, "Old")
    box.refused, box.hangs_up = set(), {("Old", 1), ("Old", 2), ("Old", 3)}
    with scripted(box.answers()) as port, box.opened(port).house:
        box.poll(6)
        assert not box.withheld()
        assert [row.work.kind for row in box.left()] == [WorkKind.POLL]
        box.hangs_up = set()
        box.poll(2)
        assert box.read() == {"Old:7:1", "Old:7:2", "Old:7:3"}
        assert not box.left()
