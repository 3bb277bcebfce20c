"""The facts of the journal, in the order in which they arise.

Each fact but a Delivery holds `because`, the ids of the facts that it follows from. An id is an HMAC, under the
journal's key, of the kind and the columns named in `IDENTITY`: running a stage twice yields the same ids and inserts
nothing new, and an erased text can't be guessed from an id. Times of recording, costs and latencies stay outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sidecar.model.mint import Fact
from sidecar.model.things import (
    Actor,
    Attachment,
    Author,
    Candidate,
    Edit,
    Evidence,
    Identifier,
    Participant,
    Role,
    Said,
    Step,
    Value,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(Fact):
    """What a channel handed us, kept even when it can't be parsed; `raw` lives in a payload of its own.

    `key` is the channel's delivery id, else the sha256 of the raw bytes. `headers` hold what the parser needs
    beside the bytes (a folder, a content type), never a secret.
    """

    KIND = "delivery"
    IDENTITY = ("channel", "account", "key")

    channel: str
    account: str
    key: str
    sha256: str
    headers: Mapping[str, str] = field(default_factory=dict)
    received_at: datetime
    raw: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity(Fact):
    """One thing that somebody did; its text never changes, an edit is another activity that `relates_to` the first.

    Kinds: message, mail, call, transcript, meeting, booking_created, booking_moved, booking_cancelled,
    booking_attended, booking_no_show, edit, deletion, status. `said` are the spans of `text` that somebody said in
    this activity, in order. `automated` is the reason why it counts as machine mail. `attributes` hold structured
    facts of the channel (booking id, start time), each also readable in `text` so that it can be quoted.
    """

    KIND = "activity"
    IDENTITY = ("channel", "account", "external_id", "kind", "version")

    channel: str
    account: str
    external_id: str
    kind: str
    version: str = ""
    at: datetime
    actor: Actor
    participants: tuple[Participant, ...] = ()
    thread: str
    subject: str = ""
    text: str = ""
    said: tuple[Said, ...] = ()
    relates_to: str | None = None
    automated: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    problems: tuple[str, ...] = ()


class Outcome(StrEnum):
    """What `resolve` found out about an activity."""

    PARTY = "party"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"
    NOT_CUSTOMER = "not_customer"
    INTERNAL = "internal"
    AUTOMATED = "automated"
    DO_NOT_PROCESS = "do_not_process"
    OUTBOUND_ONLY = "outbound_only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match(Fact):
    """This activity belongs to this party, by this rule; or it is a question; or it is not a customer's.

    `identifiers` are those of the customer side, normalised; `links` those of them that this match gives to the party.
    `proposals` were read in a signature or body: shown, never merged upon. `route` is the way that the activity takes
    to the CRM. `after` is the Release that caused a re-match, else empty.
    """

    KIND = "match"
    IDENTITY = ("activity", "outcome", "party", "after")

    activity: str
    outcome: Outcome
    rule: str
    new_party: bool = False
    name: str = ""
    identifiers: tuple[Identifier, ...] = ()
    links: tuple[Identifier, ...] = ()
    proposals: tuple[Identifier, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    route: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference(Fact):
    """One LLM call, whole. `stop` is end, refusal, truncated, overfull or invalid.

    `because` are the Matches whose activities it read; of a call that brought nothing, and so leaves them to be read,
    the Activities. `request_sha256` covers party and Matches too: others may say the same words. `passed_on` is why
    another call was made in its place, `escalated_from` the smaller model's call before it. `channel` is that of the
    newest words; `senders` says how many characters were whose, by hashes. `version` hashes all that it was asked by.
    A long activity is read in several `parts`, and has been read when the last one has.
    """

    KIND = "inference"
    IDENTITY = ("request_sha256",)

    request_sha256: str
    engagement: int
    engine: str
    model: str
    prompt: str
    prompt_sha256: str
    version: str = ""
    request: Mapping[str, Any]
    answer: str
    stop: str
    whole: bool = False
    newest_at: datetime
    request_id: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0
    duration_ms: int = 0
    passed_on: str = ""
    escalated_from: str = ""
    channel: str = ""
    route: str = ""
    senders: Mapping[str, int] = field(default_factory=dict)
    part: int = 1
    parts: int = 1


class Certainty(StrEnum):
    """How sure the words are, in the model's judgement; code turns it into a number."""

    STATED = "stated"
    STRONGLY_IMPLIED = "strongly_implied"
    WEAKLY_IMPLIED = "weakly_implied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Fact):
    """One statement about a party, asserted and not yet believed.

    `op` is set, clear or conflict (for a step: open, done or dropped). A quoted field's claim is `verified` when each
    quote was found verbatim in what its activity's people said; a computed field's claim names its `formula`
    instead. `role` and `authenticated` are those of the least trusted speaker quoted, `at` is the newest evidence's.
    """

    KIND = "claim"
    IDENTITY = ("inference", "position")

    inference: str
    position: int
    engagement: int
    field: str
    op: str
    value: Value
    certainty: Certainty
    confidence: float
    evidence: tuple[Evidence, ...] = ()
    verified: bool = False
    formula: str = ""
    step: Step | None = None
    role: Role | None = None
    authenticated: bool = False
    at: datetime
    problem: str = ""


