"""A whole sidecar over real parts, and the people around it: a customer who writes, reps who edit their CRM.

The journal and the CRM are real files, messages come in by the signed webhook, and the model says exactly what a
message orders it to say. Time stands still until a test moves it. Death is an exception that nothing in the product may
catch: the process's handles are closed as an operating system would, and a new one starts on the same files.
"""

import base64
import hmac
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import pytest

from adapters.crms.local import PERSON, LocalLedger
from sidecar.app import App
from sidecar.config import load
from sidecar.errors import UnknownOutcome
from sidecar.journal import Entry, Receipt
from sidecar.model import (
    Author,
    AuthorKind,
    Change,
    Edit,
    Posting,
    Record,
    Standing,
    Value,
    WorkKind,
)
from sidecar.ports import Create, Failed, HookRequest, Update, Written
from sidecar.worker import EVER_S
from tests.support.facts import NOON, SetClock

SECRET = b"k" * 32
ROBOT = Author(AuthorKind.AUTOMATION, "flow-7", "Weekly clean-up")
ROUNDS = 60
CONFIG = """
[journal]
url = "sqlite:///journal.db"
[channels.web]
type = "webhook"
secret_env = "WEB"
[crm]
{crm}
[crm.create]
contact = "auto"
deal = "qualified"
{route}
[llm]
type = "scripted"
path = "script.json"
[policy]
mode = "auto"
[notes]
settle_s = 0.0
new_per_day = 100
[limits]
concurrency = 1
"""
LOCAL = """
type = "local"
path = "crm.db"
conditional_write = {conditional}
settle_s = {settle_s}
"""

Point = str
"""Where a process dies: before_intent, after_intent, after_write, after_posting."""
POINTS: tuple[Point, ...] = ("before_intent", "after_intent", "after_write", "after_posting")


Rival = Callable[[Sequence[Create | Update]], tuple[str, str, str] | None]
"""Somebody who acts just before writes of ours; returns the property that they changed, if any."""


class Screens(Protocol):
    """A CRM as its people see and use it."""

    def show(self, kind: str) -> Sequence[Record]:
        """Return the live records of a kind."""

    def edit(self, kind: str, ref: str, fields: Mapping[str, Value], author: Author = PERSON) -> object:
        """Change values by hand; None clears."""

    def create_by_person(self, kind: str, fields: Mapping[str, Value]) -> Record:
        """Make a record by hand."""

    def merge(self, kind: str, winner: str, loser: str) -> Record:
        """Merge two records; return what is left."""

    def delete(self, kind: str, ref: str) -> None:
        """Delete a record."""


class DeathError(BaseException):
    """The process was killed here; no kin of Exception, so that no product code survives it."""


