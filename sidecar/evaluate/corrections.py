"""What people said of stored conversations becomes labels: a team's own data set, out of work that it did anyhow.

A correction says what is right, an approval and a confirmed sample that we were; a rejection says only what is wrong.
What nobody touched is no label, since unedited isn't right. A conversation is taken as it stood when a person spoke of
it, and only what they spoke of is labelled. Which of them are held out is decided by the party's hash, so that no
party's words are tuned on and measured. The file holds what customers said, and belongs where the journal does.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sidecar.decide.values import canonical
from sidecar.errors import PermanentError
from sidecar.evaluate.cases import UNKNOWN
from sidecar.evaluate.written import MAX_ACTIVITIES
from sidecar.files import write
from sidecar.journal import Journal
from sidecar.model import (
    Activity,
    AuthorKind,
    Claim,
    Correction,
    Decision,
    Fact,
    Policy,
    Reading,
    Release,
    Value,
)

PAGE = 500
HELD_OUT = 40
"""Of a hundred parties so many are held out."""
MAX_MERGES = 20
ANSWERS = {"approve": True, "confirm": True, "reject": False, "refute": False}
"""What a person's word on a value says of it."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a person said of a field at a moment: what it is (`is_right`), or what it isn't."""

    party: str
    at: datetime
    field: str
    value: str
    is_right: bool
    kind: str
    quotes: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Collected:
    """What became of people's words: how many of each kind, what was left out and why, how many conversations."""

    words: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)

    @property
    def conversations(self) -> int:
        """How many conversations were written."""
        return sum(self.splits.values())


def collect(journal: Journal, policy: Policy, timezone: str, file: Path) -> Collected:
    """Write a data set of what people said, as JSON Lines; `PermanentError` where nobody said anything."""
    found = Collected()
    grouped: dict[tuple[str, tuple[str, ...]], list[Word]] = {}
    for word in _words(journal, policy, found):
        until = _until(journal, word)
        if not until:
            found.left_out["nothing that was said is left"] += 1
            continue
        found.words[word.kind] += 1
        grouped.setdefault((word.party, tuple(activity.id for activity in until)), []).append(word)
    lines = []
    for (party, ids), words in grouped.items():
        held = journal.get_many(ids)
        activities = [activity for i in ids if isinstance(activity := held.get(i), Activity)]
        case = _case(party, activities, words, timezone)
        found.splits[case["split"]] += 1
        lines.append(json.dumps(case, ensure_ascii=False))
    if not lines:
        raise PermanentError("nobody has corrected, answered or confirmed anything yet that could be a label")
    write(file, "\n".join(lines) + "\n")
    return found


def split_of(party: str) -> str:
    """Return the split of all that is a party's."""
    return "test" if int(sha256(party.encode()).hexdigest()[:8], 16) % 100 < HELD_OUT else "dev"


def _words(journal: Journal, policy: Policy, found: Collected) -> Iterator[Word]:
    """Yield people's words in the order of the book."""
    after = 0
    while page := list(journal.written((Correction.KIND, Release.KIND), after=after, limit=PAGE)):
        after = page[-1].seq
        causes = journal.get_many({cause for row in page for cause in row.fact.because})
        for row in page:
            if isinstance(row.fact, Correction):
                word = _corrected(row.fact, causes, policy)
            elif isinstance(row.fact, Release) and row.fact.action in ANSWERS:
                word = _answered(journal, row.fact, causes, policy)
            else:
                continue
            if isinstance(word, Word):
                yield word
            else:
                found.left_out[word] += 1


def _corrected(correction: Correction, causes: Mapping[str, Fact], policy: Policy) -> Word | str:
    """What a person put in our value's place; a text is the reason why it is no label."""
    reading = causes.get(correction.reading)
    hold = reading.holds.get(correction.field) if isinstance(reading, Reading) else None
    if correction.author.kind is not AuthorKind.PERSON:
        return "it was no person's"
    if hold is None or not hold.name:
        return "it is no field that is read out of words"
    value = _value(hold.name, hold.means, policy)
    if value is None:
        return "its value is none of the field's"
    return Word(correction.party or "", correction.at, hold.name, value, True, "corrected")


