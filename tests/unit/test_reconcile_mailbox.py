"""A count of a mailbox costs its list: what the book has isn't fetched again, and an outage is waited for in its midst.

The provider is a twin of Microsoft Graph on a real socket, whose list names mails and holds no words.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from sidecar.app.reconcile import MAX_WAIT_S, TRIES, Findings, reconcile
from sidecar.errors import TemporaryError
from sidecar.model import Activity
from tests.support.books import erase
from tests.support.facts import NOON, SetClock
from tests.support.houses import House, buys
from tests.twins.graph import GraphTwin
from tests.twins.wire.faults import Status
from tests.unit.test_reconcile import figures, lose

MAIL = """
[channels.office]
type = "microsoft365_mail"
mailbox = "{mailbox}"
tenant = "{tenant}"
client_id = "{client}"
client_secret_env = "APP"
login_url = "{url}"
graph_url = "{url}"
batch_size = {size}
calls_per_s = 1000
max_wait_s = 0
"""
SINCE = NOON - timedelta(days=1)
WORDS = "$value"


class Office:
    """A mailbox, and the sidecar that reads it."""

    def __init__(self, folder: Path, twin: GraphTwin, clock: SetClock, batch_size: int = 2) -> None:
        self.twin, self.url = twin, f"sqlite:///{folder}/j.db"
        told = {"mailbox": twin.mailbox, "tenant": twin.tenant, "client": twin.client_id, "url": twin.url}
        told["size"] = str(batch_size)
        env = {"APP": twin.client_secret}
        self.house = House(folder, "sqlite:///j.db", buys(), after=MAIL.format(**told), env=env, clock=clock).start()
        assert "office" in self.house.app.channels  # their first start: what is written from now on is news
        self.slept: list[float] = []
        self._number = 0

    def receives(self, *texts: str) -> list[str]:
        """Let a customer write, a second apart; return the mails' ids."""
        ids = []
        for text in texts:
            self.house.clock.move(1)
            self._number += 1
            now = self.house.clock()
            head = (
                f"From: Bob <bob@example.org>\r\nTo: {self.twin.mailbox}\r\nSubject: Question\r\n"
                f"Message-ID: <m{self._number}@example.org>\r\nDate: {format_datetime(now)}\r\n\r\n"
            )
            ids.append(self.twin.receives(f"{head}{text}\r\n".encode(), now))
        return ids

    def poll(self) -> None:
        """Poll, and do all that follows."""
        self.house.app.worker.poll_all(["office"])
        self.house.work()

    def count(
        self, *, fetch: bool = True, told: Callable[[Findings], None] = lambda findings: None
    ) -> tuple[Findings, int]:
        """Count the mailbox against the book; return what was found and how many bodies were asked for."""
        before = self.twin.calls(WORDS)
        found = reconcile(self.house.app, "office", SINCE, fetch=fetch, told=told, sleep=self.sleep)
        return found, self.twin.calls(WORDS) - before

    def sleep(self, seconds: float) -> None:
        """Let time pass, in which a provider that was away comes back."""
        self.slept.append(seconds)
        self.twin.up()

    def texts(self) -> set[str]:
        """Return what the book has read."""
        return {a.text.strip() for a in self.house.facts("activity") if isinstance(a, Activity)}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Open an office."""
    clock = SetClock()
    with GraphTwin(clock=clock) as twin:
        office = Office(tmp_path, twin, clock)
        with office.house:
            yield office


def test_what_the_book_has_is_not_fetched_again(office: Office) -> None:
    """A mailbox that is known costs its list, and one mail more that mail. Seed: every mail fetched."""
    office.receives("One", "Two", "Three", "Four", "Five")
    office.poll()
    seen: list[int] = []
    found, fetched = office.count(told=lambda f: seen.append(f.counted))
    assert (figures(found), found.held, fetched, seen[-1]) == ((5, 0, 0, 0), 5, 0, 5)
    office.receives("Six")
    found, fetched = office.count()
    assert (figures(found), found.fetched, fetched) == ((6, 1, 0, 0), 1, 1)
    assert (office.count()[0].waiting, office.count()[1]) == (1, 0)
    office.house.work()
    assert "Six" in office.texts()


def test_what_is_not_fetched_is_still_held_against_the_book(office: Office) -> None:
    """What lost its activity is read again, of what is gone over there the id is told. Seed: deliveries alone."""
    ids = office.receives("One", "Two", "Three")
    office.poll()
    (unread,) = [a.id for a in office.house.facts("activity") if isinstance(a, Activity) and a.text.strip() == "Two"]
    lose(office.url, unread)
    office.twin.deletes(ids[2])
    found, fetched = office.count()
    assert (figures(found), found.gone[0].external_id, fetched) == ((2, 0, 1, 1), "m3@example.org", 0)
    office.house.work()
    assert (figures(office.count()[0]), office.texts()) == ((2, 0, 0, 1), {"One", "Two", "Three"})


def test_what_was_erased_is_known_by_its_id(office: Office) -> None:
    """It is there, isn't fetched, and is no finding of any sort. Seed: erased deliveries without their activities."""
    office.receives("One")
    office.poll()
    for fact in office.house.facts("delivery", "activity"):
        erase(office.url, fact.id)
    found, fetched = office.count()
    assert (figures(found), found.held, found.unlisted, fetched) == ((1, 0, 0, 0), 1, 0, 0)
    lose(office.url, *(row.work.key for row in office.house.journal.work(limit=1000)))  # nothing is left to check


@pytest.mark.parametrize("fetch", [True, False])
def test_an_outage_is_waited_for_and_no_batch_is_fetched_twice(office: Office, fetch: bool) -> None:
    """It goes on where it broke off, and says what it waits for. Seed: begun anew, with each mail fetched again."""
    office.receives(*"abcdefg")
    waits, struck = list[str](), set[int]()

    def told(found: Findings) -> None:
        waits.extend([found.waits_for] if found.waits_for else [])
        if found.counted in {2, 4} - struck:
            struck.add(found.counted)
            office.twin.down()

    found, fetched = office.count(fetch=fetch, told=told)
    assert (figures(found), found.fetched) == ((7, 7, 0, 0), 7 if fetch else 0)
    unfinished = 2  # each time one that had been fetched was no whole batch yet
    assert (fetched, len(office.slept), max(office.slept) <= MAX_WAIT_S) == (7 + unfinished, 2, True)
    assert len(waits) == 2
    office.house.work()
    assert office.texts() == (set("abcdefg") if fetch else set())


def test_an_outage_that_does_not_end_is_told_and_the_next_run_goes_on(office: Office) -> None:
    """Nobody waits for ever, and what was fetched stays fetched. Seed: no bound."""
    office.receives("One", "Two", "Three", "Four", "Five")

    def told(found: Findings) -> None:
        if found.counted == 2 and not found.waits_for:
            office.twin.fault(Status(503, {"error": {"code": "serviceNotAvailable"}}), path=r"value$", times=None)

    with pytest.raises(TemporaryError):
        office.count(told=told)
    assert len(office.slept) == TRIES - 1
    office.twin.heal()
    found, fetched = office.count()
    assert (figures(found), found.waiting, fetched) == ((5, 3, 0, 0), 2, 3)
