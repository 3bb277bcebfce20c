"""A sidecar as operations run it: the real command in its own process, with a config file and secrets from outside.

Commands that only look (`LOOKS`) run through the real command line too, with the same config, folder and environment,
but within the test's process: starting Python costs each of them ten times what it does, and takes the processor from
the server that it looks at. How a process starts, logs and ends is shown by the others.
"""

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
from standardwebhooks import Webhook
from typer.testing import CliRunner

from sidecar.cli import app as command_line

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes....").decode()
SECRET_NAMES, SECRET_CHARS = ("KEY", "PASSWORD", "SECRET", "TOKEN"), 8
WAIT_S = 45.0
NOTED = 60
"""How many lines of a sidecar's log are shown with what failed beside it."""
LOOKS = frozenset({"explain", "export", "inbox", "ledger", "verify", "work"})


def until(true: Callable[[], Any], what: str, wait_s: float = WAIT_S) -> Any:
    """Wait until something is so, and return it."""
    deadline = time.monotonic() + wait_s
    pause = threading.Event()
    while time.monotonic() < deadline:
        found = true()
        if found:
            return found
        pause.wait(0.1)
    raise AssertionError(f"waited {wait_s:.0f} s for {what}")


@dataclass
class Sidecar:
    """A config in a folder, and the means to run commands on it and to post to its door."""

    folder: Path
    env: Mapping[str, str]
    port: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)
    module: str = "sidecar"
    admin_port: int = 0
    process: subprocess.Popen[str] | None = None
    secrets: frozenset[str] = frozenset()

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Run a command to its end and return what it printed; one that only looks, without a process of its own."""
        if arguments[0] in LOOKS:
            return self._looked(*arguments, expect=expect)
        command = [sys.executable, "-m", "sidecar", "--config", str(self.folder / "config.toml"), *arguments]
        done = subprocess.run(
            command, env=dict(self.env), cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == expect, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert not any(secret in done.stdout + done.stderr for secret in self.secrets), f"{arguments} lets a secret out"
        return done.stdout

    def _looked(self, *arguments: str, expect: int) -> str:
        line = ["--config", str(self.folder / "config.toml"), *arguments]
        env: dict[str, str | None] = {**dict.fromkeys(os.environ), **self.env}  # and nothing else of the environment
        with chdir(self.folder):
            done = CliRunner().invoke(command_line, line, env=env)
        assert isinstance(done.exception, SystemExit | None), f"{arguments}: {done.exception!r}"
        assert done.exit_code == expect, f"{arguments}: {done.exit_code}\n{done.output}"
        assert not any(secret in done.output for secret in self.secrets), f"{arguments} lets a secret out"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Run a command with --json and read its answer."""
        return json.loads(self.run(*arguments, "--json"))

    def post(self, channel: str, event: Mapping[str, Any], key: str, *, secret: str = SECRET) -> int:
        """Send a signed event as a web chat or a booking system does; returns the status."""
        body = json.dumps(event).encode()
        now = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": key,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(key, now, body.decode()),
        }
        url = f"http://127.0.0.1:{self.port}/hooks/{channel}"
        with httpx2.Client(trust_env=False) as client:
            return client.post(url, content=body, headers=headers, timeout=20).status_code

    @contextmanager
    def serve(self) -> Iterator["Sidecar"]:
        """Run `serve` until the block ends, then ask it to stop and see that it does."""
        command = [sys.executable, "-m", self.module, "--config", str(self.folder / "config.toml"), "serve"]
        process = subprocess.Popen(command, env=dict(self.env), cwd=self.folder, stderr=subprocess.PIPE, text=True)
        self.process = process
        reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        reader.start()
        try:
            self.port = until(lambda: self._listening() or process.poll(), "the server to listen")
            assert process.poll() is None, self.log
            self.admin_port = next(int(e["admin_port"]) for e in self.log if e.get("event") == "http_listening")
            yield self
        except AssertionError as error:
            error.add_note("its log ended with\n" + "\n".join(json.dumps(line) for line in self.log[-NOTED:]))
            raise
        finally:
            process.terminate()
            code = process.wait(40)
            reader.join(30)
            if process.stderr:
                process.stderr.close()
        assert code == 0, self.log[-5:]
        log = json.dumps(self.log, ensure_ascii=False)
        assert not any(secret in log for secret in self.secrets), "a secret stands in the log"

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.log.append({"event": "not JSON", "line": line})

    def _listening(self) -> int:
        return next((int(e["port"]) for e in self.log if e.get("event") == "http_listening"), 0)


def sidecar(folder: Path, config: str, secrets: Mapping[str, str]) -> Sidecar:
    """Write a config and return the sidecar that runs by it."""
    (folder / "config.toml").write_text(config)
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "HOME") or k.startswith(("PYTHON", "SSL_"))}
    given = {value for name, value in secrets.items() if name.endswith(SECRET_NAMES) and len(value) >= SECRET_CHARS}
    return Sidecar(folder, {**kept, **secrets}, secrets=frozenset(given))


def fields(records: Sequence[Mapping[str, Any]], kind: str) -> dict[str, Any]:
    """Return the fields of the first record of a kind, or nothing."""
    return next((dict(r["fields"]) for r in records if r["kind"] == kind), {})
