"""Provider and book are counted against each other: every planted gap is found and filled, and the second run is well.

The provider is a twin of Chatwoot on a real socket, and a real folder.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sidecar.app.reconcile import Findings, reconcile
from sidecar.capture import capture, to_delivery
from sidecar.errors import PermanentError
from sidecar.journal import CursorSet, Entry, Touch
from sidecar.journal import tables as t
from sidecar.model import Activity, WorkKey, WorkKind
from sidecar.ports import Counted
from tests.contract.chatwoot_accounts import FIRST
from tests.support.books import engine_of, erase
from tests.support.facts import NOON
from tests.support.houses import House, buys
from tests.support.offices import CONFIG, Office
from tests.twins.chatwoot import ChatwootTwin

CHAT = """
[channels.chat]
type = "chatwoot"
base_url = "{url}"
account_id = {account}
secret_env = "CHAT_SECRET"
token_env = "CHAT_TOKEN"
batch_size = 2
calls_per_s = 1000
max_wait_s = 0
"""
GUARDS = ("fact", "because", "payload")
SINCE = NOON - timedelta(days=1)


class Shop:
    """A Chatwoot with one conversation, and the sidecar that reads it."""

    def __init__(self, folder: Path, twin: ChatwootTwin) -> None:
        self.twin, self.url = twin, f"sqlite:///{folder}/j.db"
        env = {"CHAT_SECRET": FIRST, "CHAT_TOKEN": twin.token}
        after = CHAT.format(url=twin.url, account=twin.account)
        self.house = House(folder, "sqlite:///j.db", buys(), after=after, env=env).start()
        self.number = twin.begins(email="ann@x.test")

    def says(self, *texts: str) -> list[str]:
        """Let the customer write, a second apart; return the messages' ids."""
        ids = []
        for text in texts:
            self.house.clock.move(1)
            ids.append(str(self.twin.says(self.number, text, self.house.clock())))
        return ids

    def poll(self) -> None:
        """Poll, and do all that follows."""
        self.house.app.worker.poll_all(["chat"])
        self.house.work()

    def count(self, *, fetch: bool = True) -> Findings:
        """Count the chat against the book."""
        return reconcile(self.house.app, "chat", SINCE, fetch=fetch)

    def texts(self) -> set[str]:
        """Return what the book has read."""
        return {a.text for a in self.house.facts("activity") if getattr(a, "kind", "") == "message"}  # type: ignore[attr-defined]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Open a shop."""
    with ChatwootTwin() as twin:
        shop = Shop(tmp_path, twin)
        with shop.house:
            yield shop


def lose(url: str, *fact_ids: str) -> None:
    """Take facts, and all that follows from them, out of a book, as no guard would let anybody."""
    engine = engine_of(url)
    with engine.begin() as connection:
        for table in GUARDS:
            connection.execute(sa.text(f"DROP TRIGGER IF EXISTS {table}_no_delete"))
        gone, ids = set[str](), set(fact_ids)
        while ids - gone:
            gone |= ids
            follows = sa.select(t.because.c.effect).where(t.because.c.cause.in_(gone))
            ids = set(connection.execute(follows).scalars())
        for column in (
            t.because.c.effect, t.activity_index.c.activity_id, t.match_index.c.activity_id, t.work.c.key,
            t.payload.c.fact_id, t.fact.c.id,
        ):  # fmt: skip
            connection.execute(sa.delete(column.table).where(column.in_(gone)))


def figures(found: Findings) -> tuple[int, int, int, int]:
    """Return how much was counted, missing, unread and gone."""
    return found.counted, found.number("missing"), found.number("unread"), found.number("gone")


def test_where_both_sides_agree_nothing_is_missing(shop: Shop) -> None:
    """What was polled is found under the same ids, by whole batches; nothing is fetched and nothing is written."""
    shop.says("One", "Two", "Three")
    shop.poll()
    seen: list[int] = []
    found = reconcile(shop.house.app, "chat", SINCE, fetch=True, told=lambda f: seen.append(f.counted))
    assert (figures(found), found.held, found.fetched, found.left, seen) == ((3, 0, 0, 0), 3, 0, 0, [2, 3])
    assert shop.house.work() == 0


