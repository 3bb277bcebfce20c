"""A mailbox of Microsoft 365 as the contract needs it: mail or calendar by a twin of Graph, and notices at our door.

Graph signs nothing: a notice is known by the secret in each of its items.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from adapters.channels.graph.calendar import CalendarChannel
from adapters.channels.graph.events import SELECT
from adapters.channels.graph.mail import MailChannel
from sidecar.ports import Captured, HookRequest
from tests.contract.channel import (
    CANARY,
    INSTALLED,
    NOBODY,
    NOW,
    Secrets,
    all_captured,
    context,
)
from tests.support.facts import SetClock
from tests.twins.graph import GraphTwin
from tests.twins.wire.faults import Status

FIXTURES = Path(__file__).parent.parent / "fixtures" / "msgraph"
FIRST, SECOND, OTHER = "first-client-state-0001", "second-client-state-0002", "a-strangers-secret-0003"
HOOK = "https://sidecar.ours.test/hooks/office"
RECENT = NOW - timedelta(minutes=30)
SOON = NOW + timedelta(days=8)
MAX_BYTES = 20_000
UNWELL = Status(500, {"error": {"code": "ErrorInternalServerError", "message": "An internal server error occurred."}})


def mail(number: int, words: str = "Is it in stock?", sender: str = "Bob <bob@example.org>", more: str = "") -> bytes:
    """Return a plain mail."""
    head = (
        f"From: {sender}\r\nTo: ann@ours.test\r\nSubject: Question {number}\r\nMessage-ID: <m{number}@example.org>\r\n"
    )
    return f"{head}Date: Sun, 22 Nov 2026 09:{number % 60:02d}:00 +0000\r\n{more}\r\n{words} ({number})\r\n".encode()


@dataclass
class GraphHarness:
    """One mailbox, its twin and the channel for it."""

    twin: GraphTwin
    base: Path
    clock: SetClock
    batch_size: int = 3
    secrets: tuple[str, ...] = (FIRST, SECOND)
    parked: frozenset[str] = frozenset()
    sent: int = 0

    @property
    def fixtures(self) -> Path:
        """Its folder of payloads."""
        raise NotImplementedError

    def made(self, **options: Any) -> Any:
        """Make a channel with some options changed."""
        raise NotImplementedError

    def put(self) -> bytes:
        """Lay something new there."""
        raise NotImplementedError

    @property
    def channel(self) -> Any:
        """The mailbox's channel."""
        return self.made()

    def reopen(self, clock: Callable[[], datetime] | None = None) -> Any:
        """Make the channel anew."""
        return self.made(clock=clock)

    def with_secrets(self, *secrets: str) -> Any:
        """Make the channel with other secrets."""
        return self.made(secrets=secrets)

    def unreachable(self) -> Any:
        """Return the channel with nobody at the other end."""
        return self.made(graph_url=NOBODY)

    def refused(self) -> Any:
        """Return the channel with an app's secret that was deleted."""
        return self.made(client_secret="wrong-secret")

    def receive(self) -> Captured:
        """Let something in by the poll: what comes in at the door is a hint and holds nothing."""
        self.put()
        return all_captured(self.channel.poll(None))[-1]

    def body(self) -> bytes:
        """Return a notice that no other repeats."""
        self.sent += 1
        item = {
            "subscriptionId": "7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
            "subscriptionExpirationDateTime": "2026-11-25T09:00:00.0000000Z",
            "changeType": "created",
            "resource": f"Users/x/Messages/AAk{self.sent}",
            "resourceData": {"@odata.type": "#Microsoft.Graph.Message", "id": f"AAk{self.sent}"},
            "clientState": FIRST,
            "tenantId": "84bd8158-6d4d-4958-8b9f-9d6445542f95",
        }
        return json.dumps({"value": [item, {**item, "clientState": SECOND}]}).encode()

    def request(self, body: bytes, at: datetime = NOW, secret: str | None = None) -> HookRequest:
        """Post a notice as Graph does, all of its items with a secret if one is named."""
        if secret is not None:
            told = json.loads(body)
            body = json.dumps({"value": [{**item, "clientState": secret} for item in told["value"]]}).encode()
        return HookRequest({"content-type": "application/json", "user-agent": "Microsoft"}, body)

    def vouched(self, secret: str) -> Sequence[HookRequest]:
        """Return notices that name a secret, in whichever item and however it is spelt; the others are good."""
        item, good = json.dumps({"clientState": secret, "x": "Grüße"}), json.dumps({"clientState": FIRST})
        units = secret.encode("utf-16-be")
        escaped = "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
        bodies = (
            f'{{"value":[{item}]}}',
            f'\r\n {{ "other" : 1e2,\t"value" : [ {good} , {item} ] }} \n',
            f'{{"value":[{item},{good}]}}',
            f'{{"value": [{{"clientState": "{FIRST}", "clientState": "{escaped}"}}]}}',
            f'{{"validationTokens": ["a.b.c"], "value": [{{"clientState": "{escaped}"}}]}}',
        )
        return [HookRequest({}, body.encode()) for body in bodies]

    def bad(self) -> Mapping[str, HookRequest]:
        """Return requests of which none is what Graph sends."""
        (good, _) = json.loads(self.body())["value"]
        bare = {name: value for name, value in good.items() if name != "clientState"}
        bodies: dict[str, Any] = {
            f"state {state!r:.40}": {"value": [{**good, "clientState": state}]} for state in _STATES
        }
        bodies |= {
            "no state": {"value": [bare]},
            "state beside": {"value": [bare], "clientState": FIRST},
            "state within": {"value": [{**bare, "resourceData": {"clientState": FIRST}}]},
            "state in another case of name": {"value": [{**bare, "clientstate": FIRST}]},
            "first wrong": {"value": [{**good, "clientState": OTHER}, good]},
            "last wrong": {"value": [good, {**good, "clientState": OTHER}]},
            "one of many wrong": {"value": [*[good] * 99, bare]},
            "an item is a text": {"value": [good, FIRST]},
            "an item is nothing": {"value": [good, None]},
            "no items": {"value": []},
            "items are one": {"value": good},
            "items are nothing": {"value": None},
            "another name": {"values": [good]},
            "a list": [good],
            "a text": FIRST,
            "too many items": {"value": [good] * 1_001},
        }
        table = {name: HookRequest({}, json.dumps(body).encode()) for name, body in bodies.items()}
        raw = {
            "empty": b"",
            "cut": self.body()[:-1],
            "twice": self.body() * 2,
            "byte order mark": b"\xef\xbb\xbf" + self.body(),
            "other encoding": self.body().decode().encode("utf-16"),
            "not text": b"\x00\xff",
            "deep": b"[" * 100_000,
            "form": b"clientState=" + FIRST.encode(),
            "lone surrogate": b'{"value":[{"clientState":"\\ud800"}]}',
            "number": b"1e999999",
        }
        return table | {f"body: {name}": HookRequest({}, body) for name, body in raw.items()}


