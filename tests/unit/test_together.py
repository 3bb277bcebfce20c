"""Syncs that share their calls: as many calls as one sync makes, and each party as well off as if it were alone."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.crms.local import LocalLedger, LocalOptions
from sidecar.errors import PermanentError, SidecarError, StaleVersion, TemporaryError
from sidecar.model import Gone, Identifier, Lease, Own, Record, WorkKind
from sidecar.pipeline import together as module
from sidecar.pipeline.together import Member, Together
from sidecar.ports import Context, Create, Failed, Ledger, Update, Written
from sidecar.worker import ALONE_AFTER, EVER_S
from tests.support.houses import House, buys, op, says

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
RULES = (buys(), says("ready", op("stage", "qualified", "ready")))


class Counted(LocalLedger):
    """The local CRM, which counts what it is asked; `trouble` may raise before a call."""

    trouble: Callable[[str, Sequence[Any]], None] = staticmethod(lambda method, items: None)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.calls: list[tuple[str, str, int]] = []

    def _count(self, method: str, kind: str, items: Sequence[Any]) -> None:
        self.calls.append((method, kind, len(items)))
        self.trouble(method, items)

    def find(self, kind: str, identifiers: Sequence[Identifier]) -> Mapping[Identifier, Sequence[Record]]:
        """Count, then find."""
        self._count("find", kind, identifiers)
        return super().find(kind, identifiers)

    def read(self, kind: str, refs: Sequence[str]) -> Mapping[str, Record | Gone]:
        """Count, then read."""
        self._count("read", kind, refs)
        return super().read(kind, refs)

    def write(self, writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
        """Count, then write."""
        self._count("write", writes[0].kind, writes)
        return super().write(writes)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine is no straggler: nobody is gone on without because its thread got no turn for half a second."""
    monkeypatch.setattr(module, "PATIENCE_S", 60.0)


@pytest.fixture
def crm(tmp_path: Path) -> Counted:
    """A CRM in a file."""
    context = Context(lambda: NOW, Own(), tmp_path, lambda env, file: "")
    return Counted("crm", LocalOptions(path=Path("crm.db")), context)


def contact(number: int) -> Create:
    """A contact to be made."""
    return Create("contact", f"key-{number}", {"name": f"Ann {number}", "email": f"ann.{number}@x.test"})


def made(ledger: Ledger, number: int) -> str:
    """Make a contact and return its ref."""
    (result,) = ledger.write([contact(number)])
    assert isinstance(result, Written)
    return result.record.ref


def all_at_once(crm: Ledger, *parts: Callable[[Member], Any]) -> list[Any]:
    """Let each part play one member; returns what each returned, or the error that ended it."""
    together = Together(crm, len(parts))

    def play(part: Callable[[Member], Any]) -> Any:
        try:
            return part(together.member())
        except SidecarError as error:
            return error
        finally:
            together.leave()

    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(play, parts))


def test_calls_that_are_alike_are_made_once_and_each_gets_its_own(crm: Counted) -> None:
    """Twenty members read twenty contacts in one call; seen to fail with a call each, and with everybody's answer."""
    refs = [made(crm, number) for number in range(20)]
    crm.calls.clear()
    found = all_at_once(crm, *(lambda member, ref=ref: member.read("contact", [ref]) for ref in refs))
    assert [set(answer) for answer in found] == [{ref} for ref in refs]
    assert crm.calls == [("read", "contact", 20)]


def test_writes_come_back_in_each_members_order(crm: Counted) -> None:
    """Rows of one call are dealt out by position; seen to fail with the first rows for everybody."""

    def write(member: Member, numbers: tuple[int, ...]) -> list[str]:
        results = member.write([contact(number) for number in numbers])
        return [str(r.record.fields["name"]) for r in results if isinstance(r, Written)]

    parts = ((1, 2, 3), (4,), (5, 6))
    names = all_at_once(crm, *(lambda member, numbers=numbers: write(member, numbers) for numbers in parts))
    assert names == [["Ann 1", "Ann 2", "Ann 3"], ["Ann 4"], ["Ann 5", "Ann 6"]]
    assert crm.calls == [("write", "contact", 6)]


def test_who_has_less_to_read_is_caught_up_with_before_writes(crm: Counted) -> None:
    """A new customer's record is written in one call with a known one's; seen to fail with all that waits made."""
    ref = made(crm, 1)
    crm.calls.clear()

    def known(member: Member) -> None:
        for kind in ("contact", "deal", "note"):
            member.read(kind, [ref])
        member.write([Update("contact", ref, {"name": "Ann"})])

    def new(member: Member) -> None:
        member.find("contact", [Identifier("email", "bob@x.test")])
        member.write([contact(2)])

    all_at_once(crm, known, new)
    assert [call for call in crm.calls if call[0] == "write"] == [("write", "contact", 2)]


