"""How long a booking takes from the door to the CRM; prints one JSON line for each CRM.

The sidecar runs as its own process by the command that operations type, with the quiet period that it comes with (60
seconds for a message), the embedded baseline, and a book flushed in full. So many people are booked, so many a second,
by signed requests to a real socket; nobody waits for one booking before the next is sent. The time of each is counted
from the moment at which its request was meant to leave until the start of its native meeting, read back from the CRM,
is in the book. The CRMs are the local one, and the twin of HubSpot's API on a socket, whose pace is the vendor's.

A figure counts only if each booking has its one meeting in the CRM, at its time, and nothing was parked.

Usage: python -m bench.booking [--bookings 100] [--per-second 4] [--crm local hubspot]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench._machine import CORES, alone, percentile_ms
from sidecar.app import App
from sidecar.model import Posting, Record
from tests.support.crms import crm_class
from tests.support.served import SECRET, Sidecar, sidecar, until
from tests.support.vendors import switch_on_unchecked

CONFIG = """
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
[own]
domains = ["ours.test"]
[journal]
url = "sqlite:///journal.db"
[channels.web]
type = "webhook"
secret_env = "WEB_SECRET"
[brakes]
changes_per_hour = 0
[crm]
{section}
[crm.create]
contact = "auto"
deal = "qualified"
{route}
[llm]
type = "baseline"
baseline_writes = true
[policy]
mode = "auto"
"""
LOCAL = 'type = "local"\npath = "crm.db"'
WAIT_S = 300.0
SENDERS = 16


def main() -> None:
    """Print a line for each CRM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bookings", type=int, default=100)
    parser.add_argument("--per-second", type=float, default=4.0)
    parser.add_argument("--crm", nargs="+", choices=("local", "hubspot"), default=("local", "hubspot"))
    given = parser.parse_args()
    for name in given.crm:
        with opened(name) as box:
            print(json.dumps(measured(name, box, given.bookings, given.per_second)), flush=True)


@contextmanager
def opened(name: str) -> Iterator[Sidecar]:
    """Lend a sidecar in a folder of its own, with its CRM."""
    with tempfile.TemporaryDirectory() as folder:
        if name == "local":
            yield sidecar(Path(folder), CONFIG.format(section=LOCAL, route=""), {"WEB_SECRET": SECRET})
            return
        with crm_class(name)() as crm:
            section = crm.section({}, settle_s=1)
            config = CONFIG.format(section=section, route=crm.route())
            box = sidecar(Path(folder), config, {"WEB_SECRET": SECRET, **crm.env})
            switch_on_unchecked(box)
            yield box


def measured(name: str, box: Sidecar, bookings: int, per_second: float) -> dict[str, Any]:
    """Book so many people, and return what it took."""
    first = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=1)
    starts = {f"bk-{number}": first + timedelta(minutes=30 * number) for number in range(bookings)}
    with box.serve(), alone() as machine:
        sent = send(box, starts, per_second)
        until(lambda: len(confirmed(box, starts)) == bookings, f"{bookings} meetings", WAIT_S)
    done = confirmed(box, starts)
    checked(box, starts)
    took = sorted((done[booking] - at).total_seconds() for booking, at in sent.items())
    return {
        "bench": "booking",
        "crm": name if name == "local" else f"{name} twin",
        "llm": "baseline",
        "quiet_s": 60,
        "cores": CORES,
        "bookings": bookings,
        "per_second": per_second,
        "p50_ms": percentile_ms(took, 50),
        "p95_ms": percentile_ms(took, 95),
        "max_ms": percentile_ms(took, 100),
        "others": machine.others,
    }


def send(box: Sidecar, starts: Mapping[str, datetime], per_second: float) -> dict[str, datetime]:
    """Send each booking at its moment; return when each was meant to leave."""
    begun, monotonic = datetime.now(UTC), time.monotonic()
    sent: dict[str, datetime] = {}
    with ThreadPoolExecutor(SENDERS) as pool:
        answers = []
        for number, (booking, start) in enumerate(starts.items()):
            due_s = number / per_second
            time.sleep(max(0.0, monotonic + due_s - time.monotonic()))
            sent[booking] = begun + timedelta(seconds=due_s)
            answers.append(pool.submit(box.post, "web", event(booking, start), booking))
        statuses = {answer.result() for answer in answers}
    assert statuses == {202}, statuses
    return sent


def event(booking: str, start: datetime) -> dict[str, Any]:
    """What a booking system says of a new booking."""
    customer = {"email": f"{booking}@customers.test", "name": f"Ann {booking}"}
    data = {"booking_id": booking, "start": start.isoformat(), "title": "Consultation", "customer": customer}
    return {"type": "booking.created", "timestamp": datetime.now(UTC).isoformat(), "data": data}


def confirmed(box: Sidecar, starts: Mapping[str, datetime]) -> dict[str, datetime]:
    """Return when the start of each meeting was confirmed in the book, by the booking whose start it is."""
    bookings = {start.isoformat(): booking for booking, start in starts.items()}
    with App.from_file(box.folder / "config.toml", box.env) as app:
        return {
            bookings[str(row.fact.value)]: row.recorded_at
            for row in app.journal.written((Posting.KIND,))
            if isinstance(row.fact, Posting) and (row.fact.kind, row.fact.field) == ("meeting", "start")
        }


def checked(box: Sidecar, starts: Mapping[str, datetime]) -> None:
    """Refuse a figure of a run in which a booking has no meeting, or more than one."""
    with App.from_file(box.folder / "config.toml", box.env) as app:
        assert not app.journal.work("parked")
        refs = [r.ref for s in app.journal.parties(limit=10_000) for r in s.records.values() if r.kind == "meeting"]
        held = app.ledger.read("meeting", [str(ref) for ref in refs])
    begins = sorted(str(found.fields["start"]) for found in held.values() if isinstance(found, Record))
    assert begins == sorted(start.isoformat() for start in starts.values()), "a booking without its one meeting"


if __name__ == "__main__":
    main()
