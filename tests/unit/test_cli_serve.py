"""`serve`: a real process that takes webhooks, works, logs JSON, and ends gracefully when it is told to."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.offices import CONFIG, Office, signed

ROOT = Path(__file__).parent.parent.parent
RULES = [
    {
        "match": "trial lesson",
        "answer": {"ops": [{"field": "stage", "value": "qualified", "evidence": [{"quote": "trial lesson"}]}]},
    }
]
AT_ONCE = CONFIG + "\n[inference]\nquiet_s = 0.0\n\n[limits]\nstop_grace_s = 5.0\n"
PATIENCE_S = 60.0


class Server:
    """A running `sidecar serve`, and the log lines that it wrote so far."""

    def __init__(self, office: Office, *before: str) -> None:
        command = [sys.executable, "-m", "sidecar", "--config", str(office.config), *before, "serve"]
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, cwd=office.base, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        self._queue: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def event(self, name: str) -> Any:
        """Wait for a log line with that event."""
        while True:
            line = json.loads(self._queue.get(timeout=PATIENCE_S))
            if line["event"] == name:
                return line

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait until it has ended and all that it logged was read; returns the exit code."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.lines.append(line)
            self._queue.put(line)


@contextmanager
def _serving(office: Office, *before: str) -> Iterator[Server]:
    server = Server(office, *before)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait(PATIENCE_S)
        for stream in (server.process.stdout, server.process.stderr):
            if stream:
                stream.close()


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office that reads at once."""
    return Office(tmp_path).furnish(RULES, AT_ONCE)


def _post(port: int, text: str) -> int:
    at = "2026-11-22T10:00:00+00:00"
    data = {
        "message_id": "m1", "conversation_id": "c1", "direction": "inbound", "text": text, "sent_at": at,
        "sender": {"external_id": "v1", "name": "Zoë Quill", "email": "zoe@x.test"},
    }  # fmt: skip
    body = json.dumps({"type": "message.created", "timestamp": at, "data": data}).encode()
    url = f"http://127.0.0.1:{port}/hooks/web"
    return httpx2.post(url, content=body, headers=signed(body, "d1"), timeout=30).status_code


def _eventually(holds: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(int(PATIENCE_S / 0.1)):
        if holds():
            return
        waiting.wait(0.1)
    raise AssertionError("it never held")


def test_a_message_at_the_door_reaches_the_crm(office: Office) -> None:
    """From a signed request to the CRM in one process; its log is JSON, says where it listens, and names nobody."""
    with _serving(office) as server:
        listening = server.event("http_listening")
        assert _post(listening["port"], "I would like a trial lesson.") == 202
        _eventually(lambda: bool(office.data("ledger", "show", "deal")["records"]))
        ready = httpx2.get(f"http://127.0.0.1:{listening['admin_port']}/readyz", timeout=30)
        assert ready.status_code == 200
        assert server.end(signal.SIGTERM) == 0
    events = [json.loads(line)["event"] for line in server.lines]
    assert events[0] == "starting"
    assert events[-1] == "stopped"
    assert not any(word in line for line in server.lines for word in ("Zoë", "Quill", "zoe@", "trial"))
    (zoe,) = office.data("inbox")["relationships"]
    assert (zoe["name"], zoe["stage"]) == ("Zoë Quill", "qualified")


def test_a_polled_folder_is_read_while_it_serves(office: Office) -> None:
    """The schedule polls channels without being asked; Ctrl-C ends it as gracefully."""
    office.mail("Ann Lee <ann@x.test>", "I would like a trial lesson.")
    with _serving(office) as server:
        server.event("http_listening")
        _eventually(lambda: bool(office.data("ledger", "show", "deal")["records"]))
        assert server.end(signal.SIGINT) == 0


def test_a_dry_server_writes_nothing(office: Office) -> None:
    """With --dry-run everything is read and decided, and the CRM stays as it is."""
    with _serving(office, "--dry-run") as server:
        listening = server.event("http_listening")
        assert _post(listening["port"], "I would like a trial lesson.") == 202
        _eventually(lambda: [r["stage"] for r in office.data("inbox")["relationships"]] == ["qualified"])
        assert server.end(signal.SIGTERM) == 0
    assert office.data("ledger", "show")["records"] == []
    assert office.data("--dry-run", "run", "--until-idle", "--no-wait")["would"]


def test_a_taken_port_is_said_in_a_line(office: Office) -> None:
    """A server that can't listen ends with the exit code of a wrong config and names the setting."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        office.config.write_text(office.config.read_text().replace("port = 0\nadmin", f"port = {port}\nadmin"))
        with _serving(office) as server:
            code = server.ended()
    assert code == 2
    assert server.lines[-1].startswith("sidecar: web.port: can't listen on")


def test_a_server_that_belongs_elsewhere_refuses_to_start(office: Office) -> None:
    """A journal that is bound to another CRM account is not served."""
    with office.journal() as journal:
        journal.set_meta("ledger_account", "another")
    with _serving(office) as server:
        code = server.ended()
    assert code == 2
    assert "this journal belongs to the CRM account 'another'" in server.lines[-1]
