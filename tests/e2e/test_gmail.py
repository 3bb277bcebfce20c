"""Gmail by the real commands: somebody lets us in, mails come in by poll and push, and access is taken back."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.test_chatwoot import book
from tests.support.authorities import KEY
from tests.support.served import Sidecar, sidecar, until
from tests.twins.gmail import AUDIENCE, PUSH_EMAIL, GmailTwin

MAILBOX = "sales@northwind.test"
CONFIG = """
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
[journal]
url = "sqlite:///journal.db"
[own]
domains = ["northwind.test"]
[tokens]
key_env = "TOKENS_KEY"
[channels.mail]
type = "gmail"
mailbox = "{mailbox}"
client_id = "{client}"
client_secret_env = "GMAIL_CLIENT_SECRET"
topic = "projects/northwind/topics/gmail"
push_audience = "{audience}"
push_email = "{email}"
base_url = "{url}"
accounts_url = "{url}"
token_url = "{url}"
certs_url = "{url}"
every_s = {every_s}
max_wait_s = 0
[inference]
quiet_s = 0
[crm]
type = "local"
path = "crm.db"
"""


@pytest.fixture
def twin() -> Iterator[GmailTwin]:
    """Return a mailbox whose owner sits at a browser."""
    with GmailTwin(MAILBOX) as twin:
        yield twin


def made(folder: Path, twin: GmailTwin, every_s: int = 1) -> Sidecar:
    """Return a sidecar for the mailbox that nobody let in yet."""
    authority = twin.authority
    told = {"client": authority.client_id, "url": twin.url, "audience": AUDIENCE, "email": PUSH_EMAIL}
    config = CONFIG.format(mailbox=MAILBOX, every_s=every_s, **told)
    return sidecar(folder, config, {"TOKENS_KEY": KEY, "GMAIL_CLIENT_SECRET": authority.client_secret})


def connect(box: Sidecar, twin: GmailTwin, name: str = "mail", expect: int = 0) -> tuple[dict[str, Any], str]:
    """Run `connect`, be the person with the browser, and return its last line and what it said of trouble."""
    command = [
        sys.executable,
        "-m",
        "sidecar",
        "--config",
        str(box.folder / "config.toml"),
        "connect",
        name,
        "--json",
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=dict(box.env), cwd=box.folder, text=True, stdin=pipe, stdout=pipe, stderr=pipe
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        shown = json.loads(process.stdout.readline())
        out, trouble = process.communicate(twin.authority.visit(shown["open"]) + "\n", timeout=60)
    assert process.returncode == expect, trouble
    assert not any(secret in out + trouble for secret in box.secrets)
    return (json.loads(out.splitlines()[-1]) if out else {}), trouble


def mail(subject: str, text: str, sender: str = "mariana@customer.test", to: str = MAILBOX) -> bytes:
    """Return a mail's bytes."""
    told = EmailMessage()
    told["From"], told["To"], told["Subject"] = sender, to, subject
    told["Date"], told["Message-ID"] = datetime.now(UTC), f"<{subject.replace(' ', '.')}@test>"
    told.set_content(text)
    return told.as_bytes()


def test_somebody_lets_us_in_and_mails_come_in_once(tmp_path: Path, twin: GmailTwin) -> None:
    """From no access to a book with each mail once, whose words were read; a push is faster than the poll."""
    box = made(tmp_path, twin, every_s=3600)
    told, _ = connect(box, twin)
    assert told == {"channel": "mail", "account": MAILBOX, "connected": True, "resumed": False}
    now = datetime.now(UTC)
    first = twin.arrives(mail("Budget", "Our budget is 4000 pounds. Can I come on Thursday?"), now)
    with box.serve():
        until(lambda: any(f"{first}?format=raw" in r.path for r in twin.requests), "the first mail to be read")
        answer = twin.sends(mail("Re Budget", "Thursday at ten is fine.", MAILBOX, "mariana@customer.test"))
        headers, body = twin.push()
        with httpx2.Client(trust_env=False, timeout=20) as client:
            url = f"http://127.0.0.1:{box.port}/hooks/mail"
            until(lambda: client.post(url, content=body, headers=headers).status_code == 202, "the push to be taken")
            forged = headers | {"authorization": headers["authorization"][:-8] + "AAAAAAAA"}
            assert client.post(url, content=body, headers=forged).status_code == 401
        until(lambda: any(f"{answer}?format=raw" in r.path for r in twin.requests), "the push to make a poll due")
    box.run("run", "--until-idle")
    facts = book(box)
    found = Counter((a["kind"], a["external_id"], a["actor"]["authenticated"]) for a in facts["activity"])
    assert found == Counter({("mail", first, False): 1, ("mail", answer, True): 1})
    assert facts["inference"]
    secrets = [*twin.authority.refreshes, *twin.authority.accesses]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert secrets and not any(secret.encode() in written for secret in secrets)


def test_another_mailbox_is_refused_and_access_can_be_taken_back(tmp_path: Path, twin: GmailTwin) -> None:
    """The wrong login is said and not kept; a withdrawn access pauses the channel; `disconnect` forgets and revokes."""
    box = made(tmp_path, twin)
    twin.authority.account = "boss@northwind.test"
    _, trouble = connect(box, twin, expect=2)
    assert "boss@northwind.test" in trouble and "channels.mail.mailbox" in trouble
    assert "sidecar connect mail" in json.dumps(box_run(box, "check", "--json", expect=1))
    twin.authority.account = MAILBOX
    connect(box, twin)
    assert not [
        f for f in box_run(box, "check", "--json", expect=0)["findings"] if f["part"] == "mail" and f["problem"]
    ]
    assert box.json("disconnect", "mail") == {"channel": "mail", "revoked": True, "forgotten": True, "problem": None}
    assert not twin.authority.refreshes
    assert box.json("disconnect", "mail")["forgotten"] is False


def test_a_withdrawn_access_stops_one_channel_until_it_is_let_in_again(tmp_path: Path, twin: GmailTwin) -> None:
    """Who takes the access back stops this channel alone; `connect` lets it go on, and nothing is missing.

    That `channels` says how was seen to fail while its reasons were cut before the command.
    """
    box = made(tmp_path, twin)
    connect(box, twin)
    twin.authority.withdraw()
    missed = twin.arrives(mail("Missed", "Are you there?"), datetime.now(UTC))
    with box.serve():
        until(lambda: any(e.get("event") == "adapter_paused" for e in box.log), "the channel to pause")
        assert "let it in: sidecar connect mail" in " ".join(box.run("channels").split())
        told, _ = connect(box, twin)
        assert told["resumed"] is True
        until(lambda: any(f"{missed}?format=raw" in r.path for r in twin.requests), "the mail to be read")


def box_run(box: Sidecar, *arguments: str, expect: int) -> Any:
    """Run a command and return its JSON, whatever its exit code."""
    return json.loads(box.run(*arguments, expect=expect))
