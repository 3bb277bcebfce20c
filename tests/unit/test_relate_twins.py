"""A mail of ours that lies in the inbox and in the sent folder is one message to a reader, and the sent copy counts."""

from pathlib import Path

from sidecar.app import App
from sidecar.pipeline.selection import select
from sidecar.ports import Captured, PollBatch

CONFIG = """
[own]
domains = ["ours.test"]
[channels.mail]
type = "imap"
host = "127.0.0.1"
username = "desk@ours.test"
password_env = "MAIL_PASSWORD"
[crm]
type = "local"
path = "crm.db"
[crm.create]
contact = "auto"
[policy]
mode = "auto"
[notes]
settle_s = 0
"""


def mail(sender: str, to: str, number: int, text: str) -> bytes:
    """A mail between two people."""
    head = f"From: {sender}\nTo: {to}\nMessage-ID: <{number}@x.test>\nDate: Fri, 20 Nov 2026 1{number}:00:00 +0000\n"
    return (head + f"Content-Type: text/plain\n\n{text}\n").encode()


def test_a_mail_to_oneself_is_read_once_and_by_its_trusted_copy(tmp_path: Path) -> None:
    """Both copies are in the book, one is in the question; seen to fail with both shown to the model."""
    (tmp_path / "config.toml").write_text(CONFIG)
    asked = mail("Ann Lee <ann@x.test>", "desk@ours.test", 1, "Hello, do you rent bikes?")
    answered = mail("desk@ours.test", "ann@x.test, desk@ours.test", 2, "Yes, we do.")
    copies = (("INBOX:1:1", asked, "0"), ("INBOX:1:2", answered, "0"), ("Sent:1:1", answered, "1"))
    captured = tuple(
        Captured("desk@ours.test@127.0.0.1", raw, key, {"folder": key.split(":")[0], "sent": sent})
        for key, raw, sent in copies
    )
    with App.from_file(tmp_path / "config.toml", {"MAIL_PASSWORD": "never used"}, wait=False) as app:
        app.ready()
        app.pipeline.intake.keep("mail", PollBatch(captured, {}), "poll")
        app.worker.run_until_idle(wait=False)
        (ann,) = [s for s in app.journal.inbox(10) if s.name == "Ann Lee"]
        assert ann.activities == 3
        pending = app.journal.pending(ann.party, 10)
        history = list(reversed(app.journal.timeline(ann.party, 10)))
        reading = select(app.journal, ann, history, whole=True)
        assert [a.actor.authenticated for _, a in reading.new] == [False, True]
        assert pending == []
