"""Processes that do a sidecar's work and may die of it at any instant, each a fork of one that has loaded everything.

A fork costs milliseconds where a new interpreter costs a second, so that a test can afford many deaths. The launcher
sets its crash points from outside, by wrapping the journal's and the CRM's calls: the product knows nothing of them.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

FOREVER_S = 120.0
LOADED = (
    "sidecar.app", "adapters.channels.maildrop", "adapters.channels.webhook", "adapters.crms.local",
    "adapters.engines.embedded", "adapters.llms.scripted", "alembic.command", "sqlalchemy.dialects.sqlite",
)  # fmt: skip


class Incarnations:
    """Gives birth to one worker after another in a house's folder."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        command = [sys.executable, "-m", "tests.support.incarnations", str(folder)]
        self._mother = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, **env},
        )  # fmt: skip

    def __enter__(self) -> "Incarnations":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._mother.stdin is not None
        self._mother.stdin.close()
        self._mother.wait(FOREVER_S)
        assert self._mother.stdout is not None
        self._mother.stdout.close()

    def live(
        self,
        *,
        killed_after_s: float | None = None,
        slowed_s: float = 0.0,
        dies_at: int | None = None,
        after: bool = False,
    ) -> bool:
        """Let one work until it is idle, is killed, or dies at its nth write (before or just after); true if idle.

        `slowed_s` is how much longer each write takes, before and after, as on a slow disk: more room to die in.
        """
        assert self._mother.stdin is not None and self._mother.stdout is not None
        order = {"killed_after_s": killed_after_s, "slowed_s": slowed_s, "dies_at": dies_at, "after": after}
        self._mother.stdin.write(json.dumps(order) + "\n")
        self._mother.stdin.flush()
        return self._mother.stdout.readline().strip() == "0"


def _mother(folder: Path) -> None:
    """Fork a worker for each order, kill it when its time has come, and say how it ended."""
    for module in LOADED:
        importlib.import_module(module)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os._exit(_work(folder, order))
        deadline = time.monotonic() + (order["killed_after_s"] or FOREVER_S)
        ended, status = os.waitpid(pid, os.WNOHANG)
        while not ended and time.monotonic() < deadline:
            time.sleep(0.002)
            ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended:
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
        print(status, flush=True)  # noqa: T201  this is how the two speak


def _work(folder: Path, order: dict[str, Any]) -> int:
    from sidecar.app import App

    app = App.from_file(folder / "config.toml", dict(os.environ), wait=False)
    if order["dies_at"] is not None or order["slowed_s"]:
        deaths = _Deaths(order["dies_at"] or 0, after=order["after"], slowed_s=order["slowed_s"])
        app.journal.append = deaths.around(app.journal.append)  # type: ignore[method-assign]
        app.ledger.write = deaths.around(app.ledger.write)  # type: ignore[method-assign]
    app.ready()
    app.worker.run_until_idle(wait=False, timeout_s=FOREVER_S)
    app.close()
    return 0


class _Deaths:
    """Counts calls in all threads, and dies at the nth (0 is never)."""

    def __init__(self, at: int, *, after: bool, slowed_s: float) -> None:
        self._left, self._after, self._slowed_s = at, after, slowed_s
        self._lock = threading.Lock()

    def around(self, call: Any) -> Any:
        """Wrap a call."""

        def wrapped(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                self._left -= 1
                is_last = self._left == 0
            time.sleep(self._slowed_s)
            if is_last and not self._after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = call(*arguments, **named)
            if is_last:
                if hasattr(result, "result"):
                    result.result(FOREVER_S)
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(self._slowed_s)
            return result

        return wrapped


if __name__ == "__main__":
    _mother(Path(sys.argv[1]))
