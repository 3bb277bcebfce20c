"""The main job into HubSpot, through real sockets: what comes in is written there, what reps do comes back.

The sidecar runs as its own process by the commands that operations type. Mail comes from mail-devel, the model is
llmock behind Anthropic's SDK, and HubSpot's own SDK speaks to the twin.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hubspot.utils.signature import Signature
from llmock.pytest_plugin import LLMock

from tests.contract.imap_servers import PASSWORD, Server, mail_devel
from tests.e2e.test_walk import CHAT, MAIL, answer, chat, mail
from tests.support.hubspots import office, switch_on, switch_on_unchecked
from tests.support.served import Sidecar, until
from tests.twins.hubspot import HubSpotTwin

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
LATER = "We are very happy with the offer and would like to go on soon."


@pytest.fixture(scope="module")
def imap() -> Iterator[Server]:
    """A mailbox server that we did not write."""
    with mail_devel() as server:
        yield server


@pytest.fixture
def twin() -> Iterator[HubSpotTwin]:
    """A HubSpot account on a socket, whose search is a second behind."""
    with HubSpotTwin(search_lag_s=1.0) as opened:
        yield opened


def only(twin: HubSpotTwin, kind: str) -> Any:
    """The one record of a kind, or nothing yet."""
    found = twin.all(kind)
    assert len(found) < 2, f"{len(found)} {kind}"
    return found[0] if found else None


def value(twin: HubSpotTwin, kind: str, name: str) -> str | None:
    """What the one record of a kind holds."""
    record = only(twin, kind)
    return record.values.get(name) if record else None


def corrected(box: Sidecar) -> set[str]:
    """The properties that people put right, as the book tells it."""
    lines = (json.loads(line) for line in box.run("export").splitlines())
    return {str(line["body"]["field"]) for line in lines if line["kind"] == "correction"}


def test_conversations_reach_hubspot_and_reps_words_come_back(
    tmp_path: Path, imap: Server, llmock: LLMock, twin: HubSpotTwin
) -> None:
    """Chat and mail become contact, deal and note in HubSpot; a rep's edit of each class comes back and stands."""
    now = datetime.now(UTC)
    box = office(
        tmp_path, twin, llm=f'type = "anthropic"\nbase_url = "{llmock.base_url("anthropic")}"',
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
        assert box.post("web", chat(CHAT, now), "msg-1") == 202
        until(lambda: value(twin, "deal", "dealstage") == "qualifiedtobuy", "the deal to be qualified")
        assert value(twin, "deal", "ai_stage") == "qualified"
        until(lambda: only(twin, "note"), "the note")

        llmock.reply(answer(("stage", "booked", "a2", "We would like to book Thursday 3 December at 10")))
        imap.append("sales@acme.test", "INBOX", mail(MAIL, now + timedelta(seconds=5)), now + timedelta(seconds=5))
        until(lambda: value(twin, "deal", "dealstage") == "presentationscheduled", "the deal to be booked")
        contact, deal = only(twin, "contact"), only(twin, "deal")
        assert (contact.values["firstname"], contact.values["lastname"]) == ("Ann", "Lee")
        assert contact.values["email"] == "ann@customer.test"
        assert twin.linked("deal", deal.id, "contact") == [contact.id]

        explained = json.dumps(box.json("explain", f"deal:{deal.id}", "stage"))
        for kind in ("posting", "change", "decision", "claim", "inference", "match", "activity", "delivery"):
            assert f'"{kind}"' in explained, f"the chain lacks its {kind}"
        assert "We would like to book Thursday" in explained

        # A rep edits each class of field: an identity, a state, two observations, of which one is cleared.
        twin.person_edits("contact", contact.id, {"lastname": "Lee-Smith", "ai_budget": "", "ai_summary": "Mine."})
        twin.person_edits("deal", deal.id, {"dealstage": "qualifiedtobuy"})
        until(lambda: len(corrected(box)) == 4, "the corrections to come back")

        llmock.reply(answer(("sentiment", "positive", "a3", "We are very happy with the offer")), times=None)
        later = datetime.now(UTC) + timedelta(seconds=1)
        event = chat(LATER, later)
        event["data"]["message_id"] = "w-2"
        assert box.post("web", event, "msg-2") == 202
        until(lambda: value(twin, "contact", "ai_sentiment") == "positive", "the sentiment")

    assert value(twin, "contact", "lastname") == "Lee-Smith", "an identity that a person typed stands for good"
    assert value(twin, "deal", "dealstage") == "qualifiedtobuy", "a stage moves on by newer words about it alone"
    assert corrected(box) == {"name", "ai_budget", "ai_summary", "stage"}
    explained = json.dumps(box.json("explain", f"deal:{deal.id}", "stage"))
    assert "wrote it in the CRM" in explained and "userId:101" in explained
    box.run("verify")
    llmock.assert_resilient()


def test_nothing_is_written_before_somebody_switches_it_on(tmp_path: Path, llmock: LLMock, twin: HubSpotTwin) -> None:
    """A vendor's CRM starts in shadow, whatever the config says; seen to fail with the config's mode taken as it is."""
    box = office(
        tmp_path, twin, llm=f'type = "anthropic"\nbase_url = "{llmock.base_url("anthropic")}"',
        secrets={"ANTHROPIC_API_KEY": "a-key-for-the-stand-in"},
    )  # fmt: skip
    llmock.reply(answer(("stage", "qualified", "a1", "we need a training day")), times=None)
    box.run("provision")
    provisioned = len(twin.requests)
    with box.serve():
        assert box.post("web", chat(CHAT, datetime.now(UTC)), "msg-1") == 202
        until(lambda: [p for p in box.json("inbox")["relationships"] if p["stage"] == "qualified"], "the inference")
        until(lambda: not box.json("work", "--state", "due")["work"], "idle")
        asked = [
            r for r in twin.requests[provisioned:] if re.search(r"/objects/.*/batch/(create|update|upsert)", r.path)
        ]
        assert not asked and not twin.all("contact")
        diff = json.dumps(box.json("check", "--go-live", "--to", "auto", "--yes"))
        assert "qualified" in diff and "ann@customer.test" in diff, "the first day's diff is told"
        until(lambda: value(twin, "deal", "dealstage") == "qualifiedtobuy", "the deal, without a restart")


def test_a_webhook_brings_a_reps_edit_that_search_does_not_know_yet(tmp_path: Path) -> None:
    """HubSpot's own webhook hints at the record, so nobody waits for search; a forged one changes nothing."""
    url, secret = "https://crm.acme.test/hooks/ledger", "the-apps-client-secret"
    with HubSpotTwin(search_lag_s=600.0) as twin:
        box = office(
            tmp_path, twin, crm=f'hook_url = "{url}"\nhook_secret_env = "HUBSPOT_APP_SECRET"',
            secrets={"HUBSPOT_APP_SECRET": secret},
        )  # fmt: skip
        rule = {"match": "training", "answer": {"ops": [
            {"field": "stage", "value": "qualified", "evidence": [{"quote": "we need a training day"}]}
        ]}}  # fmt: skip
        (tmp_path / "script.json").write_text(json.dumps([rule]))
        switch_on_unchecked(box)
        with box.serve():
            assert box.post("web", chat(CHAT, datetime.now(UTC)), "msg-1") == 202
            until(lambda: value(twin, "deal", "dealstage") == "qualifiedtobuy", "the deal to be qualified")
            until(lambda: not box.json("work", "--state", "due")["work"], "idle")
            contact = only(twin, "contact")
            twin.person_edits("contact", contact.id, {"lastname": "Lee-Smith"})
            event = {
                "objectId": int(contact.id), "propertyName": "lastname", "propertyValue": "Lee-Smith",
                "changeSource": "CRM_UI", "portalId": twin.switches.portal_id,
                "subscriptionType": "contact.propertyChange",
            }  # fmt: skip
            assert hint(box, url, "somebody-else's", [event]) == 401
            assert hint(box, url, secret, [event]) == 202
            until(lambda: corrected(box) == {"name"}, "the correction")


def hint(box: Sidecar, url: str, secret: str, events: list[dict[str, Any]]) -> int:
    """Post events as HubSpot does, signed by its own SDK; returns the status."""
    body, stamp = json.dumps(events), str(int(datetime.now(UTC).timestamp() * 1000))
    signature = Signature.get_signature(secret, body, "v3", url, "POST", stamp)
    headers = {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": stamp}
    return httpx2.post(f"http://127.0.0.1:{box.port}/hooks/ledger", content=body, headers=headers).status_code
