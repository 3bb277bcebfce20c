"""Kill a real `serve` at random instants and at named points, while senders come again and the CRM has its moods.

An office is one folder with a config, a CRM elsewhere that outlives its servers, and customers who write to it. Its
servers are killed as ordered; then the last one has its time, and everything is accounted for. Liveness is part of the
proof: work that is still due in the end is a failure like any other.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from sidecar.app import App
from sidecar.journal import Journal
from sidecar.model import Link
from tests.support.ports import free_port
from tests.torture import points
from tests.torture.accounts import Account, Effects, forgive, is_idle, polls, reckon
from tests.torture.far_crm import FarCrm
from tests.torture.launcher import Mother, Order, Server
from tests.torture.senders import SECRET, Crowd, Event, message

HASTE = {"first_backoff_s": 0.03, "max_backoff_s": 0.5, "min_retry_s": 0.02}
"""What operators have minutes for, in hundredths of a second."""
IDLE_S = 120.0
"""How long the last server may take over all that is left."""
POINT_S = 15.0
"""How long a server may take until it comes to the point at which it is to die; some come only now and then."""
SURE_S = 60.0
"""The same for a point that every server comes to, however busy its machine."""
LOOK_S = 0.05
AGAIN_S = 0.5
"""How long a supervisor waits until it starts a server anew that has ended by itself."""
ONCE = ("before commit", "after commit")
"""Where a book is bound to its CRM, at its very first start."""
ENV = {"WEB_SECRET": SECRET}
CONFIG = """
[own]
domains = ["ours.test"]
[journal]
url = "{url}"
[web]
host = "127.0.0.1"
port = {port}
admin_port = 0
[channels.web]
type = "webhook"
secret_env = "WEB_SECRET"
[crm]
{crm}
[crm.create]
contact = "auto"
deal = "qualified"
[policy]
mode = "auto"
[llm]
type = "scripted"
path = "script.json"
[inference]
quiet_s = 0.05
[brakes]
changes_per_hour = 0
[notes]
settle_s = 0.05
new_per_day = 100
"""
SCRIPT = [
    {"match": "buy", "answer": {"ops": [{"field": "intent", "value": "buy", "evidence": [{"quote": "buy"}]}]}},
    {"match": "ready", "answer": {"ops": [
        {"field": "stage", "value": "qualified", "evidence": [{"quote": "ready"}]}]}},
    {"match": "call me", "answer": {"steps": [
        {"what": "call back", "who": "us", "evidence": [{"quote": "call me"}]}]}},
]  # fmt: skip
STAGES = ("enquired", "qualified", "booked", "attended", "closed_won", "closed_lost")
LINES = ("I want to buy", "We are ready", "Please call me")
ALL_AT_ONCE = ("I want to buy, we are ready, please call me",)


@dataclass
class Crm:
    """What an office needs of a CRM: its section in the config, what it holds by customer, and its calming down.

    `echo_s` is how long after a write its poll may still tell of it, and so make work.
    """

    section: str
    route: str
    effects: Callable[[], Effects]
    calm: Callable[[], None] = lambda: None
    env: Mapping[str, str] = field(default_factory=dict)
    furnish: Callable[[Path], None] = lambda folder: None
    echo_s: float = 0.0


def far(crm: FarCrm) -> Crm:
    """The reference CRM elsewhere."""
    stages = "\n".join(f'{stage} = "{stage}"' for stage in STAGES)
    route = f'[[route]]\nname = "default"\npipeline = "sales"\n[route.stages]\n{stages}'
    return Crm(f'type = "far"\nevery_s = 3600\nport = {crm.port}', route, lambda: _effects(crm), lambda: _calm(crm))


@dataclass
class Office:
    """One folder, one CRM, one server after another."""

    folder: Path
    mother: Mother
    crm: Crm
    seeds: tuple[str, ...] = ()
    url: str = "sqlite:///journal.db"
    idle_s: float = IDLE_S
    port: int = field(default_factory=free_port)
    kills: int = 0
    forgiven: int = 0
    conversations: list[tuple[str, list[Event]]] = field(default_factory=list)
    crowds: list[Crowd] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "config.toml").write_text(
            CONFIG.format(url=self.url, port=self.port, crm=self.crm.section) + self.crm.route
        )
        (self.folder / "script.json").write_text(json.dumps(SCRIPT))
        self.crm.furnish(self.folder)

    def serve(self, dies_at: str = "", nth: int = 1) -> Server:
        """Start a server."""
        return self.mother.bear(Order(str(self.folder), self.seeds, dies_at, nth, HASTE, self.crm.env))

    def customers(self, many: int, lines: Sequence[str] = LINES) -> list[list[Event]]:
        """Return the conversations of so many new customers."""
        now, begin = datetime.now(UTC), len(self.conversations)
        for number in range(begin, begin + many):
            who = f"customer{number}"
            events = [message(f"{who}-{at}", who, line, now) for at, line in enumerate(lines)]
            self.conversations.append((who, events))
        return [events for _, events in self.conversations[begin:]]

    def crowd(self, many: int, senders: int, *, pace_s: float = 0.0, lines: Sequence[str] = LINES) -> Crowd:
        """Let so many new customers begin to write; those whose turn has not come when it ends never do."""
        crowd = Crowd(self.port, self.customers(many, lines), senders, pace_s=pace_s)
        self.crowds.append(crowd)
        return crowd.start()

    @property
    def acked(self) -> set[str]:
        """What was acknowledged so far."""
        return {key for crowd in self.crowds for key in crowd.acked}

    def work(self) -> None:
        """Let a server do all that there is to do, then stop it."""
        with _book(self.folder) as journal:
            before, _ = polls(journal)
        with self.supervised() as server:
            for crowd in self.crowds:
                crowd.join()
            if not self._is_idle_in_time(before):
                server().tell()  # what is left is counted as unfinished

    @contextmanager
    def supervised(self) -> Iterator[Callable[[], Server]]:
        """Start a server, and again when it ends by itself, as a supervisor does: a CRM may refuse it for a while."""
        living, over = [self.serve()], threading.Event()

        def supervise() -> None:
            while not over.wait(AGAIN_S):
                if not living[-1].lives:
                    living.append(self.serve())

        supervisor = threading.Thread(target=supervise, daemon=True)
        supervisor.start()
        try:
            yield lambda: living[-1]
        finally:
            over.set()
            supervisor.join()
            living[-1].stop()

    def settle(self) -> Account:
        """Let a last server do what is left, in peace, and account for everything."""
        for crowd in self.crowds:
            crowd.finish()
        self.crm.calm()
        self.work()
        if forgiven := forgive(self.folder):
            self.forgiven += forgiven
            self.work()
        acked = self.acked
        whole = [who for who, events in self.conversations if {event.key for event in events} <= acked]
        return reckon(self.folder, acked, whole, self.crm.effects())

    def _is_idle_in_time(self, polled: int) -> bool:
        """Wait until the CRM has been polled again, and nothing has been left to do for as long as its echo takes."""
        since, deadline = time.monotonic(), time.monotonic() + self.idle_s

        def is_quiet() -> bool:
            nonlocal since
            if polls(journal)[1] <= polled or not is_idle(journal):
                since = time.monotonic()
                return False
            return time.monotonic() - since >= self.crm.echo_s

        with _book(self.folder) as journal:
            while not is_quiet():
                if time.monotonic() > deadline:
                    return False
                time.sleep(LOOK_S)
        return True


def kill_at_random(office: Office, kills: int, *, lives_s: tuple[float, float], seed: int = 1) -> None:
    """Kill one server after another, each after a random time."""
    random = Random(seed)
    for _ in range(kills):
        server = office.serve()
        time.sleep(random.uniform(*lives_s))
        server.kill()
        office.kills += 1


def kill_at_points(office: Office, wanted: Sequence[str], within_s: float = SURE_S) -> list[str]:
    """Let one server after another die at each named point; returns those that none came by."""
    return [point for point in wanted if not _died_at(office, point, within_s)]


def _died_at(office: Office, point: str, within_s: float) -> bool:
    """Start servers until one has died at a point; one that ended otherwise didn't count."""
    deadline, before = time.monotonic() + within_s, points.deaths(office.folder)
    while time.monotonic() < deadline:
        server = office.serve(dies_at=point)
        if not server.died(deadline - time.monotonic()):
            server.kill()
        if points.deaths(office.folder) > before:
            office.kills += 1
            return True
        time.sleep(AGAIN_S)
    return False


def passed(office: Office) -> Sequence[str]:
    """The points that the office's servers have passed, without those that only a new book passes."""
    return [point for point in points.passed(office.folder) if point not in ONCE]


@contextmanager
def _book(folder: Path) -> Iterator[Journal]:
    with App.from_file(folder / "config.toml", ENV) as app:
        yield app.journal


def _effects(far: FarCrm) -> Effects:
    """What the CRM holds of each customer, through its contact."""
    crm = far.crm
    contacts = crm.show("contact", limit=100_000)
    held: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for contact in contacts:
        mine = held.setdefault(str(contact.fields.get("email")).partition("@")[0], {})
        mine.setdefault("contact", []).append(contact.fields)
    for kind in ("deal", "note", "task"):
        links = {Link("contact", contact.ref): contact for contact in contacts}
        for link, records in crm.linked(kind, list(links)).items():
            who = str(links[link].fields.get("email")).partition("@")[0]
            held[who].setdefault(kind, []).extend(record.fields for record in records)
    return held


def _calm(crm: FarCrm) -> None:
    crm.moods.dropped = crm.moods.refused = crm.moods.late = 0.0
    crm.moods.next.clear()
    crm.settle()
