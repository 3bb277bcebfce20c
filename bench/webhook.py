"""How fast webhooks are made durable, and whether each one that was acknowledged is in the book; prints one JSON line.

A server process of its own, on a fresh port and a fresh journal, takes signed events over the loopback: the real edge,
the real channel, SQLite flushed in full. The sender shares its cores. At fixed rates the sender never waits for an
answer before it sends the next event, and latency counts from the moment at which an event was meant to leave, so that
a server that stalls can't hide it; `closed` says how many 64 patient connections get through. One event in twenty is
sent twice, one in a hundred is signed wrongly. `working` is the same rate while the process also parses, matches and
infers what comes in, by the embedded baseline.

A figure counts only if the books agree: every acknowledged event is stored once, and nothing else is. How much of the
machine others took, and how often its disk flushed a moment before, stand beside each figure; where `others` is not
near zero, only `server_cpu_ms`, the processor time per answer, says much about the code.

Usage: python bench/webhook.py [--seconds 3]     (of each load; p99.9 needs 30)
"""

import argparse
import asyncio
import base64
import hmac
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

SECRET = b"bench-secret-of-thirty-two-bytes"
CONNECTIONS = 64
RATES = (500, 1_000, 2_000)
WORKING_RATE = 200
DRAIN_S = 15.0
TEXT = "Can I come on Thursday at ten, and what would it cost? " * 16
CONFIG = """
[journal]
url = "sqlite:///journal.db"
[channels.web]
type = "webhook"
secret_env = "BENCH_SECRET"
[crm]
type = "local"
path = "crm.db"
[llm]
type = "baseline"
"""


def main() -> None:
    """Measure each load on a server of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each load")
    seconds = parser.parse_args().seconds
    result: dict[str, Any] = {
        "bench": "webhook",
        "journal": "sqlite, synchronous=FULL, group commit",
        "cores": os.cpu_count(),
        "connections": CONNECTIONS,
        "seconds": seconds,
    }
    result["open"] = [measure(rate, seconds) for rate in RATES]
    result["closed"] = measure(None, seconds)
    result["working"] = measure(WORKING_RATE, seconds, working=True)
    print(json.dumps(result))


def measure(rate: int | None, seconds: float, *, working: bool = False) -> dict[str, Any]:
    """Run one load against a new server and hold its answers against the book."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "config.toml").write_text(CONFIG)
        flushes = flushes_per_s(base)
        secret = base64.b64encode(SECRET).decode()
        command = [sys.executable, __file__, "serve", folder, "working" if working else "door"]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "BENCH_SECRET": secret},
        ) as server:
            assert server.stdin and server.stdout
            port = int(server.stdout.readline())
            load = Load(port, rate)
            uvloop.run(load.run(200, seconds / 10))  # the first ones warm up both sides and are not counted
            load.latencies_s.clear()
            busy_s, own_s, begun = busy_cpu_s(), time.process_time(), time.perf_counter()
            answered = uvloop.run(load.run(rate, seconds))
            busy_s, own_s, took_s = busy_cpu_s() - busy_s, time.process_time() - own_s, time.perf_counter() - begun
            server.stdin.close()
            said = json.loads(server.stdout.read().splitlines()[-1])
        stored, server_s = said["stored"], said["cpu_s"]
        assert set(stored) == load.acked, f"{len(stored)} stored, {len(load.acked)} acknowledged"
        assert len(stored) == len(set(stored))
        others = max(0.0, busy_s - own_s - server_s) / (took_s * (os.cpu_count() or 1))
        return {
            "rate": rate,
            **load.figures(answered),
            "server_cpu_ms": round(server_s / load.statuses.total() * 1_000, 3),
            "stored": len(stored),
            "flushes_per_s": flushes,
            "others": round(others, 2) if busy_s else None,
        }


