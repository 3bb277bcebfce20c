"""A telephone company: texts and calls by signed webhooks that it tries again, and lists that can be asked."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import datetime

from tests.day.people import Person
from tests.day.provider import Provider, Push, by_settings
from tests.twins.twilio import TwilioTwin
from tests.twins.twilio.__main__ import SETTINGS
from tests.twins.wire.faults import Status

OURS, DOOR = "+442079460123", "https://sidecar.ours.test/hooks/twilio"


@dataclass
class Phone(Provider):
    """One number for texts, WhatsApp and calls; what we send and what is said in calls comes by the lists alone."""

    _: KW_ONLY
    twin: TwilioTwin
    polled: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        twin = self.twin
        self.config, self.env = by_settings(SETTINGS, token=twin.token, account=twin.account, door=DOOR, url=twin.url)
        kept = [line for line in self.config.splitlines() if not line.startswith("rest_s")]
        self.config = "\n".join([*kept, "rest_s = 0", "max_wait_s = 0", "calls_per_s = 1000"])

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """Text, write on WhatsApp, answer, call."""
        return {"text": self.text, "chat": self.chat, "answer": self.answer, "call": self.call}

    def outage(self, *, is_away: bool) -> None:
        """Answer 503, or no more."""
        if is_away:
            self.twin.fault(Status(503, {"code": 20503}), times=None)
        else:
            self.twin.heal()

    def text(self, person: Person, text: str, at: datetime) -> None:
        """A customer sends a text."""
        self._posted(self.twin.texts(person.phone, OURS, text, at), person)

    def chat(self, person: Person, text: str, at: datetime) -> None:
        """A customer writes on WhatsApp."""
        self._posted(self.twin.texts(f"whatsapp:{person.phone}", f"whatsapp:{OURS}", text, at), person)

    def answer(self, person: Person, text: str, at: datetime) -> None:
        """One of our systems sends a text."""
        sid = self.twin.sends(OURS, person.phone, text, at)
        self.happened(sid, "message", f"phone:{person.phone}")

    def call(self, person: Person, text: str, at: datetime) -> None:
        """A customer calls, and the call is recorded and written down."""
        sid = self.twin.rings(person.phone, OURS, at)
        self._push(self.twin.webhook(sid))
        self.happened(sid, "call", f"phone:{person.phone}")
        recording = self.twin.records(sid)
        self.happened(recording, "call", f"phone:{person.phone}")
        words = self.twin.transcribes(recording, ((1, text), (2, "Goodbye.")), at)
        self._push(self.twin.hint(words))
        self.happened(words, "transcript", f"phone:{person.phone}")

    def _posted(self, sid: str, person: Person) -> None:
        self._push(self.twin.webhook(sid))
        self.happened(sid, "message", f"phone:{person.phone}")

    def _push(self, body: bytes) -> None:
        address, headers = self.twin.signed(DOOR, body)
        told = {name.lower(): value for name, value in headers.items()}
        self.owed.append(Push(self.channel, body, lambda now: told, query=address.removeprefix(DOOR)))
