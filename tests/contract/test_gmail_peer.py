"""Gmail's API as somebody else understands it: `emulate`, a stand-in that we didn't write.

It runs where `GOOGLE_PEER` names its program (`npm install emulate@0.11.2`, then
`node_modules/emulate/dist/index.js`) and node is there, and is skipped elsewhere. It has no getProfile, forgets no
history and knows no pushes, so those are the twin's to show.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from adapters.channels.gmail import GmailChannel
from adapters.channels.gmail.options import GmailOptions
from sidecar.ports import Context
from tests.contract.channel import INSTALLED, NOW, OWN, Secrets, all_captured, last_cursor, parsed
from tests.contract.gmail_mailboxes import PUSHES, Kept
from tests.support.served import until

MAILBOX = "rep@ours.test"
SEED = """
tokens:
  rep-token:
    login: rep@ours.test
    scopes: ["https://mail.google.com/"]
google:
  users:
    - {email: rep@ours.test, name: Rep}
  messages:
    - {id: msg_1, user_email: rep@ours.test, from: bob@example.org, to: rep@ours.test, subject: Offer,
       body_text: "Can I come on Thursday?", label_ids: [INBOX], date: "2026-11-21T10:00:00.000Z"}
    - {id: msg_2, user_email: rep@ours.test, from: rep@ours.test, to: bob@example.org, subject: Re Offer,
       body_text: "Thursday is fine.", label_ids: [SENT], date: "2026-11-21T11:00:00.000Z"}
    - {id: msg_3, user_email: rep@ours.test, from: rep@ours.test, to: bob@example.org, subject: Not yet,
       body_text: "Half a thou", label_ids: [DRAFT], date: "2026-11-21T12:00:00.000Z"}
"""
PROGRAM = os.environ.get("GOOGLE_PEER", "")
pytestmark = pytest.mark.skipif(not (PROGRAM and shutil.which("node")), reason="GOOGLE_PEER names no program")


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[str]:
    """Return where the stand-in listens."""
    (tmp_path / "seed.yaml").write_text(SEED)
    port = str(20_000 + os.getpid() % 20_000)
    command = ["node", PROGRAM, "start", "--service", "google", "--port", port, "--seed", "seed.yaml"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            until(lambda: _answers(url), "the stand-in to answer")
            yield url
        finally:
            process.terminate()


def test_a_stand_in_of_somebody_else_is_read(peer: str, tmp_path: Path) -> None:
    """Lists, raw mails, history, deletions and watches are asked for in words that another reader understands."""
    channel = _channel(peer, tmp_path)
    found = [captured for batch in channel.census(INSTALLED) for captured in batch.captured]
    activities = {a.external_id: a for captured in found for a in parsed(channel, captured)}
    assert set(activities) == {"msg_1", "msg_2"}
    assert "Can I come on Thursday?" in activities["msg_1"].text
    assert [activities[id].actor.authenticated for id in ("msg_1", "msg_2")] == [False, True]
    with httpx2.Client(trust_env=False, headers={"Authorization": "Bearer rep-token"}) as client:
        mails = f"{peer}/gmail/v1/users/me/messages"
        start = client.get(f"{mails}/msg_3?format=minimal").json()["historyId"]
        raw = "RnJvbTogYm9iQGV4YW1wbGUub3JnDQpTdWJqZWN0OiBOZXcNCg0KSGVsbG8gYWdhaW4"
        new = client.post(mails, json={"raw": raw, "labelIds": ["INBOX"]}).json()["id"]
        assert client.delete(f"{mails}/msg_1").status_code == 204
    cursor = {"history": start, "crawl": None, "watch": None}
    assert [c.key for c in all_captured(channel.poll(cursor))] == [f"mail:{new}", "deleted:msg_1"]
    after = last_cursor(_channel(peer, tmp_path).poll(cursor))
    assert not all_captured(channel.poll(after))
    assert channel.subscriptions(after)


def _channel(url: str, base: Path) -> GmailChannel:
    kept = Kept()
    kept.held["mail"] = {
        "access": "rep-token", "refresh": "", "scopes": [], "expires_at": (NOW + timedelta(days=9_000)).isoformat(),
    }  # fmt: skip
    given = {"mailbox": MAILBOX, "client_id": "peer", "base_url": url, "certs_url": url, "max_wait_s": 1, **PUSHES}
    context = Context(lambda: datetime.now(UTC), OWN, base, Secrets(), INSTALLED, tokens=kept)
    return GmailChannel("mail", GmailOptions(**given), context)


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/gmail/v1/users/me/labels", trust_env=False).status_code in (200, 401)
    except httpx2.HTTPError:
        return False
