"""The same office with HubSpot as its CRM: the twin's screens for its people, and faults that strike on the wire.

Everything that stands in the CRM, and who wrote it, is read from the twin's own state and put into our words here, so
that the adapter under test is no witness in its own cause. The twin's changes are a millisecond apart while the test's
clock stands still: times are told to the second, and the clock only ever rests on whole ones.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from adapters.crms.local import PERSON
from sidecar.app import App
from sidecar.app.ladder import Move
from sidecar.app.readiness import wanted_properties
from sidecar.model import Author, AuthorKind, Edit, Mode, Record, Value
from sidecar.ports import Create, Failed, Update, Written
from tests.e2e.human_wins.office import Office, Rival
from tests.twins.hubspot import Drop, HubSpotTwin, Reset
from tests.twins.hubspot.calls import object_type
from tests.twins.hubspot.portal import Entry
from tests.twins.hubspot.portal import Record as Held

SEARCH_LAG_S = 20.0
CONFIG = """
[journal]
url = "sqlite:///journal.db"
[channels.web]
type = "webhook"
secret_env = "WEB"
[crm]
type = "hubspot"
token_env = "HUBSPOT_TOKEN"
base_url = "{url}"
settle_s = {settle_s}
search_lag_s = {lag_s}
deletions_every_s = 1
burst = 1000
search_per_s = 1000
max_wait_s = 0
[crm.create]
contact = "auto"
deal = "qualified"
[[route]]
name = "sales"
pipeline = "default"
[route.stages]
{stages}
[llm]
type = "scripted"
path = "script.json"
[policy]
mode = "auto"
[notes]
settle_s = 0.0
new_per_day = 100
[limits]
concurrency = 1
"""
NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "contact": {"name": ("firstname", "lastname")},
    "deal": {"name": ("dealname",), "stage": ("dealstage",)},
    "note": {"body": ("hs_note_body",)},
    "task": {"title": ("hs_task_subject",), "status": ("hs_task_status",)},
}
"""What HubSpot calls the properties that the machine speaks of; all others have one name in both."""
WORDS: Mapping[str, Mapping[str, str]] = {"hs_task_status": {"open": "NOT_STARTED", "done": "COMPLETED"}}
STAGES = ("enquired", "qualified", "booked", "attended", "closed_won", "closed_lost")
"""The portal's stages, under the names that the machine has for them: how stages are mapped is proved elsewhere."""
WRITES = r"batch/(create|update)"
_AUTHORS = {"CRM_UI": AuthorKind.PERSON, "AUTOMATION_PLATFORM": AuthorKind.AUTOMATION, "INTEGRATION": AuthorKind.US}


class PortalScreens:
    """A portal as its people see and use it, in the machine's words."""

    def __init__(self, twin: HubSpotTwin) -> None:
        self._twin = twin

    def show(self, kind: str) -> list[Record]:
        """Return the live records of a kind."""
        return [self._record(kind, held) for held in self._twin.all(kind)]

    def edits(self, kind: str, ref: str, name: str) -> list[Edit]:
        """Return the edits of one property, oldest first."""
        with self._twin.portal.lock:
            held = self._twin.portal.live(object_type(kind), ref)
            entries = [(e, v) for v in _vendor(kind, name) for e in (held.history.get(v, ()) if held else ())]
        now: dict[str, str] = {}
        edits: list[Edit] = []
        for entry, vendor in sorted(entries, key=lambda found: found[0].at):
            now[vendor] = entry.value
            value = _value(kind, name, now)
            if edits and edits[-1].at == entry.at:  # two properties that were written at once
                edits.pop()
            edits.append(Edit(name, value, entry.at, _author(entry)))
        return [Edit(e.field, e.value, moment(e.at), e.author) for e in edits]

    def edit(self, kind: str, ref: str, fields: Mapping[str, Value], author: Author = PERSON) -> None:
        """Type values in, or let a workflow write them; None clears."""
        hand = self._twin.person_edits if author.kind is AuthorKind.PERSON else self._twin.automation_edits
        hand(kind, ref, _written(kind, fields))

    def create_by_person(self, kind: str, fields: Mapping[str, Value]) -> Record:
        """Type a new record in."""
        return self._seen(kind, self._twin.person_creates(kind, _written(kind, fields)))

    def merge(self, kind: str, winner: str, loser: str) -> Record:
        """Merge two records into a third one."""
        return self._seen(kind, self._twin.person_merges(kind, winner, loser))

    def delete(self, kind: str, ref: str) -> None:
        """Put a record into the recycle bin."""
        self._twin.person_deletes(kind, ref)

    def _seen(self, kind: str, ref: str) -> Record:
        return next(record for record in self.show(kind) if record.ref == ref)

    @staticmethod
    def _record(kind: str, held: Held) -> Record:
        known = {vendor for names in NAMES[kind].values() for vendor in names}
        names = [*NAMES[kind], *(name for name in held.values if name not in known)]
        fields = {name: value for name in names if (value := _value(kind, name, held.values)) is not None}
        return Record(kind, held.id, fields)


def moment(at: datetime) -> datetime:
    """Return a time as the machine tells it."""
    return at.replace(microsecond=0)


