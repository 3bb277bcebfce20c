"""Recorders of meetings: they say by webhook that words are there, three times at most, and tell them when asked."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from typing import Any

from tests.day.people import Person
from tests.day.provider import Provider, Push, of_twin
from tests.twins.fireflies import FirefliesTwin
from tests.twins.fireflies.__main__ import SETTINGS as FIREFLIES
from tests.twins.wire.faults import Status
from tests.twins.zoom import ZoomTwin
from tests.twins.zoom.__main__ import SETTINGS as ZOOM


@dataclass
class Recorder(Provider):
    """Meetings of one of our people with a customer, each with its words."""

    _: KW_ONLY
    twin: ZoomTwin | FirefliesTwin
    polled: bool = True
    is_lossy: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        settings, pace = (ZOOM, "calls_per_s") if isinstance(self.twin, ZoomTwin) else (FIREFLIES, "calls_per_minute")
        self.config, self.env = of_twin(settings, self.twin)
        self.config += f"\nmax_wait_s = 0\n{pace} = 1000"

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """Meet."""
        return {"meet": self.meet}

    def outage(self, *, is_away: bool) -> None:
        """Answer 503, or no more."""
        if is_away:
            self.twin.fault(Status(503, {"error": "down"}), times=None)
        else:
            self.twin.heal()

    def meet(self, person: Person, text: str, at: datetime) -> None:
        """One of our people and a customer meet, and it is recorded."""
        talk = ((person.name, text), ("Rita Ray", "Goodbye."))
        if isinstance(self.twin, ZoomTwin):
            there = ({"id": "p1", "name": "Rita Ray", "user_email": "rita@ours.test", "internal_user": True},)
            guest = {"id": "", "name": person.name, "user_email": person.email, "internal_user": False}
            meeting = self.twin.meets(at, talk, people=(*there, guest))
        else:
            there = ({"displayName": "Rita Ray", "email": "rita@ours.test", "name": None},)
            guest = {"displayName": person.name, "email": person.email, "name": None}
            people: dict[str, Any] = {"participants": ["rita@ours.test", person.email]}
            people["meeting_attendees"] = [guest, *there]
            meeting = self.twin.meets(at, talk, **people)
        body = self.twin.webhook(meeting, at)
        self.owed.append(Push(self.channel, body, lambda now: self.twin.signed(body, now), tries=3))
        self.happened(meeting, "transcript", f"email:{person.email}")
