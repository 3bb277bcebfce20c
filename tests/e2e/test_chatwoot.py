"""Chatwoot into the book by the real command: what it posts, what it only tells when asked, and nothing twice."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from tests.contract.chatwoot_accounts import FIRST, signed
from tests.support.served import Sidecar, sidecar, until
from tests.twins.chatwoot import ChatwootTwin
from tests.twins.wire.faults import Status

CONFIG = """
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
[journal]
url = "sqlite:///journal.db"
[channels.chat]
type = "chatwoot"
base_url = "{url}"
account_id = 3
secret_env = "CHATWOOT_SECRET"
token_env = "CHATWOOT_TOKEN"
every_s = 1
calls_per_s = 100
max_wait_s = 0
[inference]
quiet_s = 0
[crm]
type = "local"
path = "crm.db"
"""


def book(box: Sidecar) -> Mapping[str, list[dict[str, Any]]]:
    """Return the facts by their kind, as the export has them."""
    facts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in box.run("export").splitlines():
        row = json.loads(line)
        facts[row["kind"]].append(row["body"])
    return facts


def test_what_is_posted_and_what_was_lost_come_in_once(tmp_path: Path) -> None:
    """A webhook that came, one that was lost, and an outage end with each message once, and a note in no talk."""
    with ChatwootTwin() as twin:
        secrets = {"CHATWOOT_SECRET": FIRST, "CHATWOOT_TOKEN": twin.token}
        box = sidecar(tmp_path, CONFIG.format(url=twin.url), secrets)
        now = datetime.now(UTC)
        number = twin.begins(email="mariana@customer.test")
        posted = twin.says(number, "Our budget is 4000 pounds. Can I come on Thursday?", now)
        outage = twin.fault(Status(503, {"error": "down"}))
        with box.serve():
            body = twin.webhook(posted)
            headers = dict(signed(body, str(int(time.time())), FIRST).headers)
            with httpx2.Client(trust_env=False, timeout=20) as client:
                url = f"http://127.0.0.1:{box.port}/hooks/chat"
                assert client.post(url, content=body, headers=headers).status_code == 202
                assert client.post(url, content=body + b" ", headers=headers).status_code == 401
            lost = twin.answers(number, "Thursday at ten is fine.", now + timedelta(seconds=1))
            note = twin.answers(number, "He seems difficult.", now + timedelta(seconds=2), private=True)
            asked = twin.calls("messages")
            until(lambda: twin.calls("messages") >= asked + 3, "a whole poll behind the last message")
        assert outage.struck == 1
        box.run("run", "--until-idle")
        facts = book(box)
        found = Counter((a["kind"], a["external_id"]) for a in facts["activity"])
        assert found == Counter({("message", str(posted)): 1, ("message", str(lost)): 1, ("status", str(note)): 1})
        assert facts["inference"]
        assert "difficult" not in json.dumps([facts[kind] for kind in ("activity", "inference", "claim", "match")])
