"""A sender of signed webhooks: as fast as answers come, or at a rate, on as many connections as are asked for.

It remembers each id that was acknowledged, so that the book can be held against it. At a rate it never waits for an
answer before it sends the next event, and latency counts from the moment at which an event was meant to leave, so that
a server that stalls can't hide it. Events are cheap to make, since the sender shares the server's cores.
"""

import asyncio
import base64
import hmac
import json
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bench._machine import percentile_ms

SECRET = b"bench-secret-of-thirty-two-bytes"
ENV = {"BENCH_SECRET": base64.b64encode(SECRET).decode()}
OTHER_SECRET = b"another secret of 32 bytes......"
DRAIN_S = 30.0
VISITORS = 1_000
TEXT = "Can I come on Thursday at ten, and what would it cost? " * 16


@dataclass
class Load:
    """A sender with its connections, and what it was told."""

    port: int
    connections: int
    prefix: str = "bench-"
    repeats_and_forgeries: bool = False
    acked: set[str] = field(default_factory=set)
    statuses: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    sent: int = 0
    waiting: deque[tuple[float, str, bytes]] = field(default_factory=deque)
    idle: list["Sender"] = field(default_factory=list)
    busy: int = 0
    until: float = 0.0
    all_heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def closed(self, seconds: float) -> float:
        """Send as fast as answers come; returns answers per second."""

        async def drive(begun: float) -> None:
            self.until = begun + seconds
            while self.idle:
                self.send_one(time.perf_counter())
            await asyncio.sleep(seconds)

        return await self._drive(drive)

    async def open(self, rate: int, seconds: float) -> float:
        """Send at a rate, whatever is answered; returns answers per second."""

        async def drive(begun: float) -> None:
            for number in range(int(rate * seconds)):
                due = begun + number / rate
                wait_s = due - time.perf_counter()
                if wait_s > 0.001 or number % 10 == 0:  # answers are read meanwhile, also when we are behind
                    await asyncio.sleep(max(wait_s, 0))
                self.send_one(due)

        return await self._drive(drive)

    async def _drive(self, drive: Callable[[float], Any]) -> float:
        loop = asyncio.get_running_loop()
        senders = [
            (await loop.create_connection(lambda: Sender(self), "127.0.0.1", self.port))[1]
            for _ in range(self.connections)
        ]
        self.idle, self.busy, self.until = list(senders), 0, 0.0
        before, begun = len(self.latencies_s), time.perf_counter()
        await drive(begun)
        self.all_heard = asyncio.Event()
        if self.waiting or self.busy:
            await asyncio.wait_for(self.all_heard.wait(), DRAIN_S)
        took_s = time.perf_counter() - begun
        for sender in senders:
            sender.transport.close()
        return (len(self.latencies_s) - before) / took_s

    def send_one(self, meant_at: float) -> None:
        """Send the next event, as soon as a connection is free; if asked to, one in 20 twice and one in 100 forged."""
        self.sent += 1
        name = f"{self.prefix}{self.sent}"
        is_forged = self.repeats_and_forgeries and self.sent % 100 == 0
        copies = 2 if self.repeats_and_forgeries and self.sent % 20 == 1 else 1
        data = event(self.sent, name, OTHER_SECRET if is_forged else SECRET)
        self.waiting.extend([(meant_at, "" if is_forged else name, data)] * copies)
        self.pump()

    def pump(self) -> None:
        """Put what waits on free connections."""
        while self.waiting and self.idle:
            self.busy += 1
            self.idle.pop().send(*self.waiting.popleft())

    def forget_times(self) -> None:
        """Begin to measure: what was sent before was warm-up."""
        self.latencies_s.clear()

    def figures(self) -> dict[str, float]:
        """Return the percentiles, in milliseconds."""
        times = sorted(self.latencies_s)
        return {f"p{share:g}_ms": percentile_ms(times, share) for share in (50, 99, 99.9, 100)}


class Sender(asyncio.Protocol):
    """One connection that posts and waits for the answer."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.meant_at, self.name, self.heard = 0.0, "", b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def send(self, meant_at: float, name: str, data: bytes) -> None:
        """Post one event."""
        self.meant_at, self.name, self.heard = meant_at, name, b""
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.heard += data
        if not self.heard.endswith(b"}"):
            return
        load, status = self.load, self.heard[9:12].decode()
        load.statuses[status] += 1
        load.latencies_s.append(time.perf_counter() - self.meant_at)
        if (status == "401") != (self.name == ""):
            raise SystemExit(f"{self.name or 'a forged event'} was told {status}; such a figure is refused")
        if status == "202":
            load.acked.add(self.name)
        load.busy -= 1
        load.idle.append(self)
        load.pump()
        if time.perf_counter() < load.until:
            load.send_one(time.perf_counter())
        if not load.busy:
            load.all_heard.set()


@dataclass
class Hanging:
    """Connections that begin a head and never end it; each is opened anew when it is cut."""

    port: int
    count: int
    until: float = 0.0
    opened: int = 0

    async def begin(self, seconds: float) -> None:
        """Open them all; they hang for so long."""
        self.until = time.perf_counter() + seconds
        for _ in range(self.count):
            await self.open_one()

    async def open_one(self) -> None:
        """Open one, or leave it when the time is over or the server is gone."""
        if time.perf_counter() < self.until:
            self.opened += 1
            await asyncio.get_running_loop().create_connection(lambda: Hung(self), "127.0.0.1", self.port)


class Hung(asyncio.Protocol):
    """One connection that says a byte a second."""

    def __init__(self, hanging: Hanging) -> None:
        self.hanging = hanging
        self.again: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(b"POST /hooks/web HTTP/1.1\r\nhost: bench\r\nx: ")
        pause_s = self.hanging.opened % 100 / 100  # not all in the same moment, which no crowd manages
        asyncio.get_running_loop().call_later(pause_s, self.trickle)

    def trickle(self) -> None:
        """Say the next byte."""
        if self.transport.is_closing():
            return
        if time.perf_counter() > self.hanging.until:
            self.transport.close()
            return
        self.transport.write(b"x")
        asyncio.get_running_loop().call_later(1.0, self.trickle)

    def connection_lost(self, error: Exception | None) -> None:
        self.again = asyncio.get_running_loop().create_task(self.hanging.open_one())


def event(number: int, name: str, secret: bytes = SECRET) -> bytes:
    """Write a signed event of about 1.2 kB, one of a thousand visitors'."""
    at, stamp = datetime.now(UTC).isoformat().encode(), int(time.time())
    body = _BODY % {b"name": name.encode(), b"visitor": number % VISITORS, b"at": at}
    digest = hmac.digest(secret, b"%s.%d." % (name.encode(), stamp) + body, "sha256")
    return _HEAD % (len(body), name.encode(), stamp, base64.b64encode(digest)) + body


_HEAD = (
    b"POST /hooks/web HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    b"webhook-id: %s\r\nwebhook-timestamp: %d\r\nwebhook-signature: v1,%s\r\n\r\n"
)
_BODY = json.dumps(
    {
        "type": "message.created",
        "timestamp": "%(at)s",
        "data": {
            "message_id": "%(name)s",
            "conversation_id": "chat-%(visitor)d",
            "direction": "inbound",
            "sender": {"external_id": "visitor-%(visitor)d", "name": "Ann Lee", "role": "customer"},
            "text": TEXT,
            "sent_at": "%(at)s",
        },
    }
).encode()
