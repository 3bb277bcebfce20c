"""The main job into each vendor's CRM, through real sockets: what comes in is written there, what reps do comes back.

The sidecar runs as its own process by the commands that operations type. Mail comes from mail-devel, the model is
llmock behind Anthropic's SDK, and the vendor's own package speaks to the twin.
"""

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock

from sidecar.model import Value
from tests.contract.imap_servers import PASSWORD, Server, mail_devel
from tests.e2e.test_walk import CHAT, MAIL, answer, chat, mail
from tests.support.crms import CRMS, Crm, crm_class
from tests.support.served import Sidecar, until
from tests.support.vendors import office, switch_on

CHANNELS = """
[channels.mail]
type = "imap"
host = "127.0.0.1"
port = {port}
tls = false
username = "sales@acme.test"
password_env = "MAIL_PASSWORD"
sent_folders = []
every_s = 1
"""
WALKED = sorted(CRMS) if os.environ.get("EVERY_VENDOR") else ["hubspot", "pipedrive"]
"""The walk is long, and what differs between vendors is compared elsewhere on each change: with EVERY_VENDOR=1 all."""
LATER = "We are very happy with the offer and would like to go on soon."


@pytest.fixture
def imap() -> Iterator[Server]:
    """A mailbox server that we did not write."""
    with mail_devel() as server:
        yield server


@pytest.fixture(params=WALKED)
def crm(request: pytest.FixtureRequest) -> Iterator[Crm]:
    """A vendor's CRM on a socket, whose search is a second behind."""
    with crm_class(request.param)(search_lag_s=1.0) as opened:
        yield opened


def only(crm: Crm, kind: str) -> Any:
    """The one record of a kind, or nothing yet."""
    found = crm.show(kind)
    assert len(found) < 2, f"{len(found)} {kind}"
    return found[0] if found else None


def value(crm: Crm, kind: str, name: str) -> Value:
    """What the one record of a kind holds."""
    record = only(crm, kind)
    return record.fields.get(name) if record else None


def quoting(box: Sidecar, ref: str, words: str) -> str:
    """What explains a deal's stage, once these words are in it."""
    explained = json.dumps(box.json("explain", f"deal:{ref}", "stage"))
    return explained if words in explained else ""


def corrected(box: Sidecar) -> set[str]:
    """The properties that people put right, as the book tells it."""
    lines = (json.loads(line) for line in box.run("export").splitlines())
    return {str(line["body"]["field"]) for line in lines if line["kind"] == "correction"}


def test_conversations_reach_the_crm_and_reps_words_come_back(
    tmp_path: Path, imap: Server, llmock: LLMock, crm: Crm
) -> None:
    """Chat and mail become contact, deal and note in the CRM; a rep's edit of each class comes back and stands."""
    now = datetime.now(UTC)
    box = office(
        tmp_path, crm, llm=f'type = "anthropic"\nbase_url = "{llmock.base_url("anthropic")}"',
        channels=CHANNELS.format(port=imap.port),
        secrets={"MAIL_PASSWORD": PASSWORD, "ANTHROPIC_API_KEY": "a-key-for-the-stand-in"},
    )  # fmt: skip
    switch_on(box)
    with box.serve():
        llmock.reply(
            answer(
                ("budget", "4000 pounds", "a1", "our budget is 4000 pounds"),
                ("stage", "qualified", "a1", "we need a training day"),
            )
        )
        assert box.post("web", chat(CHAT, now), f"{crm.name}-1") == 202
        until(lambda: value(crm, "deal", "stage") == "qualified", "the deal to be qualified")
        assert value(crm, "deal", "ai_stage") == "qualified"
        until(lambda: only(crm, "note"), "the note")

        llmock.reply(answer(("stage", "booked", "a2", "We would like to book Thursday 3 December at 10")))
        said_at = datetime.now(UTC)  # after the chat, and before what the rep does
        imap.append("sales@acme.test", "INBOX", mail(MAIL, said_at), said_at)
        until(lambda: value(crm, "deal", "stage") == "booked", "the deal to be booked")
        contact, deal = only(crm, "contact"), only(crm, "deal")
        assert (contact.fields["name"], contact.fields["email"]) == ("Ann Lee", "ann@customer.test")
        assert [record.ref for record in crm.linked(contact.ref, "deal")] == [deal.ref]

        # What the CRM holds is in the book once it was read back, a moment later.
        words = "We would like to book Thursday"
        explained = until(lambda: quoting(box, deal.ref, words), "the words behind the stage")
        for kind in ("posting", "change", "decision", "claim", "inference", "match", "activity", "delivery"):
            assert f'"{kind}"' in explained, f"the chain lacks its {kind}"

        # A rep edits each class of field: an identity, a state, two observations, of which one is cleared.
        crm.edit("contact", contact.ref, {"name": "Ann Lee-Smith", "ai_budget": None, "ai_summary": "Mine."})
        crm.edit("deal", deal.ref, {"stage": "qualified"})
        until(lambda: len(corrected(box)) == 4, "the corrections to come back")

        llmock.reply(answer(("sentiment", "positive", "a3", "We are very happy with the offer")), times=None)
        later = datetime.now(UTC) + timedelta(seconds=1)
        event = chat(LATER, later)
        event["data"]["message_id"] = "w-2"
        assert box.post("web", event, f"{crm.name}-2") == 202
        until(lambda: value(crm, "contact", "ai_sentiment") == "positive", "the sentiment")

    assert value(crm, "contact", "name") == "Ann Lee-Smith", "an identity that a person typed stands for good"
    assert value(crm, "deal", "stage") == "qualified", "a stage moves on by newer words about it alone"
    assert corrected(box) == {"name", "ai_budget", "ai_summary", "stage"}
    explained = json.dumps(box.json("explain", f"deal:{deal.ref}", "stage"))
    assert "wrote it in the CRM" in explained and crm.person in explained
    box.run("verify")
    llmock.assert_resilient()


@pytest.mark.parametrize("crm", ["hubspot"], indirect=True)
def test_nothing_is_written_before_somebody_switches_it_on(tmp_path: Path, llmock: LLMock, crm: Crm) -> None:
    """A vendor's CRM starts in shadow, whatever the config says; seen to fail with the config's mode taken as it is."""
    box = office(
        tmp_path, crm, llm=f'type = "anthropic"\nbase_url = "{llmock.base_url("anthropic")}"',
        secrets={"ANTHROPIC_API_KEY": "a-key-for-the-stand-in"},
    )  # fmt: skip
    llmock.reply(answer(("stage", "qualified", "a1", "we need a training day")), times=None)
    box.run("provision")
    provisioned = len(crm.twin.requests)
    with box.serve():
        assert box.post("web", chat(CHAT, datetime.now(UTC)), f"{crm.name}-1") == 202
        until(lambda: [p for p in box.json("inbox")["relationships"] if p["stage"] == "qualified"], "the inference")
        until(lambda: not box.json("work", "--state", "due")["work"], "idle")
        method, path = crm.writes
        asked = crm.twin.requests[provisioned:]
        assert not [r for r in asked if re.fullmatch(method, r.method) and re.search(path, r.path)]
        assert not crm.show("contact")
        diff = json.dumps(box.json("check", "--go-live", "--to", "auto", "--yes"))
        assert "qualified" in diff and "ann@customer.test" in diff, "the first day's diff is told"
        until(lambda: value(crm, "deal", "stage") == "qualified", "the deal, without a restart")
