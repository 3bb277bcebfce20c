"""Cut the power of a real `serve` at any instant of its life, as often as wanted, and hold what is left to its word.

One life is traced: `serve` under a system-call tracer takes signed webhooks from several senders over a socket, makes
its book, works, checkpoints, and is stopped. The trace is then replayed: for each cut, a disk of ours holds what was
flushed before that instant and a random part of what wasn't; the real Journal opens it. Every delivery that had been
acknowledged by then must be in it, and nothing in it may be damaged.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from sidecar.journal import Journal
from sidecar.model import Delivery, WorkKind
from tests.support.ports import free_port
from tests.torture.disk import Disk
from tests.torture.launcher import PID, Order, once
from tests.torture.senders import SECRET, Crowd, Event, message
from tests.torture.trace import TRACER, Answered, Step, read

BOOK = "journal.db"
FILES = (BOOK, f"{BOOK}-wal", f"{BOOK}-journal")
"""What a book is after a power cut; the index of the log (-shm) is made anew by whoever opens it."""
BODY_CHARS = (20, 200, 200, 2_000, 20_000)
SENDERS = 6
IDLE_S = 1.5
"""Longer than the journal's writer waits before it checkpoints."""
WAIT_S = 120.0
CONFIG = """
[own]
domains = ["ours.test"]
[journal]
url = "sqlite:///book/journal.db"
[web]
host = "127.0.0.1"
port = {port}
admin_port = 0
[channels.web]
type = "webhook"
secret_env = "WEB_SECRET"
[crm]
type = "local"
path = "crm.db"
[crm.create]
contact = "auto"
[policy]
mode = "auto"
[llm]
type = "scripted"
path = "script.json"
[inference]
quiet_s = 0.1
"""


@dataclass
class Life:
    """What a traced server did, step by step, and what its senders heard on each of their connections."""

    steps: Sequence[Step]
    answered: Mapping[int, Sequence[str]]

    @property
    def acked(self) -> int:
        """How many answers said that bytes are durable."""
        return sum(map(len, self.answered.values()))


@dataclass
class Cuts:
    """What came of cutting the power so often; `damage` says of each broken book what was wrong with it."""

    cuts: int = 0
    acked: int = 0
    losing: int = 0
    lost: int = 0
    corrupt: int = 0
    damage: list[str] = field(default_factory=list)


def can_trace() -> str:
    """Return why no trace can be taken here; empty when one can."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*TRACER, "-o", f"{folder}/trace", "true"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        except FileNotFoundError:
            return "there is no strace on this machine"
        except subprocess.TimeoutExpired:
            return "strace doesn't answer"
    return "" if done.returncode == 0 else f"strace can't trace here: {done.stderr.strip()[-200:]}"


def live(folder: Path, *seeds: str, events: int, seed: int = 1, is_short: bool = False) -> Life:
    """Let a server live under a tracer while senders post.

    Half-way there is a pause in which it has nothing to do, but in a short life; in the end it is asked to stop.
    """
    port = free_port()
    (folder / "config.toml").write_text(CONFIG.format(port=port))
    (folder / "script.json").write_text(json.dumps([{"match": "x", "answer": {"ops": []}}]))
    with _traced(folder, seeds):
        answered: dict[int, list[str]] = {}
        for half in range(2):
            crowd = Crowd(port, _events(half, events // 2, seed), SENDERS, seed=seed).start()
            crowd.join()
            for own_port, keys in crowd.answered().items():  # which the system may have given to a sender before
                answered.setdefault(own_port, []).extend(keys)
            if half == 0 and not is_short:
                time.sleep(IDLE_S)
    life = Life(read(folder / "trace", folder / "book"), answered)
    _is_faithful(life, folder / "book")
    return life


def _is_faithful(life: Life, book: Path) -> None:
    """See that the trace holds all: replayed to its end it gives the very files that are there, and every answer."""
    heard = sum(isinstance(step, Answered) and step.status == "202" for step in life.steps)
    assert heard == life.acked, f"{heard} answers in the trace, {life.acked} at the senders'"
    disk = Disk()
    for step in life.steps:
        disk.take(step)
    for path, data in disk.now().items():
        if Path(path).name in FILES:
            assert (book / Path(path).name).read_bytes() == data, f"{path}: the trace tells of other bytes"


def cut(life: Life, cuts: int, folder: Path, seed: int = 1) -> Cuts:
    """Cut the power at so many random instants of a life."""
    random, disk, found = Random(seed), Disk(), Cuts(acked=life.acked)
    instants = sorted(random.randrange(len(life.steps) + 1) for _ in range(cuts))
    acked: set[str] = set()
    heard = {port: iter(keys) for port, keys in life.answered.items()}
    at = 0
    for instant in instants:
        for step in life.steps[at:instant]:
            disk.take(step)
            if isinstance(step, Answered) and step.status == "202":
                acked.add(next(heard[step.port]))
        at = instant
        _look(disk.after_cut(random), acked, folder, found)
    return found


def _look(image: Mapping[str, bytes], acked: set[str], folder: Path, found: Cuts) -> None:
    """Open what is left with the real journal, and compare."""
    found.cuts += 1
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path, data in image.items():
        if Path(path).name in FILES:
            (folder / Path(path).name).write_bytes(data)
    try:
        kept, faults = _opened(folder)
    except Exception as error:  # damaged bytes break whatever reads them first, each in its own way
        kept, faults = set(), [f"{type(error).__name__}: {error}"]
    if faults:
        found.corrupt += 1
        found.damage.append(faults[0])
    missing = acked - kept
    found.lost += len(missing)
    found.losing += bool(missing)


def _opened(folder: Path) -> tuple[set[str], list[str]]:
    """The ids of the deliveries in a book, each of which must be marked to be read, and what is wrong with it."""
    with Journal.open(f"sqlite:///{BOOK}", base=folder) as journal:
        faults = journal.faults()
        deliveries = [fact for fact in journal.facts(["delivery"]) if isinstance(fact, Delivery)]
        marked = {row.work.key for row in journal.work(limit=1_000_000) if row.work.kind is WorkKind.PARSE}
    faults += [f"{d.id}: nothing would read it" for d in deliveries if d.id not in marked]
    return {delivery.key for delivery in deliveries}, faults


@contextmanager
def _traced(folder: Path, seeds: Sequence[str]) -> Iterator[None]:
    (folder / "book").mkdir()
    order = Order(str(folder), seeds=tuple(seeds))
    server = once(order, {"WEB_SECRET": SECRET}, *TRACER, "-o", str(folder / "trace"))
    try:
        yield
        os.kill(int((folder / PID).read_text()), signal.SIGTERM)
        server.wait(WAIT_S)
    finally:
        with suppress(OSError, ValueError):
            os.kill(int((folder / PID).read_text()), signal.SIGKILL)
        server.kill()
        server.wait(WAIT_S)
        if server.stderr:
            server.stderr.close()


def _events(half: int, many: int, seed: int) -> list[list[Event]]:
    random, now = Random(seed + half), datetime.now(UTC)
    texts = [f"Hello {n} " + "word " * (random.choice(BODY_CHARS) // 5) for n in range(many)]
    return [[message(f"m{half}-{n}", f"visitor{n % 7}", text, now)] for n, text in enumerate(texts)]