@dataclass
class Office:
    """One sidecar, its CRM, its clock, and what the test did to them."""

    base: Path
    conditional: bool = True
    settle_s: float = 0.0
    clock: SetClock = field(default_factory=lambda: SetClock(NOON))
    said: int = 0
    incarnations: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    overruns: list[tuple[str, str, str, datetime]] = field(default_factory=list)
    secrets: Mapping[str, str] = field(default_factory=dict)
    late: list[tuple[datetime, Sequence[Create | Update]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.base / "config.toml").write_text(self.config())
        (self.base / "script.json").write_text('[{"match": "<<obey", "obey": true}]')
        self.app = self._start(self.prepare)

    def config(self) -> str:
        """Return the config of a sidecar whose CRM is the reference one."""
        crm = LOCAL.format(conditional=str(self.conditional).lower(), settle_s=self.settle_s)
        return CONFIG.format(crm=crm, route="")

    def prepare(self, app: App) -> None:
        """Do what an operator does once, before the first start: nothing here."""

    def _start(self, prepare: Callable[[App], None] = lambda app: None) -> App:
        """Start on what is there; key, nonces and the waits after failures are the same in each run of a story."""
        secret = "whsec_" + base64.b64encode(SECRET).decode()
        app = App(load(self.base / "config.toml", {"WEB": secret, **self.secrets}), clock=self.clock, wait=False)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sidecar.journal.book.secrets", SimpleNamespace(token_hex=lambda size: "6b" * size))
            prepare(app)
            app.ready()
        numbers = itertools.count(1)
        incarnation = next(self.incarnations)
        app.pipeline.parts.nonce = lambda: f"nonce-{incarnation}-{next(numbers)}"
        app.worker._random.seed(incarnation)
        return app

    def close(self) -> None:
        """Close what is open."""
        self.app.close()

    def restart(self) -> None:
        """Let the process die, and start another on the same files."""
        self.app.close()
        self.app = self._start()

    @property
    def crm(self) -> Screens:
        """The CRM, with the screens that its people have."""
        return self._local()

    def _local(self) -> LocalLedger:
        ledger = self.app.ledger
        assert isinstance(ledger, LocalLedger)
        return ledger

    @property
    def required(self) -> frozenset[tuple[str, str]]:
        """The properties that nobody can empty."""
        return frozenset()

    @property
    def tells_merges(self) -> bool:
        """Whether the CRM says into what a record was merged."""
        return True

    def told(self, kind: str, name: str, value: Value) -> Value:
        """Return a value of the ledger's in the machine's words."""
        return value

    def moment(self, at: datetime) -> datetime:
        """Return a time as the machine tells it."""
        return at

    def wait(self, seconds: float = 60.0) -> datetime:
        """Let time pass; writes that are late arrive meanwhile."""
        until = self.clock() + timedelta(seconds=seconds)
        while self.late and self.late[0][0] <= until:
            at, writes = self.late.pop(0)
            self.clock.at = max(at, self.clock())
            self._arrive(writes)
        self.clock.at = until
        return until

    # What people do ---------------------------------------------------------------------------------------------------

    def say(
        self,
        fields: Mapping[str, Value] | None = None,
        *,
        role: str = "customer",
        visitor: str = "v1",
        name: str = "",
        at: datetime | None = None,
        steps: Sequence[Mapping[str, str]] = (),
        text: str = "",
    ) -> None:
        """Let somebody write a message whose words order the model what to say of it."""
        self.said += 1
        ops = [{"field": key, "value": value} for key, value in (fields or {}).items()]
        order = json.dumps({"ops": ops, "steps": list(steps)}, separators=(",", ":"))
        sender = {"external_id": visitor if role == "customer" else "rep-1", "role": role, "name": name or None}
        data: dict[str, Any] = {
            "message_id": f"m{self.said}",
            "conversation_id": f"chat-{visitor}",
            "direction": "inbound" if role == "customer" else "outbound",
            "sender": sender,
            "text": text or f"Note {self.said}. <<obey {order}>>",
            "sent_at": (at or self.clock()).isoformat(),
        }
        if role != "customer":
            data["customer"] = {"external_id": visitor}
        self._post({"type": "message.created", "timestamp": self.clock().isoformat(), "data": data})

    def _post(self, event: Mapping[str, Any]) -> None:
        body = json.dumps(event).encode()
        sent_at = str(int(self.clock().timestamp()))
        mac = hmac.digest(SECRET, f"d{self.said}.{sent_at}.".encode() + body, "sha256")
        headers = {
            "webhook-id": f"d{self.said}",
            "webhook-timestamp": sent_at,
            "webhook-signature": "v1," + base64.b64encode(mac).decode(),
            "content-type": "application/json",
        }
        self.app.receive("web", HookRequest(headers, body)).result(60)

    def edit(self, kind: str, ref: str, name: str, value: Value, author: Author = PERSON) -> None:
        """Change one property, as a person or as an automation of the CRM."""
        self.crm.edit(kind, ref, {name: value}, author)

    # What the sidecar does --------------------------------------------------------------------------------------------

    def work(self, *kinds: WorkKind) -> None:
        """Do the work of some kinds that is due, backoffs respected."""
        for _ in range(ROUNDS):
            keys = self.app.journal.due(200, kinds or None, within_s=EVER_S)
            if not keys:
                return
            for key in keys:
                self.app.worker.handle(key, wait=False)
        raise AssertionError(f"work never ends: {self.app.journal.work('due', 'waiting', 'running')}")

    def infer(self) -> None:
        """Read what has come in, without a look at the CRM."""
        self.work(WorkKind.PARSE, WorkKind.RESOLVE, WorkKind.PARTY)

    def sync(self) -> None:
        """Look at the CRM and post, once."""
        self.app.worker.poll_all([])
        self.work(WorkKind.POLL, WorkKind.SYNC)

    def settle(self) -> None:
        """Do everything that is due, and everything that waits, until nothing does any more."""
        for _ in range(ROUNDS):
            self.app.worker.poll_all([])
            self.work()
            waiting = self.app.journal.work("waiting", "due", "running")
            if not waiting and not self.late:
                break
            self.wait(1.0 if not waiting else self._until_due())
        self.app.worker.poll_all([])
        self.work()
        parked = self.app.journal.work("parked")
        assert not parked, f"work was parked: {parked}"

    def _until_due(self) -> float:
        at = self.app.journal.next_due()
        return max(1.0, (at - self.clock()).total_seconds() + 0.001) if at else 1.0

    def standing(self, visitor: str = "v1") -> Standing | None:
        """Return what is believed of a visitor, None before anything is."""
        from sidecar.model import Identifier

        known = self.app.journal.known([Identifier("web", visitor)])
        return self.app.journal.standing(next(iter(known.values()))) if known else None

    def records(self, kind: str) -> Sequence[Record]:
        """Return the live records of a kind."""
        return self.crm.show(kind)

    def history(self, kind: str, ref: str, name: str) -> Sequence[Edit]:
        """Return the edits of one property, oldest first."""
        return self._local().history(kind, [ref], [name]).get(ref, ())

    # What goes wrong --------------------------------------------------------------------------------------------------

    @contextmanager
    def dying(self, point: Point) -> Iterator[None]:
        """Let the process die at a point of its next sync, if it comes there; a new one runs afterwards."""
        with pytest.MonkeyPatch.context() as patch:
            commit, write = self.app.journal.commit, self.app.ledger.write

            def dying_commit(entry: Entry, timeout_s: float = 30.0) -> Receipt:
                kinds = {type(fact) for fact in entry.facts}
                if point == "before_intent" and Change in kinds:
                    raise DeathError
                receipt = commit(entry, timeout_s)
                if (point == "after_intent" and Change in kinds) or (point == "after_posting" and Posting in kinds):
                    raise DeathError
                return receipt

            def dying_write(writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
                results = write(writes)
                if point == "after_write":
                    raise DeathError
                return results

            patch.setattr(self.app.journal, "commit", dying_commit)
            patch.setattr(self.app.ledger, "write", dying_write)
            try:
                yield
                return
            except DeathError:
                pass
        self.restart()

    @contextmanager
    def racing(self, act: Rival) -> Iterator[None]:
        """Let people act once between our read and our write; `act` says which property they changed, if any."""
        with pytest.MonkeyPatch.context() as patch:
            write, raced = self.app.ledger.write, False

            def racing_write(writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
                nonlocal raced
                changed = None if raced else act(writes)
                if changed:
                    raced = True
                    if not self.conditional:
                        self.overruns.append((*changed, self.clock()))
                return write(writes)

            patch.setattr(self.app.ledger, "write", racing_write)
            yield

    @contextmanager
    def losing_answers(self, what: str) -> Iterator[None]:
        """Let the next write's outcome stay unknown: it was `lost`, or `done` all the same, or arrives `late`."""
        with pytest.MonkeyPatch.context() as patch:
            write, lost = self.app.ledger.write, False

            def silent_write(writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
                nonlocal lost
                if lost:
                    return write(writes)
                lost = True
                if what == "done":
                    write(writes)
                elif what == "late":
                    self.late.append((self.clock() + timedelta(seconds=self.settle_s / 2), writes))
                return [Failed(UnknownOutcome("no answer")) for _ in writes]

            patch.setattr(self.app.ledger, "write", silent_write)
            yield

    def _arrive(self, writes: Sequence[Create | Update]) -> None:
        """Let late writes arrive, and remember over whose values they ran."""
        for write in writes:
            if isinstance(write, Create):
                continue
            for name, value in write.fields.items():
                edits = self.history(write.kind, write.ref, name)
                if edits and edits[-1].author.kind is not AuthorKind.US and edits[-1].value != value:
                    self.overruns.append((write.kind, write.ref, name, self.clock()))
        self._local().write(writes)
