"""One mail that its provider refuses holds no other back, waits for a person by name in the end, and is never lost.

The provider is a twin of Graph on a real socket, the book a real one, and its time stands still between the steps.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sidecar.app.reconcile import reconcile
from sidecar.model import Activity, WorkKey, WorkKind, WorkRow
from tests.contract.graph_mailboxes import UNWELL, mail
from tests.support.facts import NOON, SetClock
from tests.support.houses import House
from tests.twins.graph import GraphTwin
from tests.twins.wire.faults import Rule

OFFICE = """
[channels.office]
type = "microsoft365_mail"
mailbox = "{mailbox}"
tenant = "{tenant}"
client_id = "{client}"
client_secret_env = "APP_SECRET"
login_url = "{url}"
graph_url = "{url}"
calls_per_s = 1000
max_wait_s = 0.05
"""
QUARTER_S = 900.0
ALL = r"value$"


class Office:
    """A mailbox and the sidecar that reads it; the clock is both's."""

    def __init__(self, folder: Path, twin: GraphTwin, clock: SetClock) -> None:
        self.twin, self.clock, self.count = twin, clock, 0
        told = {"mailbox": twin.mailbox, "tenant": twin.tenant, "client": twin.client_id, "url": twin.url}
        env = {"APP_SECRET": twin.client_secret}
        self.house = House(folder, "sqlite:///j.db", after=OFFICE.format(**told), clock=clock, env=env).start()
        self.poll()  # what comes from here on is news

    def comes(self) -> tuple[str, str]:
        """Let a customer write; return the mail's id and what it says."""
        self.count += 1
        self.clock.move(1)
        words = f"Question {self.count}"
        return self.twin.receives(mail(self.count, words), self.clock()), f"{words} ({self.count})"

    def refuse(self, path: str, status: int = 500) -> Rule:
        """Let Graph refuse what lies under a path."""
        return self.twin.fault(replace(UNWELL, status=status), path=path, times=None)

    def poll(self) -> None:
        """Poll, and do all that follows."""
        self.house.app.worker.poll_all(["office"])
        self.house.work()

    def pass_by(self, span: timedelta) -> None:
        """Let time pass, with a poll every quarter of an hour."""
        for _ in range(int(span.total_seconds() / QUARTER_S)):
            self.clock.move(QUARTER_S)
            self.poll()

    def read(self) -> set[str]:
        """Return what the book has read."""
        found = (a for a in self.house.facts("activity") if isinstance(a, Activity))
        return {a.text.strip().splitlines()[-1] for a in found}

    def left(self) -> list[WorkRow]:
        """Return what is not done of fetching and reading."""
        kinds = (WorkKind.POLL, WorkKind.PARSE, WorkKind.RESOLVE)
        return [row for row in self.house.journal.work("due", "waiting", "parked") if row.work.kind in kinds]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Open an office."""
    clock = SetClock(NOON)
    with GraphTwin(clock=clock) as twin:
        office = Office(tmp_path, twin, clock)
        with office.house:
            yield office


def test_one_refused_mail_waits_for_a_person_and_the_others_go_on(office: Office) -> None:
    """Its neighbours are read at once, it is parked by name after an hour, and a retry brings it when it is mended.

    Seen to fail with the mail's error raised by the poll, and with the hour taken out.
    """
    (_, first), (id, words), (_, last) = (office.comes() for _ in range(3))
    office.refuse(id.rstrip("="))
    office.poll()
    assert office.read() == {first, last}
    assert office.house.journal.polling("office") == (False, "")
    for _ in range(45):
        office.clock.move(60)
        office.house.work()
    _, later = office.comes()
    office.poll()
    assert office.read() == {first, last, later}
    assert not office.house.parked()
    office.pass_by(timedelta(hours=1))
    (row,) = office.house.parked()
    assert row.work.kind is WorkKind.PARSE
    assert f"message:{id}" in str(row.parked_reason)
    assert "500" in str(row.parked_reason)
    office.twin.heal()
    assert office.house.journal.retry(row.work)
    office.house.work()
    assert office.read() == {first, words, last, later}
    assert not office.left()


def test_a_retry_of_what_is_still_refused_waits_for_a_person_again(office: Office) -> None:
    """Whoever retries too early loses nothing: it is tried some times more; seen to fail with the fault parsed."""
    office.comes()
    id, _ = office.comes()
    office.refuse(id.rstrip("="))
    office.poll()
    office.pass_by(timedelta(hours=2))
    (row,) = office.house.parked()
    assert office.house.journal.retry(row.work)
    office.house.work()
    assert not office.house.parked()
    office.pass_by(timedelta(hours=2))
    assert [parked.work for parked in office.house.parked()] == [row.work]


@pytest.mark.parametrize("status", [401, 500])
def test_an_outage_of_hours_sets_nothing_aside(office: Office, status: int) -> None:
    """While nothing can be fetched nobody is told of single mails; all come at its end; seen to fail without a look."""
    said = {office.comes()[1] for _ in range(5)}
    office.refuse(ALL, status)
    office.pass_by(timedelta(hours=2))
    assert office.read() == set()
    assert [row.work for row in office.left()] == [WorkKey(WorkKind.POLL, "office")]
    office.twin.heal()
    office.house.restart()  # a pause that an error put on ends with a start
    office.house.start()
    office.pass_by(timedelta(minutes=30))
    assert office.read() == said
    assert not office.left()


@pytest.mark.parametrize("status", [401, 429])
def test_what_is_left_out_counts_no_try_during_an_outage(office: Office, status: int) -> None:
    """A mail that waits when an outage begins isn't parked by it; seen to fail with each try counted."""
    _, first = office.comes()
    id, words = office.comes()
    office.refuse(id.rstrip("="))
    office.poll()
    assert office.read() == {first}
    office.twin.heal()
    office.refuse(ALL, status)
    office.pass_by(timedelta(hours=3))
    assert not office.house.parked()
    office.twin.heal()
    office.pass_by(timedelta(minutes=30))
    assert office.read() == {first, words}
    assert not office.left()


