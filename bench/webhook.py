"""How fast webhooks are made durable, beside the smallest server that could; prints one JSON line for each figure.

`closed`: so many patient connections, each of which sends its next event when its last one is answered, against three
servers in turn: the sidecar's door (edge, signature, journal; no workers), and the bare ones of `_bare`, which commit
in groups or each request by itself. `beside` holds the medians against each other. `open`: 1,000 events a second,
whatever is answered, one in twenty sent twice and one in a hundred forged. `slow`: 500 events a second, with and
without 500 connections that never end their heads. `working`: 200 a second while the whole sidecar parses, matches and
infers what comes in, by the embedded baseline.

Each trial has a server process of its own on a fresh port and a fresh book, on the cores that the sender uses too. A
figure counts only if the books agree: every acknowledged event is stored once, and nothing else is; else the program
ends with an error and prints none.

Usage: python -m bench.webhook [--seconds 2] [--repeats 3]     (p99.9 needs 30 seconds)
"""

import argparse
import asyncio
import gc
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from bench._load import ENV, Hanging, Load
from bench._machine import CORES, Spent, Trial, alone, flushes_per_s, percentile_ms, repeated

ROOT = Path(__file__).parents[1]
CONNECTIONS = (1, 16, 64, 256)
SERVERS = ("sidecar", "bare, group commit", "bare, a commit each")
OPEN_RATE, SLOW_RATE, WORKING_RATE = 1_000, 500, 200
HANGING = 500
WARM_S = 0.5
LEVELS = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}
CONFIG = """
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
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


@dataclass
class Server:
    """A server in a process of its own; what it held when it ended is known after the block."""

    name: str
    port: int
    pid: int
    flushes_per_s: int
    synchronous: str = ""

    def check(self, said: dict[str, Any], acked: set[str]) -> None:
        """End the benchmark unless all that was acknowledged is in the book, once, and nothing else is."""
        stored = said["stored"]
        if len(stored) != len(set(stored)) or set(stored) != acked:
            missing, more = len(acked - set(stored)), len(set(stored) - acked)
            raise SystemExit(f"{self.name}: {missing} acknowledged events are missing, {more} more are stored: refused")
        self.synchronous = LEVELS[said["synchronous"]]


def main() -> None:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each trial")
    parser.add_argument("--repeats", type=int, default=3, help="trials of each figure")
    options = parser.parse_args()
    seconds, repeats = options.seconds, options.repeats
    gc.freeze()  # the sender's own pauses are not the server's
    medians: dict[tuple[str, int], float | None] = {}
    for connections in CONNECTIONS:
        for server in SERVERS:  # within the same minute
            trial = partial(closed, server, connections, seconds)
            found = tell("closed", server, trial, repeats, connections=connections, seconds=seconds)
            medians[server, connections] = found["acks_per_s"]["median"]
    for connections in CONNECTIONS:
        ours, *others = (medians[server, connections] for server in SERVERS)
        shares = {name: round(ours / its, 2) if ours and its else None
                  for name, its in zip(SERVERS[1:], others, strict=True)}  # fmt: skip
        say({"figure": "beside", "connections": connections, "sidecar_acks_per_s": ours, "as_a_share_of": shares})
    more = {"connections": 64, "seconds": 2 * seconds}
    tell("open", "sidecar", lambda: at_rate("sidecar", OPEN_RATE, 2 * seconds), repeats, rate=OPEN_RATE, **more)
    tell("slow", "sidecar", lambda: beside_slow(2 * seconds), repeats, rate=SLOW_RATE, hanging=HANGING, **more)
    tell("working", "sidecar, working", lambda: at_rate("sidecar, working", WORKING_RATE, 2 * seconds), repeats,
         rate=WORKING_RATE, **more)  # fmt: skip


def tell(figure: str, server: str, trial: Callable[[], Trial], repeats: int, **conditions: float) -> dict[str, Any]:
    """Repeat a trial and print its line."""
    found = repeated(trial, repeats)
    book = {"book": "sqlite, WAL", "synchronous": "FULL", "acked_equals_stored": True}  # each trial has checked both
    say({"figure": figure, "server": server, **conditions, **book, **found})
    return found


def say(line: dict[str, Any]) -> None:
    """Print one line."""
    print(json.dumps({"bench": "webhook", "cores": CORES, **line}), flush=True)


def closed(name: str, connections: int, seconds: float) -> Trial:
    """Return what so many connections get through."""
    with running(name) as (server, load):
        load.connections = connections
        uvloop.run(load.closed(WARM_S))
        load.forget_times()
        with alone(server.pid) as spent:
            answered = uvloop.run(load.closed(seconds))
        figures = load.figures()
    return {"acks_per_s": round(answered), **figures, **_beside(server, spent, answered * seconds)}


def at_rate(name: str, rate: int, seconds: float) -> Trial:
    """Return how late the answers to events at a rate are."""
    with running(name) as (server, load):
        uvloop.run(load.open(rate, WARM_S))
        load.forget_times()
        load.repeats_and_forgeries = True
        with alone(server.pid) as spent:
            answered = uvloop.run(load.open(rate, seconds))
        figures = load.figures()
    return {"answers_per_s": round(answered), **figures, **_beside(server, spent, answered * seconds)}


def beside_slow(seconds: float) -> Trial:
    """Return how late the answers are without and with connections that hang."""

    async def hang(load: Load) -> int:
        hanging = Hanging(load.port, HANGING)
        await hanging.begin(WARM_S + seconds)
        await asyncio.sleep(WARM_S)
        load.forget_times()
        await load.open(SLOW_RATE, seconds)
        return hanging.opened

    with running("sidecar") as (server, load):
        uvloop.run(load.open(SLOW_RATE, WARM_S))
        load.forget_times()
        with alone(server.pid) as spent:
            uvloop.run(load.open(SLOW_RATE, seconds))
            idle = sorted(load.latencies_s)
            opened = uvloop.run(hang(load))
            slow = sorted(load.latencies_s)
    if opened < HANGING:
        raise SystemExit(f"only {opened} connections hung: refused")
    idle_ms, slow_ms = percentile_ms(idle, 99), percentile_ms(slow, 99)
    times = {"idle_p99_ms": idle_ms, "slow_p99_ms": slow_ms, "slow_over_idle": round(slow_ms / idle_ms, 2)}
    return {**times, **_beside(server, spent, len(idle) + len(slow))}


@contextmanager
def running(name: str) -> Iterator[tuple[Server, Load]]:
    """Run a server, and at the end hold what it has stored against what the load was told."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "config.toml").write_text(CONFIG)
        flushes = flushes_per_s(base)
        bare = {"bare, group commit": "group", "bare, a commit each": "each"}.get(name)
        how = "working" if name == "sidecar, working" else "door"
        arguments = ["bench._bare", bare] if bare else ["bench.webhook", "serve", how]
        with subprocess.Popen(
            [sys.executable, "-m", *arguments, folder],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **ENV},
        ) as process:  # fmt: skip
            assert process.stdin and process.stdout
            server = Server(name, int(process.stdout.readline()), process.pid, flushes)
            load = Load(server.port, 64)
            yield server, load
            process.stdin.close()
            said = json.loads(process.stdout.read().splitlines()[-1])
        server.check(said, load.acked)
        if server.synchronous != "FULL":
            raise SystemExit(f"{name} flushes as {server.synchronous}: refused")


