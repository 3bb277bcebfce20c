"""What a poll of a feed remembers: the feed as a whole, each meeting that may still change, and what is over.

As a cursor: `{"etag", "modified", "sha256", "bad", "emptied", "items": {uid: [digest, returns, is_gone, when]},
"over": [digests]}`, where `when` is empty for what can't be read, else start, end ("" for a series), zone, and "1" for
whole days. What was over when we came is known by its digest alone, so that years of a calendar cost little.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from adapters.formats.ics import Event

_WHEN = ("start", "end", "zone", "whole_day")


@dataclass(frozen=True, slots=True)
class Known:
    """One meeting; `returns` counts how often it came back after it was gone."""

    digest: str
    returns: int = 0
    is_gone: bool = False
    told: tuple[str, ...] = ()

    @classmethod
    def of(cls, digest: str, events: Sequence[Event], now: datetime, returns: int) -> "Known":
        """Return what is remembered of a meeting, whose last event says until when it may still change."""
        series = next((event for event in events if not event.recurrence), events[0] if events else None)
        if series is None or series.start is None or series.status == "CANCELLED":
            return cls(digest, returns)
        repeats = bool(series.repeats or series.added)
        end = "" if repeats or series.end is None else series.end.isoformat()
        whole_day = "1" if series.is_all_day else ""
        return cls(digest, returns, False, (series.start.isoformat(), end, series.zone, whole_day))

    def lies_ahead(self, now: datetime) -> bool:
        """Say whether it hadn't begun yet, or is a series; what was cancelled before doesn't lie ahead."""
        if not self.told:
            return False
        return not self.told[1] or datetime.fromisoformat(self.told[0]) > now

    def when(self) -> dict[str, str]:
        """Return its time, as headers."""
        return dict(zip(_WHEN, self.told, strict=False))

    def gone(self) -> "Known":
        """Return it as gone."""
        return replace(self, is_gone=True)


@dataclass(slots=True)
class State:
    """The cursor, as a poll moves it on."""

    etag: str = ""
    modified: str = ""
    digest: str = ""
    bad: str = ""
    emptied: bool = False
    items: dict[str, Known] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)

    def told(self) -> dict[str, Any]:
        """Return the state as a cursor, which later steps don't change."""
        return {
            "etag": self.etag,
            "modified": self.modified,
            "sha256": self.digest,
            "bad": self.bad,
            "emptied": self.emptied,
            "items": {uid: [k.digest, k.returns, k.is_gone, list(k.told)] for uid, k in self.items.items()},
            "over": sorted(self.over),
        }


def read_state(cursor: Mapping[str, Any] | None) -> State:
    """Read a cursor; one that can't be read counts as lost."""
    told = cursor or {}
    items, over = told.get("items"), told.get("over")
    if not isinstance(items, Mapping) or not isinstance(over, Sequence):
        return State()
    try:
        known = {
            str(uid): Known(str(digest), int(returns), bool(is_gone), tuple(map(str, when)))
            for uid, (digest, returns, is_gone, when) in items.items()
        }
    except (TypeError, ValueError):
        return State()
    etag, modified, digest, bad = (str(told.get(name) or "") for name in ("etag", "modified", "sha256", "bad"))
    return State(etag, modified, digest, bad, bool(told.get("emptied")), known, {str(one) for one in over})