def test_what_is_left_out_asks_for_nothing_while_its_channel_is_down(office: Office) -> None:
    """Many of them would keep the threads busy that read what others send; seen to fail with each asked for."""
    _, first = office.comes()
    id, words = office.comes()
    rule = office.refuse(id.rstrip("="))
    office.poll()
    assert office.read() == {first}
    office.refuse("delta")
    office.poll()
    struck = rule.struck
    office.pass_by(timedelta(hours=3))
    assert rule.struck == struck
    assert not office.house.parked()
    office.twin.heal()
    office.pass_by(timedelta(minutes=45))
    assert office.read() == {first, words}
    assert not office.left()


def test_what_is_left_out_is_asked_of_no_other_source(office: Office) -> None:
    """A mailbox that never had it would say that it is gone. Seen to fail, as a loss, with whoever is named asked."""
    _, first = office.comes()
    id, words = office.comes()
    office.refuse(id.rstrip("="))
    office.poll()
    office.twin.heal()
    config = office.house.folder / "config.toml"
    ours = config.read_text()
    for text in (ours.replace(office.twin.mailbox, "another@ours.test"), ours):
        config.write_text(text)
        office.house.restart()
        office.house.start()
        office.clock.move(QUARTER_S)
        office.house.work()
    office.pass_by(timedelta(minutes=30))
    assert office.read() == {first, words}
    assert not office.left()


def test_a_mail_that_is_deleted_meanwhile_is_waited_for_no_longer(office: Office) -> None:
    """What isn't there any more is nothing to fetch; seen to fail with a missing one counted as refused."""
    _, first = office.comes()
    id, _ = office.comes()
    office.refuse(id.rstrip("="))
    office.poll()
    assert office.left()
    office.twin.heal()
    office.twin.deletes(id)
    office.pass_by(timedelta(minutes=15))
    assert office.read() == {first}
    assert not office.left()


def test_a_count_names_what_is_refused_and_fetches_it_once_it_can(office: Office) -> None:
    """It is missing until it is there, and what stood for it is then done; seen to fail with both waiting for ever."""
    _, first = office.comes()
    id, words = office.comes()
    office.refuse(id.rstrip("="))
    office.poll()
    office.pass_by(timedelta(hours=2))
    assert len(office.house.parked()) == 1
    since = NOON - timedelta(days=1)
    found = reconcile(office.house.app, "office", since, fetch=True)
    assert [one.external_id for one in found.missing] == [f"message:{id}"]
    assert (found.counted, found.held, found.fetched, found.withheld, found.left) == (2, 1, 0, 1, 1)
    office.twin.heal()
    found = reconcile(office.house.app, "office", since, fetch=True)
    assert (found.fetched, found.withheld, found.left) == (1, 0, 0)
    office.house.work()
    assert office.read() == {first, words}
    assert not office.left()


def test_what_a_person_dismissed_is_not_asked_for_again(office: Office) -> None:
    """A folder that is listed anew is no news of it; seen to fail with each listing taken for some."""
    office.comes()
    id, _ = office.comes()
    rule = office.refuse(id.rstrip("="))
    office.poll()
    office.pass_by(timedelta(hours=2))
    (row,) = office.house.parked()
    assert office.house.journal.dismiss(row.work, "rita", "it is broken over there")
    office.twin.rounds.expire("gone")
    office.poll()
    struck = rule.struck
    office.pass_by(timedelta(hours=2))
    assert rule.struck == struck
    assert [left.work for left in office.house.journal.work("dismissed")] == [row.work]
    assert not office.left()


def test_a_poll_that_meets_it_again_changes_nothing(office: Office) -> None:
    """Neither when it is asked for nor that it is parked, though news come with it; seen to fail with each touched."""
    office.comes()
    id, _ = office.comes()
    office.refuse(id.rstrip("="))
    office.poll()
    (row,) = office.left()
    for _ in range(6):
        (row,) = office.left()
        office.twin.rounds.expire("gone")  # the whole folder is listed anew
        office.comes()
        office.poll()
        assert office.left() == [row]
        office.clock.move(QUARTER_S)
        office.house.work()
    assert [parked.work for parked in office.house.parked()] == [row.work]
    stand_ins = [fact for fact in office.house.facts("delivery") if "withheld" in getattr(fact, "headers", {})]
    assert len(stand_ins) == 1


def test_a_paused_channel_asks_for_nothing(office: Office) -> None:
    """What is left out waits with its channel; seen to fail with the provider asked during a pause."""
    office.comes()
    id, words = office.comes()
    rule = office.refuse(id.rstrip("="))
    office.poll()
    office.house.journal.pause("channel:office", "by hand")
    struck = rule.struck
    office.pass_by(timedelta(hours=3))
    assert rule.struck == struck
    assert not office.house.parked()
    office.twin.heal()
    office.house.journal.resume("channel:office")
    office.pass_by(timedelta(minutes=30))
    assert words in office.read()
