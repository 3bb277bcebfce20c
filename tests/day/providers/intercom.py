"""Intercom: a webhook holds the newest message alone and is soon given up, so that the poll tells what was missed."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tests.day.people import Person
from tests.day.provider import Provider, Push, of_twin
from tests.twins.intercom import IntercomTwin
from tests.twins.intercom.__main__ import SECRET, SETTINGS
from tests.twins.wire.faults import Status


@dataclass(kw_only=True)
class Intercom(Provider):
    """A messenger whose contacts gave their address, and every third of them a number that the API alone tells."""

    twin: IntercomTwin
    polled: bool = True
    is_lossy: bool = True
    is_away: bool = False
    contacts: dict[int, str] = field(default_factory=dict)
    talks: dict[int, str] = field(default_factory=dict)
    said: dict[int, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.config, self.env = of_twin(SETTINGS, self.twin, secret=SECRET)
        self.config += "\nmax_wait_s = 0\ncalls_per_minute = 60000"

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """Say, answer, note in private, take back."""
        return {"say": self.say, "answer": self.answer, "note": self.note, "redact": self.redact}

    def outage(self, *, is_away: bool) -> None:
        """Answer 503, or no more."""
        self.is_away = is_away
        if is_away:
            self.twin.fault(Status(503, {"type": "error.list", "errors": []}), times=None)
        else:
            self.twin.heal()

    def say(self, person: Person, text: str, at: datetime) -> None:
        """A contact writes, in the conversation that they have, or a new one."""
        if person.number not in self.talks:
            self._begin(person, text, at)
            return
        talk = self.talks[person.number]
        part = self.twin.says(talk, text, at)
        self.said.setdefault(person.number, []).append(part)
        self._post("conversation.user.replied", talk, at)
        self.happened(f"part:{part}", "message", *self._names(person))

    def answer(self, person: Person, text: str, at: datetime) -> None:
        """One of our people writes."""
        if talk := self.talks.get(person.number):
            part = self.twin.answers(talk, text, at)
            self._post("conversation.admin.replied", talk, at)
            self.happened(f"part:{part}", "message")

    def note(self, person: Person, text: str, at: datetime) -> None:
        """One of our people leaves a note for colleagues."""
        if talk := self.talks.get(person.number):
            part = self.twin.notes(talk, text, at)
            self._post("conversation.admin.noted", talk, at)
            self.happened(f"part:{part}", "status")

    def redact(self, person: Person, text: str, at: datetime) -> None:
        """What a contact said last is taken away."""
        if said := self.said.get(person.number):
            part, talk = said.pop(), self.talks[person.number]
            self.twin.redacts(talk, part, at)
            self._post("conversation_part.redacted", talk, at)
            self.happened(f"part:{part}", "deletion")
            self.fleeting.add((f"part:{part}", "message"))

    def _begin(self, person: Person, text: str, at: datetime) -> None:
        phone = {"phone": person.phone} if person.number % 3 == 0 else {}
        contact = self.contacts[person.number] = self.twin.joins(person.name, email=person.email, **phone)
        talk = self.talks[person.number] = self.twin.begins(contact, text, at)
        self._post("conversation.user.created", talk, at)
        self.happened(f"source:{talk}", "message", *self._names(person))
        known = (f"phone:{person.phone}",) if phone else ()
        self.happened(f"contact:{contact}", "status", *self._names(person), *known)

    def _names(self, person: Person) -> tuple[str, ...]:
        return f"{self.channel}:{self.contacts[person.number]}", f"email:{person.email}"

    def _post(self, topic: str, talk: str, at: datetime) -> None:
        body = self.twin.webhook(topic, talk, at)
        digest = hmac.digest(SECRET.encode(), body, "sha1").hex()
        self.owed.append(Push(self.channel, body, lambda now: {"x-hub-signature": f"sha1={digest}"}))
