"""Sending a plan: what is confirmed, what failed, and what is left for the next run."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from adapters.crms.local import LocalLedger
from sidecar.config import load
from sidecar.errors import UnknownOutcome
from sidecar.model import FieldClass, Mint, Own, Standing, Value
from sidecar.ports import Context, Create, Failed, Update, Written
from sidecar.sync import DesiredField, DesiredRecord, Plan, plan, post
from sidecar.sync.post import Posted

MINT = Mint(b"k" * 32)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
WANTED: Mapping[str, tuple[tuple[str, ...], Mapping[str, Value]]] = {
    "contact": ((), {"name": "Ann"}),
    "deal": (("contact-1",), {"name": "Ann's"}),
    "task": (("contact-1", "deal-1"), {"title": "call"}),
}


class Silent(LocalLedger):
    """A CRM that does its work and says nothing of it, for one kind of record."""

    silent_about = ""

    def write(self, writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
        """Write, and lose the answer."""
        results = super().write(writes)
        return [
            Failed(UnknownOutcome("no answer")) if w.kind == self.silent_about else r
            for w, r in zip(writes, results, strict=True)
        ]


def crm(folder: Path, silent_about: str) -> Silent:
    """Return a CRM that is silent about a kind."""
    context = Context(lambda: NOON, Own(), folder, lambda *_: "")
    ledger = Silent("local", Silent.Options(path=Path("crm.db")), context)
    ledger.silent_about = silent_about
    return ledger


def made() -> Plan:
    """Plan a contact, its deal, and a task that belongs to both."""
    wanted = tuple(
        DesiredRecord(
            kind,
            f"{kind}-1",
            0,
            {n: DesiredField(v, "x", FieldClass.OBSERVATION, ("d-1",), NOON, native=False) for n, v in fields.items()},
            create=True,
            links=links,
        )
        for kind, (links, fields) in WANTED.items()
    )
    policy = load(None, {"SIDECAR_POLICY__MODE": "auto"}).policy()
    return plan(wanted, {}, Standing("party-1"), policy, MINT, ledger="l", vendor=False, settle_s=0.0, now=NOON)


def sent(ledger: LocalLedger) -> Posted:
    """Send that plan."""
    return post(made(), {}, ledger, MINT, still_ours=lambda: True, now=NOON)


def test_what_is_made_is_tied_to_what_it_belongs_to(tmp_path: Path) -> None:
    """A task whose contact and deal were made a moment ago is associated with both."""
    ledger = crm(tmp_path, "")
    assert not sent(ledger).failures
    (task,) = ledger.show("task")
    assert {link.kind for link in task.links} == {"contact", "deal"}


def test_nothing_is_made_without_what_it_belongs_to(tmp_path: Path) -> None:
    """While nobody knows whether the contact was made, its deal waits; seen to fail when it was sent without it."""
    ledger = crm(tmp_path, "contact")
    done = sent(ledger)
    assert [failed.wanted.kind for failed, _ in done.failures] == ["contact"]
    assert [record.kind for record in ledger.show()] == ["contact"]


def test_what_belongs_to_others_is_made_when_they_are(tmp_path: Path) -> None:
    """A deal of unknown outcome holds back the task that is tied to it, and nothing else."""
    ledger = crm(tmp_path, "deal")
    done = sent(ledger)
    assert {record.kind for _, record in done.written} == {"contact"}
    assert {record.kind for record in ledger.show()} == {"contact", "deal"}
