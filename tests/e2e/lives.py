"""Lives: what may happen to a relationship, in an order that a number names, so that each life can be lived again.

Customers and agents write, late ones and those whom no model can read among them, edit and delete; people approve,
reject, pin, edit their CRM, roll back, merge and split; days pass. The model obeys what each message orders it to say,
so that much is claimed, and much contradicts. Nothing is checked here: who lives a life says what must hold after it.
"""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from random import Random
from typing import Any

from adapters.crms.local import PERSON
from sidecar.errors import PermanentError
from sidecar.model import Standing
from sidecar.pipeline.rollback import batch, rollback
from tests.e2e.human_wins.office import ROBOT, ROUNDS, Office

SCRIPT = [
    {"match": "(?i)explode", "stop": "refusal"},
    {"match": "(?i)torn", "stop": "truncated"},
    {"match": "(?i)not sure", "answer": {"needs_full_reread": True}},
    {"match": "<<obey", "obey": True},
]
VALUES: Mapping[str, tuple[str, ...]] = {
    "intent": ("buy", "book", "support", "inform"),
    "sentiment": ("positive", "neutral", "angry"),
    "stage": ("enquired", "qualified", "booked", "attended", "closed_lost", "closed_won"),
    "urgency": ("low", "high"),
    "budget": ("900", "1000"),
    "risks": ("price", "competitor", "timing", "nonsense"),
}
OFTEN = ("says",) * 8 + ("agent_says",) * 3 + ("approves",) * 2 + ("edits_crm",) * 2 + ("days_pass",) * 2
ONCE = (
    "says_late", "says_much", "asks", "edits", "deletes", "explodes", "is_torn", "is_not_sure", "rejects", "pins",
    "releases", "clears_crm", "automates", "rolls_back",
)  # fmt: skip
REJOINS = ("merges", "splits", "assigns")