def _answered(journal: Journal, release: Release, causes: Mapping[str, Fact], policy: Policy) -> Word | str:
    decision = next((c for i in release.because if isinstance(c := causes.get(i), Decision)), None)
    claim = journal.get(decision.claim) if decision else None
    if decision is None or not isinstance(claim, Claim) or claim.step:
        return "it is no field that is read out of words"
    is_right = ANSWERS[release.action]
    told = release.value if release.action == "refute" and release.value is not None else decision.value
    is_better = release.action == "refute" and release.value is not None
    value = _value(decision.field, told, policy)
    if value is None:
        return "its value is none of the field's"
    quotes = tuple((e.activity, e.quote) for e in claim.evidence) if is_right else ()
    kind = {"approve": "approved", "reject": "rejected", "confirm": "confirmed", "refute": "refuted"}[release.action]
    return Word(release.party or "", release.at, decision.field, value, is_right or is_better, kind, quotes)


def _value(name: str, value: Value, policy: Policy) -> str | None:
    """Return a value as a label has it; None where the field isn't read out of words, or can't hold it."""
    given = policy.fields.get(name)
    if given is None or given.grounding != "quoted":
        return None
    if value is None or not str(value).strip():
        return UNKNOWN
    if name == "stage":
        return str(value) if str(value) in policy.stages else None
    held = canonical(value, given)
    return None if held is None else str(held)


def _until(journal: Journal, word: Word) -> list[Activity]:
    """Return a party's activities up to a moment, oldest first; those of a party that was merged are the other's."""
    party = word.party
    for _ in range(MAX_MERGES):
        standing = journal.standing(party)
        if standing is None or not standing.merged_into:
            break
        party = standing.merged_into
    return [a for _, a in reversed(journal.timeline(party, MAX_ACTIVITIES)) if a.at <= word.at]


def _case(party: str, activities: Sequence[Activity], words: Sequence[Word], timezone: str) -> dict[str, Any]:
    number = {activity.id: at for at, activity in enumerate(activities, 1)}
    labels: dict[str, Any] = {}
    never: dict[str, list[str]] = {}
    for word in words:  # the last word on a field stands
        if word.is_right:
            quotes = [f"{number[activity]}: {quote}" for activity, quote in word.quotes if activity in number]
            labels[word.field] = {"value": word.value, "quotes": quotes}
        elif word.value != UNKNOWN:
            never[word.field] = [*never.get(word.field, []), word.value]
    named = sha256("\x00".join((party, *number)).encode()).hexdigest()[:16]
    return {
        "id": f"said-{named}",
        "split": split_of(party),
        "languages": ["und"],
        "timezone": timezone,
        "tags": sorted({word.kind for word in words}),
        "partial": True,
        "activities": [_activity(activity, activities) for activity in activities],
        "labels": labels,
        "never": {name: list(dict.fromkeys(values)) for name, values in never.items()},
    }


def _activity(activity: Activity, all_of_them: Sequence[Activity]) -> dict[str, Any]:
    """Return an activity as it is written down: what was said in it, and no quoted mail or signature."""
    text, speakers = _said(activity)
    kind = activity.kind
    if kind == "mail" and any(line.startswith(">") for line in text.split("\n")):
        kind = "message"  # what is said here isn't quoted, whatever it begins with
    about = next((at for at, other in enumerate(all_of_them, 1) if _is_about(activity, other)), None)
    written: dict[str, Any] = {
        "at": activity.at.isoformat(),
        "by": activity.actor.role.value,
        "text": text,
        "who": activity.actor.name,
        "subject": activity.subject,
        "channel": activity.channel,
        "kind": kind,
        "thread": activity.thread,
        "authenticated": _is_authenticated(activity),
        "attributes": dict(activity.attributes),
    }
    more = {"about": about, "automated": activity.automated, "speakers": speakers}
    return {**written, **{key: value for key, value in more.items() if value}}


def _is_about(activity: Activity, other: Activity) -> bool:
    is_root = bool(activity.relates_to) and other.external_id == activity.relates_to
    return is_root and other.channel == activity.channel and other is not activity


def _is_authenticated(activity: Activity) -> bool:
    if activity.kind != "transcript":
        return activity.actor.authenticated
    return all(said.authenticated for said in activity.said if said.role.value in ("agent", "system"))


def _said(activity: Activity) -> tuple[str, dict[str, str]]:
    """Return what was said, and who is whom where several speak."""
    if activity.kind != "transcript":
        spans = [activity.text[said.start : said.end] for said in activity.said]
        return ("\n".join(spans) if activity.kind in ("mail", "message") else activity.text), {}
    speakers: dict[str, str] = {}
    lines = []
    for said in activity.said:
        name = " ".join(said.who.replace(":", " ").split()) or "Speaker"
        if speakers.setdefault(name, said.role.value) != said.role.value:
            name = f"{name} ({said.role.value})"
            speakers[name] = said.role.value
        words = " ".join(activity.text[said.start : said.end].split())
        if words:
            lines.append(f"{name}: {words}")
    return "\n".join(lines), speakers
