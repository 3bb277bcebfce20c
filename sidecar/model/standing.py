"""What the journal's facts add up to for one party: the projection that every run starts from.

It is folded fact by fact in the transaction that writes the facts (`journal.standing`), so that no message costs work
that grows with history, and it can be rebuilt from the book. Only the fold makes new ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sidecar.model.facts import Hold
from sidecar.model.policy import Policy, Route
from sidecar.model.things import Evidence, Identifier, Step, Value

TIE = "its deal"
"""Under this name, which no property can have, a Change ties a note, a task or a meeting to a deal made after it."""


@dataclass(frozen=True, slots=True)
class FieldStanding:
    """One field's believed value.

    `engine` is the LLM adapter's name, `code` for what is computed, `person` or `past` for what the CRM brought.
    `evidence_at` is the time of the newest activity (or of the person's edit) that the value rests on.
    """

    value: Value
    decision: str
    engine: str
    confidence: float
    evidence_at: datetime
    activities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value that waits for a person: a decision with the verdict suggest, or hold, by a `rule`."""

    value: Value
    decision: str
    reason: str
    at: datetime
    verdict: str = "suggest"
    activities: tuple[str, ...] = ()
    rule: str = ""


@dataclass(frozen=True, slots=True)
class FieldSync:
    """What we know of one CRM property: what we posted and confirmed, what is pending, whose hold is on it.

    `pending` are values of Changes that are unconfirmed. `wrote` is what we sent for `posted` (a CRM may reformat it),
    `posted_evidence_at` its evidence's time. `pinned` is a person's order to leave the property alone. `freed_at` is
    the time of somebody's edit that was given back last, `withheld_at` that of a rollback: what we believed until then
    is not written again.
    """

    posted: Value = None
    wrote: Value = None
    was_posted: bool = False
    change: str = ""
    posted_evidence_at: datetime | None = None
    pending: Mapping[str, Value] = field(default_factory=dict)
    hold: Hold | None = None
    pinned: bool = False
    freed_at: datetime | None = None
    withheld_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecordSync:
    """One CRM record of the party: its idempotency key, its ref once made or found, its properties.

    `made_at` is when we first meant to make it, None for a record that was there; `sent_at` when we last wrote to it.
    `tied` says whether we tied it to its engagement's deal, None where nobody noted that.
    """

    kind: str
    key: str
    ref: str | None = None
    engagement: int = 0
    reading: str = ""
    read_at: datetime | None = None
    made_at: datetime | None = None
    sent_at: datetime | None = None
    gone: bool = False
    fields: Mapping[str, FieldSync] = field(default_factory=dict)
    tied: bool | None = None


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert that no later fact has closed."""

    id: str
    rule: str
    about: str
    rank: float
    reason: str
    at: datetime
    engagement: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """A question that the other side has not answered: its words, and the channel's id of the message it stands in."""

    evidence: Evidence
    message: str


@dataclass(frozen=True, slots=True)
class Mark:
    """What the score became by words of some time, and the decision that says so."""

    at: datetime
    score: float
    decision: str


@dataclass(frozen=True, slots=True)
class Meeting:
    """One appointment, as booking systems and calendars told of it; `others` are more names of the same.

    `status` is scheduled, attended, cancelled or no_show; `at` is when the newest word about it was said; `host` is the
    e-mail address of whoever of ours it is with, as far as that was told. When it is rests on the Match `timed_by`, of
    the activity `timed_in`; how it stands, on `stated_by`. Each has its word's time.
    """

    id: str
    engagement: int
    title: str
    start: datetime
    end: datetime | None
    status: str
    at: datetime
    timed_by: str
    timed_at: datetime
    timed_in: str
    stated_by: str
    stated_at: datetime
    others: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()
    host: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One thread of the party: its channel, when it began and last moved, how many activities."""

    thread: str
    channel: str
    first_at: datetime
    last_at: datetime
    count: int = 0


@dataclass(frozen=True, slots=True)
class Engagement:
    """One run through the stages: believed fields, open suggestions, steps, and how the score came about (`marks`).

    `route` is that of its first activity: what comes another way later doesn't move its deal to another pipeline.
    `reached` is the last stage that was no end.
    """

    number: int = 1
    route: str = ""
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    fields: Mapping[str, FieldStanding] = field(default_factory=dict)
    suggestions: Mapping[str, Suggestion] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    marks: tuple[Mark, ...] = ()
    reached: str = ""

    @property
    def stage(self) -> str:
        """The believed stage, or an empty text before the first, and when a person cleared it."""
        held = self.fields.get("stage")
        return str(held.value) if held and held.value is not None else ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything believed about one party, and everything known of its CRM records.

    `known_by` names the Match behind the name and behind each identifier (`email:ann@x.test`). `allowed` are the
    permits by which a person let us make a contact or a deal, `absorbed` the parties that were merged into it.
    `records` are keyed by their idempotency key. `conversations` holds the newest 20. `activities_at_whole` says how
    many activities there were when the whole history was last read. `channel` and `route` are the newest activity's.
    `asked` is the last question that nobody has answered, `spoke_last` customer or agent. `meetings` are the newest.
    """

    party: str
    name: str = ""
    identifiers: tuple[Identifier, ...] = ()
    known_by: Mapping[str, str] = field(default_factory=dict)
    merged_into: str | None = None
    since: datetime | None = None
    last_activity_at: datetime | None = None
    last_customer_at: datetime | None = None
    last_agent_at: datetime | None = None
    activities: int = 0
    activities_at_whole: int = 0
    needs_whole: bool = False
    channel: str = ""
    route: str = ""
    engagements: tuple[Engagement, ...] = (Engagement(),)
    conversations: tuple[Conversation, ...] = ()
    records: Mapping[str, RecordSync] = field(default_factory=dict)
    alerts: tuple[OpenAlert, ...] = ()
    last_inference: str = ""
    allowed: tuple[str, ...] = ()
    absorbed: tuple[str, ...] = ()
    asked: Question | None = None
    spoke_last: str = ""
    meetings: tuple[Meeting, ...] = ()

    @property
    def engagement(self) -> Engagement:
        """The current engagement."""
        return self.engagements[-1]

    def permit(self, kind: str) -> str:
        """Return how a person's leave to make a record is noted: for a deal it holds in this engagement alone."""
        return f"{kind}:{self.engagement.number}" if kind == "deal" else kind

    def route_in(self, policy: Policy) -> Route:
        """Return the way to the CRM, which is the current engagement's; the channel's where none was noted."""
        name = self.engagement.route or self.route
        return next((r for r in policy.routes if r.name == name), None) or policy.route(self.channel)

    def record(self, kind: str, engagement: int | None = None) -> RecordSync | None:
        """Return the party's live record of a kind, of one engagement where that is asked."""
        found = [r for r in self.records.values() if r.kind == kind and not r.gone]
        if engagement is not None:
            found = [r for r in found if r.engagement == engagement]
        return found[-1] if found else None
