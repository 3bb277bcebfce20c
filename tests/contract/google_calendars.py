"""A Google calendar as the contract needs it: a twin's, the channel that polls it, and its hands."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from adapters.channels.gcalendar import GoogleCalendarChannel
from adapters.channels.gcalendar.api import SCOPES
from adapters.channels.gcalendar.options import GoogleCalendarOptions
from sidecar.model import Activity
from sidecar.ports import Captured, HookRequest, PollBatch
from tests.contract.channel import CANARY, INSTALLED, NOBODY, NOW, Secrets, all_captured, context, parsed
from tests.twins.gcalendar import GoogleCalendarTwin
from tests.twins.wire.faults import Status

FOLDER = Path(__file__).parent.parent / "fixtures" / "google_calendar"
MAX_BYTES = 20_000
PUSH_SECRET, OLD_SECRET = "secret-of-the-pushes-4d1", "former-secret-of-the-pushes"
PUSH_URL = "https://sidecar.ours.test/hooks/calendar"
SOON = NOW + timedelta(days=3)


class Kept:
    """Tokens in memory, compared and set as the journal does it."""

    def __init__(self) -> None:
        self.held: dict[str, Mapping[str, Any]] = {}

    def load(self, name: str) -> Mapping[str, Any] | None:
        """Return what is kept."""
        return self.held.get(name)

    def save(self, name: str, value: Mapping[str, Any], expected: Mapping[str, Any] | None) -> bool:
        """Keep a value if what is kept is as expected."""
        if self.held.get(name) != expected:
            return False
        self.held[name] = json.loads(json.dumps(dict(value)))
        return True


@dataclass
class CalendarHarness:
    """A calendar of a twin's, let in by somebody."""

    twin: GoogleCalendarTwin
    base: Path
    batch_size: int = 3
    fixtures: Path = FOLDER / "events"
    parked: frozenset[str] = frozenset()
    secrets: tuple[str, ...] = ()
    tokens: Kept = field(default_factory=Kept)
    count: int = 0

    def __post_init__(self) -> None:
        refresh = self.twin.authority.grants(" ".join(SCOPES))
        self.tokens.held["calendar"] = {
            "access": "none", "expires_at": INSTALLED.isoformat(), "refresh": refresh, "scopes": list(SCOPES),
        }  # fmt: skip
        self.secrets = (refresh, self.twin.authority.client_secret, PUSH_SECRET)

    @property
    def channel(self) -> GoogleCalendarChannel:
        """The calendar's channel."""
        return self.made()

    def reopen(self, clock: Callable[[], datetime] = lambda: NOW) -> GoogleCalendarChannel:
        """Make the channel anew."""
        return self.made(clock=clock)

    def made(self, clock: Callable[[], datetime] = lambda: NOW, **options: Any) -> GoogleCalendarChannel:
        """Make a channel with some options changed."""
        authority = self.twin.authority
        given = {
            "calendar": self.twin.calendar, "client_id": authority.client_id, "client_secret_env": "CLIENT",
            "push_secret_env": "PUSH", "batch_size": self.batch_size, "max_event_bytes": MAX_BYTES,
            "base_url": self.twin.url, "accounts_url": self.twin.url, "token_url": self.twin.url, "calls_per_s": 1000,
            "max_wait_s": 0, **options,
        }  # fmt: skip
        secrets = Secrets(
            CLIENT=authority.client_secret, PUSH=f"{PUSH_SECRET},{OLD_SECRET}", KEY=str(options.get("key"))
        )
        given.pop("key", None)
        told = replace(context(self.base, secrets, clock), tokens=self.tokens)
        return GoogleCalendarChannel("calendar", GoogleCalendarOptions.model_validate(given), told)

    def put(self) -> bytes:
        """Plan a meeting, and return what is to be laid down of it."""
        self.count += 1
        return self.laid(self.twin.puts(SOON + timedelta(hours=self.count), summary=f"Meeting {self.count}"))

    def put_old(self) -> bytes:
        """Have planned a meeting that was over before the installation."""
        return self.laid(self.twin.puts(INSTALLED - timedelta(days=30)))

    def put_withheld(self) -> bytes:
        """Delete a meeting whose id alone is told, and let Google answer 500 to whoever asks for more."""
        self.count += 1
        id = self.twin.puts(SOON)
        self.twin.deletes(id, bare=True)
        self.twin.fault(Status(500), path=f"/events/{id}$", times=None)
        return self.laid(id)

    def name_of(self, raw: bytes) -> tuple[str, Mapping[str, str]]:
        """Return the key of what is told of it, and its headers, as a poll names it that can't ask for more."""
        item = json.loads(raw)
        return f"event:{item['id']}:" + item["etag"].strip('"'), {"item": raw.decode()}

    def mend(self) -> None:
        """Let Google be well."""
        self.twin.heal()

    def put_oversized(self) -> None:
        """Plan a meeting with a description that is too long."""
        self.twin.puts(SOON, description="x" * MAX_BYTES)

    def laid(self, id: str) -> bytes:
        """Return what is to be laid down of an event."""
        return orjson.dumps(self.twin.told(id), option=orjson.OPT_SORT_KEYS)

    def receive(self) -> Captured:
        """Plan a meeting and poll it."""
        self.put()
        return all_captured(self.channel.poll(None))[-1]

    def broken(self) -> Captured:
        """Plan a meeting whose time is none."""
        self.twin.puts(SOON, start={"dateTime": CANARY}, summary=CANARY)
        return all_captured(self.channel.poll(None))[-1]

    def from_fixture(self, path: Path) -> Captured:
        """Lay a recorded event into the calendar and poll it."""
        item = json.loads(path.read_bytes())
        self.twin.version += 1
        self.twin.events, self.twin.changed = {item["id"]: item}, {item["id"]: self.twin.version}
        return all_captured(self.channel.poll(None))[-1]

    def unreachable(self) -> GoogleCalendarChannel:
        """Return the channel with nobody at the other end."""
        return self.made(base_url=NOBODY)

    def refused(self) -> GoogleCalendarChannel:
        """Return the channel after the person has taken the access back."""
        other = CalendarHarness(self.twin, self.base)
        other.tokens.held["calendar"] = {**other.tokens.held["calendar"], "refresh": "withdrawn"}
        return other.channel

    # Beside the contract ------------------------------------------------------------------------------------------

    def polled(
        self, cursor: Any, clock: Callable[[], datetime] = lambda: NOW, **options: Any
    ) -> tuple[list[Captured], Any]:
        """Poll once, and return what came with the cursor behind it, as it comes back from a database."""
        batches = list(self.made(clock, **options).poll(cursor))
        found = all_captured(batches)
        return found, json.loads(json.dumps(batches[-1].cursor)) if batches else cursor

    def read(self, captured: Captured) -> Activity:
        """Return the only activity of what came."""
        (activity,) = parsed(self.channel, captured)
        return activity


def pushed(headers: Mapping[str, str], **changed: str) -> HookRequest:
    """Return a push; names are given without `x-goog-`."""
    more = {f"x-goog-{name.replace('_', '-')}": value for name, value in changed.items()}
    return HookRequest({**headers, **more}, b"")


def keys(batches: Iterable[PollBatch]) -> set[str | None]:
    """Return the keys of what some batches hold."""
    return {captured.key for captured in all_captured(batches)}
