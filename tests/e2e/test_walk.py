"""The main job, end to end through real sockets: mails, signed webhooks and dropped files keep a CRM up to date.

Nothing here is ours but the sidecar, which runs as its own process by the command that operations type: the IMAP server
is mail-devel, the Messages API is llmock behind Anthropic's SDK, and the CRM is the local ledger in its own file.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock

from tests.contract.imap_servers import PASSWORD, Server, mail_devel
from tests.support.dropped import drop
from tests.support.served import SECRET, Sidecar, fields, sidecar, until
from tests.support.vendors import CONFIG

CHANNELS = """
[channels.mail]
type = "imap"
host = "127.0.0.1"
port = {imap_port}
tls = false
username = "{user}"
password_env = "MAIL_PASSWORD"
every_s = 1
[channels.drop]
type = "maildrop"
path = "drop"
transcripts = true
every_s = 1
settle_s = 0.2
trusted_speakers = true
"""
LOCAL = 'type = "local"\npath = "data/crm.db"\nevery_s = 1'
CHAT = "Hello, we need a training day for 12 people, our budget is 4000 pounds."
MAIL = "We would like to book Thursday 3 December at 10, please."
CALL = "Thank you for coming to the training today."


@pytest.fixture(scope="module")
def imap() -> Iterator[Server]:
    """A mailbox server that we did not write."""
    with mail_devel() as server:
        yield server


def running(tmp_path: Path, imap: Server, llmock: LLMock, mode: str, user: str = "sales@acme.test") -> Sidecar:
    """A sidecar between the three channels, the model's stand-in and the local CRM."""
    (tmp_path / "drop").mkdir()
    channels = CHANNELS.format(user=user, imap_port=imap.port)
    llm = f'type = "anthropic"\nbase_url = "{llmock.base_url("anthropic")}"'
    config = CONFIG.format(channels=channels, section=LOCAL, route="", llm=llm, mode=mode)
    secrets = {"MAIL_PASSWORD": PASSWORD, "WEB_SECRET": SECRET, "ANTHROPIC_API_KEY": "a-key-for-the-stand-in"}
    return sidecar(tmp_path, config, secrets)


def answer(*ops: tuple[str, str, str, str]) -> str:
    """What the model says: field, value, alias of the activity, quote."""
    said = [
        {
            "evidence": [{"activity": alias, "quote": quote}],
            "field": name,
            "op": "set",
            "value": value,
            "certainty": "stated",
        }
        for name, value, alias, quote in ops
    ]
    return json.dumps({"ops": said, "steps": [], "summary": "A training day is asked for.", "needs_full_reread": False})


def chat(text: str, at: datetime) -> dict[str, Any]:
    """A visitor's message as the web chat sends it."""
    sender = {"external_id": "visitor-7", "name": "Ann Lee", "email": "ann@customer.test", "role": "customer"}
    data = {
        "message_id": "w-1", "conversation_id": "c-1", "direction": "inbound", "sender": sender, "text": text,
        "sent_at": at.isoformat(), "attachments": [],
    }  # fmt: skip
    return {"type": "message.created", "timestamp": at.isoformat(), "data": data}


def mail(text: str, at: datetime) -> bytes:
    """A mail from the same person."""
    message = EmailMessage()
    message["From"] = "Ann Lee <ann@customer.test>"
    message["To"] = "sales@acme.test"
    message["Subject"] = "Training day"
    message["Date"] = format_datetime(at)
    message["Message-ID"] = "<training-1@customer.test>"
    message.set_content(text)
    return message.as_bytes()


def transcript(at: datetime) -> str:
    """A call with her, as a recorder writes it."""
    head = f"WEBVTT\n\nNOTE\ndate: {at.isoformat()}\ncustomer: Ann Lee <ann@customer.test>\n"
    return (
        head + "agent: Tom Hill <tom@acme.test>\n\n"
        f"00:00:01.000 --> 00:00:04.000\n<v Tom Hill>{CALL}</v>\n\n"
        "00:00:05.000 --> 00:00:07.000\n<v Ann Lee>It was great.</v>\n"
    )


def test_conversations_become_records_and_lead_back_to_their_words(
    tmp_path: Path, imap: Server, llmock: LLMock
) -> None:
    """Chat, mail and call of one person become one contact and one deal, and a CRM value leads back to its quote."""
    now = datetime.now(UTC)
    box = running(tmp_path, imap, llmock, "auto")

    def shown() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = box.json("ledger", "show")["records"]
        return found

    def stage() -> Any:
        return fields(shown(), "deal").get("stage")

    with box.serve():
        llmock.reply(
            answer(
                ("budget", "4000 pounds", "a1", "our budget is 4000 pounds"),
                ("stage", "qualified", "a1", "we need a training day"),
            )
        )
        event = chat(CHAT, now)
        assert box.post("web", event, "msg-1") == 202
        assert box.post("web", event, "msg-1") == 202, "a repeated delivery is acknowledged again"
        until(lambda: stage() == "qualified", "the deal to be qualified")
        assert fields(shown(), "contact")["ai_budget"] == "4000 pounds"

        llmock.reply(answer(("stage", "booked", "a2", "We would like to book Thursday 3 December at 10")))
        imap.append("sales@acme.test", "INBOX", mail(MAIL, now + timedelta(seconds=5)), now + timedelta(seconds=5))
        until(lambda: stage() == "booked", "the deal to be booked")

        llmock.reply(answer(("stage", "attended", "a3", CALL), ("sentiment", "positive", "a3", "It was great.")))
        drop(tmp_path / "drop" / "call.vtt", transcript(now + timedelta(seconds=10)))
        until(lambda: stage() == "attended", "the deal to be attended")
        until(lambda: fields(shown(), "contact").get("ai_sentiment") == "positive", "the sentiment")

    records = shown()
    assert [r["kind"] for r in records if r["kind"] in ("contact", "deal")] == ["contact", "deal"]
    deal = next(r["ref"] for r in records if r["kind"] == "deal")
    explained = json.dumps(box.json("explain", f"deal:{deal}", "stage"))
    for kind in ("posting", "change", "decision", "claim", "inference", "match", "activity", "delivery"):
        assert f'"{kind}"' in explained, f"the chain lacks its {kind}"
    assert CALL in explained
    assert "claude-haiku-5-5" in explained
    box.run("verify")
    assert len(box.json("inbox")["relationships"]) == 1
    llmock.assert_resilient()


def test_shadow_infers_and_writes_nothing(tmp_path: Path, imap: Server, llmock: LLMock) -> None:
    """In shadow the inbox shows what was inferred and the CRM stays empty; seen to fail in suggest, which writes."""
    box = running(tmp_path, imap, llmock, "shadow", "shadow@acme.test")
    llmock.reply(answer(("stage", "qualified", "a1", "we need a training day")), times=None)
    with box.serve():
        assert box.post("web", chat(CHAT, datetime.now(UTC)), "msg-1") == 202
        until(lambda: [p for p in box.json("inbox")["relationships"] if p["stage"] == "qualified"], "the inference")
        until(lambda: not box.json("work", "--state", "due")["work"], "idle")
    assert box.json("ledger", "show")["records"] == []
    box.run("verify")
