"""Twilio end to end by the real command: an SMS, a call and its words become one contact, and a deal that moves on."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from sidecar.journal import Journal
from sidecar.model import Fact, Posting
from tests.support.houses import op, says
from tests.support.served import Sidecar, fields, sidecar, until
from tests.twins.twilio import TwilioTwin

PUBLIC_URL = "https://sidecar.example.com/hooks/twilio"
CONFIG = """
[own]
addresses = ["+442079460000"]
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
[journal]
url = "sqlite:///journal.db"
[channels.twilio]
type = "twilio"
account_sid = "{account}"
public_url = "{public_url}"
auth_token_env = "TWILIO_TOKEN"
base_url = "{url}"
intelligence_url = "{url}"
every_s = 1
rest_s = 0
max_wait_s = 0
calls_per_s = 100
{more}
[inference]
quiet_s = 0
[crm]
type = "local"
path = "crm.db"
every_s = 1
[crm.create]
contact = "auto"
deal = "qualified"
[llm]
type = "scripted"
path = "script.json"
[policy]
mode = "auto"
"""
ANN, US = "+447700900123", "+442079460000"
WANTED, LIVE = "we need a training day for 12 people", "our budget is 4000 pounds"
BOOKED = "You are booked for Thursday at ten."
SCRIPT = [
    says(WANTED, op("stage", "qualified", WANTED)),
    says(LIVE, op("budget", "4000 pounds", LIVE)),
    says(BOOKED, op("stage", "booked", BOOKED)),
]


def opened(tmp_path: Path, twin: TwilioTwin, more: str) -> Sidecar:
    """Return a sidecar that knows the account."""
    (tmp_path / "script.json").write_text(json.dumps(SCRIPT))
    config = CONFIG.format(account=twin.account, public_url=PUBLIC_URL, url=twin.url, more=more)
    return sidecar(tmp_path, config, {"TWILIO_TOKEN": twin.token})


def post(box: Sidecar, twin: TwilioTwin, body: bytes, sent: bytes | None = None) -> httpx2.Response:
    """Post a body as Twilio does, to the address behind the proxy that serves the public one; perhaps another body."""
    called, headers = twin.signed(PUBLIC_URL, body)
    inside = f"http://127.0.0.1:{box.port}/hooks/twilio?{urlsplit(called).query}".rstrip("?")
    with httpx2.Client(trust_env=False) as client:
        return client.post(inside, content=sent or body, headers=headers, timeout=20)


def exported(box: Sidecar) -> Mapping[str, list[dict[str, Any]]]:
    """Return the bodies of facts by their kind, as the export has them."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in map(json.loads, box.run("export").splitlines()):
        found[row["kind"]].append(row["body"])
    return found


@contextmanager
def book(box: Sidecar) -> Iterator[Callable[[str], list[Fact]]]:
    """Look into the book while it is written: the facts of a kind."""
    with Journal.open("sqlite:///journal.db", base=box.folder) as journal:
        yield lambda kind: list(journal.facts(kinds=(kind,)))


def test_a_text_and_a_call_become_a_deal_that_leads_back_to_who_said_what(tmp_path: Path) -> None:
    """One person's SMS, live words and recorded call are one party; the agent's words book, and are the evidence."""
    with TwilioTwin() as twin:
        box = opened(tmp_path, twin, "transcripts = true\ntrusted_speakers = true")
        with box.serve(), book(box) as held:
            now = datetime.now(UTC)  # a text's webhook tells no time: its receipt's is taken, and the call is later

            def posted(value: str) -> bool:
                return any(isinstance(fact, Posting) and fact.value == value for fact in held("posting"))

            text = twin.webhook(twin.texts(ANN, US, f"Hello, {WANTED}.", now))
            answer = post(box, twin, text)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
            assert answer.text.endswith("<Response/>")
            assert post(box, twin, text).status_code == 200
            assert post(box, twin, text, text.replace(b"12", b"99")).status_code == 401
            until(lambda: posted("qualified"), "the deal to be qualified")

            call = twin.rings(ANN, US, now + timedelta(seconds=60))
            live = twin.live(call, 2, f"Hello, {LIVE}.", now + timedelta(seconds=62))
            assert post(box, twin, live).status_code == 200, "words come before the call is told"
            assert post(box, twin, twin.webhook(call)).status_code == 200
            recording = twin.records(call)
            said = [(1, "Can I come on Thursday?"), (2, BOOKED), (1, "Great.")]
            transcript = twin.transcribes(recording, said, now + timedelta(seconds=140))
            assert post(box, twin, twin.hint(transcript)).status_code == 200
            until(lambda: posted("booked"), "the deal to be booked")
            until(lambda: posted("4000 pounds"), "the budget that was said live")
        records, facts = box.json("ledger", "show")["records"], exported(box)
        assert [r["kind"] for r in records if r["kind"] in ("contact", "deal")] == ["contact", "deal"]
        assert fields(records, "contact")["phone"] == ANN
        ref = next(r["ref"] for r in records if r["kind"] == "deal")
        explained = json.dumps(box.json("explain", f"deal:{ref}", "stage"))
        assert BOOKED in explained and transcript in explained
        (claim,) = (c for c in facts["claim"] if c["value"] == "booked")
        assert [(e["quote"], e["role"], e["authenticated"]) for e in claim["evidence"]] == [(BOOKED, "agent", True)]
        found = {(a["kind"], a["external_id"]) for a in facts["activity"]}
        assert {("call", call), ("call", recording), ("transcript", transcript)} <= found
        assert len([a for a in facts["activity"] if a["kind"] == "message"]) == 1
        assert len({m["party"] for m in facts["match"] if m["outcome"] == "party"}) == 1
        box.run("verify")


def test_without_consent_no_word_of_a_call_comes_in(tmp_path: Path) -> None:
    """A call is known, and no word of it lies in the book or was asked for, by webhook or by poll."""
    now = datetime.now(UTC) - timedelta(minutes=4)
    with TwilioTwin() as twin:
        box = opened(tmp_path, twin, "")
        with box.serve(), book(box) as held:
            call = twin.rings(ANN, US, now)
            live = twin.live(call, 2, f"Hello, {LIVE}.", now)
            assert post(box, twin, live).status_code == 200
            assert post(box, twin, live, live.replace(b"4000", b"9000")).status_code == 401
            transcript = twin.transcribes(twin.records(call), [(1, LIVE)], now)
            assert post(box, twin, twin.hint(transcript)).status_code == 200
            until(lambda: held("activity"), "the call by the poll")
            asked = twin.calls("calls")
            until(lambda: twin.calls("calls") > asked, "another poll")
        facts = exported(box)
        assert {a["kind"] for a in facts["activity"]} == {"call"}
        assert not twin.calls("recordings", "transcripts", "sentences")
        assert LIVE not in json.dumps(facts)
        assert LIVE.encode() not in (tmp_path / "journal.db").read_bytes()
