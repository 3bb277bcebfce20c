"""A backfill minds its manners: it gives way to what comes in now, keeps its pace and its days, and goes on."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from sidecar.app.history import Manners, Progress, read_history
from sidecar.config import Hours
from sidecar.journal import Entry, Finish, Touch
from sidecar.model import Activity, WorkKey, WorkKind
from tests.contract.chatwoot_accounts import FIRST
from tests.support.facts import NOON
from tests.support.houses import House, buys
from tests.support.offices import Office
from tests.twins.chatwoot import ChatwootTwin
from tests.unit.test_reconcile import CHAT

SINCE = NOON - timedelta(days=30)
PLAIN = Manners()
POLL = WorkKey(WorkKind.POLL, "chat")


class Shop:
    """A Chatwoot with six older messages, one a day, and a sidecar that was installed today."""

    def __init__(self, folder: Path, twin: ChatwootTwin) -> None:
        env = {"CHAT_SECRET": FIRST, "CHAT_TOKEN": twin.token}
        after = CHAT.format(url=twin.url, account=twin.account)
        self.house = House(folder, "sqlite:///j.db", buys(), after=after, env=env).start()
        number = twin.begins(email="ann@x.test")
        for day in range(6, 0, -1):
            twin.says(number, f"{day} days ago", NOON - timedelta(days=day))
        self.slept: list[float] = []

    def read(self, manners: Manners = PLAIN, days: int | None = None) -> int:
        """Read the history, until so many days ago; no wait is waited, the clock moves on instead."""
        until = None if days is None else NOON - timedelta(days=days)
        return read_history(self.house.app, "chat", SINCE, until, manners, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.house.clock.move(seconds)

    def lives(self) -> None:
        """Say that a server is alive, as one does."""
        self.house.journal.set_meta("alive_at", self.house.clock().isoformat())

    def texts(self) -> list[str]:
        """Return what the book has read."""
        self.house.resolve()
        return [a.text for a in self.house.facts("activity") if isinstance(a, Activity)]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Open a shop."""
    with ChatwootTwin() as twin:
        shop = Shop(tmp_path, twin)
        with shop.house:
            yield shop


def test_history_is_read_once_and_goes_on_where_it_ended(shop: Shop) -> None:
    """Whoever is interrupted after a batch begins behind it; seen to fail with no cursor kept."""

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_history(shop.house.app, "chat", SINCE, told=interrupt)
    read: list[int] = []
    assert read_history(shop.house.app, "chat", SINCE, told=lambda progress: read.append(progress.read)) == 4
    assert (read[-1], shop.read()) == (4, 0)
    assert len(shop.texts()) == 6


def test_what_was_said_after_the_last_day_is_not_kept(shop: Shop) -> None:
    """Up to a day nothing later gets into the book, and another day has a place of its own. Seed: until overlooked."""
    assert shop.read(days=3) == 3
    assert shop.texts() == ["6 days ago", "5 days ago", "4 days ago"]
    assert (shop.read(days=3), shop.read()) == (0, 3)
    assert len(shop.texts()) == 6


def test_a_poll_that_is_due_goes_first(shop: Shop) -> None:
    """While a server lives, what comes in now isn't kept waiting, for a bounded time. Seed: no look at the work."""
    shop.lives()
    shop.house.journal.commit(Entry(touches=(Touch(POLL),)))
    (lease,) = shop.house.journal.claim([POLL], 600)
    assert shop.read(days=5) == 1, "a poll that is under way is not held up"
    waits = len(shop.slept)
    shop.house.journal.renew(lease)
    shop.house.journal.commit(Entry(finish=Finish(lease, "again")))
    shop.lives()
    assert shop.read() == 5
    assert len(shop.slept) - waits >= 59, "until the server that died is known to be gone"


def test_where_no_server_lives_nobody_is_waited_for(shop: Shop) -> None:
    """A backfill before the first start isn't held up by polls that nobody does; seen to fail without the look."""
    shop.house.journal.commit(Entry(touches=(Touch(POLL),)))
    assert (shop.read(), shop.slept) == (6, [])


def test_work_that_piled_up_is_done_first(shop: Shop) -> None:
    """A backlog makes it wait, and not for ever: it may be held by a budget."""
    keys = [WorkKey(WorkKind.SYNC, f"party-{n}") for n in range(101)]
    shop.house.journal.commit(Entry(touches=tuple(Touch(key) for key in keys)))
    waited: list[str] = []

    def told(progress: Progress) -> None:
        shop.lives()
        waited.append(progress.waits_for)

    assert read_history(shop.house.app, "chat", SINCE, told=told, sleep=shop.sleep) == 6
    assert len(shop.slept) == 300 * waited.count("")
    assert "the server, which catches up" in waited


def test_its_pace_is_kept(shop: Shop) -> None:
    """So many items a minute and no more; seen to fail with the pace of a batch alone."""
    begun = monotonic()
    assert shop.read(Manners(per_minute=60)) == 6
    assert 6.0 - (monotonic() - begun) <= shop.slept[-1] <= 6.0, "what reading itself took is no wait"


def test_outside_of_business_hours_alone(shop: Shop) -> None:
    """At noon on a Monday it waits for the evening, and then reads; seen to fail without the look at the hours."""
    assert shop.read(Manners(busy=Hours.parse("mon-fri 08:00-18:00"))) == 6
    assert shop.house.clock() >= NOON.replace(hour=18)


def test_the_command_takes_days_pace_and_hours(tmp_path: Path) -> None:
    """What makes no sense is refused in plain words."""
    office = Office(tmp_path).furnish([])
    command = ("backfill", "mail", "--since", "2026-05-02")
    assert "later than" in office.refused(*command, "--until", "2026-05-01")
    assert "mon-fri 08:00-18:00" in office.refused(*command, "--off-hours", "never")
    assert "no older history" in office.refused(*command, "--until", "2026-05-02", "--per-minute", "5")