def test_a_webhook_that_was_lost_and_a_poll_that_skipped_are_found(shop: Shop) -> None:
    """What came by neither way is named, fetched and read once; a second run finds nothing."""
    shop.says("One")
    shop.poll()
    lost = shop.says("Two", "Three")
    skipped = {"until": int((NOON + timedelta(days=1)).timestamp()), "recent": [], "at": None}
    shop.house.journal.commit(Entry(cursors=(CursorSet("chat", "poll", skipped),)))
    shop.house.clock.move(3_600)
    shop.poll()
    assert shop.texts() == {"One"}
    tried = shop.count(fetch=False)
    assert (figures(tried), tried.left, tried.fetched) == ((3, 2, 0, 0), 2, 0)
    assert [named.external_id for named in tried.missing] == lost
    found = shop.count()
    assert (found.fetched, found.left) == (2, 0)
    waiting = shop.count()
    assert (figures(waiting), waiting.waiting) == ((3, 0, 0, 0), 2)
    shop.house.work()
    assert shop.texts() == {"One", "Two", "Three"}
    assert (figures(shop.count()), shop.house.parked()) == ((3, 0, 0, 0), [])
    assert len(shop.house.facts("activity")) == 3
    assert shop.house.journal.cursor("chat", "poll") == skipped


def test_deliveries_that_a_restored_book_lacks_are_found(shop: Shop) -> None:
    """What was deleted from the book, or never got into its backup, comes again."""
    shop.says("One", "Two", "Three")
    shop.poll()
    (gone,) = [d.id for d in shop.house.facts("delivery") if "Two" in shop.house.journal.raw(d.id).decode()]
    lose(shop.url, gone)
    found = shop.count()
    assert (figures(found), found.fetched) == ((3, 1, 0, 0), 1)
    assert found.missing[0].kind == "message"
    shop.house.work()
    assert (figures(shop.count()), shop.texts()) == ((3, 0, 0, 0), {"One", "Two", "Three"})


def test_what_was_read_into_less_than_it_says_is_read_again(shop: Shop) -> None:
    """A delivery without its activity is no agreement; seen to fail with deliveries looked at alone."""
    shop.says("One", "Two")
    shop.poll()
    (gone,) = [a.id for a in shop.house.facts("activity") if getattr(a, "text", "") == "Two"]
    lose(shop.url, gone)
    found = shop.count()
    assert (figures(found), found.fetched) == ((2, 0, 1, 0), 1)
    shop.house.work()
    assert (figures(shop.count()), shop.texts()) == ((2, 0, 0, 0), {"One", "Two"})


def test_what_a_former_reader_named_otherwise_is_no_news(tmp_path: Path) -> None:
    """A mail without a Date had an empty version once: a count finds it, and who reads it again makes no second one."""
    raw = b"From: ann@x.test\nTo: desk@ours.test\nMessage-ID: <m9@x.test>\n\nAre you open on Sunday?\n"
    with House(tmp_path, "sqlite:///j.db", buys()).start() as house:
        (tmp_path / "drop").mkdir(exist_ok=True)
        file = tmp_path / "drop" / "a.eml"
        file.write_bytes(raw)
        drop, mint = house.app.channel("drop"), house.journal.mint
        assert isinstance(drop, Counted)
        ((captured,),) = [batch.captured for batch in drop.census(SINCE)]
        delivery = to_delivery(captured, "drop", house.clock(), mint)
        (activity,) = capture(delivery, drop, mint)
        former = mint(replace(activity, version=""))
        assert former.id != activity.id
        os.utime(file, (2**31, 2**31))  # as a copy of it may have
        house.journal.commit(Entry(facts=(delivery, former)))
        found = reconcile(house.app, "drop", SINCE, fetch=True)
        assert (figures(found), found.held) == ((1, 0, 0, 0), 1)
        house.journal.commit(Entry(touches=(Touch(WorkKey(WorkKind.PARSE, delivery.id)),)))
        house.work()
        assert [fact.id for fact in house.facts("activity")] == [former.id]


def test_what_came_by_webhook_alone_is_there(shop: Shop) -> None:
    """The same message has another delivery by another way, and is not missing. Seed: deliveries compared alone."""
    from tests.contract.chatwoot_accounts import signed

    (said,) = shop.says("One")
    body = shop.twin.webhook(int(said))
    request = signed(body, str(int(shop.house.clock().timestamp())), FIRST)
    shop.house.app.receive("chat", request).result(30)
    shop.house.resolve()
    found = shop.count()
    assert (figures(found), found.held) == ((1, 0, 0, 0), 1)


