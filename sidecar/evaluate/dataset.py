"""Loads labelled conversations, and refuses those whose labels can't be right.

A wrong label is worse than none: it teaches whoever tunes on it. So everything that code can check is checked before
anything is measured: fields and values exist, each quote stands in what somebody said who may say so, the stages are a
way that the policy allows, days of the week fit their dates. All faults are told at once, with file and line. The same
loader reads the conversations that come with the product and a team's own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from sidecar.errors import ConfigError
from sidecar.evaluate.cases import LIST_SEPARATOR, UNKNOWN, Case, Label, Move, Quoted, StepLabel
from sidecar.evaluate.written import (
    Found,
    WrittenActivity,
    WrittenCase,
    WrittenLabel,
    WrittenStep,
    read,
)
from sidecar.ground import find, fold
from sidecar.model import Activity, Actor, FieldPolicy, Mint, Policy, Role, Said

MAX_FAULTS = 30
KINDS = (
    "message", "mail", "call", "transcript", "meeting", "edit", "deletion", "status", "booking_created",
    "booking_moved", "booking_cancelled", "booking_attended", "booking_no_show",
)  # fmt: skip
STAGE = "stage"
_MINT = Mint(sha256(b"labelled conversations").digest())
_CHANGES = ("edit", "deletion")
_OURS = (Role.AGENT, Role.SYSTEM)

Keys = tuple[str | int, ...]


def load(path: Path, policy: Policy) -> tuple[Case, ...]:
    """Return the conversations of a file or a folder; `ConfigError` lists the faults, a line each, with their places.

    Fields, their values and the stages are the policy's: labels are about what somebody has configured.
    """
    cases: dict[str, Case] = {}
    faults: list[str] = []
    for found in read(path):
        case, wrong = _case(found, policy)
        faults += wrong
        if case and case.id in cases:
            faults.append(f"{found.place(('id',))}: {cases[case.id].source} has the same id")
        elif case:
            cases[case.id] = case
        if len(faults) >= MAX_FAULTS:
            break
    if faults:
        more = "\nthere may be more" if len(faults) >= MAX_FAULTS else ""
        raise ConfigError("\n".join(faults[:MAX_FAULTS]) + more)
    return tuple(cases.values())


def _case(found: Found, policy: Policy) -> tuple[Case | None, list[str]]:
    try:
        written = WrittenCase.model_validate(found.data)
    except ValidationError as error:
        return None, [f"{found.place(e['loc'])}: {e['msg']}" for e in error.errors(include_url=False)]
    reading = _Reading(written, found, policy)
    case = reading.case()
    return (None if reading.faults else case), reading.faults


@dataclass(slots=True)
class _Reading:
    """Turns one written conversation into a case, and notes what is wrong with it."""

    written: WrittenCase
    found: Found
    policy: Policy
    faults: list[str] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)

    def case(self) -> Case | None:
        written = self.written
        try:
            zone = ZoneInfo(written.timezone)
        except (KeyError, OSError, ValueError):
            self._fault(("timezone",), "there is no such time zone")
            return None
        if self.found.text and self.found.file != f"{written.id}.toml":
            self._fault(("id",), "a TOML file is named like the conversation in it")
        for place, activity in enumerate(written.activities):
            self.activities.append(self._activity(place, activity, zone))
        self._in_order()
        return Case(
            id=written.id,
            split=written.split,
            languages=tuple(written.languages),
            timezone=written.timezone,
            business=written.business,
            tags=frozenset(written.tags),
            activities=tuple(self.activities),
            checked_at=self._checked_at(zone),
            labels=self._labels(),
            path=self._path(),
            steps=tuple(self._step(place, step) for place, step in enumerate(written.steps)),
            never={name: tuple(self._known(("never", name), name, values)) for name, values in written.never.items()},
            hostile=frozenset(self._hostile()),
            source=self.found.place(()),
        )

    def _activity(self, place: int, written: WrittenActivity, zone: ZoneInfo) -> Activity:
        keys: Keys = ("activities", place)
        kind = written.kind or self.written.kind
        channel = written.channel or self.written.channel
        if kind not in KINDS:
            self._fault((*keys, "kind"), f"there is no such kind; there are {', '.join(KINDS)}")
        if not channel:
            self._fault(keys, "it has no channel, nor has the conversation")
        authenticated = written.by in _OURS if written.authenticated is None else written.authenticated
        at = _utc(written.at, zone)
        root = self._root(keys, written, place)
        made = Activity(
            channel=channel,
            account="",
            external_id=written.attributes.get("booking_id") or root or f"{self.written.id}-{place + 1}",
            kind=kind,
            version=at.isoformat() if kind.startswith("booking_") or kind in _CHANGES else "",
            at=at,
            actor=Actor(written.by, "as labelled", authenticated, written.who),
            thread=f"{self.written.id}-{written.thread}",
            subject=written.subject,
            relates_to=root or None,
            automated=written.automated,
            attributes=written.attributes,
        )
        text, said = self._said(keys, written, kind, authenticated)
        return _MINT(replace(made, text=text, said=tuple(said)))

    def _root(self, keys: Keys, written: WrittenActivity, place: int) -> str:
        """Return the id of what an edit, a deletion or a later word on a booking is about; empty for all others."""
        if written.about is None:
            return ""
        if written.about > place:
            self._fault((*keys, "about"), "it is about a later activity")
            return ""
        return self.activities[written.about - 1].external_id

    def _said(self, keys: Keys, written: WrittenActivity, kind: str, authenticated: bool) -> tuple[str, list[Said]]:
        text = written.text.strip("\n")
        if kind == "transcript":
            speakers = {**self.written.speakers, **written.speakers}
            return text, list(self._turns(keys, text, speakers, authenticated=written.authenticated is not False))
        speaker = (written.by, authenticated, written.who)
        if kind == "mail":
            said = [Said(start, end, *speaker) for start, end in _own_lines(text)]
        else:
            said = [Said(0, len(text), *speaker)] if text else []
        joint = ": " if kind.startswith("booking_") else "\n"
        return (f"{text}{joint}{written.below.strip(chr(10))}" if written.below else text), said

    def _turns(self, keys: Keys, text: str, speakers: dict[str, Role], *, authenticated: bool) -> Iterator[Said]:
        at = 0
        for number, line in enumerate(text.split("\n"), 1):
            name, colon, words = line.partition(": ")
            if not colon or name not in speakers or not words.strip():
                self._fault((*keys, "text"), f"line {number} is not `Name: words` of a name in speakers")
            else:
                role = speakers[name]
                trusted = role in _OURS and authenticated
                yield Said(at + len(name) + 2, at + len(line), role, trusted, name)
            at += len(line) + 1

    def _in_order(self) -> None:
        newest: datetime | None = None
        for place, activity in enumerate(self.activities):
            late = self.written.activities[place].late
            if newest and (activity.at < newest) != late:
                say = "it is late, yet not before the one above it" if late else "it is before the one above it"
                self._fault(("activities", place, "at"), f"{say} (late = true marks what arrives late)")
            newest = max(newest or activity.at, activity.at)

    def _checked_at(self, zone: ZoneInfo) -> datetime:
        newest = max(activity.at for activity in self.activities)
        checked = _utc(self.written.checked_at, zone) if self.written.checked_at else newest
        if checked < newest:
            self._fault(("checked_at",), "it is before the last activity")
        return checked

    def _labels(self) -> dict[str, Label]:
        labels = {name: self._label(name, written) for name, written in self.written.labels.items()}
        if STAGE not in labels and not self.written.partial:
            self._fault(("labels",), "the stage at the end is missing")
        return labels

    def _label(self, name: str, written: WrittenLabel) -> Label:
        keys: Keys = ("labels", name)
        if bool(written.value) == bool(written.any_of):
            self._fault(keys, "give either value or any_of")
        values = self._known(keys, name, written.any_of or [written.value])
        evidence = self._evidence(keys, written.quotes)
        if name == STAGE and not evidence and self.written.path:
            evidence = self._evidence(keys, [self.written.path[-1].quote])
        if not evidence and UNKNOWN not in values and not self.written.partial:
            self._fault(keys, "it has no quotes")
        given = self.policy.fields.get(name)
        for quoted in evidence if given else ():
            self._may_say(keys, given, quoted)
        return Label(name, tuple(values), evidence)

    def _may_say(self, keys: Keys, given: FieldPolicy | None, quoted: Quoted) -> None:
        role = self._speaker(quoted).role
        if given and role not in given.asserted_by:
            self._fault(keys, f"{quoted.number} is {role.value}'s, whose word doesn't count for {given.name}")

    def _path(self) -> tuple[Move, ...]:
        moves: list[Move] = []
        current = self.policy.first_stage
        for place, written in enumerate(self.written.path):
            keys: Keys = ("path", place)
            stage = self.policy.stages.get(written.stage)
            if stage is None:
                self._fault(keys, f"there is no stage {written.stage!r}")
                continue
            if stage.name not in self.policy.stages[current].to:
                self._fault(keys, f"{current} may not be followed by {stage.name}")
            for quoted in self._evidence(keys, [written.quote]):
                said = self._speaker(quoted)
                if stage.needs != "any" and not (said.authenticated and said.role in _OURS):
                    self._fault(keys, f"{stage.name} needs the word of our side or of a system")
                moves.append(Move(stage.name, quoted))
            current = stage.name
        label = self.written.labels.get(STAGE) if moves or not self.written.partial else None
        if label and current != ([*label.any_of, label.value][0]):
            self._fault(("path",), f"it ends in {current}, and the label says otherwise")
        return tuple(moves)

    def _step(self, place: int, written: WrittenStep) -> StepLabel:
        keys: Keys = ("steps", place)
        evidence = self._evidence(keys, written.quotes)
        quoted = [fold(self.activities[e.number - 1].text).text for e in evidence]
        if written.due_text and not any(fold(written.due_text).text in text for text in quoted):
            self._fault(keys, "the words that say when are in none of the quoted activities")
        what = tuple(tuple(word.strip() for word in group.split("|") if word.strip()) for group in written.what)
        if not all(what):
            self._fault(keys, "a group of words is empty")
        return StepLabel(
            tuple(written.who), what, tuple(written.due), written.due_text, evidence, optional=written.optional
        )

    def _known(self, keys: Keys, name: str, values: Sequence[str]) -> list[str]:
        """Return values as they are configured; faults for a field or a value that isn't."""
        given = self.policy.fields.get(name)
        allowed = tuple(self.policy.stages) if name == STAGE else given.values if given else ()
        if given is None:
            self._fault(keys, f"there is no field {name}; there are {', '.join(self.policy.fields)}")
        for value in values:
            items = [item.strip() for item in value.split(LIST_SEPARATOR)]
            unknown = [item for item in items if allowed and item not in (*allowed, UNKNOWN)]
            if unknown or not value:
                self._fault(keys, f"{unknown or value!r} is not one of {', '.join(allowed)}")
        return list(values)

    def _evidence(self, keys: Keys, quotes: Sequence[str]) -> tuple[Quoted, ...]:
        found = (self._quoted(keys, nth, quote) for nth, quote in enumerate(quotes, 1))
        return tuple(quoted for quoted in found if quoted)

    def _quoted(self, keys: Keys, nth: int, written: str) -> Quoted | None:
        """Find a quote; a fault doesn't repeat it, for errors end up where customers' words have no business."""
        number, colon, quote = written.partition(": ")
        if not colon or not number.isdecimal() or not 1 <= int(number) <= len(self.activities):
            self._fault(keys, f"quote {nth} is not `number: words` of an activity, counted from 1")
            return None
        activity = self.activities[int(number) - 1]
        place = find(quote, activity.text, activity.said)
        if place is None:
            self._fault(keys, f"nobody says the words of quote {nth} in activity {number}")
            return None
        return Quoted(int(number), activity.id, place[0], place[1], activity.text[place[0] : place[1]])

    def _speaker(self, quoted: Quoted) -> Said:
        said = self.activities[quoted.number - 1].said
        return next(span for span in said if span.start <= quoted.start and quoted.end <= span.end)

    def _hostile(self) -> Iterator[str]:
        for number in self.written.without:
            if 1 <= number <= len(self.activities):
                yield self.activities[number - 1].id
            else:
                self._fault(("without",), f"there is no activity {number}")

    def _fault(self, keys: Keys, message: str) -> None:
        self.faults.append(f"{self.found.place(keys)}: {message}")


def _utc(at: datetime, zone: ZoneInfo) -> datetime:
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def _own_lines(text: str) -> Iterator[tuple[int, int]]:
    """The spans of a mail that are not quoted; lines that follow each other are one."""
    start: int | None = None
    at = 0
    for line in text.split("\n"):
        if line.startswith(">"):
            if start is not None and text[start:at].strip():
                yield start, at - 1
            start = None
        elif start is None:
            start = at
        at += len(line) + 1
    if start is not None and text[start:].strip():
        yield start, len(text)