_STATES: list[Any] = [
    "", " ", None, 0, 1, True, False, [], {}, [FIRST], {"a": FIRST}, FIRST[:-1], f"{FIRST} ", f" {FIRST}", f"{FIRST}\n",
    f"{FIRST}\0", FIRST.upper(), FIRST * 2, f"{FIRST},{SECOND}", OTHER, "ключ", "\uff11" * 20, FIRST[::-1],
    "x" * 100_000,
]  # fmt: skip


@dataclass
class MailHarness(GraphHarness):
    """The mailbox's mail."""

    @property
    def fixtures(self) -> Path:
        """Pages of messages."""
        return FIXTURES / "mail"

    def made(
        self,
        secrets: tuple[str, ...] = (FIRST, SECOND),
        client_secret: str = "",
        clock: Callable[[], datetime] | None = None,
        installed: datetime = INSTALLED,
        **options: Any,
    ) -> MailChannel:
        """Make a channel with some options changed."""
        reader = Secrets(STATE=",".join(secrets), APP=client_secret or self.twin.client_secret)
        given = replace(context(self.base, reader, clock or self.clock), live_since=installed)
        return MailChannel("office", MailChannel.Options(**told(self, options, "max_message_bytes")), given)

    def put(self) -> bytes:
        """Let a customer write, and return the bytes."""
        self.sent += 1
        raw = mail(self.sent)
        self.twin.receives(raw, RECENT + timedelta(seconds=self.sent))
        return raw

    def put_old(self) -> bytes:
        """Let a customer have written before the first start."""
        self.sent += 1
        raw = mail(self.sent, "An old question")
        self.twin.receives(raw, INSTALLED - timedelta(days=40) + timedelta(seconds=self.sent))
        return raw

    def put_oversized(self) -> None:
        """Let a mail be larger than the limit."""
        self.twin.receives(mail(999, "x" * MAX_BYTES), RECENT)

    def put_withheld(self) -> bytes:
        """Let a customer write, and Graph answer 500 to that mail."""
        raw = self.put()
        self.twin.fault(UNWELL, path=re.escape(f"messages/{quote(self._id(raw))}/"), times=None)
        return raw

    def name_of(self, raw: bytes) -> tuple[str, Mapping[str, str]]:
        """Return the key of a mail, and its headers, as a poll names it that can't fetch it."""
        return f"message:{self._id(raw)}", {"folder": "inbox", "sent": "0", "id": self._id(raw)}

    def mend(self) -> None:
        """Let Graph be well."""
        self.twin.heal()

    def _id(self, raw: bytes) -> str:
        return next(id for id, held in self.twin.mime.items() if held == raw)

    def broken(self) -> Captured:
        """Let something lie there that is no mail."""
        self.twin.receives(b"no header at all, but a " + CANARY.encode(), RECENT)
        return all_captured(self.channel.poll(None))[-1]

    def from_fixture(self, path: Path) -> Captured:
        """Let Graph answer with a page, and the mail in it be there."""
        page = json.loads(path.read_bytes())
        row = page["value"][0]
        at = datetime.fromisoformat(row["receivedDateTime"])
        sender = row["from"]["emailAddress"]
        id = self.twin.receives(mail(1, row["bodyPreview"], f"{sender['name']} <{sender['address']}>"), at, "archive")
        self.twin.messages[row["id"]] = self.twin.messages.pop(id)
        self.twin.mime[row["id"]] = self.twin.mime.pop(id)
        self.twin.fault(Status(200, page), path="inbox.*delta|AQMkinbox.*delta")
        (captured,) = all_captured(self.made(installed=at - timedelta(days=1)).poll(None))
        return captured


