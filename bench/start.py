"""What the sidecar costs before it does anything: imports, start-up, memory, and the way back after a kill.

The real command in a process of its own. `import` is the sum that `python -X importtime` shows for the command line.
`start` is the time from the start of the process until `/healthz` answers, and until a first webhook is acknowledged,
on an empty book. `memory` is what `serve` holds idle, right after 10,000 deliveries, and while it works them off.
`kill` fills a book with 100,000 deliveries that are still to be read, sends more on 16 connections, kills the process
with signal 9 in the middle, and counts from the new start until the first new acknowledgement; afterwards every
delivery that was ever acknowledged must be in the book, else there is no figure.

Usage: python -m bench.start [--rows 100000] [--repeats 3]
"""

import argparse
import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import uvloop

from bench._load import ENV, Load, event
from bench._machine import CORES, Trial, alone, flushes_per_s, memory_mb, repeated
from bench.webhook import CONFIG, ROOT
from sidecar.journal import Entry, Journal, Receipt, Touch
from sidecar.model import Delivery, WorkKey, WorkKind

DELIVERIES, RATE = 10_000, 2_000
WORK_S = 15.0
LOAD_S = 0.7
QUEUED = 1_000
PATIENCE_S = 60.0
URL = "sqlite:///journal.db"


def main() -> None:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="deliveries in the book before the kill")
    parser.add_argument("--repeats", type=int, default=3, help="trials of each figure")
    options = parser.parse_args()
    say("import", repeated(imported, options.repeats))
    say("start", repeated(started, options.repeats))
    say("memory", {"deliveries": DELIVERIES, "crm": "local", "llm": "baseline", **remembered()})
    with tempfile.TemporaryDirectory() as folder:
        base = prepared(Path(folder))
        acked = fill(base, options.rows)
        numbers = count(1)
        found = repeated(lambda: killed(base, acked, next(numbers)), options.repeats)
        account(base, acked)
    say("kill", {"rows": options.rows, "acked_in_book": True, **found})


def say(figure: str, found: dict[str, Any]) -> None:
    """Print one line."""
    print(json.dumps({"bench": "start", "cores": CORES, "figure": figure, **found}), flush=True)


def imported() -> Trial:
    """Return how long the command line takes to import, and to say what it can do."""
    helping = [sys.executable, "-X", "importtime", "-m", "sidecar", "--help"]
    with alone() as spent:
        told = subprocess.run(helping, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=True).stderr
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "sidecar", "--help"], cwd=ROOT, capture_output=True, timeout=60, check=True)
    help_ms = (time.perf_counter() - begun) * 1_000
    lines = [line.removeprefix("import time:").split("|") for line in told.splitlines() if "| " in line]
    own_us = [int(parts[0]) for parts in lines if parts[0].strip().isdigit()]
    return {"import_ms": round(sum(own_us) / 1_000, 1), "modules": len(own_us), "help_ms": round(help_ms),
            "others": spent.others}  # fmt: skip


def started() -> Trial:
    """Return how long it takes until the process says that it lives, and until it takes a webhook."""
    with tempfile.TemporaryDirectory() as folder:
        base = prepared(Path(folder))
        flushes = flushes_per_s(base)
        with serving(base) as server, alone(server.process.pid) as spent:
            server.wait_for_life()
            healthy_s = server.age_s()
            server.wait_for_ack("first")
            acked_s = server.age_s()
        return {"healthy_ms": round(healthy_s * 1_000), "first_ack_ms": round(acked_s * 1_000),
                "flushes_per_s": flushes, "others": spent.others}  # fmt: skip


def remembered() -> dict[str, Any]:
    """Return what the process holds in memory, in megabytes."""
    with tempfile.TemporaryDirectory() as folder, serving(prepared(Path(folder))) as server:
        server.wait_for_life()
        threading.Event().wait(1.0)
        idle_mb, _ = memory_mb(server.process.pid)
        load = Load(server.port, 64)
        uvloop.run(load.open(RATE, DELIVERIES / RATE))
        loaded_mb, _ = memory_mb(server.process.pid)
        threading.Event().wait(WORK_S)
        later_mb, most_mb = memory_mb(server.process.pid)
    if len(load.acked) != DELIVERIES:
        raise SystemExit(f"{len(load.acked)} of {DELIVERIES} deliveries were acknowledged: refused")
    return {"idle_mb": idle_mb, "loaded_mb": loaded_mb, f"after_{WORK_S:g}_s_mb": later_mb, "most_mb": most_mb}