@dataclass
class Load:
    """A sender with its connections, and what it was told."""

    port: int
    rate: int | None
    acked: set[str] = field(default_factory=set)
    statuses: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    sent: int = 0
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    waiting: deque[tuple[float, str, bytes]] = field(default_factory=deque)
    idle: list["Sender"] = field(default_factory=list)
    busy: int = 0
    until: float = 0.0
    all_heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, rate: int | None, seconds: float) -> float:
        """Send at a rate, or as fast as answers come; returns answers per second."""
        loop = asyncio.get_running_loop()
        senders = [
            (await loop.create_connection(lambda: Sender(self), "127.0.0.1", self.port))[1] for _ in range(CONNECTIONS)
        ]
        self.idle, self.busy, before = list(senders), 0, len(self.latencies_s)
        begun = time.perf_counter()
        self.until = begun + seconds if rate is None else 0.0
        if rate is None:
            while self.idle:
                self.send_one(time.perf_counter())
            await asyncio.sleep(seconds)
        else:
            await self._at_rate(rate, begun, seconds)
        self.all_heard = asyncio.Event()
        if self.waiting or self.busy:
            await asyncio.wait_for(self.all_heard.wait(), DRAIN_S)
        took_s = max(time.perf_counter() - begun, seconds)
        for sender in senders:
            sender.transport.close()
        return (len(self.latencies_s) - before) / took_s

    async def _at_rate(self, rate: int, begun: float, seconds: float) -> None:
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            wait_s = due - time.perf_counter()
            if wait_s > 0.001 or number % 10 == 0:  # answers are read meanwhile, also when we are behind
                await asyncio.sleep(max(wait_s, 0))
            self.send_one(due)

    def send_one(self, meant_at: float) -> None:
        """Send the next event, and one in twenty again, as soon as a connection is free."""
        self.sent += 1
        name = f"msg_{self.sent}"
        is_forged = self.sent % 100 == 0
        data = event(self.sent, name, b"another secret of 32 bytes......" if is_forged else SECRET)
        copies = 2 if self.rate is not None and self.sent % 20 == 1 else 1
        self.waiting.extend([(meant_at, "" if is_forged else name, data)] * copies)
        self.pump()

    def pump(self) -> None:
        """Put what waits on free connections."""
        while self.waiting and self.idle:
            self.busy += 1
            self.idle.pop().send(*self.waiting.popleft())

    def figures(self, answered: float) -> dict[str, Any]:
        """Return what the run says, times in milliseconds."""
        times = sorted(self.latencies_s)
        at = {f"p{share:g}": times[min(int(len(times) * share / 100), len(times) - 1)] for share in (50, 99, 99.9)}
        shown = {name: round(value * 1_000, 1) for name, value in (at | {"max": times[-1]}).items()}
        return {"answers_per_s": round(answered), "ms": shown, "statuses": dict(self.statuses)}


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
        assert (status == "401") == (self.name == ""), f"{self.name or 'a forged event'}: {status}"
        if status == "202":
            load.acked.add(self.name)
        load.busy -= 1
        load.idle.append(self)
        load.pump()
        if not load.busy:
            load.all_heard.set()
        if time.perf_counter() < load.until:
            load.send_one(time.perf_counter())


def event(number: int, name: str, secret: bytes) -> bytes:
    """Write a signed event of about 1.2 kB, one of a thousand visitors'."""
    at = datetime.now(UTC)
    data = {
        "message_id": name,
        "conversation_id": f"chat-{number % 1_000}",
        "direction": "inbound",
        "sender": {"external_id": f"visitor-{number % 1_000}", "name": "Ann Lee", "role": "customer"},
        "text": TEXT,
        "sent_at": at.isoformat(),
    }
    body = json.dumps({"type": "message.created", "timestamp": at.isoformat(), "data": data}).encode()
    timestamp = str(int(at.timestamp()))
    digest = hmac.digest(secret, f"{name}.{timestamp}.".encode() + body, "sha256")
    head = (
        f"POST /hooks/web HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"webhook-id: {name}\r\nwebhook-timestamp: {timestamp}\r\n"
        f"webhook-signature: v1,{base64.b64encode(digest).decode()}\r\n\r\n"
    )
    return head.encode() + body


def flushes_per_s(folder: Path) -> int:
    """Measure how often this disk flushes a small write, for a latency means nothing without it."""
    count, end = 0, time.perf_counter() + 0.3
    with (folder / "flush").open("wb", buffering=0) as file:
        while time.perf_counter() < end:
            file.write(b"x" * 4_096)
            os.fdatasync(file.fileno())
            count += 1
    return round(count / 0.3)


def busy_cpu_s() -> float:
    """Return the seconds that all processors have worked since the machine started; 0 where that can't be known."""
    try:
        user, nice, system, _, _, *interrupts = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
    except OSError:
        return 0.0
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def serve(folder: Path, *, working: bool) -> None:
    """Serve until standard input ends, then print the ids of what the book holds."""
    import structlog

    from sidecar.app import App
    from sidecar.model import Delivery
    from sidecar.web import serve_http

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    stop = threading.Event()
    threading.Thread(target=_stop_at_the_end_of_input, args=(stop,), daemon=True).start()
    with App.from_file(folder / "config.toml", os.environ) as app:
        app.ready()
        worker = threading.Thread(target=app.serve, args=(stop,))
        if working:
            worker.start()
        begun_s = time.process_time()
        serve_http(app, "127.0.0.1", 0, "127.0.0.1", 0, stop, listening=lambda port, _: print(port, flush=True))
        if working:
            worker.join()
        cpu_s = time.process_time() - begun_s
        stored = [fact.key for fact in app.journal.facts(["delivery"]) if isinstance(fact, Delivery)]
        print(json.dumps({"cpu_s": cpu_s, "stored": stored}))


def _stop_at_the_end_of_input(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(Path(sys.argv[2]), working=sys.argv[3] == "working")
    else:
        main()