@dataclass
class CalendarHarness(GraphHarness):
    """The mailbox's calendar."""

    @property
    def fixtures(self) -> Path:
        """Pages of events."""
        return FIXTURES / "calendar"

    def made(
        self,
        secrets: tuple[str, ...] = (FIRST, SECOND),
        client_secret: str = "",
        clock: Callable[[], datetime] | None = None,
        **options: Any,
    ) -> CalendarChannel:
        """Make a channel with some options changed."""
        reader = Secrets(STATE=",".join(secrets), APP=client_secret or self.twin.client_secret)
        given = context(self.base, reader, clock or self.clock)
        return CalendarChannel("office", CalendarChannel.Options(**told(self, options, "max_event_bytes")), given)

    def put(self) -> bytes:
        """Plan a meeting, and return the bytes."""
        return self.bytes_of(self.plan())

    def plan(self, **fields: Any) -> str:
        """Plan a meeting with a customer."""
        self.sent += 1
        guests = [{"type": "required", "status": {"response": "none"}, **_someone("Bob", "bob@example.org")}]
        start = SOON + timedelta(hours=self.sent)
        return self.twin.plans(start, **{"subject": f"Offer {self.sent}", "attendees": guests, **fields})

    def put_old(self) -> bytes:
        """Let a meeting have been before the first start."""
        return self.bytes_of(self.twin.plans(INSTALLED - timedelta(days=3)))

    def put_oversized(self) -> None:
        """Let an event be larger than the limit."""
        self.plan(subject="x" * MAX_BYTES)

    def put_withheld(self) -> bytes:
        """Plan a meeting, and let Graph answer 500 to it."""
        id = self.plan()
        self.twin.fault(UNWELL, path=f"events/{re.escape(quote(id))}", times=None)
        return self.bytes_of(id)

    def name_of(self, raw: bytes) -> tuple[str, Mapping[str, str]]:
        """Return the key of an event, and its headers, as a poll names it that can't fetch it."""
        id = next(id for id in self.twin.events if self.bytes_of(id) == raw)
        return f"event:{id}:{self.twin.events[id]['changeKey']}", {"id": id}

    def mend(self) -> None:
        """Let Graph be well."""
        self.twin.heal()

    def broken(self) -> Captured:
        """Let an event stand there that has no name."""
        self.twin.events[self.plan(subject=CANARY)]["iCalUId"] = None
        return all_captured(self.channel.poll(None))[-1]

    def from_fixture(self, path: Path) -> Captured:
        """Let Graph answer with a page, and the event in it be there."""
        page = json.loads(path.read_bytes())
        self.twin.events[page["value"][0]["id"]] = page["value"][0]
        self.twin.fault(Status(200, page), path="delta")
        (captured,) = all_captured(self.channel.poll(None))
        return captured

    def bytes_of(self, id: str) -> bytes:
        """Return an event as a GET tells it."""
        return self.twin.told("events", id, SELECT)


@contextmanager
def graph() -> Iterator[tuple[GraphTwin, SetClock]]:
    """Run a twin by a clock that stands at the contract's now; whoever subscribes is taken at his word."""
    clock = SetClock(NOW)
    with GraphTwin(clock=clock) as twin:
        twin.shakes = lambda url: url == HOOK  # type: ignore[method-assign]
        yield twin, clock


def told(harness: GraphHarness, options: Mapping[str, Any], limit: str) -> dict[str, Any]:
    """Return the options of a channel that reads the twin."""
    twin = harness.twin
    return {
        "mailbox": twin.mailbox,
        "tenant": twin.tenant,
        "client_id": twin.client_id,
        "client_secret_env": "APP",
        "client_state_env": "STATE",
        "login_url": twin.url,
        "graph_url": twin.url,
        "batch_size": harness.batch_size,
        limit: MAX_BYTES,
        "calls_per_s": 1000,
        "max_wait_s": 0,
        **options,
    }


def _someone(name: str, address: str) -> dict[str, Any]:
    return {"emailAddress": {"name": name, "address": address}}
