"""Conservation: what was acknowledged, what the book holds, what stands in the CRM; each loss under its own name.

Run when the torture is over and the last server has had its time. It trusts none of the product's counters: deliveries
are compared by the ids that senders remember, effects are counted in the CRM record by record, for each customer.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidecar.app import App
from sidecar.journal import Journal
from sidecar.model import Delivery, Match, Outcome, WorkKey, WorkKind
from sidecar.pipeline import LEDGER
from sidecar.verify import verify
from tests.torture.senders import SECRET

Effects = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]
"""What a CRM holds: customer -> kind of record -> its records' properties."""
WANTED = ("contact", "deal", "note", "task")
DIED = "the process died"


@dataclass
class Account:
    """What became of everything; all but `acked`, `stored`, `parked` must be 0 or empty."""

    acked: int = 0
    stored: int = 0
    lost: int = 0
    missing: int = 0
    duplicates: int = 0
    wrong: int = 0
    unfinished: int = 0
    parked: int = 0
    faults: int = 0
    tales: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Say whether nothing is lost, missing, twice, wrong, unfinished or damaged."""
        return not any((self.lost, self.missing, self.duplicates, self.wrong, self.unfinished, self.faults))


def reckon(folder: Path, acked: set[str], customers: Sequence[str], effects: Effects) -> Account:
    """Hold book and CRM against what senders were told; `customers` are those of whom every word was acknowledged."""
    account = Account(acked=len(acked))
    with App.from_file(folder / "config.toml", {"WEB_SECRET": SECRET}) as app:
        _deliveries(app.journal, acked, account)
        _work(app.journal, account)
        faults = [f"{fault.fact}: {fault.problem}" for fault in verify(app.journal, app.channels)]
    account.faults = len(faults)
    account.tales += faults[:3]
    for customer in customers:
        _effects(customer, effects.get(customer, {}), account)
    return account


def _deliveries(journal: Journal, acked: set[str], account: Account) -> None:
    """Each acknowledged delivery is there once; each that is there ended in one way: read to its end, or parked."""
    stored = [fact for fact in journal.facts(["delivery"]) if isinstance(fact, Delivery)]
    keys = Counter(delivery.key for delivery in stored)
    account.stored = len(stored)
    account.lost = len(acked - keys.keys())
    account.wrong += sum(many - 1 for many in keys.values())
    rows = {row.work: row.state for row in journal.work(limit=1_000_000)}
    states = {work.key: state for work, state in rows.items() if work.kind is WorkKind.PARSE}
    read = {cause for inference in journal.facts(["inference"]) for cause in inference.because}
    for delivery in stored:
        activities = journal.effects(delivery.id, "activity")
        matches = [m for a in activities for m in journal.effects(a.id, "match") if isinstance(m, Match)]
        is_read = bool(matches) and all(m.id in read for m in matches if m.outcome is Outcome.PARTY)
        if (states.get(delivery.id) == "done") != is_read or (states.get(delivery.id) == "parked") == is_read:
            account.unfinished += 1
            account.tales.append(f"{delivery.key}: {states.get(delivery.id)}, {len(matches)} matches, read: {is_read}")


def _work(journal: Journal, account: Account) -> None:
    for row in journal.work("due", "running", "waiting", limit=1_000_000):
        if row.work.kind is not WorkKind.POLL and row.work.key != "sweep":
            account.unfinished += 1
            account.tales.append(f"{row.work.kind} {row.work.key} is {row.state}")
    account.parked = len(journal.work("parked", limit=1_000_000))


def _effects(customer: str, held: Mapping[str, Sequence[Mapping[str, Any]]], account: Account) -> None:
    """One contact, deal, note and task for each customer, and the contact says what was believed."""
    for kind in WANTED:
        many = len(held.get(kind, ()))
        account.missing += many == 0
        account.duplicates += max(0, many - 1)
        if many != 1:
            account.tales.append(f"{customer}: {many} records of the kind {kind}")
    for contact in held.get("contact", ())[:1]:
        if (contact.get("ai_intent"), contact.get("ai_stage")) != ("buy", "qualified"):
            account.missing += 1
            account.tales.append(f"{customer}: intent {contact.get('ai_intent')}, stage {contact.get('ai_stage')}")


def forgive(folder: Path) -> int:
    """A person lets go on what was parked because processes died of it; returns how much that was."""
    with App.from_file(folder / "config.toml", {"WEB_SECRET": SECRET}) as app:
        parked = [row for row in app.journal.work("parked", limit=1_000_000) if DIED in str(row.parked_reason)]
        for row in parked:
            app.journal.retry(row.work)
    return len(parked)


def is_idle(journal: Journal) -> bool:
    """Say whether nothing is due, running, or waiting for a moment, and every activity has been read."""
    waiting = [row for row in journal.work("due", "running", "waiting") if row.work.kind is not WorkKind.POLL]
    return not waiting and journal.counts()["pending"] == 0


def polls(journal: Journal) -> tuple[int, int]:
    """How often the CRM was to be asked for people's edits so far, and up to which of these it has been."""
    rows = [row for row in journal.work(limit=1_000_000) if row.work == WorkKey(WorkKind.POLL, LEDGER)]
    return (rows[0].touched, rows[0].done) if rows else (0, 0)
