"""An office that runs the sidecar: a folder with a config, mails that drop in, a signed web chat, and the command line.

Everything is real (the journal, the local CRM, the channels); only the model follows a script, so that what is believed
is known. Commands are called as a shell would call them.
"""

import base64
import hmac
import json
import time
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from sidecar.app import App
from sidecar.cli import app as command_line
from sidecar.journal import Journal
from sidecar.ports import HookRequest
from tests.support.dropped import drop

SECRET = base64.b64encode(b"the secret of one office's chat.")
SCRIPT = "script.json"
WIDE = {"COLUMNS": "400", "SIDECAR_LOG": "off", "NO_COLOR": "1"}
CONFIG = f"""
[own]
domains = ["ours.test"]
timezone = "Europe/London"

[channels.mail]
type = "maildrop"
path = "drop"
transcripts = true
settle_s = 0.0

[channels.web]
type = "webhook"
secret_file = "web.secret"

[crm]
type = "local"
path = "crm.db"

[crm.create]
contact = "auto"
deal = "qualified"

[llm]
type = "scripted"
path = "{SCRIPT}"

[policy]
mode = "auto"

[notes]
settle_s = 0.0

[journal]
url = "sqlite:///journal.db"

[web]
host = "127.0.0.1"
port = 0
admin_port = 0
"""


class Office:
    """One folder in which a sidecar works."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.config = base / "config.toml"
        self._numbers = count(int(time.monotonic_ns()))

    def furnish(self, rules: list[dict[str, Any]], config: str = CONFIG) -> "Office":
        """Write the config, the secret and the model's script."""
        (self.base / "drop").mkdir()
        self.config.write_text(config)
        secret = self.base / "web.secret"
        secret.write_text("whsec_" + SECRET.decode())
        secret.chmod(0o600)
        (self.base / SCRIPT).write_text(json.dumps(rules))
        return self

    def mail(self, sender: str, text: str, *, subject: str = "Hello", days_ago: int = 3) -> date:
        """Drop a mail to us into the folder, of so many days ago, since old words suggest nothing; returns its day."""
        number, day = next(self._numbers), datetime.now(UTC) - timedelta(days=days_ago)
        at = format_datetime(day.replace(hour=10, minute=0, second=0))
        lines = (
            f"From: {sender}", "To: desk@ours.test", f"Subject: {subject}", f"Date: {at}",
            f"Message-ID: <{number}@x.test>", "Content-Type: text/plain; charset=utf-8", "", text, "",
        )  # fmt: skip
        drop(self.base / "drop" / f"{number}.eml", "\n".join(lines))
        return day.date()

    def chat(self, sender: dict[str, str], text: str, *, kind: str = "message.created") -> None:
        """Post a signed message of the web chat, and wait until it is durable."""
        number, at = next(self._numbers), datetime.now(UTC).isoformat()
        data = {
            "message_id": f"m{number}", "conversation_id": f"c{number}", "direction": "inbound", "sender": sender,
            "text": text, "sent_at": at,
        }  # fmt: skip
        body = json.dumps({"type": kind, "timestamp": at, "data": data}).encode()
        with App.from_file(self.config, {}) as app:
            app.receive("web", HookRequest(signed(body, f"d{number}"), body)).result(30)

    def journal(self) -> Journal:
        """Open the office's book."""
        return Journal.open("sqlite:///journal.db", base=self.base)

    def sidecar(self, *arguments: str, env: dict[str, str] | None = None, answer: str | None = None) -> Result:
        """Run a command; what it prints is in `stdout` and `stderr`."""
        line = ["--config", str(self.config), *arguments]
        return CliRunner().invoke(command_line, line, env={**WIDE, **(env or {})}, input=answer)

    def told(self, *arguments: str) -> str:
        """Run a command that must succeed, and return what it prints."""
        result = self.sidecar(*arguments)
        assert result.exit_code == 0, result.output
        assert not result.stderr, result.stderr
        return result.stdout

    def data(self, *arguments: str) -> Any:
        """Run a command that must succeed, and return its JSON."""
        return json.loads(self.told(*arguments, "--json"))

    def refused(self, *arguments: str, code: int = 1) -> str:
        """Run a command that must be refused in plain words, and return them."""
        result = self.sidecar(*arguments)
        assert (result.exit_code, result.stdout) == (code, ""), result.output
        lines = result.stderr.splitlines()
        assert lines and all(line.startswith("sidecar: ") for line in lines), result.stderr
        return result.stderr

    def run(self) -> Any:
        """Do all that is due."""
        return self.data("run", "--until-idle", "--no-wait")


def signed(body: bytes, key: str) -> dict[str, str]:
    """Return the headers of a signed request."""
    stamp = str(int(time.time()))
    digest = hmac.digest(base64.b64decode(SECRET), f"{key}.{stamp}.".encode() + body, "sha256")
    return {
        "content-type": "application/json",
        "webhook-id": key,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
