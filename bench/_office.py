"""A whole sidecar in one process for a benchmark to drive: real door, real book, real local CRM, a clock that it moves.

Not a benchmark itself. It also counts what SQLite does: statements, and the steps of its virtual machine, which grow
with the rows that a query visits and not with how busy the machine is. Both of the walk's databases are counted, the
journal and the local CRM.
"""

import base64
import json
import logging
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import standardwebhooks
import structlog

from sidecar.app import App
from sidecar.ports import HookRequest

BEGINNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
IDLE_S = 600.0
STEPS_EACH = 100
SECRET = base64.b64encode(b"bench-secret-of-thirty-two-bytes").decode()
CONFIG = """
[own]
domains = ["ours.test"]
[journal]
url = "sqlite:///journal.db"
[channels.web]
type = "webhook"
secret_env = "BENCH_SECRET"
[crm.create]
contact = "auto"
deal = "qualified"
[policy]
mode = "auto"
"""
LOCAL = '[crm]\ntype = "local"\npath = "crm.db"\n'
BASELINE = '[llm]\ntype = "baseline"\n'
SCRIPTED = '[llm]\ntype = "scripted"\npath = "answers.json"\n'


@dataclass(slots=True)
class Tally:
    """What SQLite has done in this process since it was watched."""

    statements: int = 0
    steps: int = 0

    def watch(self, connection: sqlite3.Connection) -> None:
        """Count what a connection does."""
        connection.set_trace_callback(self._stated)
        connection.set_progress_handler(self._stepped, STEPS_EACH)

    def _stated(self, _: str) -> None:
        self.statements += 1

    def _stepped(self) -> int:
        self.steps += STEPS_EACH
        return 0


@dataclass
class Office:
    """One sidecar in one folder, and the people who write to it."""

    folder: Path
    script: Sequence[Mapping[str, Any]] = ()
    crm: str = LOCAL
    secrets: Mapping[str, str] = field(default_factory=dict)
    at: datetime = BEGINNING
    app: App = field(init=False)
    last: str = ""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        (self.folder / "answers.json").write_text(json.dumps(self.script))
        (self.folder / "config.toml").write_text(CONFIG + self.crm + (SCRIPTED if self.script else BASELINE))
        env = {"BENCH_SECRET": SECRET, **self.secrets}
        self.app = App.from_file(self.folder / "config.toml", env, wait=False, clock=lambda: self.at)

    def say(self, text: str, who: str, *, ours: bool = False, minutes: float = 1.0, late_minutes: float = 0.0) -> None:
        """Somebody writes in a customer's conversation, some time after the last word; returns when it is durable.

        A late message was sent so many minutes before it comes in.
        """
        self.at += timedelta(minutes=minutes)
        customer = {"email": f"{who}@customers.test", "name": who.capitalize()}
        said = {"sender": {"email": "desk@ours.test"}, "customer": customer} if ours else {"sender": customer}
        sent_at = self.at - timedelta(minutes=late_minutes)
        direction = "outbound" if ours else "inbound"
        self.last = f"m{next(self._numbers)}"
        self._post(
            "message.created",
            {"message_id": self.last, "direction": direction, "text": text, "sent_at": sent_at.isoformat(), **said},
            who,
        )

    def edit(self, text: str, who: str) -> None:
        """A customer changes the message that came last."""
        self.at += timedelta(minutes=1)
        customer = {"email": f"{who}@customers.test"}
        edited = {"message_id": self.last, "direction": "inbound", "text": text, "edited_at": self.at.isoformat()}
        self._post("message.edited", {**edited, "sender": customer}, who)

    def _post(self, event: str, data: Mapping[str, Any], who: str) -> None:
        data = {**data, "conversation_id": f"chat-{who}"}
        body = json.dumps({"type": event, "timestamp": self.at.isoformat(), "data": data})
        key = f"d{next(self._numbers)}"
        headers = {
            "webhook-id": key,
            "webhook-timestamp": str(int(self.at.timestamp())),
            "webhook-signature": standardwebhooks.Webhook(SECRET).sign(key, self.at, body),
        }
        self.app.receive("web", HookRequest(headers, body.encode())).result(IDLE_S)

    def work(self) -> int:
        """Do all that is due, without waiting for quiet, and return how many pieces of work that were."""
        return self.app.worker.run_until_idle(wait=False, timeout_s=IDLE_S)

    def parked(self) -> int:
        """Count what waits for a person because it failed."""
        return len(self.app.journal.work("parked"))


@contextmanager
def office(script: Sequence[Mapping[str, Any]] = (), **more: Any) -> Iterator[Office]:
    """Open a new sidecar in a folder of its own, whose model follows a script, or else is the embedded baseline."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    with tempfile.TemporaryDirectory() as folder:
        opened = Office(Path(folder), script, **more)
        with opened.app:
            opened.app.ready()
            yield opened


@contextmanager
def watched() -> Iterator[Tally]:
    """Count what the SQLite connections do that are opened meanwhile."""
    tally = Tally()
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def watching(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = connect(*args, **kwargs)
        tally.watch(connection)
        return connection

    sqlite3.connect = sqlite3.dbapi2.connect = watching  # type: ignore[assignment]
    try:
        yield tally
    finally:
        sqlite3.connect = sqlite3.dbapi2.connect = connect  # type: ignore[assignment]
