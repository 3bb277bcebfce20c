"""How many deliveries a second the journal makes durable, and that none that it acknowledged is missing.

Closed loop, in one process: so many threads append a delivery of 1,200 bytes with its touch and wait for the receipt,
as the door does before it answers 2xx; five in a hundred are sent twice. Afterwards every acknowledged id is looked up:
a figure without that check is worthless, and none is printed when it fails. The first tenth of each run is warm-up.
The machine's own flushes per second are measured in the same minute, because every figure hangs on them.

Usage: python -m bench.ingest [--seconds 2] [--url postgresql://...]     (default: a fresh SQLite file)
"""

import argparse
import json
import tempfile
import threading
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random

from bench._machine import CORES, flushes_per_s, percentile_ms
from sidecar.journal import Entry, Journal, Touch
from sidecar.model import Delivery, WorkKey, WorkKind

THREADS = (1, 16, 64)
BODY_BYTES = 1200
REPEATED = 0.05


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each run")
    parser.add_argument("--url", help="a journal's URL; default a fresh SQLite file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs: list[dict[str, object]] = []
        result = {
            "bench": "ingest",
            "database": "postgresql" if options.url else "sqlite",
            "body_bytes": BODY_BYTES,
            "cores": CORES,
            "flushes_per_s": flushes_per_s(Path(folder)),
            "runs": runs,
        }
        with Journal.open(options.url or "sqlite:///ingest.db", base=Path(folder)) as journal:
            for threads in THREADS:
                runs.append(run(journal, threads, options.seconds))
    print(json.dumps(result))


def run(journal: Journal, threads: int, seconds: float) -> dict[str, object]:
    """Append from so many threads for a while, then account for every id."""
    acked: list[list[tuple[str, float, float]]] = [[] for _ in range(threads)]
    before = journal.counts()["facts"]
    stop = threading.Event()
    senders = [threading.Thread(target=send, args=(journal, f"{threads}-{n}", acked[n], stop)) for n in range(threads)]
    started = time.perf_counter()
    for sender in senders:
        sender.start()
    stop.wait(seconds)
    stop.set()
    for sender in senders:
        sender.join(60)
    ended = time.perf_counter()
    every = [ack for mine in acked for ack in mine]
    check(journal, {fact_id for fact_id, _, _ in every}, journal.counts()["facts"] - before)
    warm = started + (ended - started) / 10
    took = sorted(took_s for _, at, took_s in every if at >= warm)
    return {
        "threads": threads,
        "acked": len(every),
        "acked_per_s": round(len(took) / (ended - warm)),
        "p50_ms": percentile_ms(took, 50),
        "p99_ms": percentile_ms(took, 99),
        "p999_ms": percentile_ms(took, 99.9),
        "max_ms": percentile_ms(took, 100),
        "stored_equals_acked": True,
    }


def send(journal: Journal, name: str, acked: list[tuple[str, float, float]], stop: threading.Event) -> None:
    """Be one sender: append, wait, remember; now and then send the last one again."""
    random = Random(name)
    number = 0
    while not stop.is_set():
        number += random.random() >= REPEATED
        raw = f"{name} {number} ".encode().ljust(BODY_BYTES, b"x")
        started = time.perf_counter()
        digest = sha256(raw).hexdigest()
        delivery = journal.mint(
            Delivery(
                channel="bench",
                account=name,
                key=f"{name}-{number}",
                sha256=digest,
                received_at=datetime.now(UTC),
                raw=raw,
            )
        )
        touch = Touch(WorkKey(WorkKind.PARSE, delivery.id), if_new=True)
        journal.append(Entry(facts=(delivery,), touches=(touch,))).result(60)
        acked.append((delivery.id, started, time.perf_counter() - started))


def check(journal: Journal, acked: set[str], stored: int) -> None:
    """Every acknowledged id is in the book, each once, and nothing else came in."""
    missing = acked - journal.get_many(acked).keys()
    assert not missing, f"{len(missing)} acknowledged deliveries are not in the book"
    assert stored == len(acked), f"{stored} stored, {len(acked)} acknowledged"


if __name__ == "__main__":
    main()
