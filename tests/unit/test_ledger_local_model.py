"""The local CRM against a dict: whatever the order of what we and people do, both hold the same."""

import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, invariant, multiple, precondition, rule

from adapters.crms.local import LocalLedger, LocalOptions
from sidecar.errors import PermanentError, RecordGone, StaleVersion
from sidecar.model import AuthorKind, Gone, Identifier, Own, Record, Value
from sidecar.ports import Context, Create, Failed, Update, Written

EMAILS = st.sampled_from(["a@x.test", "A@X.test", "b@x.test", "c@x.test"])
PHONES = st.sampled_from(["+442079460001", "020 7946 0001", "+442079460002"])
NAMES = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0")))
FIELDS = st.fixed_dictionaries({}, optional={"email": EMAILS, "phone": PHONES, "name": NAMES})
SEARCHES = [{("email", "a@x.test")}, {("email", "b@x.test"), ("phone", "+442079460001")}, {("email", "c@x.test")},
            {("phone", "+442079460001"), ("phone", "+442079460002")}]  # fmt: skip
KEYS = st.sampled_from([f"key-{n}" for n in range(8)])
E164 = {"020 7946 0001": "+442079460001"}


@dataclass
class Model:
    """What one contact should be: its fields, its former addresses from merges, whether it is alive, where it went."""

    fields: dict[str, Value]
    former: set[tuple[str, str]] = field(default_factory=set)
    alive: bool = True
    moved_to: str | None = None
    us: bool = True

    def identifiers(self) -> set[tuple[str, str]]:
        """Return everything that finds it."""
        held = {(what, normal(str(self.fields[what]))) for what in ("email", "phone") if what in self.fields}
        return held | self.former if self.alive else set()


def normal(value: str) -> str:
    """Return an identifier in the one form that its spellings share."""
    return E164.get(value, value.lower())


class LocalLedgerMachine(RuleBasedStateMachine):
    """Random hands on one CRM; seen to fail with aliases lost in a merge, and with a clear that is skipped."""

    refs: Bundle[str] = Bundle("refs")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        context = Context(lambda: datetime(2026, 1, 5, 9, tzinfo=UTC), Own(), self.folder, lambda env, file: "")
        self.ledger = LocalLedger("crm", LocalOptions(path=Path("crm.db")), context)
        self.models: dict[str, Model] = {}
        self.keys: dict[str, str] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def holder(self, email: Value, but: str | None = None) -> str | None:
        """Return who holds an address, or held it before a merge."""
        wanted = ("email", normal(str(email)))
        return next((r for r, m in self.models.items() if r != but and email and wanted in m.identifiers()), None)

    @rule(target=refs, key=KEYS, fields=FIELDS)
    def create(self, key: str, fields: dict[str, Value]) -> str | MultipleResults[str]:
        """Create, perhaps once more under a used key."""
        (result,) = self.ledger.write([Create("contact", key, fields)])
        known = self.keys.get(key)
        if known and not self.models[known].alive:
            assert isinstance(result, Failed)
            assert isinstance(result.error, RecordGone)
            assert result.error.moved_to == self.models[known].moved_to
        elif known:
            assert isinstance(result, Written)
            assert result.record.ref == known
        elif taken := self.holder(fields.get("email")):
            assert isinstance(result, Failed)
            assert isinstance(result.error, PermanentError)
            assert taken in str(result.error)
        else:
            assert isinstance(result, Written)
            self.keys[key] = result.record.ref
            self.models[result.record.ref] = Model({})
            self.put(result.record.ref, fields)
            return result.record.ref
        return multiple()

    def put(self, ref: str, fields: dict[str, Value]) -> None:
        """Change the model as a write of these fields would."""
        model = self.models[ref]
        for name, value in fields.items():
            model.fields.pop(name, None)
            if value not in (None, ""):
                model.fields[name] = value
                # An address that becomes the record's own is no former one any more.
                model.former.discard((name, normal(str(value))))

    @rule(ref=refs, fields=FIELDS, stale=st.booleans())
    def update(self, ref: str, fields: dict[str, Value], stale: bool) -> None:
        """Update under the right version, or under an old one."""
        held = self.ledger.read("contact", [ref])[ref]
        version = "0" if stale or isinstance(held, Gone) else held.version
        (result,) = self.ledger.write([Update("contact", ref, fields, version)])
        if not self.models[ref].alive:
            assert isinstance(result, Failed)
            assert isinstance(result.error, RecordGone)
        elif stale:
            assert isinstance(result, Failed)
            assert isinstance(result.error, StaleVersion)
        elif self.holder(fields.get("email"), but=ref):
            assert isinstance(result, Failed)
            assert isinstance(result.error, PermanentError)
        else:
            assert isinstance(result, Written)
            self.put(ref, fields)

    @rule(ref=refs, name=st.sampled_from(["email", "phone", "name"]))
    def clear(self, ref: str, name: str) -> None:
        """Let a person empty one field."""
        if self.models[ref].alive:
            self.ledger.edit("contact", ref, {name: None})
            self.put(ref, {name: None})

    @rule(ref=refs)
    def delete(self, ref: str) -> None:
        """Let a person delete."""
        if self.models[ref].alive:
            self.ledger.delete("contact", ref)
            self.models[ref].alive = False

    @precondition(lambda self: len(self.live()) > 1)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        """Let a person merge two live contacts."""
        winner, loser = data.draw(st.permutations(self.live()))[:2]
        self.ledger.merge("contact", winner, loser)
        kept, lost = self.models[winner], self.models[loser]
        former = lost.identifiers() - kept.identifiers()
        kept.former |= former
        self.put(winner, {name: value for name, value in lost.fields.items() if name not in kept.fields})
        lost.alive = False
        for model in self.models.values():
            if model.moved_to == loser:
                model.moved_to = winner
        lost.moved_to = winner

    def live(self) -> list[str]:
        """Return the refs of all who are alive, oldest first."""
        return [ref for ref, model in self.models.items() if model.alive]

    @invariant()
    def search_finds_all_who_bear_an_identifier(self) -> None:
        """Whoever bears one of the identifiers, from a merge too, is found once."""
        for wanted in SEARCHES:
            expected = [ref for ref, model in self.models.items() if model.identifiers() & wanted]
            by = self.ledger.find("contact", [Identifier(what, value) for what, value in sorted(wanted)])
            assert {record.ref for bearers in by.values() for record in bearers} == set(expected)

    @invariant()
    def both_hold_the_same(self) -> None:
        """Every record reads as the model says, and its history ends in what it holds."""
        found = self.ledger.read("contact", [*self.models])
        histories = self.ledger.history("contact", [*self.models], ["email", "phone", "name"])
        for ref, model in self.models.items():
            if not model.alive:
                assert found[ref] == Gone("contact", ref, model.moved_to)
                continue
            record = found[ref]
            assert isinstance(record, Record)
            assert record.fields == model.fields
            last = {edit.field: edit for edit in histories[ref]}
            assert {name: e.value for name, e in last.items() if e.value is not None} == model.fields
            assert all(e.author.kind in (AuthorKind.US, AuthorKind.PERSON) for e in last.values())
        alive = {key: ref for key, ref in self.keys.items() if self.models[ref].alive}
        assert {key: r.ref for key, r in self.ledger.find_by_key("contact", [*self.keys]).items()} == alive


LocalLedgerMachine.TestCase.settings = settings(max_examples=60)
TestLocalLedgerAgainstADict = LocalLedgerMachine.TestCase
