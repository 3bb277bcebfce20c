"""HubSpot's twin as a test's CRM.

Its changes are a millisecond apart while a test's clock stands still: times are told to the second, and the clock only
ever rests on whole ones.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from sidecar.model import Author, AuthorKind, Edit, Record, Value
from tests.support.crms.crm import HASTY, Crm, Settings, moment
from tests.twins.hubspot import HubSpotTwin
from tests.twins.hubspot.calls import object_type
from tests.twins.hubspot.portal import Entry
from tests.twins.hubspot.portal import Record as Held

NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "contact": {"name": ("firstname", "lastname")},
    "deal": {"name": ("dealname",), "stage": ("dealstage",)},
    "note": {"body": ("hs_note_body",)},
    "task": {"title": ("hs_task_subject",), "status": ("hs_task_status",)},
}
"""What HubSpot calls the properties that tests speak of; all others have one name in both."""
WORDS: Mapping[str, Mapping[str, str]] = {"hs_task_status": {"open": "NOT_STARTED", "done": "COMPLETED"}}
_AUTHORS = {"CRM_UI": AuthorKind.PERSON, "AUTOMATION_PLATFORM": AuthorKind.AUTOMATION, "INTEGRATION": AuthorKind.US}


class HubSpotCrm(Crm):
    """A portal."""

    name = "hubspot"
    pipeline = "default"
    stages: ClassVar[Mapping[str, str]] = {
        "enquired": "appointmentscheduled", "qualified": "qualifiedtobuy", "booked": "presentationscheduled",
        "attended": "contractsent", "closed_won": "closedwon", "closed_lost": "closedlost",
    }  # fmt: skip
    required = frozenset()
    made_up = frozenset((("task", "due"),))
    changes = ("POST", r"batch/update")
    writes = ("POST", r"batch/(create|update|upsert)")
    person = "userId:101"
    twin: HubSpotTwin
    unpaced: ClassVar[Settings] = {
        "deletions_every_s": 1, "burst": 1000, "search_per_s": 1000, "max_wait_s": 0,
    }  # fmt: skip
    hasty: ClassVar[Settings] = {**HASTY, "burst": 1000, "search_per_s": 4, "deletions_every_s": 5}

    def made(self, ticks: Callable[[], float], search_lag_s: float, switches: Mapping[str, Any]) -> HubSpotTwin:
        """Return a portal."""
        return HubSpotTwin(clock=self.clock, ticks=ticks, search_lag_s=search_lag_s, **switches)

    @property
    def env(self) -> Mapping[str, str]:
        """The private app's token."""
        return {"HUBSPOT_TOKEN": self.twin.token}

    @property
    def auth(self) -> Mapping[str, str]:
        """The same as a header."""
        return {"Authorization": f"Bearer {self.twin.token}"}

    def unlimit(self) -> None:
        """Lift the limits of a second."""
        self.twin.limits.burst = self.twin.limits.search_per_s = None
        self.twin.check_answers(False)

    def show(self, kind: str) -> list[Record]:
        """Return the live records of a kind."""
        return [self._record(kind, held) for held in self.twin.all(kind)]

    def edits(self, kind: str, ref: str, name: str) -> list[Edit]:
        """Return the edits of one property, oldest first."""
        with self.twin.portal.lock:
            held = self.twin.portal.live(object_type(kind), ref)
            entries = [(e, v) for v in _vendor(kind, name) for e in (held.history.get(v, ()) if held else ())]
        now: dict[str, str] = {}
        edits: list[Edit] = []
        for entry, vendor in sorted(entries, key=lambda found: found[0].at):
            now[vendor] = entry.value
            value = self._value(kind, name, now)
            if edits and edits[-1].at == entry.at:  # two properties that were written at once
                edits.pop()
            edits.append(Edit(name, value, entry.at, _author(entry)))
        return [Edit(e.field, e.value, moment(e.at), e.author) for e in edits]

    def create_by_person(self, kind: str, fields: Mapping[str, Value]) -> Record:
        """Type a new record in."""
        return self.seen(kind, self.twin.person_creates(kind, self.sent(kind, fields)))

    def linked(self, contact: str, kind: str) -> list[Record]:
        """Return the live records of a kind that are associated with a contact."""
        refs = set(self.twin.linked("contact", contact, kind))
        return [record for record in self.show(kind) if record.ref in refs]

    def _record(self, kind: str, held: Held) -> Record:
        known = {vendor for names in NAMES[kind].values() for vendor in names}
        names = [*NAMES[kind], *(name for name in held.values if name not in known)]
        fields = {name: value for name in names if (value := self._value(kind, name, held.values)) is not None}
        return Record(kind, held.id, fields)

    def _value(self, kind: str, name: str, held: Mapping[str, str]) -> Value:
        vendor = _vendor(kind, name)
        text = " ".join(held[part] for part in vendor if held.get(part))
        back = {theirs: ours for ours, theirs in WORDS.get(vendor[0], {}).items()}
        return self.ours(kind, name, back.get(text, text)) or None

    def sent(self, kind: str, fields: Mapping[str, Value]) -> dict[str, str]:
        written: dict[str, str] = {}
        for name, value in fields.items():
            vendor = _vendor(kind, name)
            words = self.stages if (kind, name) == ("deal", "stage") else WORDS.get(vendor[0], {})
            text = words.get(str(value), str(value)) if value is not None else ""
            parts = [*text.split(maxsplit=1), "", ""] if len(vendor) == 2 else [text]
            written |= dict(zip(vendor, parts, strict=False))
        return written


def _vendor(kind: str, name: str) -> tuple[str, ...]:
    return NAMES[kind].get(name, (name,))


def _author(entry: Entry) -> Author:
    return Author(_AUTHORS.get(entry.source.type, AuthorKind.UNKNOWN), entry.source.id or "", entry.source.label or "")
