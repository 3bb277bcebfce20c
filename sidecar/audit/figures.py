"""From counts to figures: shares, the verdict, a ranking, minutes; pure, and each with the sentence that says how.

Shares are of values, and always of all that was written: what can't be told stays in the sum, as a class of its own. So
the verdict has two ends, the share if nothing of that was typed and the share if all of it was, and is given only when
both lie on one side of one half. What the CRM itself put in is a class too, and in no sum: nobody typed it and nobody
would have, so either way of counting it would turn the verdict by how many such fields a CRM has.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sidecar.audit.state import Count, State
from sidecar.model import Source

HALF = 0.5
NOBODY, NO_TEAM = "nobody", "no team"
SOURCES = tuple(Source)
SHARED = tuple(source for source in Source if source is not Source.DEFAULT)
"""Those that shares are of."""


@dataclass(frozen=True, slots=True)
class Words:
    """What gives counts their names: owners' addresses by ref, owners' teams by address, what the sidecar may write.

    `seconds_per_edit` is the assumption behind all minutes: how long a person takes to type one value.
    """

    owners: Mapping[str, str] = field(default_factory=dict)
    teams: Mapping[str, str] = field(default_factory=dict)
    writes: Mapping[str, Collection[str]] = field(default_factory=dict)
    seconds_per_edit: float = 20.0

    def owner(self, ref: str) -> str:
        """Return how an owner is called."""
        return self.owners.get(ref) or ref or NOBODY

    def team(self, ref: str) -> str:
        """Return whose team an owner is of."""
        return self.teams.get(self.owner(ref).casefold(), NO_TEAM)


@dataclass(frozen=True, slots=True)
class Row:
    """Counts by source under one name: of a field by kind, label and ours, else with these empty."""

    name: str
    values: Mapping[Source, int]
    days: Mapping[Source, int]
    standing: Mapping[Source, int]
    kind: str = ""
    label: str = ""
    ours: bool = False

    @property
    def total(self) -> int:
        """All values that were written in the period, without what the CRM itself put in."""
        return sum(self.values.get(source, 0) for source in SHARED)

    @property
    def typed(self) -> float | None:
        """The share that people typed, None where nothing was written."""
        return self.values[Source.PERSON] / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The share that people typed, between its two ends, and what follows."""

    share: float | None
    at_most: float | None
    words: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A field that people type, how often, for how long, and whether the sidecar can write it."""

    kind: str
    name: str
    label: str
    values: int
    edits: int
    minutes: float
    can_write: bool


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that an audit says. `total` and all rows but the AI-owned fields' are of the CRM's own fields."""

    account: str
    crm: str
    since: datetime
    until: datetime
    timezone: str
    is_complete: bool
    records: Mapping[str, int]
    left_out: Mapping[str, str]
    method: Sequence[str]
    verdict: Verdict
    total: Row
    ai_owned: Row
    kinds: Sequence[Row]
    fields: Sequence[Row]
    owners: Sequence[Row]
    teams: Sequence[Row]
    months: Mapping[str, Mapping[Source, int]]
    candidates: Sequence[Candidate]
    seconds_per_edit: float
    minutes_typed: float
    minutes_given_back: float


def report(state: State, words: Words) -> Report:
    """Return the figures of what was counted so far."""
    cells = list(_cells(state))
    own = [cell for cell in cells if not cell.ours]
    total = _sum("all", own)
    fields = _rows(cells, lambda cell: (cell.kind, cell.name))
    return Report(
        account=state.scope.account,
        crm=state.scope.crm,
        since=state.scope.since,
        until=state.scope.until,
        timezone=state.scope.timezone,
        is_complete=state.is_complete,
        records=dict(state.records),
        left_out=dict(state.left_out),
        method=method(state, words),
        verdict=verdict(total),
        total=total,
        ai_owned=_sum("AI-owned", [cell for cell in cells if cell.ours]),
        kinds=_rows(own, lambda cell: cell.kind),
        fields=fields,
        owners=_rows(own, lambda cell: words.owner(cell.owner)),
        teams=_rows(own, lambda cell: words.team(cell.owner)),
        months={month: _by(state.months[month].get) for month in sorted(state.months)},
        candidates=_candidates(fields, words),
        seconds_per_edit=words.seconds_per_edit,
        minutes_typed=_minutes(total.days[Source.PERSON], words),
        minutes_given_back=_minutes(total.days[Source.US], words),
    )


