"""Bad input of every kind gets a clear error or is parked by name with its reason, and the neighbours never notice.

One sidecar, running as operations run it, is fed the whole table; in between and afterwards honest messages must come
through. Nothing that was acknowledged may be missing from what is done or parked.
"""

import base64
import hmac
import json
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply

from tests.support.dropped import drop
from tests.support.served import SECRET, Sidecar, sidecar, until

CONFIG = """
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
[own]
domains = ["acme.test"]
[channels.web]
type = "webhook"
secret_env = "WEB_SECRET"
[channels.drop]
type = "maildrop"
path = "drop"
transcripts = true
every_s = 1
settle_s = 0.2
[crm]
type = "local"
path = "data/crm.db"
[crm.create]
contact = "auto"
[llm]
type = "anthropic"
base_url = "{llm_url}"
max_retries = 0
stronger_model = "claude-haiku-5-5"
[inference]
quiet_s = 0.1
[policy]
mode = "auto"
[limits]
max_body_bytes = 100000
"""
NOTHING = json.dumps({"ops": [], "steps": [], "summary": "", "needs_full_reread": False})


def message(who: str, text: str, key: str = "1") -> dict[str, Any]:
    """A visitor's message."""
    now = datetime.now(UTC).isoformat()
    sender = {"external_id": who, "name": who, "email": f"{who}@customer.test", "role": "customer"}
    data = {
        "message_id": f"{who}-{key}", "conversation_id": who, "direction": "inbound", "sender": sender, "text": text,
        "sent_at": now, "attachments": [],
    }  # fmt: skip
    return {"type": "message.created", "timestamp": now, "data": data}


@pytest.fixture
def box(tmp_path: Path, llmock: LLMock) -> Sidecar:
    """A sidecar whose model finds nothing to say."""
    (tmp_path / "drop").mkdir()
    llmock.reply(NOTHING, times=None)
    config = CONFIG.format(llm_url=llmock.base_url("anthropic"))
    return sidecar(tmp_path, config, {"WEB_SECRET": SECRET, "ANTHROPIC_API_KEY": "a-key"})


def signed(key: str, at: datetime, body: bytes, secret: str) -> str:
    """Sign bytes that need not be text, as Standard Webhooks 1.0 says."""
    to_sign = f"{key}.{int(at.timestamp())}.".encode() + body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), to_sign, sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def raw_post(
    box: Sidecar, body: bytes, *, key: str, at: datetime | None = None, secret: str = SECRET
) -> httpx2.Response:
    """Post bytes under a good signature of our own making."""
    at = at or datetime.now(UTC)
    headers = {
        "content-type": "application/json",
        "webhook-id": key,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signed(key, at, body, secret),
    }
    with httpx2.Client(trust_env=False) as client:
        return client.post(f"http://127.0.0.1:{box.port}/hooks/web", content=body, headers=headers, timeout=20)


def contacts(box: Sidecar) -> set[str]:
    """The e-mail addresses in the CRM."""
    return {r["fields"].get("email", "") for r in box.json("ledger", "show")["records"] if r["kind"] == "contact"}


def parked(box: Sidecar) -> list[str]:
    """The reasons of what is parked."""
    return [row["parked_reason"] for row in box.json("work", "--state", "parked")["work"]]


