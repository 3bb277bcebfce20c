"""What admins configure, as the stages need it: whose we are, who is a customer, fields, stages, routes.

`config` builds these from TOML; the stages read them. They live here because stages may not import `config`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from sidecar.model.things import Identifier, Role


class Mode(StrEnum):
    """The ladder: write nothing; write AI-owned fields, notes and suggestions; write all that the policy applies."""

    SHADOW = "shadow"
    SUGGEST = "suggest"
    AUTO = "auto"

    @property
    def height(self) -> int:
        """How many rungs lie below this one."""
        return tuple(Mode).index(self)


REVIEW, SUGGESTIONS = "review", "suggestions"
"""The fields that say that something waits for a person, and what."""
ACCEPT_ALL, REJECT_ALL = "accept_all", "reject_all"
ANSWERS = (ACCEPT_ALL, REJECT_ALL)
"""What a person may set the review field to: an answer to what waits, and never a belief."""
OFF = "off"
"""What people set a record's AI mode to when nothing is to be written there; the other words are the ladder's."""


SEVERAL = "enums"
"""The type of a field that holds several values of a closed list at once."""


class FieldClass(StrEnum):
    """What "human wins" means for a field: for good; as a new baseline; until newer activities say otherwise."""

    IDENTITY = "identity"
    STATE = "state"
    OBSERVATION = "observation"


@dataclass(frozen=True, slots=True)
class Own:
    """Our side: domains (lower case), addresses (normalised e-mails and E.164 phones), where and when we are."""

    domains: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    default_region: str = "GB"
    timezone: str = "UTC"

    def owns(self, identifier: Identifier) -> bool:
        """Say whether an identifier is ours; an e-mail address also when its domain, or a parent of it, is."""
        value = identifier.value.strip().casefold()
        if value in self.addresses:
            return True
        if identifier.kind != "email" or "@" not in value:
            return False
        domain = value.rsplit("@", 1)[1]
        return any(domain == own or domain.endswith("." + own) for own in self.domains)


@dataclass(frozen=True, slots=True)
class Relevance:
    """Lists of patterns (`*@supplier.test`, `+4420*`, `web:bot-*`) that say who is a customer before any model call.

    Order: do_not_process, customer, not_customer; then the built-in rules. `not_customer_subjects` are lower-case
    words at the start of a subject, or within it, of mail that is no customer's (applications, invoices to us).
    """

    do_not_process: tuple[str, ...] = ()
    customer: tuple[str, ...] = ()
    not_customer: tuple[str, ...] = ()
    not_customer_subjects: tuple[str, ...] = ()
    free_mail: frozenset[str] = frozenset()

    @staticmethod
    def listed(identifier: Identifier, patterns: tuple[str, ...]) -> bool:
        """Say whether one of the patterns names this identifier, by its value or as `kind:value`."""
        value = identifier.value.casefold()
        whole = f"{identifier.kind}:{value}"
        return any(fnmatchcase(value, p.casefold()) or fnmatchcase(whole, p.casefold()) for p in patterns)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a field goes in the CRM: a record kind and the CRM's property."""

    kind: str
    property: str


@dataclass(frozen=True, slots=True)
class FieldPolicy:
    """One field: what it is, what it may hold, who may assert it, how sure it must be, where it goes.

    `native` marks a property that the CRM's people own (a name, the deal's stage); AI-owned properties are not native.
    `grounding` is quoted (a verbatim span is needed) or computed (by code, from named facts). `criteria` are the
    config's, which win over a prompt's, or a pack's, which yield to them.
    """

    name: str
    cls: FieldClass
    type: str = "text"
    values: tuple[str, ...] = ()
    criteria: str = ""
    not_criteria: str = ""
    criteria_yield: bool = False
    grounding: str = "quoted"
    asserted_by: frozenset[Role] = frozenset({Role.CUSTOMER, Role.AGENT, Role.SYSTEM, Role.BOT})
    threshold: float = 0.5
    mode: Mode | None = None
    targets: tuple[Target, ...] = ()
    native: bool = False
    max_chars: int = 500


