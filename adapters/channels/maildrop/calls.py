"""A transcript as an activity: each turn is said by a customer, an agent or a bot.

Roles come from the names that the operator's own files declare. Nobody is ours by the sound of it: a speaker whom no
declaration names counts as a customer, because that is the role whose word proves least. Only a declared agent is
authenticated, and only while `trusted_speakers` says so: in some meeting tools guests choose the name that is shown.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from adapters.channels.maildrop.meta import Meta, from_header, read_time
from adapters.formats.transcript import (
    Person,
    Transcript,
    Turn,
    kind_of,
    parse_person,
    parse_transcript,
    words_digest,
)
from sidecar.model import Activity, Actor, Delivery, Identifier, Own, Participant, Role, Said

SPEAKERS_MAX = 100
_LABELS = {"customer": Role.CUSTOMER, "agent": Role.AGENT, "system": Role.BOT}


@dataclass(frozen=True, slots=True)
class Declared:
    """The people that a transcript's header or meta file names, by their role."""

    people: Mapping[Role, tuple[Person, ...]]
    is_trusted: bool

    def role_of(self, speaker: str | None) -> tuple[Role, bool]:
        """Return a speaker's role, and whether it is authenticated."""
        words = _words(speaker or "")
        matches = {role for role, people in self.people.items() if any(_words(p.name) == words for p in people)}
        if words and not matches:
            matches = {role for role, people in self.people.items() if any(words <= _words(p.name) for p in people)}
        if words and len(matches) == 1:
            role = matches.pop()
            return role, role is Role.AGENT and self.is_trusted
        return _LABELS.get((speaker or "").strip().casefold(), Role.CUSTOMER), False


def call_activity(delivery: Delivery, own: Own, trusted_speakers: bool) -> Activity:
    """Turn a delivered transcript into its activity, the same for the same words of a call in whatever file."""
    transcript = parse_transcript(delivery.raw, delivery.headers.get("suffix") or kind_of(delivery.raw))
    meta = {**transcript.meta, **from_header(delivery.headers.get("meta", "{}"))}
    declared = Declared({role: _people(meta, key) for key, role in _LABELS.items()}, trusted_speakers)
    at, problems = _held(delivery, meta, own)
    call_id = next(iter(meta.get("call-id", ())), "")
    dated = read_time(meta, own.timezone)
    external_id = f"sha256:{words_digest(transcript, call_id or (dated.isoformat() if dated else ''))}"
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=external_id,
        kind="transcript",
        version=_told_version(meta),
        at=at,
        actor=_actor(declared),
        participants=_participants(declared, transcript.turns),
        thread=f"call:{call_id}" if call_id else external_id,
        subject=next(iter(meta.get("subject", ())), ""),
        text=transcript.text,
        said=_said(declared, transcript),
        attributes={"call_id": call_id} if call_id else {},
        problems=(*transcript.problems, *problems),
    )


def _told_version(meta: Meta) -> str:
    """What changes when a transcript is told about otherwise: with other people declared it is another reading."""
    told = [[key, *meta[key]] for key in (*_LABELS, "subject") if meta.get(key)]
    return sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()[:16] if told else ""


def _people(meta: Meta, key: str) -> tuple[Person, ...]:
    return tuple(parse_person(value) for value in meta.get(key, ()))


def _held(delivery: Delivery, meta: Meta, own: Own) -> tuple[datetime, tuple[str, ...]]:
    """When the call was: as declared, else the file's time; never after the file came in."""
    written = delivery.headers.get("mtime")
    fallback = min(datetime.fromisoformat(written), delivery.received_at) if written else delivery.received_at
    declared = read_time(meta, own.timezone)
    if declared is None:
        problem = "date can't be read" if meta.get("date") else "no date is given"
        return fallback.astimezone(UTC), (f"{problem}; the file's time is taken",)
    if declared > delivery.received_at:
        return delivery.received_at.astimezone(UTC), ("date lies after the file came in; that time is taken",)
    return declared, ()


def _actor(declared: Declared) -> Actor:
    customers = declared.people[Role.CUSTOMER]
    if len(customers) == 1:
        how = "the one customer whom the transcript's header declares"
        return Actor(Role.CUSTOMER, how, name=customers[0].name, identifiers=_identifiers(customers[0]))
    return Actor(Role.SYSTEM, "a transcript of several people")


def _participants(declared: Declared, turns: Sequence[Turn]) -> tuple[Participant, ...]:
    named = [(person, role is not Role.CUSTOMER) for role, people in declared.people.items() for person in people]
    known = [Participant("speaker", person.name, _identifiers(person), own=is_own) for person, is_own in named]
    names = [_words(person.name) for person, _ in named]
    others = {
        turn.speaker: None for turn in turns if turn.speaker and not any(_words(turn.speaker) <= n for n in names)
    }
    unnamed = [name for name in others if name.strip().casefold() not in _LABELS]
    return (*known, *(Participant("speaker", name) for name in unnamed[:SPEAKERS_MAX]))


def _said(declared: Declared, transcript: Transcript) -> tuple[Said, ...]:
    roles = {turn.speaker: declared.role_of(turn.speaker) for turn in transcript.turns}
    return tuple(Said(turn.start, turn.end, *roles[turn.speaker], turn.speaker or "") for turn in transcript.turns)


def _identifiers(person: Person) -> tuple[Identifier, ...]:
    emails = tuple(Identifier("email", email) for email in person.emails)
    return (*emails, *(Identifier("phone", phone) for phone in person.phones))


def _words(name: str) -> frozenset[str]:
    return frozenset(name.casefold().replace(",", " ").split())
