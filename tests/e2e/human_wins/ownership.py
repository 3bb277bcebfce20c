"""What "a person wins" means, in plain Python: who owns each property, and what must stand in the CRM.

This is the yardstick, so it uses nothing of the product's own reasoning. It keeps, per field, what was said and what
people wrote, in order of time, and works out from it what is to be believed; and per property, whose value stands.
What we last wrote is read from the CRM's own history, which is the truth about it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sidecar.model import AuthorKind, Edit, Value

MOVES: Mapping[str, frozenset[str]] = {
    "enquired": frozenset({"qualified", "booked"}),
    "qualified": frozenset({"booked"}),
    "booked": frozenset({"attended", "qualified"}),
    "attended": frozenset({"booked"}),
}
"""The allowed moves among the stages that the machine uses; ends are walked elsewhere."""
BY_US_ONLY = frozenset({"attended"})

Property = tuple[str, str]
"""A record kind and a property, such as ("deal", "stage")."""
MEANS: Mapping[Property, str] = {
    ("contact", "name"): "name",
    ("contact", "ai_intent"): "intent",
    ("contact", "ai_sentiment"): "sentiment",
    ("contact", "ai_stage"): "stage",
    ("deal", "stage"): "stage",
    ("deal", "ai_stage"): "stage",
    ("deal", "ai_sentiment"): "sentiment",
}
IDENTITY = frozenset({("contact", "name")})


class Nothing:
    """Stands for "we never wrote it", which differs from having cleared it."""


NEVER = Nothing()


@dataclass(frozen=True)
class Event:
    """Something that bears on a field: what somebody said (`by` a role), or a value that was left in the CRM."""

    at: datetime
    value: Value
    by: str


@dataclass(frozen=True)
class Belief:
    """What is to be believed, since when, and whether people's words in conversations say so."""

    value: Value
    at: datetime | None
    from_words: bool


@dataclass
class Ownership:
    """Who owns what."""

    events: dict[str, list[Event]] = field(default_factory=dict)
    holds: dict[Property, Event] = field(default_factory=dict)
    pinned: dict[Property, Value] = field(default_factory=dict)
    fresh: set[Property] = field(default_factory=set)
    """Properties that were changed since everything was settled last."""
    bases: dict[Property, tuple[datetime, Value | Nothing]] = field(default_factory=dict)
    """What counted as ours at a moment at which it was given back, or moved to another record."""

    def said(self, name: str, value: Value, at: datetime, by: str) -> None:
        """Take in what somebody said."""
        self.events.setdefault(name, []).append(Event(at, value, by))

    def named(self, name: str, at: datetime) -> None:
        """Take in a customer's name: the first one stays."""
        if "name" not in self.events:
            self.said("name", name, at, "customer")

    def wrote(self, where: Property, value: Value, at: datetime, *, is_ours: bool) -> None:
        """Take in what somebody left in the CRM; `is_ours` says that it is our own last value, restored."""
        event = Event(at, value, "crm")
        if where not in IDENTITY:
            self.events.setdefault(MEANS[where], []).append(event)
        self.holds.pop(where, None)
        if not is_ours:
            self.holds[where] = event
        if where in self.pinned:
            self.pinned[where] = value
        self.fresh.add(where)

    def belief(self, name: str) -> Belief:
        """Return what is to be believed of a field."""
        if name == "stage":
            return self._stage()
        events = sorted(self.events.get(name, ()), key=lambda e: e.at)
        if not events:
            return Belief(None, None, True)
        return Belief(events[-1].value, events[-1].at, events[-1].by != "crm")

    def _stage(self) -> Belief:
        """Walk the stages: words move by allowed moves and on the right word, the CRM's people as they like."""
        stage, at, from_words = "enquired", None, True
        value: Value = stage
        for event in sorted(self.events.get("stage", ()), key=lambda e: e.at):
            if event.by == "crm":
                value, at, from_words = event.value, event.at, False
                stage = str(event.value) if event.value else "enquired"
            elif event.value == stage or self._may(stage, event):
                value, at, from_words = event.value, event.at, True
                stage = str(event.value)
        return Belief(value, at, from_words)

    @staticmethod
    def _may(stage: str, event: Event) -> bool:
        return event.value in MOVES[stage] and (event.value not in BY_US_ONLY or event.by == "agent")

    def expected(self, where: Property) -> Value:
        """Return what must stand in the CRM once everything is settled."""
        if where in self.pinned:
            return self.pinned[where]
        belief, hold = self.belief(MEANS[where]), self.holds.get(where)
        if hold is None:
            _, given_back = self.bases.get(where, (None, NEVER))
            is_unknown = where in IDENTITY and belief.value is None
            return given_back if is_unknown and not isinstance(given_back, Nothing) else belief.value
        is_newer = belief.from_words and belief.at is not None and belief.at > hold.at
        return belief.value if where not in IDENTITY and is_newer else hold.value

    def overtaken(self, where: Property, edits: Sequence[Edit], overruns: Sequence[datetime]) -> None:
        """Let go of a hold over which we wrote, if newer words told us to; else it stands, whatever we wrote."""
        hold = self.holds.get(where)
        if hold is None or where in IDENTITY or where in self.pinned:
            return
        later = [e for e in edits if e.at > hold.at and e.author.kind is AuthorKind.US and e.at not in overruns]
        newer = [e for e in self.events.get(MEANS[where], ()) if e.by != "crm" and e.at > hold.at]
        if newer and any(e.value != hold.value for e in later):
            del self.holds[where]

    def settled(self, where: Property) -> None:
        """Everything is settled: a hold that newer words have overtaken is over."""
        hold = self.holds.get(where)
        if hold is not None and where not in self.pinned and self.expected(where) != hold.value:
            del self.holds[where]
        self.fresh.discard(where)

    def ours(self, where: Property, edits: Sequence[Edit], overruns: Sequence[datetime]) -> Value | Nothing:
        """Return what we last wrote to a property; what we put back for a person is not ours."""
        since, value = self.bases.get(where, (None, NEVER))
        found: Value | Nothing = value
        for i, edit in enumerate(edits):
            if edit.author.kind is not AuthorKind.US or (since is not None and edit.at <= since):
                continue
            is_put_back = i >= 2 and edits[i - 1].at in overruns and edits[i - 2].value == edit.value
            found = found if is_put_back else edit.value
        return found