class Life(Office):
    """One life, lived as its number says."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.app.close()
        (self.base / "script.json").write_text(json.dumps(SCRIPT))
        self.app = self._start()
        self.app.worker._together = 1  # whose record of a batch is made first is a matter of threads

    def config(self) -> str:
        """Return the config of a sidecar with a stronger model."""
        stronger = '[llm]\nstronger_model = "big"\nmodels = {big = "script.json"}\n'
        return super().config().replace("[llm]\n", stronger)

    def live(self, number: int, steps: int, *, rejoins: bool = True) -> None:
        """Live so many steps, and come to rest; whoever is told that something can't be done goes on."""
        self.chance = Random(number)
        acts = (*OFTEN, *ONCE, *(REJOINS if rejoins else ()))
        self.says("v1")
        for _ in range(steps):
            self.wait(self.chance.choice((5, 60, 600)))
            act: Callable[[str], None] = getattr(self, self.chance.choice(acts))
            try:
                act(self.chance.choice(("v1", "v1", "v1", "v2")))
            except PermanentError:
                continue
            self.chance.choice((lambda: None, self.infer, self.sync, self.rest, self.rest))()
        self.rest()

    def rest(self) -> None:
        """Do everything that is due or waits; what is parked is parked."""
        for _ in range(ROUNDS):
            self.app.worker.poll_all([])
            self.work()
            if not self.app.journal.work("waiting", "due", "running"):
                return
            self.wait(self._until_due())

    # What customers and agents do -------------------------------------------------------------------------------------

    def says(self, visitor: str, words: str = "", **more: Any) -> None:
        """Somebody writes what the model is to say."""
        self.say(visitor=visitor, text=f"Note {self.said}{words} <<obey {self._order()}>>", **more)

    def agent_says(self, visitor: str) -> None:
        """An agent writes."""
        self.says(visitor, role="agent")

    def says_late(self, visitor: str) -> None:
        """A message arrives long after it was written."""
        self.says(visitor, at=self.clock() - timedelta(minutes=self.chance.randint(1, 300)))

    def says_much(self, visitor: str) -> None:
        """A burst of messages."""
        for _ in range(self.chance.randint(3, 9)):
            self.wait(1)
            self.says(visitor)

    def asks(self, visitor: str) -> None:
        """Somebody asks something."""
        self.says(visitor, ", how much?")

    def explodes(self, visitor: str) -> None:
        """Somebody writes what the model refuses to read."""
        self.say(visitor=visitor, text="explode")

    def is_torn(self, visitor: str) -> None:
        """The answer to a message is cut off each time."""
        self.says(visitor, " torn")

    def is_not_sure(self, visitor: str) -> None:
        """The model doubts what it is shown of the state."""
        self.says(visitor, " not sure")

    def edits(self, visitor: str) -> None:
        """Somebody changes a message."""
        text = f"Note edited {self.said} <<obey {self._order()}>>"
        more = {"direction": "inbound", "text": text, "edited_at": self.clock().isoformat()}
        self._change("message.edited", visitor, more)

    def deletes(self, visitor: str) -> None:
        """Somebody takes a message back."""
        self._change("message.deleted", visitor, {"deleted_at": self.clock().isoformat()})

    # What people do ---------------------------------------------------------------------------------------------------

    def approves(self, visitor: str, *, approve: bool = True) -> None:
        """A person says yes to something that waits."""
        standing = self._standing(visitor)
        waiting = sorted(standing.engagement.suggestions)
        if waiting:
            self.app.pipeline.people.review(standing.party, self.chance.choice(waiting), "rep", approve=approve)

    def rejects(self, visitor: str) -> None:
        """A person says no to something that waits."""
        self.approves(visitor, approve=False)

    def pins(self, visitor: str, *, pinned: bool = True) -> None:
        """A person orders a property to be left alone."""
        kind, name = self.chance.choice(("contact", "deal")), self.chance.choice(("ai_intent", "ai_stage", "stage"))
        self.app.pipeline.people.pin(self._standing(visitor).party, kind, name, "rep", pinned=pinned)

    def releases(self, visitor: str) -> None:
        """A person gives a property back."""
        self.pins(visitor, pinned=False)

    def edits_crm(self, visitor: str, author: Any = PERSON, *, clears: bool = False) -> None:
        """Somebody changes a property, or answers in the review field."""
        kind = self.chance.choice(("contact", "deal"))
        name = self.chance.choice(("intent", "sentiment", "stage", *(("review",) if kind == "contact" else ())))
        value = self.chance.choice(VALUES.get(name, ("accept_all", "reject_all")))
        for record in self.records(kind)[:1]:
            self.edit(kind, record.ref, f"ai_{name}", None if clears else value, author)

    def clears_crm(self, visitor: str) -> None:
        """A person empties a property."""
        self.edits_crm(visitor, clears=True)

    def automates(self, visitor: str) -> None:
        """An automation changes a property."""
        self.edits_crm(visitor, ROBOT)

    def rolls_back(self, visitor: str) -> None:
        """A person takes our last changes back."""
        made = batch(self.app.journal, last=self.chance.randint(1, 5))
        for _ in rollback(self.app.pipeline.parts, made, "rep", dry_run=False):
            pass

    def merges(self, visitor: str) -> None:
        """A person makes two parties one."""
        self.app.pipeline.people.merge(self._standing("v1").party, self._standing("v2").party, "rep")

    def splits(self, visitor: str) -> None:
        """A person moves a message to a party of its own."""
        party = self._standing(visitor).party
        found = self.app.journal.timeline(party, 50)
        self.app.pipeline.people.split(party, [self.chance.choice(found)[1].id], "rep")

    def assigns(self, visitor: str) -> None:
        """A person gives a message to the other party."""
        found = self.app.journal.timeline(self._standing(visitor).party, 50)
        other = self._standing("v2" if visitor == "v1" else "v1")
        self.app.pipeline.people.assign(self.chance.choice(found)[1].id, other.party, "rep")

    def days_pass(self, visitor: str) -> None:
        """Nothing happens for days."""
        self.wait(86_400.0 * self.chance.choice((1, 5, 10, 20, 40)))

    # ------------------------------------------------------------------------------------------------------------------

    def _standing(self, visitor: str) -> Standing:
        standing = self.standing(visitor)
        if standing is None or standing.activities < 2:
            raise PermanentError("nothing is known of them yet")
        return standing

    def _order(self) -> str:
        chance = self.chance
        names = chance.sample(sorted(VALUES), chance.choice((1, 1, 2)))
        sure = ("stated", "stated", "weakly_implied", "strongly_implied")
        ops = [
            {
                "field": name,
                "value": chance.choice(VALUES[name]),
                "certainty": chance.choice(sure),
                "op": chance.choice((*("set",) * 8, "clear", "conflict")),
            }
            for name in names
        ]
        due = chance.choice(("", "2026-03-01"))
        step = {"what": f"Call {chance.randint(1, 3)}", "who": chance.choice(("us", "customer")), "due_date": due}
        said: dict[str, Any] = {"ops": ops, "steps": [step] if chance.random() < 0.2 else []}
        if chance.random() < 0.3:
            said["summary"] = f"sum {chance.randint(1, 99)}"
        return json.dumps(said, separators=(",", ":"))

    def _change(self, event: str, visitor: str, more: Mapping[str, str]) -> None:
        which = f"m{self.chance.randint(1, self.said)}"
        self.said += 1
        data = {"message_id": which, "conversation_id": f"chat-{visitor}", "sender": {"external_id": visitor}, **more}
        self._post({"type": event, "timestamp": self.clock().isoformat(), "data": data})
