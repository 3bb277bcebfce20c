"""Booking systems into the book by the real command: what they post, what they only tell when asked, nothing twice."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from tests.contract.hooked import FIRST
from tests.contract.test_channel_calcom import CalcomHarness
from tests.contract.test_channel_calendly import CalendlyHarness
from tests.support.served import Sidecar, sidecar, until
from tests.twins.calcom import CalcomTwin
from tests.twins.calendly import CalendlyTwin
from tests.twins.wire.faults import Status

CONFIG = """
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
[journal]
url = "sqlite:///journal.db"
[channels.{name}]
type = "{name}"
base_url = "{url}"
secret_env = "HOOK_SECRET"
token_env = "API_TOKEN"
every_s = 1
calls_per_minute = 6000
max_wait_s = 0
[inference]
quiet_s = 0
[policy]
mode = "auto"
[crm]
type = "local"
path = "crm.db"
every_s = 1
[crm.create]
contact = "auto"
"""
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)


def book(box: Sidecar) -> Mapping[str, list[dict[str, Any]]]:
    """Return the facts by their kind, as the export has them."""
    facts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in box.run("export").splitlines():
        row = json.loads(line)
        facts[row["kind"]].append(row["body"])
    return facts


def begun(tmp_path: Path, name: str, url: str, token: str) -> Sidecar:
    """Return a sidecar with one booking system."""
    return sidecar(tmp_path, CONFIG.format(name=name, url=url), {"HOOK_SECRET": FIRST, "API_TOKEN": token})


def post(box: Sidecar, name: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Post a body to the door."""
    with httpx2.Client(trust_env=False, timeout=20) as client:
        url = f"http://127.0.0.1:{box.port}/hooks/{name}"
        return client.post(url, content=body, headers=dict(headers)).status_code


def test_calendly_is_posted_polled_and_told_once(tmp_path: Path) -> None:
    """A booking that was posted, a move whose webhooks were lost, and an outage: one appointment, at its new time."""
    with CalendlyTwin() as twin:
        harness = CalendlyHarness(twin, tmp_path, tmp_path)
        box = begun(tmp_path, "calendly", twin.url, twin.token)
        outage = twin.fault(Status(503, {"message": "down"}))
        with box.serve():
            now = datetime.now(UTC)
            first = twin.books(SOON, now)
            body = twin.webhook("invitee.created", first, now)
            stamp = datetime.fromtimestamp(int(time.time()), UTC)
            headers = {"Calendly-Webhook-Signature": harness.signed(body, stamp, FIRST)}
            assert post(box, "calendly", body, headers) == 202
            assert post(box, "calendly", body + b" ", headers) == 401
            second = twin.moves(first, SOON + timedelta(days=1), now + timedelta(seconds=1))
            asked = twin.calls("scheduled_events")
            until(lambda: twin.calls("scheduled_events") >= asked + 3, "a whole poll behind the move")
        assert outage.struck == 1
        box.run("run", "--until-idle")
        facts = book(box)
        found = Counter((a["kind"], a["external_id"]) for a in facts["activity"])
        assert found == Counter({("booking_created", first): 1, ("booking_moved", second): 1})
        starts = [c for c in facts["change"] if (c["kind"], c["field"]) == ("meeting", "start")]
        assert {c["key"] for c in starts} == {starts[0]["key"]}
        assert starts[-1]["new"] == (SOON + timedelta(days=1)).replace(second=0).isoformat()


def test_calcom_is_posted_polled_and_told_once(tmp_path: Path) -> None:
    """A booking that came twice, a move that was lost, a no-show that is only hinted at: one appointment, missed."""
    with CalcomTwin() as twin:
        harness = CalcomHarness(twin, tmp_path, tmp_path)
        box = begun(tmp_path, "calcom", twin.url, twin.token)
        outage = twin.fault(Status(503, {"status": "error"}))
        with box.serve():
            now = datetime.now(UTC)
            first = twin.books(SOON, now)
            body = twin.webhook("BOOKING_CREATED", first, now)
            headers = {"X-Cal-Signature-256": harness.signed(body, now, FIRST)}
            assert [post(box, "calcom", body, headers) for _ in range(2)] == [202, 202]
            assert post(box, "calcom", body + b" ", headers) == 401
            second = twin.moves(first, SOON + timedelta(days=1), now + timedelta(seconds=1))
            twin.misses(second, now + timedelta(seconds=2))
            hint = twin.webhook("BOOKING_NO_SHOW_UPDATED", second, now)
            assert post(box, "calcom", hint, {"X-Cal-Signature-256": harness.signed(hint, now, FIRST)}) == 202
            asked = twin.calls("bookings")
            until(lambda: twin.calls("bookings") >= asked + 3, "a whole poll behind the move")
        assert outage.struck == 1
        box.run("run", "--until-idle")
        facts = book(box)
        found = Counter((a["kind"], a["external_id"]) for a in facts["activity"])
        assert found == Counter(
            {("booking_created", first): 1, ("booking_moved", second): 1, ("booking_no_show", second): 1}
        )
        changes = [c for c in facts["change"] if c["kind"] == "meeting"]
        assert len({c["key"] for c in changes}) == 1
        assert [c["new"] for c in changes if c["field"] == "status"][-1] == "no_show"