def killed(base: Path, acked: set[str], number: int) -> Trial:
    """Kill a server under load and return how long the next one takes until its first acknowledgement."""
    flushes = flushes_per_s(base)
    with serving(base) as server:
        server.wait_for_ack(f"before-{number}")
        load = Load(server.port, 16, prefix=f"killed-{number}-")
        uvloop.run(_until_killed(load, server.process.pid))
        server.process.wait(PATIENCE_S)
    acked |= {f"before-{number}", *load.acked}
    with serving(base) as server, alone(server.process.pid) as spent:
        server.wait_for_ack(f"after-{number}")
        first_s = server.age_s()
    acked.add(f"after-{number}")
    return {"first_ack_ms": round(first_s * 1_000), "acked_before_the_kill": len(load.acked),
            "flushes_per_s": flushes, "others": spent.others}  # fmt: skip


async def _until_killed(load: Load, pid: int) -> None:
    sending = asyncio.ensure_future(load.closed(PATIENCE_S))
    await asyncio.sleep(LOAD_S)
    os.kill(pid, 9)
    await asyncio.sleep(0.1)  # for answers that are on their way
    sending.cancel()


def fill(base: Path, rows: int) -> set[str]:
    """Write so many deliveries that are still to be read; returns their ids at the sender."""
    waiting: deque[Future[Receipt]] = deque()
    names = [f"filled-{number}" for number in range(rows)]
    with Journal.open(URL, base=base) as journal:
        for number, name in enumerate(names):
            raw = event(number, name).partition(b"\r\n\r\n")[2]
            digest = sha256(raw).hexdigest()
            fact = Delivery(
                channel="web", account="web", key=name, sha256=digest, received_at=datetime.now(UTC), raw=raw
            )
            minted = journal.mint(fact)
            touch = Touch(WorkKey(WorkKind.PARSE, minted.id), if_new=True)
            waiting.append(journal.append(Entry(facts=(minted,), touches=(touch,))))
            if len(waiting) > QUEUED:
                waiting.popleft().result(PATIENCE_S)
        for future in waiting:
            future.result(PATIENCE_S)
    return set(names)


def account(base: Path, acked: set[str]) -> None:
    """End the benchmark unless every delivery that was acknowledged is in the book, and none twice."""
    with Journal.open(URL, base=base) as journal:
        stored = [fact.key for fact in journal.facts(["delivery"]) if isinstance(fact, Delivery)]
    if missing := len(acked - set(stored)):
        raise SystemExit(f"{missing} acknowledged deliveries are not in the book: refused")
    if len(stored) != len(set(stored)):
        raise SystemExit(f"{len(stored) - len(set(stored))} deliveries are in the book twice: refused")


class Server:
    """A `sidecar serve` that was started a moment ago."""

    def __init__(self, base: Path) -> None:
        command = [sys.executable, "-m", "sidecar", "--config", str(base / "config.toml"), "serve"]
        self._begun = time.perf_counter()
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env={**os.environ, **ENV})
        self.port = self.admin_port = 0
        self._listens = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def age_s(self) -> float:
        """Return the seconds since the process was started."""
        return time.perf_counter() - self._begun

    def wait_for_life(self) -> None:
        """Return when `/healthz` answers."""
        self._wait_for_port()
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=PATIENCE_S)
        connection.request("GET", "/healthz")
        if connection.getresponse().status != 200:
            raise SystemExit("the process says that it doesn't live: refused")
        connection.close()

    def wait_for_ack(self, name: str) -> None:
        """Return when a webhook is acknowledged."""
        self._wait_for_port()
        while self.age_s() < PATIENCE_S:
            with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as wire:
                wire.sendall(event(0, name))
                if wire.recv(64).startswith(b"HTTP/1.1 202"):
                    return
        raise SystemExit("no webhook was acknowledged in time: refused")

    def end(self) -> None:
        """Stop it, if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)

    def _wait_for_port(self) -> None:
        if not self._listens.wait(PATIENCE_S):
            raise SystemExit("the server doesn't listen: refused")

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if '"http_listening"' in line:
                said = json.loads(line)
                self.port, self.admin_port = said["port"], said["admin_port"]
                self._listens.set()


@contextmanager
def serving(base: Path) -> Iterator[Server]:
    """Start a server, and stop it at the end of the block."""
    server = Server(base)
    try:
        yield server
    finally:
        server.end()


def prepared(base: Path) -> Path:
    """Write a config."""
    (base / "config.toml").write_text(CONFIG)
    return base


if __name__ == "__main__":
    main()