@dataclass(frozen=True, slots=True)
class StagePolicy:
    """One stage: where it may go next, how sure a claim must be, whose word it takes, when silence is an exception.

    `needs` is any, seller (an authenticated person of ours, a system, a reviewer) or system (a system, a reviewer).
    `silent_days` are business days without a word from the customer; None never raises.
    """

    name: str
    to: tuple[str, ...] = ()
    threshold: float = 0.6
    needs: str = "any"
    terminal: bool = False
    silent_days: int | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Maps channels and our addresses to a pipeline, a stage map (ours to theirs), owner, brand, prompt and mode."""

    name: str = "default"
    channels: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    pipeline: str = ""
    stages: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    brand: str = ""
    prompt: str = "relationship"
    mode: Mode | None = None

    def takes(self, channel: str, addresses: frozenset[str]) -> bool:
        """Say whether an activity on this channel, to or from these addresses of ours, goes this way."""
        if self.channels and channel not in self.channels:
            return False
        return not self.addresses or bool(addresses & frozenset(self.addresses))


@dataclass(frozen=True, slots=True)
class Score:
    """What the score is made of: so many points for the whole way to an end, and for values of fields, by field."""

    stage: float = 70.0
    points: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notes:
    """How notes and tasks reach the CRM without flooding it."""

    enabled: bool = True
    settle_s: float = 4 * 3600.0
    new_per_day: int = 1
    skip_channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rungs:
    """How far the ladder has been climbed, which bounds the configured modes: as a whole, by route, by field.

    A route or a field with a rung of its own doesn't follow the whole; where both have one, the lower holds.
    """

    ledger: Mode = Mode.AUTO
    routes: Mapping[str, Mode] = field(default_factory=dict)
    fields: Mapping[str, Mode] = field(default_factory=dict)

    def bound(self, route: str, name: str = "") -> Mode:
        """Return the highest mode that a field may have on a route; without a name, a record as a whole."""
        own = [rung for rung in (self.routes.get(route), self.fields.get(name)) if rung is not None]
        return lowest(*own) if own else self.ledger


def lowest(*modes: Mode) -> Mode:
    """Return the mode that allows least."""
    return min(modes, key=lambda mode: mode.height)


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that decides what may be written; `sha256` names this version of it in each Decision.

    `rungs` are how much of it is in force at the moment; they are no part of the version. `mode_property` and
    `pin_property` are people's: by them a rep lowers the mode of a record, and names what in it stays as it is; with an
    empty name there is none. A suggestion that nobody answered within `suggestion_days` of its words is dropped.
    """

    fields: Mapping[str, FieldPolicy]
    stages: Mapping[str, StagePolicy]
    mode: Mode = Mode.SHADOW
    create_contact: str = "suggest"
    create_deal: str = "never"
    routes: tuple[Route, ...] = (Route(),)
    notes: Notes = Notes()
    party_by: str = "person"
    baseline_writes: bool = False
    overdue_grace_days: int = 0
    alerts_per_owner: int = 10
    suggestion_days: int = 14
    cooling_days: int = 10
    mode_property: str = "ai_mode"
    pin_property: str = "ai_pin"
    score: Score = Score()
    sha256: str = ""
    rungs: Rungs = Rungs()

    @property
    def of_people(self) -> tuple[str, ...]:
        """The properties of contacts and deals by which people steer us: read, and never written."""
        return tuple(name for name in (self.mode_property, self.pin_property) if name)

    @property
    def first_stage(self) -> str:
        """The stage in which each engagement begins."""
        return next(iter(self.stages))

    def route(self, channel: str, addresses: frozenset[str] = frozenset()) -> Route:
        """Return the first route that takes the activity, else the first of all."""
        return next((r for r in self.routes if r.takes(channel, addresses)), self.routes[0])

    def properties(self, kind: str, name: str) -> tuple[str, ...]:
        """Return the properties that stand for a field of ours on a kind of record; a deal's stage is the CRM's too."""
        given = self.fields.get(name)
        found = tuple(t.property for t in given.targets if t.kind == kind) if given else ()
        return (*found, "stage") if (kind, name) == ("deal", "stage") else found

    def configured(self, route: Route, given: FieldPolicy | None = None) -> Mode:
        """Return the mode that the config gives to a field on a route; without a field, to the records of the route."""
        return (given.mode if given else None) or route.mode or self.mode

    def mode_for(self, route: Route, given: FieldPolicy | None = None) -> Mode:
        """Return the mode that is in force for a field on a route: the configured one, as far as it was climbed."""
        return lowest(self.configured(route, given), self.rungs.bound(route.name, given.name if given else ""))


@dataclass(frozen=True, slots=True)
class PromptExample:
    """What somebody wrote, the words of it that carry a value, and the value; the quote is in the text."""

    text: str
    quote: str
    value: str


@dataclass(frozen=True, slots=True)
class PromptField:
    """What a prompt file says of one field: what counts, what doesn't, few examples."""

    name: str
    criteria: str
    not_criteria: str = ""
    examples: tuple[PromptExample, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt file, loaded: its rules, its criteria per field, and the hash that each inference names.

    `text` are the rules alone; `source` is the whole file, canonically, from which the same prompt can be made again.
    `model` and `effort` are empty where the config's hold. `serves` are the fields that it is asked for; empty are all.
    """

    name: str
    text: str
    fields: tuple[PromptField, ...]
    sha256: str
    language: str = "en"
    version: str = ""
    source: str = ""
    model: str = ""
    effort: str = ""
    serves: tuple[str, ...] = ()

    def serving(self, name: str) -> bool:
        """Say whether a field is this prompt's to ask for."""
        return not self.serves or name in self.serves


@dataclass(frozen=True, slots=True)
class Window:
    """A moment, and since when what a party says is live: one that was quiet before `live_since` raises no alert."""

    now: datetime
    live_since: datetime
