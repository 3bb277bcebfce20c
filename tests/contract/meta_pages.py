"""A page of Meta's as the contract needs it: its conversations, which a twin hands out."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.channels.meta import MetaChannel, MetaOptions
from adapters.channels.meta.graph import MAX_ANSWER_BYTES
from adapters.channels.meta.pages import PLATFORM, SIDE
from sidecar.ports import Captured
from tests.contract.channel import CANARY, INSTALLED, NOBODY, NOW, Secrets, context
from tests.twins.meta import MetaTwin

FIXTURES = Path(__file__).parent.parent / "fixtures" / "meta_pages"
PAGE, INSTAGRAM = "180005062406476", "17841405822304914"
RECENT = NOW - timedelta(minutes=30)


@dataclass
class PagesHarness:
    """A page and its Instagram account; each new thing is a conversation of its own, now on one, now on the other."""

    twin: MetaTwin
    base: Path
    batch_size: int = 3
    fixtures: Path = FIXTURES
    secrets: tuple[str, ...] = ()
    parked: frozenset[str] = frozenset()
    said: int = field(default=0)

    def __post_init__(self) -> None:
        self.secrets = (self.twin.token, self.twin.secret)
        self.twin.pages[PAGE] = INSTAGRAM

    @property
    def channel(self) -> MetaChannel:
        """The app's channel."""
        return self.reopen()

    def reopen(self, clock: Callable[[], datetime] = lambda: NOW, **options: Any) -> MetaChannel:
        """Make the channel anew."""
        given: dict[str, Any] = {
            "secret_env": "SECRET", "token_env": "TOKEN", "pages": [PAGE], "graph_url": self.twin.url,
            "batch_size": self.batch_size, "calls_per_s": 1000, "max_wait_s": 0, **options,
        }  # fmt: skip
        reader = Secrets(SECRET=self.twin.secret, TOKEN=self.twin.token, WRONG="another-token")
        return MetaChannel("meta", MetaOptions(**given), context(self.base, reader, clock))

    def put(self) -> bytes:
        """Let somebody write for the first time, and return what the twin tells of that conversation."""
        return self._put(RECENT)

    def put_old(self) -> bytes:
        """Let somebody have written before the installation."""
        return self._put(INSTALLED - timedelta(days=40))

    def put_oversized(self) -> None:
        """Let a conversation be larger than any answer that is read."""
        self._put(RECENT, "x" * MAX_ANSWER_BYTES)

    def receive(self) -> Captured:
        """Let something new be said and asked for."""
        raw = self.put()
        found = [c for batch in self.channel.poll(None) for c in batch.captured]
        return next(captured for captured in found if captured.raw == raw)

    def broken(self) -> Captured:
        """Return an answer whose only message has a time that is none."""
        row = {"id": "m_broken", "created_time": CANARY, "from": {"id": CANARY}, CANARY: CANARY}
        return self._answer(json.dumps({"messages": {"data": [row]}, "id": "t_1"}).encode())

    def from_fixture(self, path: Path) -> Captured:
        """Return an answer as a file holds it."""
        return self._answer(path.read_bytes())

    def unreachable(self) -> MetaChannel:
        """The same with nobody there."""
        return self.reopen(graph_url=NOBODY)

    def refused(self) -> MetaChannel:
        """The same with a token that Meta doesn't know."""
        return self.reopen(token_env="WRONG")

    def _put(self, at: datetime, text: str = "Is Thursday free?") -> bytes:
        self.said += 1
        platform, person = ("messenger", "instagram")[self.said % 2], f"16309342369{self.said:05}"
        moment = at + timedelta(seconds=self.said)
        self.twin.say(PAGE, person, f"m_{self.said}", f"{text} ({self.said})", moment, platform=platform)
        id = f"t_{PAGE}_{platform}_{person}"
        return self.twin.told(id)

    def _answer(self, raw: bytes) -> Captured:
        return Captured("meta", raw, "conversation:t_1:x", {SIDE: PAGE, PLATFORM: "messenger"})
