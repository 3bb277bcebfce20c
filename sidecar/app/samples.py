"""Samples: each week a few believed values of each field wait for a person to say whether they are right.

Unedited isn't right: who never opens a record leaves every mistake in it. So values are drawn at random among all that
were believed, whether anybody would have looked or not, and a person's answer is a fact in the book: it counts in
`sidecar quality` and is a label. Nobody's belief changes by it; what is wrong in the CRM is put right there.

The draw is kept as a small state in the journal's settings, together with the place up to which the book was read: each
look reads only what is new. What is drawn by the value's hash is the same in every process. The first draw is made as
soon as there is something to draw from, the next ones with each new week of our time zone.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sidecar.decide.values import canonical
from sidecar.errors import PermanentError
from sidecar.journal import Entry
from sidecar.model import Claim, Decision, Fact, Release, Value, Verdict

if TYPE_CHECKING:
    from sidecar.app import App

STATE = "quality_samples"
CONFIRM, REFUTE = "confirm", "refute"
ANSWERS = (CONFIRM, REFUTE)
PAGE, MAX_PAGES = 500, 20
MAX_PER_FIELD = 50
_NOT_READ = ("code", "person", "past")
_Row = list[str]
"""A decision that may be drawn: its lot, which is the hash of whose value it is and which, and its id."""
MAX_DRAWN = 1_000
"""How many lots are remembered, so that a value which is read again isn't asked about again."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A value that waits for a person's word: what was believed, of whom, since when, in which words."""

    decision: str
    party: str
    name: str
    field: str
    value: Value
    at: datetime
    quotes: tuple[str, ...]


class Samples:
    """Draws and keeps the samples of one app."""

    def __init__(self, app: "App") -> None:
        self._app = app

    def waiting(self) -> list[Sampled]:
        """Return what was drawn and not answered yet, by field."""
        return list(self._unanswered(self._look()["asked"]))

    def draw(self, per_field: int) -> list[Sampled]:
        """Draw now, from what was believed since the last draw, and return what waits."""
        if not 0 < per_field <= MAX_PER_FIELD:
            raise PermanentError(f"1 to {MAX_PER_FIELD} values of each field are drawn at once")
        before = self._app.journal.meta(STATE)
        state = self._read(_parsed(before), per_field)
        still = [one.decision for one in self._unanswered(state["asked"])]
        asked, drawn = _drawn(state["pool"], per_field), _remembered(state, per_field)
        state = {**state, "asked": list(dict.fromkeys((*still, *asked))), "pool": {}, "drawn": drawn}
        self._app.journal.swap_meta(STATE, before, json.dumps(state))
        return self.waiting()

    def answer(self, decision_id: str, answer: str, by: str, value: Value = None) -> Release:
        """Take in a person's word on a believed value: that it is right, or not, and what is right if they say so."""
        journal = self._app.journal
        decision = journal.get(decision_id)
        if not isinstance(decision, Decision) or not self._may_be_drawn(decision):
            raise PermanentError("that is no value that was read out of words: `sidecar label sample` names those")
        if answer not in ANSWERS or (answer == CONFIRM and value is not None):
            raise PermanentError("say confirm, or refute and perhaps what is right instead: --value")
        if _answered(journal.effects(decision_id, Release.KIND)):
            raise PermanentError("somebody has answered that already")
        if value is not None:
            value = self._fitting(decision.field, value)
        pipeline = self._app.pipeline
        release = journal.mint(
            Release(
                because=(decision_id,),
                party=decision.party,
                nonce=pipeline.parts.nonce(),
                action=answer,
                by=by,
                field=decision.field,
                value=decision.value if answer == CONFIRM else value,
                at=self._app.clock(),
            )
        )
        journal.commit(Entry(facts=(release,)))
        return release

    def _look(self) -> dict[str, Any]:
        """Read on in the book, and draw where a week has begun; another process may have been first."""
        per_field = self._app.settings.quality.sample_per_field
        before = self._app.journal.meta(STATE)
        state = _parsed(before)
        if not per_field:
            return state
        week = self._week()
        state = self._read(state, per_field)
        if state["week"] != week and any(state["pool"].values()):
            asked, drawn = _drawn(state["pool"], per_field), _remembered(state, per_field)
            state = {**state, "week": week, "asked": asked, "pool": {}, "drawn": drawn}
        after = json.dumps(state)
        if after != before:
            self._app.journal.swap_meta(STATE, before, after)
        return state

    def _read(self, state: dict[str, Any], per_field: int) -> dict[str, Any]:
        pool: dict[str, list[_Row]] = {name: list(rows) for name, rows in state["pool"].items()}
        seq, keep = state["seq"], max(per_field, MAX_PER_FIELD)
        for _ in range(MAX_PAGES):
            page = list(self._app.journal.written((Decision.KIND,), after=seq, limit=PAGE))
            for row in page:
                if isinstance(row.fact, Decision) and self._may_be_drawn(row.fact):
                    lot = _lot(row.fact)
                    others = [one for one in pool.get(row.fact.field, []) if one[0] != lot]
                    if lot not in state["drawn"]:
                        pool[row.fact.field] = sorted([*others, [lot, row.fact.id]])[:keep]
            seq = page[-1].seq if page else seq
            if len(page) < PAGE:
                break
        return {**state, "seq": seq, "pool": pool}

    def _may_be_drawn(self, decision: Decision) -> bool:
        given = self._app.policy.fields.get(decision.field)
        is_read = decision.by == "policy" and decision.engine not in _NOT_READ and bool(decision.activities)
        is_value = decision.verdict is Verdict.APPLY and decision.op == "set" and decision.step is None
        return is_read and is_value and given is not None and given.grounding == "quoted"

    def _unanswered(self, asked: list[str]) -> Iterator[Sampled]:
        journal = self._app.journal
        decisions = journal.get_many(asked)
        for decision_id in asked:
            decision = decisions.get(decision_id)
            if not isinstance(decision, Decision) or _answered(journal.effects(decision_id, Release.KIND)):
                continue
            claim = journal.get(decision.claim)
            quotes = tuple(evidence.quote for evidence in claim.evidence) if isinstance(claim, Claim) else ()
            party = decision.party or ""
            standing = journal.standing(party)
            name = standing.name if standing else ""
            yield Sampled(decision.id, party, name, decision.field, decision.value, decision.evidence_at, quotes)

    def _fitting(self, field: str, value: Value) -> Value:
        given = self._app.policy.fields[field]
        allowed = tuple(self._app.policy.stages) if field == "stage" else given.values
        fitting = value if field == "stage" and value in allowed else canonical(value, given)
        if fitting is None:
            wanted = f"one of {', '.join(allowed)}" if allowed else f"a {given.type}"
            raise PermanentError(f"{value!r} is no value of {field}, which is {wanted}")
        return fitting

    def _week(self) -> str:
        now = self._app.clock().astimezone(ZoneInfo(self._app.settings.own_section.timezone))
        year, week, _ = now.isocalendar()
        return f"{year}-W{week:02}"