def test_what_was_erased_is_never_fetched_again(shop: Shop) -> None:
    """Somebody who asked to be forgotten doesn't come back by a count; seen to fail with bodies looked for."""
    shop.says("One")
    shop.poll()
    for fact in shop.house.facts("delivery", "activity"):
        erase(shop.url, fact.id)
    found = shop.count()
    assert (figures(found), found.fetched) == ((1, 0, 0, 0), 0)
    lose(shop.url, *(row.work.key for row in shop.house.journal.work(limit=1000)))  # bodies are gone: nothing to check


def test_what_only_the_book_holds_is_named_and_left(shop: Shop) -> None:
    """A message that the provider has no more is told, its edits and receipts aren't; and nothing is taken back."""
    one, _ = shop.says("One", "Two")
    shop.poll()
    shop.twin.forgets(int(one))
    found = shop.count()
    assert (figures(found), found.left) == ((1, 0, 0, 1), 0)
    assert (found.gone[0].external_id, found.gone[0].kind) == (one, "message")
    (said,) = [a.at for a in shop.house.facts("activity") if isinstance(a, Activity) and a.external_id == one]
    assert found.gone[0].at == said  # the list that people read is sorted out by when it was said
    assert shop.texts() == {"One", "Two"}


def test_a_deletion_that_nobody_told_of_is_found(shop: Shop) -> None:
    """What was taken back long after it was said comes with the count, as the poll's overlap can't bring it."""
    one, _ = shop.says("One", "Two")
    shop.poll()
    shop.house.clock.move(86_400 / 2)
    shop.says("Three")
    shop.poll()
    shop.twin.deletes(int(one))
    shop.poll()
    assert not [a for a in shop.house.facts("activity") if getattr(a, "kind", "") == "deletion"]
    assert figures(shop.count())[1] == 1
    shop.house.work()
    assert [a for a in shop.house.facts("activity") if getattr(a, "kind", "") == "deletion"]
    assert figures(shop.count()) == (3, 0, 0, 0)


def test_a_channel_without_a_count_is_refused(shop: Shop) -> None:
    """Of who only calls us nothing can be asked."""
    with pytest.raises(PermanentError, match="can't be counted"):
        reconcile(shop.house.app, "web", SINCE, fetch=True)


def dropped(office: Office, day: str) -> Any:
    """Count an office's folder since a day."""
    return office.sidecar("reconcile", "mail", "--since", day)


def test_the_command_says_what_is_missing_and_fetches_it(tmp_path: Path) -> None:
    """A dry run ends with 1 and writes nothing, a real one with 0, and the next finds nothing; no address shows."""
    office = Office(tmp_path).furnish([])
    office.mail("Ann <ann@x.test>", "One")
    office.mail("Ann <ann@x.test>", "Two")
    tried = office.sidecar("--dry-run", "reconcile", "mail", "--since", "2020-01-01")
    assert tried.exit_code == 1
    assert "2 not in the book" in tried.stdout and "without --dry-run" in tried.stdout
    assert office.data("activities")["activities"] == []
    done = dropped(office, "2020-01-01")
    assert done.exit_code == 0
    assert "2 fetched" in done.stdout and "ann@x.test" not in done.stdout
    assert "2 of them still to be read" in dropped(office, "2020-01-01").stdout
    office.run()
    assert len(office.data("activities")["activities"]) == 2
    data = office.data("reconcile", "mail", "--since", "2020-01-01")
    assert (data["counted"], data["held"], data["left"], data["gone"]["number"]) == (2, 2, 0, 0)
    tomorrow = (datetime.now() + timedelta(days=2)).date().isoformat()  # noqa: DTZ005 # a day, for a file's time
    assert "0 things counted" in dropped(office, tomorrow).stdout
    assert "no list to compare" in office.refused("reconcile", "web", "--since", "2020-01-01", code=3)
    nothing = json.loads(office.sidecar("reconcile", "web", "--since", "2020-01-01", "--json").stdout)
    assert (nothing["compared"], "no list" in nothing["reason"], data["compared"]) == (False, True, True)
    assert "configured are" in office.refused("reconcile", "nonsense", "--since", "2020-01-01")
    assert "[channels.mail]" in CONFIG