def verdict(total: Row) -> Verdict:
    """Say whether people typed more or less than half, if that can be said."""
    if not total.total:
        return Verdict(None, None, "Nothing was written in this period, so there is no share.")
    least = total.values[Source.PERSON] / total.total
    most = least + total.values[Source.UNKNOWN] / total.total
    told = f"{least:.1%}" if most == least else f"{least:.1%} to {most:.1%}"
    if least > HALF:
        return Verdict(least, most, f"People typed more than half of the values: {told}.")
    if most < HALF:
        return Verdict(least, most, f"People typed less than half of the values: {told}.")
    if most == least:
        return Verdict(least, most, "People typed exactly half of the values.")
    return Verdict(least, most, f"Whether people typed more than half of the values can't be told: {told}.")


def method(state: State, words: Words) -> list[str]:
    """Say how it was counted, a sentence or two for each choice that moves a figure."""
    scope = state.scope
    return [
        f"Read from the history of fields that {scope.crm} itself keeps, by read access alone; no model was asked and "
        "nothing was written to the CRM.",
        f"A value is one entry of a field's history that fills or changes it, made from {scope.since:%Y-%m-%d} until "
        f"{scope.until:%Y-%m-%d %H:%M} UTC, in a record that was there when it was read. Emptying a field, and writing "
        "again what it holds, count as nothing. Deleted records are not counted.",
        "Fields are those that people may write. What the CRM computes by itself is left out, and AI-owned fields, "
        "which nobody types, are counted apart: they are in no share, no verdict and no minutes.",
        "person: typed or set by a user in the CRM's own screens, in bulk too. form: filled in by the customer. "
        "import: a loaded file. integration: another program. automation: the CRM's own. us: this sidecar. "
        "default: the CRM itself put it into a record that was made, such as its maker as owner, or moved it along "
        "with another field; nobody typed that, so it is in no share, no verdict and no minutes. unknown: the history "
        "doesn't say, as after a merge; before the sidecar's hand is known to the CRM, its values count as an "
        "integration's.",
        "Standing values are those that are there now, by who wrote them last; one that is older than the history is "
        "unknown. Owners are those of the record when it was read, whoever typed.",
        "The verdict compares the share of values by people with one half, once without all unknown values and once "
        "with them; it is given only when both agree.",
        f"Minutes assume {words.seconds_per_edit:g} seconds for one edit, an assumption and not measured: an edit "
        "is a field of a record on a day on which it got a value, however often. Minutes given back are the sidecar's "
        "edits of the CRM's own fields.",
        *(f"Not read: {kind} ({why})" for kind, why in state.left_out.items()),
        *([] if state.is_complete else ["The audit isn't finished: these are the figures of what was read so far."]),
    ]


@dataclass(frozen=True, slots=True)
class _Cell:
    kind: str
    name: str
    label: str
    ours: bool
    owner: str
    counts: Mapping[Source, Count]


def _cells(state: State) -> Iterator[_Cell]:
    for kind, by_field in state.cells.items():
        for name, by_owner in by_field.items():
            known = state.fields[kind][name]
            for owner, counts in by_owner.items():
                yield _Cell(kind, name, known.label, known.ours, owner, counts)


def _rows(cells: Sequence[_Cell], key: Callable[[_Cell], str | tuple[str, str]]) -> list[Row]:
    """Return a row for each key, those with most values first."""
    groups: dict[str | tuple[str, str], list[_Cell]] = {}
    for cell in cells:
        groups.setdefault(key(cell), []).append(cell)
    rows = []
    for name, held in groups.items():
        first = held[0]
        if isinstance(name, tuple):
            rows.append(_sum(name[1], held, kind=name[0], label=first.label, ours=first.ours))
        else:
            rows.append(_sum(name, held))
    return sorted(rows, key=lambda row: (-row.total, row.kind, row.name))


def _sum(name: str, cells: Sequence[_Cell], *, kind: str = "", label: str = "", ours: bool = False) -> Row:
    def summed(what: Callable[[Count], int]) -> dict[Source, int]:
        return {s: sum(what(cell.counts[s]) for cell in cells if s in cell.counts) for s in SOURCES}

    return Row(
        name, summed(lambda c: c.values), summed(lambda c: c.days), summed(lambda c: c.standing), kind, label, ours
    )


def _by(get: Callable[[Source], int | None]) -> dict[Source, int]:
    return {source: get(source) or 0 for source in SOURCES}


def _candidates(fields: Sequence[Row], words: Words) -> list[Candidate]:
    """Rank what people type: what the sidecar can write first, in each by how often it is typed."""
    found = [
        Candidate(
            row.kind,
            row.name,
            row.label,
            row.values[Source.PERSON],
            row.days[Source.PERSON],
            _minutes(row.days[Source.PERSON], words),
            row.name in words.writes.get(row.kind, ()),
        )
        for row in fields
        if row.values[Source.PERSON] and not row.ours
    ]
    return sorted(found, key=lambda c: (not c.can_write, -c.edits, c.kind, c.name))


def _minutes(edits: int, words: Words) -> float:
    return round(edits * words.seconds_per_edit / 60, 1)
