"""A whole sidecar in one process whose time stands still: real book, real webhook, real local CRM, a model by script.

Nothing in it is ours to pretend: the model is a real adapter, and `Listened` only keeps what it was asked. The clock is
the test's, for the app and for the book alike, so that backoffs, days and silences pass when the test says so.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from typing import Any

import standardwebhooks

from adapters.llms.scripted import ScriptedLLM, ScriptedOptions
from sidecar.app import App
from sidecar.journal import Journal
from sidecar.model import Activity, Fact, Match, Record, Standing, WorkKind, WorkRow
from sidecar.ports import LLM, Answer, HookRequest, Question
from tests.support.facts import SetClock

SECRET = base64.b64encode(b"s" * 32).decode()
CONFIG = """
[own]
domains = ["ours.test"]
timezone = "{timezone}"
[journal]
url = "{url}"
[channels.web]
type = "webhook"
secret_env = "WEB_SECRET"
[channels.drop]
type = "maildrop"
path = "drop"
transcripts = true
settle_s = 0.0
keep = true
[crm]
{crm}
[crm.create]
contact = "auto"
deal = "qualified"
[llm]
type = "scripted"
path = "script.json"
[policy]
mode = "auto"
[notes]
settle_s = 0.0
"""
LOCAL = 'type = "local"\npath = "crm.db"'


class Listened:
    """A model that answers as another one does, and keeps what it was asked; `meanwhile` happens before each answer."""

    def __init__(self, llm: LLM) -> None:
        self.llm = llm
        self.name, self.model, self.capabilities = llm.name, llm.model, llm.capabilities
        self.effort = llm.effort
        self.questions: list[Question] = []
        self.meanwhile: Callable[[Question], None] = lambda question: None
        self.reworded: Callable[[Answer], Answer] = lambda answer: answer

    @property
    def stronger(self) -> LLM | None:
        """The other one's."""
        return self.llm.stronger

    def like(self, model: str, effort: str = "") -> LLM:
        """Return the other one's."""
        return self.llm.like(model, effort)

    def infer(self, question: Question) -> Answer:
        """Answer as the other one does."""
        self.questions.append(question)
        self.meanwhile(question)
        return self.reworded(self.llm.infer(question))

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """Estimate as the other one does."""
        return self.llm.estimate_usd(input_chars, calls)

    def check(self) -> Sequence[str]:
        """Check as the other one does."""
        return self.llm.check()

    @property
    def heard(self) -> list[list[str]]:
        """The new texts of each question."""
        return [[turn.text for turn in question.new] for question in self.questions]


