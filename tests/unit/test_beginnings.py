"""A channel is live from its first start with its name, also where the book is older, and nothing moves that moment.

The provider is a twin of Chatwoot on a real socket.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from sidecar.app.beginnings import WATCHED
from sidecar.app.history import read_history
from sidecar.journal import BEGUN
from sidecar.journal import tables as t
from sidecar.model import Activity, Alert
from tests.contract.chatwoot_accounts import FIRST
from tests.support.books import engine_of
from tests.support.facts import NOON
from tests.support.houses import House, op, says
from tests.twins.chatwoot import ChatwootTwin
from tests.unit.test_reconcile import CHAT

ADDED = NOON + timedelta(days=30)
QUALIFIED = says("ready", op("stage", "qualified", "ready"))


class Shop:
    """A sidecar that was installed a month ago, and a Chatwoot beside it that can be switched on and off."""

    def __init__(self, folder: Path, twin: ChatwootTwin) -> None:
        self.twin, self.url, self._config = twin, f"sqlite:///{folder}/j.db", folder / "config.toml"
        self.house = House(folder, "sqlite:///j.db", QUALIFIED, env={"CHAT_SECRET": FIRST, "CHAT_TOKEN": twin.token})
        self._without, self._chat = self._config.read_text(), CHAT.format(url=twin.url, account=twin.account)
        self.house.start()
        assert set(self.house.app.channels) == {"web", "drop"}
        self.house.clock.move(30 * 86_400)
        self.number = twin.begins(email="ann@x.test")

    def has_chat(self, is_on: bool) -> None:
        """Start anew with the chat in the config, or without it."""
        self._config.write_text(self._without + (self._chat if is_on else ""))
        self.house.restart()
        self.house.start()

    def says(self, text: str, days_ago: float = 0.0) -> None:
        """Let the customer have written."""
        self.twin.says(self.number, text, self.house.clock() - timedelta(days=days_ago))

    def polled(self) -> list[str]:
        """Poll, do what follows, and return what the book has read until now."""
        self.house.app.worker.poll_all([name for name in self.house.app.channels if name != "web"])
        self.house.work()
        return self.texts()

    def texts(self) -> list[str]:
        """Return what the book has read."""
        return [a.text for a in self.house.facts("activity") if isinstance(a, Activity)]

    def forgets(self, key: str) -> None:
        """Make the book one of an older version, which took nothing down under a key."""
        with engine_of(self.url).begin() as connection:
            connection.execute(sa.delete(t.meta).where(t.meta.c.key == key))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Open a shop."""
    with ChatwootTwin() as twin:
        shop = Shop(tmp_path, twin)
        with shop.house:
            yield shop


def test_a_channel_that_is_added_later_begins_when_it_is_added(shop: Shop) -> None:
    """What was said before is history, for a backfill. Seen to fail with the journal's own beginning for all."""
    shop.says("I was ready", days_ago=20)
    shop.has_chat(True)
    assert shop.polled() == []
    shop.house.clock.move(60)
    shop.says("Now")
    assert shop.polled() == ["Now"]
    assert read_history(shop.house.app, "chat", NOON) == 1
    assert shop.polled() == ["Now", "I was ready"]
    assert shop.house.journal.begun("chat") == ADDED
    assert shop.house.journal.installed_at == shop.house.journal.begun("web") == NOON


def test_a_channel_begins_with_the_first_start_and_not_with_the_first_poll(tmp_path: Path) -> None:
    """What comes in while a CRM lets the first poll wait is live; seen to fail with a beginning for the adapter."""
    with House(tmp_path, "sqlite:///j.db") as house:
        assert house.app.journal.installed_at == NOON
        house.clock.move(3_600)
        assert house.app.channels and {house.journal.begun(name) for name in ("web", "drop")} == {NOON}


def test_neither_a_restart_nor_a_pause_loses_what_was_said_meanwhile(shop: Shop) -> None:
    """Out of the config and in again it goes on where it began. Seen to fail with a beginning for each start."""
    shop.has_chat(True)
    shop.house.clock.move(86_400)
    shop.says("While it was down")
    shop.has_chat(True)
    assert shop.polled() == ["While it was down"]
    shop.has_chat(False)
    shop.house.clock.move(10 * 86_400)
    shop.says("While it was away", days_ago=5)
    shop.house.work()
    shop.has_chat(True)
    assert shop.polled() == ["While it was down", "While it was away"]


def test_a_history_that_is_read_raises_no_alarm_and_is_not_late(shop: Shop) -> None:
    """Silences of before the channel was ours are nobody's failure. Seed: the journal's own beginning for both."""
    shop.says("I am ready", days_ago=20)
    shop.has_chat(True)
    read_history(shop.house.app, "chat", NOON)
    assert shop.polled() == ["I am ready"]
    shop.house.clock.move(86_400)
    shop.polled()
    assert not [fact for fact in shop.house.facts("alert") if isinstance(fact, Alert)]
    assert shop.house.journal.lags("chat", NOON) == {}
    lags = shop.house.journal.lags("web", NOON)
    shop.house.journal.rebuild()
    assert (shop.house.journal.lags("chat", NOON), shop.house.journal.lags("web", NOON)) == ({}, lags)


def test_an_old_book_keeps_what_its_channels_have(shop: Shop) -> None:
    """One that was polled before began with the book, one that was only watched when that was written down."""
    shop.has_chat(True)
    shop.polled()
    shop.forgets(BEGUN + "chat")
    shop.has_chat(True)
    assert shop.house.journal.begun("chat") == NOON
    shop.forgets(BEGUN + "web")
    shop.house.journal.set_meta(WATCHED + "web", (NOON + timedelta(days=3)).isoformat())
    shop.has_chat(True)
    assert shop.house.journal.begun("web") == NOON + timedelta(days=3)
