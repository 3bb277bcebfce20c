"""Upkeep: rows of work that was done long ago go, a few at a time, and nobody misses them."""

from collections import Counter
from datetime import timedelta

import pytest

from sidecar.journal import Entry
from sidecar.model import KINDS, WorkKey, WorkKind
from sidecar.pipeline import upkeep
from sidecar.verify import verify
from tests.support.houses import House, buys, op, says
from tests.support.openings import Open

DAY_S = 86_400.0


def sweep(house: House, days: float = 0.0) -> None:
    """Let days pass, then do what the schedule does each minute."""
    house.clock.move(days * DAY_S)
    house.app.worker.poll_all([])
    house.work()


def seen(house: House) -> list[object]:
    """What the book says to whoever asks how things are: the metrics, what is wrong, what is open, each state."""
    journal, app = house.journal, house.app
    told = [line for line in app.metrics().decode().splitlines() if line.startswith("sidecar_") and "work" in line]
    counts = {key: n for key, n in journal.work_counts().items() if key[1] != "done"}
    standings = [journal.standing(standing.party) for standing in journal.parties("", 100)]
    return [
        told,
        app.conditions.now(),
        journal.open_work(),
        counts,
        standings,
        journal.polling("drop"),
        journal.faults(),
    ]


def test_nobody_misses_work_that_was_done_long_ago(open_house: Open) -> None:
    """Counts, alarms, standings are the same without its rows; what comes again is known, and what is new is done."""
    house = open_house(buys(), says("ready", op("stage", "qualified", "ready")))
    first = house.say("I want to buy, I am ready", id="m-first")
    house.mail("Zoe <zoe@x.test>", "I want to buy too")
    house.poll()
    before, facts = seen(house), Counter(fact.KIND for fact in house.facts(*KINDS))
    assert house.journal.trim_work(house.clock() + timedelta(seconds=1), 1_000) > 5
    assert house.journal.work("done") == []
    house.journal.rebuild()
    assert seen(house) == before
    assert list(verify(house.journal, house.app.channels)) == []
    house.say("I want to buy, I am ready", id=first)
    house.work()
    assert Counter(fact.KIND for fact in house.facts(*KINDS)) - facts == Counter({"delivery": 1})
    house.hear("I want to buy two, and I am ready")
    assert "two" in house.llm.heard[-1][-1]


def test_a_month_later_the_sweep_takes_it_away_and_keeps_what_is_a_person_s(
    open_house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a day and in batches; what a person is to look at, and what one dismissed, is never old enough.

    Seen to fail without the upkeep.
    """
    monkeypatch.setattr(upkeep, "BATCH", 2)
    house = open_house(buys())
    parked, dropped = WorkKey(WorkKind.MEDIA, "parked"), WorkKey(WorkKind.MEDIA, "dropped")
    house.hear("I want to buy")
    house.journal.commit(Entry(parks=((parked, "poison"), (dropped, "poison"))))
    house.journal.dismiss(dropped, "kim", "not ours")
    sweep(house, 29)
    old = {row.work for row in house.journal.work("done", limit=1_000) if row.work.kind is WorkKind.PARSE}
    assert old
    sweep(house, 2)
    left = {row.work: row.state for row in house.journal.work(limit=1_000)}
    assert not old & set(left)
    assert (left[parked], left[dropped]) == ("parked", "dismissed")
