"""Starts the real `serve` so that it can be killed, traced or spoilt: everything that tortures it is put on here.

The product has no switch for any of it. Before `serve` begins, this launcher wraps the journal's and the CRM's calls
(crash points, `points`), plants bugs (`seeds`) and shortens waits (`haste`), all by name from an order. A mother
process loads everything once and forks a server for each order, because a fork costs milliseconds where an interpreter
costs a second; under a tracer, or for one run, `once` does without the fork.
"""

import faulthandler
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LOADED = (
    "sidecar.app", "sidecar.cli", "sidecar.cli.serve", "sidecar.web", "adapters.channels.webhook",
    "adapters.crms.local", "adapters.engines.embedded", "adapters.llms.scripted", "alembic.command", "uvloop",
    "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql.psycopg", "psycopg", "tests.torture.seeds",
    "tests.torture.points", "tests.torture.far_crm", "apscheduler.schedulers.background",
    "adapters.crms.hubspot", "adapters.crms.pipedrive", "adapters.crms.salesforce", "adapters.crms.zoho",
)  # fmt: skip
LOG, PID = "serve.log", "serve.pid"
WAIT_S = 120.0
STOP_S = 60.0


@dataclass(frozen=True)
class Order:
    """How one server is to live: its planted bugs, where it dies (the nth time it comes there), its haste."""

    folder: str
    seeds: tuple[str, ...] = ()
    dies_at: str = ""
    nth: int = 1
    haste: Mapping[str, float] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)


class Mother:
    """Gives birth to one server after another."""

    def __init__(self, env: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "tests.torture.launcher", "mother"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **env}
        )

    def __enter__(self) -> "Mother":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(WAIT_S)
        self._process.stdout.close()

    def bear(self, order: Order) -> "Server":
        """Start a server; returns at once."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return Server(int(self._process.stdout.readline()))


class Server:
    """One living `serve`; it is nobody's zombie, because its mother buries it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    @property
    def lives(self) -> bool:
        """Say whether it still runs."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        """Kill it as a power switch would, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._end(signal.SIGTERM)

    def tell(self) -> None:
        """Let it write down in its log what each of its threads is doing."""
        os.kill(self.pid, signal.SIGUSR1)
        time.sleep(0.5)

    def died(self, within_s: float) -> bool:
        """Wait for its death; false when it outlives that."""
        deadline = time.monotonic() + within_s
        while self.lives and time.monotonic() < deadline:
            time.sleep(0.005)
        return not self.lives

    def _end(self, by: signal.Signals) -> None:
        try:
            os.kill(self.pid, by)
        except ProcessLookupError:
            return
        if not self.died(STOP_S):
            self.tell()
            os.kill(self.pid, signal.SIGKILL)
            raise AssertionError(f"the server outlived {by.name}; {LOG} says where it was")


def once(order: Order, env: Mapping[str, str], *before: str) -> subprocess.Popen[bytes]:
    """Start a server without a fork, behind the words of a tracer; its own id stands in the folder's `serve.pid`."""
    command = [*before, sys.executable, "-m", "tests.torture.launcher", "once", json.dumps(asdict(order))]
    return subprocess.Popen(command, env={**os.environ, **env}, stderr=subprocess.PIPE)


def _mother() -> None:
    """Fork a server for each order; the system buries them."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for module in LOADED:
        importlib.import_module(module)
    for line in sys.stdin:
        order = Order(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            _serve(order)
        print(pid, flush=True)  # noqa: T201  this is how the two speak


def _serve(order: Order) -> None:
    """Be a `serve` that was prepared as ordered; never returns."""
    from tests.torture import points, seeds

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    folder = Path(order.folder)
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    (folder / PID).write_text(str(os.getpid()))
    os.environ.update(order.env)
    points.haste(order.haste)
    for name in order.seeds:
        seeds.SEEDS[name]()
    points.watch(folder, order.dies_at, order.nth)
    sys.argv = ["sidecar", "--config", str(folder / "config.toml"), "serve"]
    main: Any = importlib.import_module("sidecar.__main__").main
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    os._exit(code)


if __name__ == "__main__":
    if sys.argv[1] == "mother":
        _mother()
    else:
        _serve(Order(**json.loads(sys.argv[2])))
