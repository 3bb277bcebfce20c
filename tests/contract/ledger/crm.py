"""What the ledger's promises are tested with: the hands of the other side, and shorthand for single calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sidecar.model import Identifier, Link, Record, Value
from sidecar.ports import ChangedPage, Create, Failed, FieldSpec, Ledger, Update, Written

TEXT_CHARS, LONG_CHARS = 200, 5_000
PROPERTIES = (
    FieldSpec("ai_text", "text", "AI text", max_chars=TEXT_CHARS, ours=True),
    FieldSpec("ai_long", "long_text", "AI long text", max_chars=LONG_CHARS, ours=True),
    FieldSpec("ai_enum", "enum", "AI enum", options=("low", "high"), ours=True),
    FieldSpec("ai_number", "number", "AI number", ours=True),
    FieldSpec("ai_date", "date", "AI date", ours=True),
    FieldSpec("ai_datetime", "datetime", "AI time", ours=True),
    FieldSpec("ai_bool", "bool", "AI flag", ours=True),
)
VALUES: Mapping[str, tuple[Value, ...]] = {
    "ai_text": ("asks for a visit", "0", " "),
    "ai_long": ("first line\nsecond line",),
    "ai_enum": ("high",),
    "ai_number": (0, -12, 1234.5, 9_007_199_254),
    "ai_date": ("2026-02-28", "2024-02-29"),
    "ai_datetime": ("2026-03-29T01:30:00+00:00",),
    "ai_bool": (True, False),
}
PAGES = 50


class LedgerHarness(Protocol):
    """What a CRM under contract must offer beside its ledger: the hands of the other side.

    `identifying` maps a record kind to the identifiers that find it and the property that holds each. `property` gives
    the CRM's own name of an AI-owned property. Every call of `sample` returns other identifying values. `person_merges`
    returns the surviving ref, which in some CRMs is a third one. `calls` counts write calls to the CRM so far, and
    `calls_for` says how many a batch of so many creations of one kind may take.
    """

    identifying: Mapping[str, Mapping[str, str]]
    pipeline_property: str
    stage_property: str
    owner_property: str

    @property
    def ledger(self) -> Ledger: ...
    def sample(self, kind: str) -> dict[str, Value]: ...
    def property(self, name: str) -> str: ...
    def reopen(self) -> Ledger: ...
    def person_edits(self, kind: str, ref: str, fields: Mapping[str, Value]) -> None: ...
    def automation_edits(self, kind: str, ref: str, fields: Mapping[str, Value]) -> None: ...
    def person_deletes(self, kind: str, ref: str) -> None: ...
    def person_merges(self, kind: str, winner: str, loser: str) -> str: ...
    def advance(self, seconds: float) -> None: ...
    def calls(self) -> int: ...
    def calls_for(self, creations: int) -> int: ...


@dataclass
class Crm:
    """A harness with the suite's own properties provisioned, and shorthand for single calls."""

    harness: LedgerHarness
    keys: int = 0

    @property
    def ledger(self) -> Ledger:
        """The ledger under contract."""
        return self.harness.ledger

    def key(self) -> str:
        """Return a new idempotency key."""
        self.keys += 1
        return f"key-{self.keys}"

    def ours(self, fields: Mapping[str, Value]) -> dict[str, Value]:
        """Return fields under the CRM's names of the suite's properties."""
        return {self.harness.property(name): value for name, value in fields.items()}

    def create(
        self, kind: str = "contact", key: str | None = None, ours: Mapping[str, Value] | None = None, **fields: Value
    ) -> Record:
        """Create a record with sample values and some of the suite's properties, by mapping or by name."""
        wanted = {**self.harness.sample(kind), **self.ours({**(ours or {}), **fields})}
        return record(self.ledger.write([Create(kind, key or self.key(), wanted, self.ties(kind))])[0])

    def ties(self, kind: str) -> tuple[Link, ...]:
        """Return what a record of a kind can't be without, in a CRM that keeps no note by itself: a contact."""
        needs: frozenset[str] = getattr(self.harness, "tied", frozenset())
        return (Link("contact", self.create().ref),) if kind in needs else ()

    def update(
        self, ref: str, if_version: str | None = None, ours: Mapping[str, Value] | None = None, **fields: Value
    ) -> Written | Failed:
        """Update a contact's properties of the suite, by mapping or by name."""
        (result,) = self.ledger.write([Update("contact", ref, self.ours({**(ours or {}), **fields}), if_version)])
        return result

    def read(self, kind: str, ref: str) -> Record:
        """Read one record that must be there."""
        found = self.ledger.read(kind, [ref])[ref]
        assert isinstance(found, Record), f"{kind} {ref} is gone"
        return found

    def value(self, ref: str, name: str) -> Value:
        """Read one of the suite's properties of a contact."""
        return self.read("contact", ref).fields.get(self.harness.property(name))

    def find(self, kind: str, *identifiers: Identifier) -> list[str]:
        """Return the refs of what is found once search must know every record."""
        self.harness.advance(self.ledger.capabilities.search_lag_s)
        by = self.ledger.find(kind, identifiers)
        assert set(by) == set(identifiers), "each identifier is answered"
        return sorted({found.ref for bearers in by.values() for found in bearers})

    def linked(self, kind: str, to: Link) -> list[str]:
        """Return the refs of what is associated with one record."""
        return [found.ref for found in self.ledger.linked(kind, [to]).get(to, ())]

    def identifiers(self, kind: str, held: Mapping[str, Value]) -> list[Identifier]:
        """Return what a record with these fields is found by."""
        by = self.harness.identifying.get(kind, {})
        return [Identifier(what, str(held[name])) for what, name in by.items() if held.get(name)]

    def identifying(self) -> list[str]:
        """Return the properties that a contact is found by."""
        return list(self.harness.identifying["contact"].values())

    def drain(self, cursor: Mapping[str, object]) -> tuple[set[tuple[str, str]], ChangedPage]:
        """Read the change feed to its end; return what it named, and its last page."""
        seen: set[tuple[str, str]] = set()
        for _ in range(PAGES):
            page = self.ledger.changed(cursor)
            seen.update(page.refs)
            if not page.refs or page.cursor == cursor:
                return seen, page
            cursor = page.cursor
        raise AssertionError(f"the change feed did not end within {PAGES} pages")


def record(result: Written | Failed) -> Record:
    """Return what was written."""
    assert isinstance(result, Written), result
    return result.record


def error(result: Written | Failed) -> Exception:
    """Return why a row was not written."""
    assert isinstance(result, Failed), "written, and it should have been refused"
    return result.error