class Verdict(StrEnum):
    """What is to be done with a claim."""

    APPLY = "apply"
    SUGGEST = "suggest"
    HOLD = "hold"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Fact):
    """The policy's, or a person's, verdict on a claim, with the rule that gave it and a reason to read."""

    KIND = "decision"
    IDENTITY = ("claim", "policy", "verdict", "after")

    claim: str
    policy: str
    verdict: Verdict
    rule: str
    reason: str
    engagement: int
    field: str
    op: str
    value: Value
    engine: str
    confidence: float
    step: Step | None = None
    evidence_at: datetime
    activities: tuple[str, ...] = ()
    opens_engagement: bool = False
    closes_engagement: bool = False
    by: str = "policy"
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A CRM property's value that is not ours: whose it is, what it is, since when; `first` when it stood before us.

    `name` and `means` say the same in our words (field `stage`, value `booked`), for what is state or observation:
    that value is the new baseline. A stage also brings `to`, the stages that may follow it, and `ends` when it is an
    end. An identity property has no `name`: its hold stands for good. `unsettled` are Changes of ours that knew
    nothing of it and may yet arrive; `overrun` says that a write of ours ran over it, so that it is to be put back.
    """

    author: Author
    value: Value
    at: datetime
    first: bool = False
    name: str = ""
    means: Value = None
    to: tuple[str, ...] = ()
    ends: bool = False
    unsettled: tuple[str, ...] = ()
    overrun: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Fact):
    """What the CRM held when we looked, and by whom.

    `holds` are the fields whose value is somebody else's; `freed` the fields that a person gave back by restoring
    our value, with that edit. `gone` is set when the record was deleted or merged (`moved_to`); without a `ref` it was
    looked for and not found. `key` is the idempotency key under which the party keeps the record, `linked_by` the rule
    that tied the two together, once. `follows` is the reading of the record before this one, so that the same values
    seen again later are a new fact.
    """

    KIND = "reading"
    IDENTITY = ("ledger", "kind", "ref", "version", "values_sha256", "follows")

    ledger: str
    kind: str
    key: str
    ref: str
    engagement: int = 0
    version: str = ""
    values_sha256: str
    values: Mapping[str, Value] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()
    holds: Mapping[str, Hold] = field(default_factory=dict)
    freed: Mapping[str, Hold] = field(default_factory=dict)
    gone: bool = False
    moved_to: str | None = None
    linked_by: str = ""
    follows: str = ""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Fact):
    """Intended: one field of one record, old to new. `ref` is None for a record to be made, then `key` names it."""

    KIND = "change"
    IDENTITY = ("ledger", "kind", "key", "field", "new", "reading")

    ledger: str
    kind: str
    key: str
    ref: str | None
    engagement: int
    field: str
    old: Value
    new: Value
    reading: str
    evidence_at: datetime | None = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting(Fact):
    """Confirmed: what we wrote, and the value as read back from the CRM after the write."""

    KIND = "posting"
    IDENTITY = ("change",)

    change: str
    ledger: str
    kind: str
    key: str
    ref: str
    engagement: int
    field: str
    wrote: Value
    value: Value
    evidence_at: datetime | None = None
    version: str = ""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction(Fact):
    """A person changed what we had posted: our value, theirs, who, when."""

    KIND = "correction"
    IDENTITY = ("reading", "field")

    reading: str
    ledger: str
    kind: str
    ref: str
    engagement: int
    field: str
    ours: Value
    theirs: Value
    author: Author
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert(Fact):
    """A business or operations exception, open until a later fact closes it (`state` closed, naming that fact)."""

    KIND = "alert"
    IDENTITY = ("rule", "subject", "about", "state")

    rule: str
    subject: str
    about: str
    state: str = "open"
    engagement: int = 0
    rank: float
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Fact):
    """A person's word, by command or CRM field.

    `action` is pin, release, approve or reject (on `field`), create (a record of `kind`), tie (the CRM's record
    `value`, kept under the key `field`), assign (`activities` to `party`), merge (`other` into `party`), split
    (`activities` of `other` out to `party`; all of the merged party `key` where one is named), rollback (the property
    `field` of the record `key`, to `value`), confirm or refute (a sampled `field`, rightly `value`; no belief).
    """

    KIND = "release"
    IDENTITY = ("nonce",)

    nonce: str
    action: str
    by: str
    field: str = ""
    kind: str = ""
    key: str = ""
    value: Value = None
    activities: tuple[str, ...] = ()
    other: str | None = None
    reason: str = ""
    at: datetime


_ALL: tuple[type[Fact], ...] = (
    Delivery, Activity, Match, Inference, Claim, Decision, Reading, Change, Posting, Correction, Alert, Release,
)  # fmt: skip
KINDS: Mapping[str, type[Fact]] = {kind.KIND: kind for kind in _ALL}
"""Fact classes by their kind, for reading the book."""
