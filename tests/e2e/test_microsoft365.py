"""Microsoft 365 into the book by the real command: mail, meetings, notices and their handshake over real sockets."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from tests.contract.graph_mailboxes import FIRST, mail
from tests.support.ports import free_port
from tests.support.served import Sidecar, sidecar, until
from tests.twins.graph import GraphTwin
from tests.twins.wire.faults import Status

CONFIG = """
[web]
host = "127.0.0.1"
port = {port}
admin_port = 0
[journal]
url = "sqlite:///journal.db"
[own]
domains = ["ours.test"]
[channels.office]
type = "microsoft365_mail"
every_s = {seldom}
notification_url = "http://127.0.0.1:{port}/hooks/office"
{rest}
[channels.agenda]
type = "microsoft365_calendar"
every_s = 1
{rest}
[inference]
quiet_s = 0
[crm]
type = "local"
path = "crm.db"
"""
REST = """mailbox = "{mailbox}"
tenant = "{tenant}"
client_id = "{client_id}"
client_secret_env = "APP_SECRET"
client_state_env = "STATE_SECRET"
login_url = "{url}"
graph_url = "{url}"
calls_per_s = 200
max_wait_s = 0
"""


def book(box: Sidecar) -> Mapping[str, list[dict[str, Any]]]:
    """Return the facts by their kind, as the export has them."""
    facts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in box.run("export").splitlines():
        row = json.loads(line)
        facts[row["kind"]].append(row["body"])
    return facts


def test_mail_and_meetings_come_in_by_polls_that_notices_hasten(tmp_path: Path) -> None:
    """A notice makes an hourly poll due at once; an outage and dead tokens end with everything once."""
    with GraphTwin() as twin:
        port = free_port()  # it must be in the config, because Graph is told it
        given = {"mailbox": twin.mailbox, "tenant": twin.tenant, "client_id": twin.client_id, "url": twin.url}
        secrets = {"APP_SECRET": twin.client_secret, "STATE_SECRET": FIRST}
        config = CONFIG.format(port=port, seldom=3600, rest=REST.format(**given))
        box = sidecar(tmp_path, config, secrets)
        now = datetime.now(UTC)
        twin.receives(mail(1, "Our budget is 4000 pounds."), now)
        outage = twin.fault(Status(503, {"error": {"code": "serviceNotAvailable"}}), path="calendarView")
        with box.serve():
            until(lambda: len(twin.subscriptions) == 2, "subscriptions of both folders, after a handshake")
            inbox = next(id for id, row in twin.subscriptions.items() if twin.folder_id("inbox") in row["resource"])
            until(lambda: twin.calls("$value") >= 1, "the first mail")
            twin.receives(mail(2, "Can I come on Thursday?"), now)
            assert twin.tells(inbox) == 202
            until(lambda: twin.calls("$value") >= 2, "a mail that a notice told of")
            stranger = json.loads(twin.notice(inbox))
            stranger["value"][0]["clientState"] = "a stranger's"
            assert twin.tells(inbox, json.dumps(stranger).encode()) == 401
            with httpx2.Client(trust_env=False) as client:
                assert client.get(f"http://127.0.0.1:{port}/hooks/office?validationToken=x").status_code == 403
            meeting = twin.plans(now + timedelta(days=3), subject="Offer", attendees=[_guest("none")])
            until(lambda: twin.calls("events") >= 1, "the meeting")
            twin.rounds.expire("resyncRequired")
            twin.changes_event(meeting, now + timedelta(days=4), attendees=[_guest("accepted")])
            twin.sends(mail(3, "Thursday at ten is fine.", "Ann <ann@ours.test>").replace(b"ann@ours", b"bob@ex"), now)
            asked = twin.calls("delta")
            assert twin.tells(inbox) == 202
            until(lambda: twin.calls("$value") >= 5 and twin.calls("delta") >= asked + 3, "all that came meanwhile")
        assert outage.struck == 1
        box.run("run", "--until-idle")
        facts = book(box)
        found = Counter((a["kind"], a["external_id"]) for a in facts["activity"])
        uid = f"{meeting}@graph.test"
        mails = {("mail", f"m{number}@example.org"): 1 for number in (1, 2, 3)}
        assert found == Counter(mails | {("meeting", uid): 2})
        hints = [d for d in facts["delivery"] if d["channel"] == "office" and not d["headers"].get("thing")]
        assert len(hints) == 2
        assert not any("stranger" in json.dumps(d) for d in facts["delivery"])
        assert box.run("check")


def _guest(response: str) -> dict[str, Any]:
    return {
        "type": "required",
        "status": {"response": response},
        "emailAddress": {"name": "Bob", "address": "bob@example.org"},
    }
