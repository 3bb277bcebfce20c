"""A mailbox that tells of news by itself, on a real server: mails come in long before the next poll would ask."""

import json
from datetime import UTC, datetime
from pathlib import Path

from tests.contract.imap_servers import PASSWORD, Server, mail_devel
from tests.support.gate import gate
from tests.support.served import Sidecar, sidecar, until

USER = "desk@ours.test"
CONFIG = """
[own]
domains = ["ours.test"]
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
[journal]
url = "sqlite:///journal.db"
[channels.mail]
type = "imap"
host = "127.0.0.1"
port = {port}
tls = false
username = "desk@ours.test"
password_env = "MAIL_PASSWORD"
sent_folders = []
every_s = 3600
idle = true
[crm]
type = "local"
path = "crm.db"
"""


def arrives(server: Server, number: int) -> None:
    """Let a customer's mail arrive."""
    now = datetime.now(UTC)
    raw = (
        f"From: ann@x.test\r\nTo: {USER}\r\nMessage-ID: <m{number}@x.test>\r\nSubject: Hello\r\n\r\nNumber {number}\r\n"
    )
    server.append(USER, "INBOX", raw.encode(), now)


def captured(box: Sidecar) -> set[str]:
    """Return the ids of the mails in the book."""
    rows = (json.loads(line) for line in box.run("export").splitlines())
    return {row["body"]["external_id"] for row in rows if row["kind"] == "activity"}


def test_a_mail_comes_in_when_the_server_says_so(tmp_path: Path) -> None:
    """With a poll each hour, a mail is read as soon as it arrives, and again after the line was cut.

    Seen to fail with the hint left out, and with a dropped line taken for a silent one.
    """
    with mail_devel() as server, gate(server.port) as before:
        with server.hand(USER):
            pass
        box = sidecar(tmp_path, CONFIG.format(port=before.port), {"MAIL_PASSWORD": PASSWORD})
        with box.serve():
            arrives(server, 1)
            until(lambda: captured(box) == {"m1@x.test"}, "the first mail")
            arrives(server, 2)
            until(lambda: captured(box) == {"m1@x.test", "m2@x.test"}, "the second mail, by the open line alone")
            before.cut()
            until(lambda: any(entry.get("event") == "line_dropped" for entry in box.log), "the line to be missed")
            arrives(server, 3)
            until(lambda: len(captured(box)) == 3, "the third mail, by a line that was opened again")