def bad_requests(box: Sidecar) -> dict[str, int]:
    """Send everything that the door must refuse; returns each one's status."""
    now = datetime.now(UTC)
    good = json.dumps(message("mallory", "hello")).encode()
    other = "whsec_" + "A" * 43 + "="
    found = {
        "wrong signature": raw_post(box, good, key="b1", secret=other).status_code,
        "stale": raw_post(box, good, key="b2", at=now - timedelta(seconds=301)).status_code,
        "from the future": raw_post(
            box, good, key="b3", at=now + timedelta(seconds=330)
        ).status_code,  # and time goes on
        "too large": raw_post(box, b"x" * 100_001, key="b4").status_code,
    }
    with httpx2.Client(trust_env=False, timeout=20) as client:
        url = f"http://127.0.0.1:{box.port}"
        found["unsigned"] = client.post(url + "/hooks/web", content=good).status_code
        found["unknown channel"] = client.post(url + "/hooks/nobody", content=good).status_code
        found["wrong method"] = client.get(url + "/hooks/web").status_code
    with socket.create_connection(("127.0.0.1", box.port), timeout=10) as bare:
        bare.sendall(b"POST /hooks/web HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        found["announced too large"] = int(bare.recv(64).split(b" ")[1])
    return found


def test_bad_input_is_refused_or_parked_and_harms_nobody(box: Sidecar, llmock: LLMock) -> None:
    """The whole table: each refused with a 4xx, or parked with its reason, while honest neighbours come through."""
    with box.serve():
        assert bad_requests(box) == {
            "wrong signature": 401, "stale": 401, "from the future": 401, "too large": 413, "unsigned": 401,
            "unknown channel": 404, "wrong method": 405, "announced too large": 413,
        }  # fmt: skip
        assert raw_post(box, b"[" * 5_000, key="p1").status_code == 202
        assert raw_post(box, b'{"type": "message.created", "data": "\xff\xfe"}', key="p2").status_code == 202
        assert raw_post(box, b'{"type": "invoice.paid", "timestamp": "now", "data": {}}', key="p3").status_code == 202
        part = b"--b\r\n\r\nx\r\n"
        bomb = (
            b'From: a@customer.test\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n' + part * 100_000 + b"--b--"
        )
        drop(box.folder / "drop" / "bomb.eml", bomb)
        drop(box.folder / "drop" / "notes.pdf", b"%PDF-1.7")
        drop(box.folder / "drop" / "call.vtt", b"\x80\x81 not a transcript")
        bad = b"From: odd@customer.test\r\nSubject: =?x-unknown?B?////?=\r\nDate: Mon, 16 Nov 2026 10:00:00 +0000\r\n"
        odd = bad + b"Content-Type: text/plain; charset=x-nope\r\n\r\nHello \xff\xfe there, can you call me?"
        drop(box.folder / "drop" / "odd.eml", odd)
        assert box.post("web", message("ann", "Hello there"), "good-1") == 202
        until(lambda: {"ann@customer.test", "odd@customer.test"} <= contacts(box), "the neighbours")
        reasons = until(lambda: r if len(r := parked(box)) >= 6 else None, "six parked deliveries")

        llmock.reset().add(Reply(text="", finish_reason="refusal", times=None))
        assert box.post("web", message("rex", "Refuse this"), "poison-1") == 202
        until(lambda: [r for r in parked(box) if "refusal" in r], "the refused activity to be parked")
        llmock.reset().add(Reply(text='{"ops": [', finish_reason="max_tokens", times=None))
        assert box.post("web", message("tina", "Be endless"), "poison-2") == 202
        until(lambda: [r for r in parked(box) if "truncated" in r], "the endless answer's activity to be parked")
        llmock.reset().reply(NOTHING, times=None)
        assert box.post("web", message("ben", "Good morning"), "good-2") == 202
        assert box.post("web", message("rex", "And now?", "2"), "good-3") == 202
        until(
            lambda: {"ben@customer.test", "rex@customer.test"} <= contacts(box), "life to go on, for the poisoned too"
        )
    assert len(reasons) == 6, reasons
    said = "\n".join(reasons)
    for word in ("part", "pdf", "type"):
        assert re.search(word, said, re.IGNORECASE), f"no reason speaks of {word}: {said}"
    assert not [entry for entry in box.log if entry.get("level") == "error"], "nothing of this is a defect of ours"
    box.run("verify")


def test_a_config_that_is_wrong_refuses_to_start_and_says_all_of_it(box: Sidecar) -> None:
    """Unknown keys, missing secrets and unreachable stages are all named at once, with what would be right."""
    path = box.folder / "config.toml"
    path.write_text(
        path.read_text().replace("[limits]", "[limits]\nmax_bodybytes = 1") + "\n[stages.booked]\ntoo = []\n"
    )

    command = [sys.executable, "-m", "sidecar", "--config", str(path), "serve"]
    env = {k: v for k, v in box.env.items() if k != "WEB_SECRET"}
    done = subprocess.run(command, env=env, cwd=box.folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    for told in ("limits.max_bodybytes", "max_body_bytes", "WEB_SECRET", "stages.booked.too"):
        assert told in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
