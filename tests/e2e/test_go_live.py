"""Going live beside a running server: it writes once a person has climbed, and stops when they step down."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sidecar.app import App
from tests.support.rehearsals import ROUTES
from tests.support.served import SECRET, Sidecar, sidecar, until

CONFIG = f"""
[own]
domains = ["ours.test"]
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
[channels.web]
type = "webhook"
secret_env = "WEB_SECRET"
[crm]
type = "local"
vendor = true
path = "crm.db"
[crm.create]
contact = "auto"
[llm]
type = "baseline"
baseline_writes = true
[inference]
quiet_s = 0
[policy]
mode = "auto"
{ROUTES}
"""


def say(served: Sidecar, text: str, number: int) -> None:
    """A customer writes."""
    at = datetime.now(UTC).isoformat()
    data: dict[str, Any] = {
        "message_id": f"m{number}", "conversation_id": "c1", "direction": "inbound", "text": text, "sent_at": at,
        "sender": {"email": "ann@x.test", "name": "Ann"},
    }  # fmt: skip
    assert served.post("web", {"type": "message.created", "timestamp": at, "data": data}, f"d{number}") == 202


def intent(app: App) -> Any:
    """What is believed of the one customer."""
    found = app.journal.inbox(1)
    return found[0].engagement.fields["intent"].value if found and found[0].engagement.fields else None


def contact(app: App) -> Any:
    """What the CRM holds of the customer's intent."""
    crm: Any = app.ledger
    return next((record.fields["ai_intent"] for record in crm.show("contact")), None)


def moves(served: Sidecar) -> list[str]:
    """The rungs that the server told of."""
    return [event["ledger"] for event in list(served.log) if event.get("event") == "mode_moved"]


def test_a_running_server_follows_each_move(tmp_path: Path) -> None:
    """Nothing in shadow, all within seconds of going live, nothing new after the way down; seen to fail with rungs
    read at the start."""
    served = sidecar(tmp_path, CONFIG, {"WEB_SECRET": SECRET})
    served.run("provision")
    with App.from_file(served.folder / "config.toml", served.env) as app, served.serve():
        say(served, "Hello, I would like to buy a bicycle", 1)
        until(lambda: intent(app) == "buy", "the message to be understood")
        assert contact(app) is None
        report = served.json("check", "--go-live", "--to", "auto", "--yes")
        assert report["moved"] is True and report["records"]["contact"] == {"new": 1, "changed": 0}
        until(lambda: contact(app) == "buy", "the first day's diff to be written")
        served.run("mode", "shadow", "--reason", "odd intents")
        say(served, "Sorry, I want to cancel my order", 2)
        until(lambda: intent(app) != "buy", "the second message to be understood")
        until(lambda: moves(served) == ["auto", "shadow"], "the server to know of it as it would write")
        assert contact(app) == "buy"
        assert app.ladder.moves()[-1]["reason"] == "odd intents"
