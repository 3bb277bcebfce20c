"""What was counted so far, and the file that it waits in between two runs.

Counts go by kind, field and owner, and in each by source: values written in the period, days on which one was (a value
that changes five times a day is one piece of typing), values that stand now. The file is replaced in one step and read
with suspicion, because it lies where people put things.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from sidecar.errors import ConfigError, PermanentError
from sidecar.files import write
from sidecar.model import Edit, Source, Trail, Walked

FORMAT = 2


@dataclass(slots=True)
class Count:
    """Of one source: values written in the period, days of one record with such a value, values that stand now."""

    values: int = 0
    days: int = 0
    standing: int = 0


@dataclass(frozen=True, slots=True)
class Field:
    """What the CRM calls a field, and whether it is AI-owned."""

    label: str
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """Which account, which kinds, from when (inclusive) to when (exclusive), in whose days."""

    account: str
    crm: str
    kinds: tuple[str, ...]
    since: datetime
    until: datetime
    timezone: str


@dataclass(slots=True)
class State:
    """The counts: `cells` by kind, field, owner, source; `months` by `2026-01` and source, without AI-owned fields."""

    scope: Scope
    format: int = FORMAT
    cursors: dict[str, str] = field(default_factory=dict)
    finished: list[str] = field(default_factory=list)
    records: dict[str, int] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    fields: dict[str, Mapping[str, Field]] = field(default_factory=dict)
    cells: dict[str, dict[str, dict[str, dict[Source, Count]]]] = field(default_factory=dict)
    months: dict[str, dict[Source, int]] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether every kind was walked to its end, or left out."""
        return set(self.scope.kinds) <= set(self.finished)

    def take(self, kind: str, page: Walked) -> None:
        """Count a page, and remember what comes after it."""
        zone = ZoneInfo(self.scope.timezone)
        for trail in page.trails:
            self._take(kind, trail, zone)
        self.records[kind] = self.records.get(kind, 0) + len(page.trails)
        if page.total is not None:
            self.totals[kind] = page.total
        if page.cursor is None:
            self.finished.append(kind)
        elif page.cursor == self.cursors.get(kind):
            raise PermanentError(f"the CRM's list of {kind} records doesn't move on")
        else:
            self.cursors[kind] = page.cursor

    def leave_out(self, kind: str, why: str) -> None:
        """Note a kind that can't be read, with the reason."""
        self.records[kind] = 0
        self.left_out[kind] = why
        self.finished.append(kind)

    def _take(self, kind: str, trail: Trail, zone: ZoneInfo) -> None:
        by_field: dict[str, list[tuple[Edit, Source]]] = {}
        for edit, source in trail.edits:
            by_field.setdefault(edit.field, []).append((edit, source))
        for name in {**dict.fromkeys(sorted(trail.held)), **dict.fromkeys(by_field)}:
            edits = by_field.get(name, [])
            days = set()
            for edit, source in edits:
                if edit.value is not None and self.scope.since <= edit.at < self.scope.until:
                    at = edit.at.astimezone(zone)
                    days.add((at.date(), source))
                    self._count(kind, name, trail.owner, source).values += 1
                    self._month(kind, name, f"{at:%Y-%m}", source)
            for _, source in days:
                self._count(kind, name, trail.owner, source).days += 1
            if name in trail.held:
                told = edits and edits[-1][0].value is not None
                stands = edits[-1][1] if told else Source.UNKNOWN
                self._count(kind, name, trail.owner, stands).standing += 1

    def _count(self, kind: str, name: str, owner: str, source: Source) -> Count:
        cell = self.cells.setdefault(kind, {}).setdefault(name, {}).setdefault(owner, {})
        return cell.setdefault(source, Count())

    def _month(self, kind: str, name: str, month: str, source: Source) -> None:
        if not self.fields[kind][name].ours:
            by = self.months.setdefault(month, {})
            by[source] = by.get(source, 0) + 1


_STATE = TypeAdapter(State)


def load(path: Path) -> State | None:
    """Return the state in a file, None where there is none; `PermanentError` for one that can't be read."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} can't be read ({error.strerror})") from None
    try:
        state = _STATE.validate_json(text)
    except ValidationError:
        raise PermanentError(f"{path} is no audit's state: take it away, or --anew") from None
    if state.format != FORMAT:
        raise PermanentError(f"{path} was written by another release: --anew begins again")
    return state


def save(state: State, path: Path) -> None:
    """Replace the file in one step, for the owner's eyes."""
    write(path, json.dumps(asdict(state), default=lambda at: at.isoformat(), separators=(",", ":")))
