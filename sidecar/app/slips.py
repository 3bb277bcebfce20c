"""Slips: a field that people put right too often goes down from auto to suggest by itself.

Nobody but a person takes it up again.

What people said of the field's newest values is kept as a window in the journal's settings, together with the place up
to which the book was read: each look reads only what is new, a restart forgets nothing, and of several processes one
writes. A window that isn't full yet counts what is missing as right, so a field goes down as soon as no further review
could save it and never sooner. What was posted before the field's last move up or down counts no more.

On our own CRM nothing goes down, because no ladder holds there; the condition is told all the same.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from sidecar.app.ladder import FIELD, Move
from sidecar.errors import SidecarError
from sidecar.model import Mode
from sidecar.pipeline.reviews import KINDS, Review, reviews

if TYPE_CHECKING:
    from sidecar.app import App

WINDOWS = "quality_windows"
SELF = "the sidecar"
"""Who moved a field down, where nobody else did."""
PAGE, MAX_PAGES = 500, 20
_log = structlog.get_logger(__name__)
_Window = list[list[Any]]
"""The newest reviews of a field, oldest first, as its change, when it was posted, whether it was corrected."""


@dataclass(frozen=True, slots=True)
class Score:
    """How a field's newest values fared with people: of so many that were reviewed, so many were corrected."""

    reviewed: int
    corrected: int
    is_over: bool


class Slips:
    """Watches the fields of one app."""

    def __init__(self, app: "App") -> None:
        self._app = app

    def look(self) -> None:
        """Take in what people said since the last look, and move down what slipped; what fails is tried again."""
        if not self._app.settings.quality.max_rate:
            return
        try:
            if self._read() and self._app.is_gated:
                for name, score in self.scores().items():
                    if score.is_over and self._is_auto(name):
                        self._move_down(name, score)
        except SidecarError as error:
            _log.warning("quality_not_looked_at", error=type(error).__name__)

    def scores(self) -> dict[str, Score]:
        """Return how each field of the policy fared since it was moved last."""
        section, held = self._app.settings.quality, self._app.ladder.held() if self._app.is_gated else {}
        found = {}
        for name, window in self._state()["fields"].items():
            move = held.get(FIELD + name)
            counted = [row for row in window if move is None or datetime.fromisoformat(row[1]) > move.at]
            counted = counted[-section.last_n :]
            corrected = sum(1 for row in counted if row[2])
            is_over = bool(section.max_rate) and corrected > section.max_rate * section.last_n
            found[name] = Score(len(counted), corrected, is_over)
        return {name: score for name, score in sorted(found.items()) if name in self._app.policy.fields}

    def told(self) -> Iterator[tuple[str, str, str]]:
        """Yield each field that slipped: its name, what happened, what to do about it."""
        if not self._app.is_gated:
            for name, score in self.scores().items():
                if score.is_over:
                    remedy = f"This CRM has no ladder: `sidecar pause field:{name}`, or set fields.{name}.mode."
                    yield name, f"{name} slips: {self._words(score)}", f"{_see(name)} {remedy}"
            return
        for scope, move in sorted(self._app.ladder.held().items()):
            if scope.startswith(FIELD) and move.by == SELF and move.to is Mode.SUGGEST:
                name = scope.removeprefix(FIELD)
                summary = f"{name} was moved down to suggest by itself on {move.at:%Y-%m-%d}: {move.reason}"
                yield name, summary, f"{_see(name)} Mended: `sidecar check --go-live --field {name}`."

    def _state(self) -> dict[str, Any]:
        return _parsed(self._app.journal.meta(WINDOWS))

    def _read(self) -> bool:
        """Read on in the book; says whether that is up to date."""
        journal, policy = self._app.journal, self._app.policy
        for _ in range(MAX_PAGES):
            before = journal.meta(WINDOWS)
            state = _parsed(before)
            page = list(journal.written(KINDS, after=state["seq"], limit=PAGE))
            if not page:
                return True
            for review in reviews(journal, page, policy):
                _take(state["fields"], review, self._app.settings.quality.last_n)
            state["seq"] = page[-1].seq
            if not journal.swap_meta(WINDOWS, before, json.dumps(state)):
                return False  # another process was first: what it read is there at the next look
            if len(page) < PAGE:
                return True
        return False

    def _is_auto(self, name: str) -> bool:
        policy = self._app.policy_now()
        return any(policy.mode_for(route, policy.fields[name]) is Mode.AUTO for route in policy.routes)

    def _move_down(self, name: str, score: Score) -> None:
        reason = self._words(score)
        self._app.ladder.move([Move(FIELD + name, Mode.SUGGEST, SELF, self._app.clock(), reason)])
        _log.error("field_moved_down", field=name, to=Mode.SUGGEST.value, reason=reason)

    def _words(self, score: Score) -> str:
        section = self._app.settings.quality
        return (
            f"people corrected {score.corrected} of its last {score.reviewed} reviewed values, "
            f"more than quality.max_rate = {section.max_rate:g} of {section.last_n}"
        )


def _parsed(text: str | None) -> dict[str, Any]:
    """Read the windows; what is damaged is begun anew."""
    try:
        state = json.loads(text or "{}")
        return {"seq": int(state.get("seq", 0)), "fields": dict(state.get("fields", {}))}
    except (ValueError, TypeError, AttributeError):
        return {"seq": 0, "fields": {}}


def _take(fields: dict[str, _Window], review: Review, last_n: int) -> None:
    """Let the last word on a value stand, in the place of the one before it."""
    window = [row for row in fields.get(review.field, []) if row[0] != review.change]
    window.append([review.change, review.posted_at.isoformat(), review.corrected])
    fields[review.field] = window[-last_n:]


def _see(name: str) -> str:
    return f"See `sidecar quality --field {name}` for which prompt and model."