def test_what_one_member_asks_fails_no_other(crm: Counted) -> None:
    """A refused call is made again member by member; seen to fail with one error for all."""
    refs = [made(crm, number) for number in range(3)]

    def refuse(method: str, items: Sequence[Any]) -> None:
        if refs[1] in items:
            raise PermanentError("this ref is refused")

    crm.trouble = refuse
    found = all_at_once(crm, *(lambda member, ref=ref: member.read("contact", [ref]) for ref in refs))
    assert [type(answer) for answer in found] == [dict, PermanentError, dict]


def test_a_record_that_is_just_changing_holds_up_no_other(crm: Counted) -> None:
    """What can't be told yet of one record is that member's alone, by few calls; seen to fail with all held up."""
    refs = [made(crm, number) for number in range(16)]
    crm.calls.clear()

    def vanishing(method: str, items: Sequence[Any]) -> None:
        if refs[5] in items:
            raise StaleVersion("merged, or deleted for good?", retry_after_s=30.0)

    crm.trouble = vanishing
    found = all_at_once(crm, *(lambda member, ref=ref: member.read("contact", [ref]) for ref in refs))
    assert [type(answer) for answer in found] == [StaleVersion if ref == refs[5] else dict for ref in refs]
    assert len(crm.calls) == 9


def test_a_crm_in_trouble_is_asked_once_and_fails_all(crm: Counted) -> None:
    """What time must cure isn't tried once a member; seen to fail with each member's own try."""

    def down(method: str, items: Sequence[Any]) -> None:
        raise TemporaryError("down")

    crm.trouble = down
    found = all_at_once(crm, *[lambda member: member.read("contact", ["1"])] * 5)
    assert [type(answer) for answer in found] == [TemporaryError] * 5
    assert len(crm.calls) == 1


def test_nobody_waits_for_a_straggler_for_ever(crm: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that hangs elsewhere holds up nobody's calls; seen to fail (it hangs) without patience."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    ref, others = made(crm, 1), threading.Event()

    def straggler(member: Member) -> bool:
        return others.wait(20.0)

    def quick(member: Member) -> int:
        found = member.read("contact", [ref])
        others.set()
        return len(found)

    assert all_at_once(crm, straggler, quick) == [True, 1]


def test_a_member_that_leaves_is_not_waited_for(crm: Counted) -> None:
    """The last to be busy, once gone, releases the rest at once; seen to fail without the notice."""
    waits = threading.Event()

    def leaver(member: Member) -> None:
        waits.wait(5.0)

    def reader(member: Member) -> int:
        threading.Timer(0.1, waits.set).start()
        return len(member.read("contact", ["1"]))

    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(all_at_once(crm, leaver, reader)), daemon=True)
    thread.start()
    thread.join(20.0)
    assert found == [None, 1]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house whose CRM counts."""
    with House(tmp_path, "sqlite:///journal.db", *RULES) as opened:
        section = opened.app.settings.crm
        options = LocalOptions.model_validate(dict(section.options))
        opened.app.ledger = Counted("local", options, opened.app.context)
        yield opened.start()


def test_a_hundred_parties_cost_the_calls_of_one(house: House) -> None:
    """New customers are written in one call a kind, however many; seen to fail with a call a party."""
    people = [f"p{number}" for number in range(60)]
    for who in people:
        house.say("I want to buy. We are ready", who)
    house.work()
    crm = house.app.ledger
    assert isinstance(crm, Counted)
    contacts = [size for method, kind, size in crm.calls if (method, kind) == ("write", "contact")]
    deals = [size for method, kind, size in crm.calls if (method, kind) == ("write", "deal")]
    assert (len(contacts), sum(contacts)) == (1, 60), contacts
    assert (len(deals), sum(deals)) == (1, 60), deals
    assert Counter(record.kind for record in crm.show(limit=1_000))["contact"] == 60
    assert not house.parked()


def test_a_sync_that_may_have_killed_the_process_runs_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is written with it would die with it; seen to fail with suspects among the others."""
    for who in ("ann", "bob", "cat"):
        house.say("I want to buy", who)
    for kind in (WorkKind.PARSE, WorkKind.RESOLVE, WorkKind.PARTY):
        for key in house.journal.due(100, [kind], EVER_S):
            house.app.worker.handle(key, wait=False)
    suspect, *others = house.journal.due(10, [WorkKind.SYNC], EVER_S)
    for _ in range(ALONE_AFTER):  # a lease is taken and never given back, as when the process dies
        assert house.journal.claim([suspect], 1.0, within_s=EVER_S)
        house.clock.move(2.0)
    shared: list[set[str]] = []
    pipeline = house.app.pipeline
    sync_together = pipeline.sync_together

    def noted(leases: Sequence[Lease], run: Callable[[Lease, Callable[[Lease], None]], None]) -> None:
        shared.append({lease.work.key for lease in leases})
        sync_together(leases, run)

    monkeypatch.setattr(pipeline, "sync_together", noted)
    house.app.worker.handle(others[0], wait=False)
    assert shared == [{key.key for key in others}]
    assert len(house.records("contact")) == 3
