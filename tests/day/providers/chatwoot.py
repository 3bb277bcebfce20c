"""Chatwoot: it posts each message once and never again, so that what was missed comes by the poll alone."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from uuid import UUID

from tests.day.people import Person
from tests.day.provider import Provider, Push
from tests.twins.chatwoot import ChatwootTwin
from tests.twins.wire.faults import Status

SECRET = "zT4-copper-meadow-58-harbour"
CONFIG = """type = "chatwoot"
base_url = "{url}"
account_id = 3
secret_env = "DAY_CHATWOOT_SECRET"
token_env = "DAY_CHATWOOT_TOKEN"
calls_per_s = 1000
max_wait_s = 0"""


@dataclass
class Chatwoot(Provider):
    """An inbox for a website's visitors, most of whom gave their address."""

    _: KW_ONLY
    twin: ChatwootTwin
    polled: bool = True
    is_lossy: bool = True
    begun: dict[int, int] = field(default_factory=dict)
    said: dict[int, list[int]] = field(default_factory=dict)
    posted: int = 0
    is_away: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.config = CONFIG.format(url=self.twin.url)
        self.env = {"DAY_CHATWOOT_SECRET": SECRET, "DAY_CHATWOOT_TOKEN": self.twin.token}

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """Say, answer, note in private, delete."""
        return {"say": self.say, "answer": self.answer, "note": self.note, "delete": self.delete}

    def outage(self, *, is_away: bool) -> None:
        """Answer 503, or no more."""
        self.is_away = is_away
        if is_away:
            self.twin.fault(Status(503, {"error": "down"}), times=None)
        else:
            self.twin.heal()

    def say(self, person: Person, text: str, at: datetime) -> None:
        """A visitor writes."""
        id = self.twin.says(self._conversation(person), text, at)
        self.said.setdefault(person.number, []).append(id)
        self._post(id, "message_created")
        self.happened(str(id), "message", *self._names(person))

    def answer(self, person: Person, text: str, at: datetime) -> None:
        """One of our people writes."""
        id = self.twin.answers(self._conversation(person), text, at)
        self._post(id, "message_created")
        self.happened(str(id), "message")

    def note(self, person: Person, text: str, at: datetime) -> None:
        """One of our people writes a note that no customer sees."""
        id = self.twin.answers(self._conversation(person), text, at, private=True)
        self._post(id, "message_created")
        self.happened(str(id), "status")

    def delete(self, person: Person, text: str, at: datetime) -> None:
        """A visitor's last message is taken back, which Chatwoot tells as a change of it."""
        if said := self.said.get(person.number):
            id = said.pop()
            self.twin.deletes(id)
            self._post(id, "message_updated")
            self.happened(str(id), "deletion")
            self.fleeting |= {(str(id), "message"), (str(id), "deletion")}  # of old ones the webhook alone tells

    def _conversation(self, person: Person) -> int:
        if person.number not in self.begun:
            self.begun[person.number] = self.twin.begins(name=person.name, email=person.email)
        return self.begun[person.number]

    def _post(self, message: int, event: str) -> None:
        body = self.twin.webhook(message, event)
        self.posted += 1
        delivery = str(UUID(int=self.posted))

        def signed(now: datetime) -> Mapping[str, str]:
            stamp = str(int(now.timestamp()))
            digest = hmac.digest(SECRET.encode(), stamp.encode() + b"." + body, "sha256").hex()
            told = {"x-chatwoot-timestamp": stamp, "x-chatwoot-signature": f"sha256={digest}"}
            return {**told, "x-chatwoot-delivery": delivery}

        self.owed.append(Push(self.channel, body, signed, tries=1))

    def _names(self, person: Person) -> tuple[str, ...]:
        return f"{self.channel}:{person.number}", f"email:{person.email}"
