"""Syncs wait for each other where that fills the calls that they share, and never where it only costs time."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from sidecar import worker as module
from sidecar.model import Lease, WorkKind
from sidecar.worker import BEFORE_SYNC, EVER_S
from tests.support.houses import House, buys

TOGETHER = 3


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house whose CRM takes three records in one call."""
    monkeypatch.setattr(module, "MAX_TOGETHER", TOGETHER)
    with House(tmp_path, "sqlite:///journal.db", buys(), more="[limits]\nconcurrency = 1") as opened:
        yield opened.start()


@pytest.fixture
def groups(house: House, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many syncs shared their calls, each time."""
    sizes: list[int] = []
    pipeline = house.app.pipeline
    sync_together = pipeline.sync_together

    def noted(leases: Sequence[Lease], run: Callable[[Lease, Callable[[Lease], None]], None]) -> None:
        sizes.append(len(leases))
        sync_together(leases, run)

    monkeypatch.setattr(pipeline, "sync_together", noted)
    return sizes


def read(house: House, *kinds: WorkKind) -> None:
    """Do the work of some kinds that is due, and write nothing into the CRM yet."""
    for kind in kinds:
        for key in house.journal.due(100, [kind], EVER_S):
            house.app.worker.handle(key, wait=False)


def sync_one(house: House) -> None:
    """Let one thread come by a sync that is due."""
    house.app.worker.handle(house.journal.due(1, [WorkKind.SYNC], EVER_S)[0], wait=False)


def meanwhile(house: House, monkeypatch: pytest.MonkeyPatch, act: Callable[[float], None]) -> None:
    """Let something happen whenever a thread waits for other syncs."""
    monkeypatch.setattr(house.app.worker, "_over", SimpleNamespace(wait=act))


def test_a_run_reads_first_and_writes_full_calls(house: House, groups: list[int]) -> None:
    """What is due already waits for what is being read; seen to fail with syncs done as soon as they are due."""
    house.say("I want to buy", "ann")
    read(house, *BEFORE_SYNC)
    for who in ("bob", "cat", "dan", "eve", "fay"):
        house.say("I want to buy", who)
    house.work()
    assert groups == [TOGETHER, TOGETHER]
    assert len(house.records("contact")) == 6


def test_a_server_waits_for_those_who_are_just_being_read(
    house: House, groups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While many parties are read their syncs are waited for; seen to fail without the wait."""
    monkeypatch.setattr(module, "MANY", 1)
    for who in ("ann", "bob", "cat"):
        house.say("I want to buy", who)
    read(house, WorkKind.PARSE, WorkKind.RESOLVE)
    house.app.worker.handle(house.journal.due(1, [WorkKind.PARTY], EVER_S)[0], wait=False)
    meanwhile(house, monkeypatch, lambda seconds: read(house, WorkKind.PARTY))
    sync_one(house)
    assert groups == [TOGETHER]


def test_nobody_waits_for_ever_for_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who are being read may take long: after a bound one is written alone; seen to fail without the bound."""
    monkeypatch.setattr(module, "MANY", 1)
    house.say("I want to buy", "ann")
    read(house, *BEFORE_SYNC)
    house.say("I want to buy", "bob")
    now = [0.0]

    def pause(seconds: float) -> None:
        now[0] += seconds
        assert now[0] < 10 * module.LINGER_S, "it still waits"

    meanwhile(house, monkeypatch, pause)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    sync_one(house)
    assert len(house.records("contact")) == 1
    assert now[0] >= module.LINGER_S


def test_one_party_alone_waits_for_nobody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody else is being read, nothing is waited for; seen to fail with a wait in any case."""

    def pause(seconds: float) -> None:
        raise AssertionError("it waits for nobody")

    meanwhile(house, monkeypatch, pause)
    house.say("I want to buy", "ann")
    read(house, *BEFORE_SYNC)
    sync_one(house)
    assert len(house.records("contact")) == 1