def _beside(server: Server, spent: Spent, answers: float) -> Trial:
    cpu = {"server_cpu_ms_per_answer": round(spent.cpu_s / max(answers, 1) * 1_000, 3)}
    return {**cpu, "flushes_per_s": server.flushes_per_s, "others": spent.others}


def serve(how: str, folder: Path) -> None:
    """Serve as the command does until standard input ends, then print the ids of what the book holds."""
    import structlog

    from sidecar.app import App
    from sidecar.cli.serve import serve as serve_app
    from sidecar.model import Delivery

    class Door(App):
        """A sidecar that takes webhooks and does no work."""

        def serve(self, stop: threading.Event) -> None:
            """Do nothing until told to stop."""
            stop.wait()

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    stop = threading.Event()
    threading.Thread(target=_stop_at_the_end_of_input, args=(stop,), daemon=True).start()
    with (App if how == "working" else Door).from_file(folder / "config.toml", os.environ) as app:
        app.ready()
        serve_app(app, stop, lambda port, _: print(port, flush=True))
        stored = [fact.key for fact in app.journal.facts(["delivery"]) if isinstance(fact, Delivery)]
        with app.journal._database.writing.connect() as connection:
            synchronous = int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())
        print(json.dumps({"stored": stored, "synchronous": synchronous}))


def _stop_at_the_end_of_input(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