def _answered(effects: list[Fact]) -> bool:
    return any(isinstance(fact, Release) and fact.action in ANSWERS for fact in effects)


def _lot(decision: Decision) -> str:
    """Return what is the same for the same value of one party, however often it is read."""
    words = json.dumps([decision.party, decision.engagement, decision.field, decision.value], default=str)
    return sha256(words.encode()).hexdigest()[:16]


def _remembered(state: dict[str, Any], per_field: int) -> list[str]:
    drawn = [row[0] for rows in state["pool"].values() for row in rows[:per_field]]
    return [*state["drawn"], *drawn][-MAX_DRAWN:]


def _drawn(pool: dict[str, list[_Row]], per_field: int) -> list[str]:
    return [row[1] for _, rows in sorted(pool.items()) for row in rows[:per_field]]


def _parsed(text: str | None) -> dict[str, Any]:
    """Read the state; what is damaged is begun anew."""
    try:
        state = json.loads(text or "{}")
        pool = {str(name): [[str(lot), str(i)] for lot, i in rows] for name, rows in state.get("pool", {}).items()}
        return {
            "seq": int(state.get("seq", 0)),
            "week": str(state.get("week", "")),
            "asked": [str(i) for i in state.get("asked", [])],
            "pool": pool,
            "drawn": [str(lot) for lot in state.get("drawn", [])],
        }
    except (ValueError, TypeError, AttributeError):
        return {"seq": 0, "week": "", "asked": [], "pool": {}, "drawn": []}