class House:
    """One sidecar in one folder."""

    def __init__(
        self,
        folder: Path,
        url: str,
        *rules: dict[str, Any],
        more: str = "",
        after: str = "",
        timezone: str = "UTC",
        clock: SetClock | None = None,
        env: Mapping[str, str] | None = None,
        crm: str = LOCAL,
    ) -> None:
        self.folder = folder
        self.clock = clock or SetClock()
        self._env = {"WEB_SECRET": SECRET, **(env or {})}
        self._numbers = count(1)
        self._text = more + "\n" + CONFIG.format(url=url, timezone=timezone, crm=crm) + after
        (folder / "config.toml").write_text(self._text)
        (folder / "script.json").write_text(json.dumps(rules))
        (folder / "drop").mkdir()
        self.app = self._open()

    @classmethod
    def reopened(cls, folder: Path) -> "House":
        """Return the house that stands in a folder, for a look around."""
        house = cls.__new__(cls)
        house.folder, house.clock, house._env, house._numbers = folder, SetClock(), {"WEB_SECRET": SECRET}, count(1)
        house.app = house._open()
        return house

    def _open(self) -> App:
        app = App.from_file(self.folder / "config.toml", self._env, wait=False, clock=self.clock)
        self.llm = Listened(app.llm)
        app.llm = self.llm
        return app

    def start(self) -> "House":
        """Bind the book to the CRM, as a start does."""
        self.app.ready()
        return self

    def restart(self, **env: str) -> None:
        """End this process's sidecar and open it anew, with other settings where they are given."""
        self._env |= env
        self.app.close()
        self.app = self._open()

    def __enter__(self) -> "House":
        return self

    def __exit__(self, *_: object) -> None:
        self.app.close()

    def script(self, *rules: dict[str, Any]) -> None:
        """Give the model another script."""
        (self.folder / "script.json").write_text(json.dumps(rules))
        self.llm.llm = ScriptedLLM("scripted", ScriptedOptions(path="script.json"), self.app.context)

    # What happens outside ---------------------------------------------------------------------------------------------

    def post(self, event: str, data: dict[str, Any], *, key: str = "", at: datetime | None = None) -> str:
        """Post a signed event and return its delivery once it is durable (empty when it was known)."""
        body = json.dumps({"type": event, "timestamp": (at or self.clock()).isoformat(), "data": data})
        key = key or f"d{next(self._numbers)}"
        receipt = self.app.receive("web", HookRequest(self.signed(key, body), body.encode())).result(30)
        return next(iter(receipt.new), "")

    def signed(self, key: str, body: str) -> dict[str, str]:
        """Return the headers of a signed request."""
        signature = standardwebhooks.Webhook(SECRET).sign(key, self.clock(), body)
        stamp = str(int(self.clock().timestamp()))
        return {"webhook-id": key, "webhook-timestamp": stamp, "webhook-signature": signature}

    def say(self, text: str, who: str = "ann", *, id: str = "", thread: str = "", **more: Any) -> str:
        """A customer writes; returns the message's id."""
        id = id or f"m{next(self._numbers)}"
        data = {
            "message_id": id, "conversation_id": thread or f"c-{who}", "direction": "inbound",
            "sender": {"email": f"{who}@x.test", "name": who.capitalize()}, "text": text,
            "sent_at": self.clock().isoformat(), **more,
        }  # fmt: skip
        self.post("message.created", data)
        return id

    def answer(self, text: str, who: str = "ann", *, thread: str = "") -> None:
        """One of our people writes to a customer."""
        data = {
            "message_id": f"m{next(self._numbers)}", "conversation_id": thread or f"c-{who}", "direction": "outbound",
            "sender": {"email": "bob@ours.test"}, "customer": {"email": f"{who}@x.test"}, "text": text,
            "sent_at": self.clock().isoformat(),
        }  # fmt: skip
        self.post("message.created", data)

    def edit(self, id: str, text: str, who: str = "ann", *, thread: str = "") -> None:
        """A customer changes a message."""
        data = {
            "message_id": id, "conversation_id": thread or f"c-{who}", "direction": "inbound",
            "sender": {"email": f"{who}@x.test"}, "text": text, "edited_at": self.clock().isoformat(),
        }  # fmt: skip
        self.post("message.edited", data)

    def delete(self, id: str, who: str = "ann", *, thread: str = "") -> None:
        """A customer takes a message back."""
        data = {
            "message_id": id, "conversation_id": thread or f"c-{who}", "deleted_at": self.clock().isoformat(),
            "sender": {"email": f"{who}@x.test"},
        }  # fmt: skip
        self.post("message.deleted", data)

    def mail(self, sender: str, text: str, *headers: str, to: str = "desk@ours.test", subject: str = "Hello") -> str:
        """A mail drops into the folder; returns the name of its file."""
        name = f"{next(self._numbers):03}.eml"
        lines = (
            f"From: {sender}", f"To: {to}", f"Subject: {subject}", f"Date: {format_datetime(self.clock())}",
            f"Message-ID: <{name}@mail.test>", *headers, "Content-Type: text/plain; charset=utf-8", "", text, "",
        )  # fmt: skip
        (self.folder / "drop" / name).write_bytes("\n".join(lines).encode())
        return name

    # What it does -----------------------------------------------------------------------------------------------------

    def work(self) -> int:
        """Do all that is due, without waiting for quiet."""
        return self.app.worker.run_until_idle(wait=False, timeout_s=60.0)

    def resolve(self) -> None:
        """Parse and resolve what has come, and infer nothing yet."""
        for kind in (WorkKind.PARSE, WorkKind.RESOLVE, WorkKind.RESOLVE):
            for key in self.journal.due(100, [kind]):
                self.app.worker.handle(key)

    def poll(self) -> None:
        """Look into the folder and do all that follows."""
        self.app.worker.poll_all(["drop"])
        self.work()

    def hear(self, text: str, who: str = "ann", **more: Any) -> str:
        """A customer writes, and everything that follows is done; the clock moves on by a minute first."""
        self.clock.move(60)
        id = self.say(text, who, **more)
        self.work()
        return id

    # What there is ----------------------------------------------------------------------------------------------------

    @property
    def journal(self) -> Journal:
        """The book."""
        return self.app.journal

    def facts(self, *kinds: str) -> list[Fact]:
        """Return the book's facts of some kinds."""
        return list(self.journal.facts(kinds=kinds))

    def activity(self, id: str, kind: str = "") -> Activity:
        """Return the activity of a message's id."""
        found = (a for a in self.facts("activity") if isinstance(a, Activity) and a.external_id == id)
        return next(a for a in found if not kind or a.kind == kind)

    def match(self, id: str) -> Match:
        """Return the newest match of a message."""
        found = self.journal.effects(self.activity(id).id, "match")[-1]
        assert isinstance(found, Match)
        return found

    def standing(self, who: str = "ann") -> Standing:
        """Return where the one party of a customer stands."""
        (found,) = self.journal.parties(f"{who}@x.test")
        return found

    def fields(self, who: str = "ann") -> dict[str, Any]:
        """Return what is believed of a customer."""
        return {name: held.value for name, held in self.standing(who).engagement.fields.items()}

    def records(self, kind: str) -> list[Record]:
        """Return the CRM's records of a kind."""
        return list(self.app.ledger.show(kind))  # type: ignore[attr-defined]  # the local ledger shows itself

    def parked(self) -> list[WorkRow]:
        """Return the work that waits for a person."""
        return self.journal.work("parked")


def op(field: str, value: str, quote: str, **more: Any) -> dict[str, Any]:
    """One statement of a script about one field, with one quote."""
    return {"field": field, "value": value, "evidence": [{"quote": quote}], **more}


def says(match: str, *ops: dict[str, Any], steps: Sequence[dict[str, Any]] = (), **more: Any) -> dict[str, Any]:
    """One rule of a script."""
    return {"match": match, "answer": {"ops": list(ops), "steps": list(steps), **more}}


def buys(match: str = "buy") -> dict[str, Any]:
    """The rule by which somebody who writes a word wants to buy."""
    return says(match, op("intent", "buy", match))