@dataclass
class PortalOffice(Office):
    """One sidecar on a portal of its own."""

    dropped: list[tuple[datetime, Request]] = field(default_factory=list)

    def __post_init__(self) -> None:
        ticks = count()
        self.twin = HubSpotTwin(clock=self.clock, ticks=lambda: float(next(ticks)), search_lag_s=SEARCH_LAG_S).start()
        self.twin.limits.burst = self.twin.limits.search_per_s = None
        self.twin.check_answers(False)
        for stage, name in zip(self.twin.portal.pipelines[0]["stages"], STAGES, strict=False):
            stage["id"] = name
        self.screens = PortalScreens(self.twin)
        self.secrets = {**self.secrets, "HUBSPOT_TOKEN": self.twin.token}
        super().__post_init__()

    def config(self) -> str:
        """Return the config of a sidecar whose CRM is the twin."""
        stages = "\n".join(f'{stage} = "{stage}"' for stage in STAGES)
        return CONFIG.format(url=self.twin.url, stages=stages, settle_s=self.settle_s, lag_s=SEARCH_LAG_S)

    def prepare(self, app: App) -> None:
        """Make the properties and switch everything on, as an operator does once."""
        app.ledger.provision(wanted_properties(app.policy, app.ledger.capabilities.kinds), False)
        app.bind()
        app.ladder.move([Move("ledger", Mode.AUTO, "the test", app.clock())])

    def close(self) -> None:
        """Close what is open; what the twin itself did wrong is an error."""
        super().close()
        self.twin.stop()

    @property
    def crm(self) -> PortalScreens:
        """The CRM, with the screens that its people have."""
        return self.screens

    def moment(self, at: datetime) -> datetime:
        """Return a time as the machine tells it."""
        return moment(at)

    def wait(self, seconds: float = 60.0) -> datetime:
        """Let time pass, to a whole second; writes that are late arrive meanwhile."""
        until = self.clock() + timedelta(seconds=seconds)
        until = moment(until) + timedelta(seconds=math.ceil(until.microsecond / 1e6))
        while self.dropped and self.dropped[0][0] <= until:
            at, request = self.dropped.pop(0)
            self.clock.at = max(at, self.clock())
            self._land(request)
        self.clock.at = until
        return until

    def settle(self) -> None:
        """Let search catch up, so that the feed names what people did, before everything comes to rest."""
        for _ in range(2):
            self.wait(SEARCH_LAG_S + 1)
            super().settle()
            while self.dropped:
                self.wait()

    def history(self, kind: str, ref: str, name: str) -> Sequence[Edit]:
        """Return the edits of one property, oldest first."""
        return self.screens.edits(kind, ref, name)

    # What goes wrong --------------------------------------------------------------------------------------------------

    @contextmanager
    def racing(self, act: Rival) -> Iterator[None]:
        """Let people act once just before HubSpot applies our write."""
        with pytest.MonkeyPatch.context() as patch:
            write, current, raced = self.app.ledger.write, list[Create | Update](), False

            def known_write(writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
                current[:] = writes
                return write(writes)

            def strike() -> None:
                nonlocal raced
                changed = None if raced else act(current)
                if changed:
                    raced = True
                    self.overruns.append((*changed, self.clock()))

            patch.setattr(self.app.ledger, "write", known_write)
            rule = self.twin.before(strike, "POST", r"batch/update", times=None)
            try:
                yield
            finally:
                self.twin.faults.rules.remove(rule)

    @contextmanager
    def losing_answers(self, what: str) -> Iterator[None]:
        """Let the connection break at the next write: before it was done, after, or while it is still on its way."""
        seen = len(self.twin.log.entries)
        rule = self.twin.fault(Drop() if what == "done" else Reset(), "POST", WRITES)
        try:
            yield
        finally:
            self.twin.faults.rules.remove(rule)
        if what == "late":
            at = self.clock() + timedelta(seconds=self.settle_s / 2)
            lost = [entry for entry in self.twin.requests[seen:] if entry.fault == "Reset"]
            headers = {"Authorization": f"Bearer {self.twin.token}", "Content-Type": "application/json"}
            for entry in lost:
                url = self.twin.url + entry.path
                self.dropped.append((at, Request(url, entry.body, headers, method="POST")))  # noqa: S310  loopback

    def _land(self, late: Request) -> None:
        """Do a write long after it was sent, and remember over whose values it ran."""
        kind = next(kind for kind in NAMES if f"/{object_type(kind)}/" in late.full_url)
        if late.full_url.endswith("update"):
            assert isinstance(late.data, bytes)
            for row in json.loads(late.data)["inputs"]:
                for vendor, text in row["properties"].items():
                    name = next((n for n, held in NAMES[kind].items() if vendor in held), vendor)
                    edits = self.history(kind, row["id"], name)
                    is_theirs = bool(edits) and edits[-1].author.kind is not AuthorKind.US
                    if is_theirs and edits[-1].value != _value(kind, name, {vendor: text}):
                        self.overruns.append((kind, row["id"], name, self.clock()))
        with suppress(HTTPError):  # what it was about may be gone by now
            urlopen(late, timeout=10).close()  # noqa: S310  the twin's own address


def _vendor(kind: str, name: str) -> tuple[str, ...]:
    return NAMES[kind].get(name, (name,))


def _value(kind: str, name: str, held: Mapping[str, str]) -> Value:
    vendor = _vendor(kind, name)
    text = " ".join(held[part] for part in vendor if held.get(part))
    back = {theirs: ours for ours, theirs in WORDS.get(vendor[0], {}).items()}
    return back.get(text, text) or None


def _written(kind: str, fields: Mapping[str, Value]) -> dict[str, str]:
    written: dict[str, str] = {}
    for name, value in fields.items():
        vendor = _vendor(kind, name)
        text = WORDS.get(vendor[0], {}).get(str(value), str(value)) if value is not None else ""
        parts = [*text.split(maxsplit=1), "", ""] if len(vendor) == 2 else [text]
        written |= dict(zip(vendor, parts, strict=False))
    return written


def _author(entry: Entry) -> Author:
    return Author(_AUTHORS.get(entry.source.type, AuthorKind.UNKNOWN), entry.source.id or "", entry.source.label or "")
