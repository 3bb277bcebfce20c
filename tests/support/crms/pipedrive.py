"""Pipedrive's twin as a test's CRM.

A person's token is ours as well as theirs, so the changelog tells people from us by where a change came from. It says
nothing of what a record was made with: that is told as ours, unless a person made the record on these screens.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from adapters.crms.local import PERSON
from sidecar.model import Author, AuthorKind, Edit, Record, Value
from tests.support.crms.crm import HASTY, NOBODY, Crm, Settings, moment
from tests.twins.pipedrive import PipedriveTwin
from tests.twins.pipedrive import company as company_
from tests.twins.pipedrive.fields import as_text

KINDS = {"contact": "persons", "company": "organizations", "deal": "deals", "task": "activities"}
NAMES: Mapping[str, Mapping[str, str]] = {
    "contact": {"name": "name"}, "company": {"name": "name"}, "deal": {"name": "title"},
    "task": {"title": "subject", "status": "done", "due": "due_date"},
}  # fmt: skip
_AUTHORS = {"app": AuthorKind.PERSON, "mobile": AuthorKind.PERSON}


class PipedriveCrm(Crm):
    """A company."""

    name = "pipedrive"
    pipeline = "1"
    stages: ClassVar[Mapping[str, str]] = {
        "enquired": "1", "qualified": "2", "booked": "3", "attended": "4", "closed_won": "won", "closed_lost": "lost",
    }  # fmt: skip
    tells_merges = False
    changes = ("PATCH|PUT", r"/(persons|organizations|deals|activities|notes)/\d+")
    writes = ("POST|PATCH|PUT", r"/(persons|organizations|deals|activities|notes)(/\d+)?$")
    person = "ann@ours.test"
    twin: PipedriveTwin
    unpaced: ClassVar[Settings] = {
        "deletions_every_s": 1, "burst": 1000, "search_burst": 1000, "max_wait_s": 0, "reserve": 0,
    }  # fmt: skip
    hasty: ClassVar[Settings] = {
        **HASTY, "burst": 1000, "search_burst": 1000, "deletions_every_s": 5, "reserve": 0,
    }  # fmt: skip

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._theirs: set[tuple[str, str]] = set()

    def made(self, ticks: Callable[[], float], search_lag_s: float, switches: Mapping[str, Any]) -> PipedriveTwin:
        """Return a company."""
        return PipedriveTwin(clock=self.clock, ticks=ticks, search_lag_s=search_lag_s, **switches)

    @property
    def env(self) -> Mapping[str, str]:
        """The personal API token."""
        return {"PIPEDRIVE_TOKEN": self.twin.token}

    @property
    def auth(self) -> Mapping[str, str]:
        """The same as a header, with the name under which the adapter writes."""
        return {"x-api-token": self.twin.token, "User-Agent": "crm-sidecar"}

    def unlimit(self) -> None:
        """Lift the limits of two seconds, and give the day as many tokens as it takes."""
        self.twin.limits.unlimited_bursts = True
        self.twin.limits.daily_tokens = 100_000_000

    def show(self, kind: str) -> list[Record]:
        """Return the live records of a kind."""
        if kind == "note":
            return [Record("note", str(note["id"]), {"body": note["content"]}) for note in self.twin.notes()]
        return [self._record(kind, held) for held in self.twin.all(KINDS[kind]) if _is_a(kind, held)]

    def edits(self, kind: str, ref: str, name: str) -> list[Edit]:
        """Return the edits of one property, oldest first; notes and activities have none."""
        with self.twin.company.lock:
            record = self.twin.company.live(KINDS[kind], int(ref)) if kind in KINDS else None
            if record is None:
                return []
            codes = self._codes(kind, name)
            lines = [line for line in record.edits if line.key in codes]
            held = {code: as_text({**record.values, **record.custom}.get(code)) for code in codes}
        held |= {line.key: line.old for line in reversed(lines)}
        maker = PERSON if (kind, ref) in self._theirs else Author(AuthorKind.US)
        edits = [Edit(name, self._value(kind, name, held), moment(record.added_at), maker)]
        edits = [edit for edit in edits if edit.value is not None]
        for line in lines:
            held[line.key] = line.new
            edits.append(Edit(name, self._value(kind, name, held), moment(line.at), _author(line)))
        return edits

    def edit(self, kind: str, ref: str, fields: Mapping[str, Value], author: Author = PERSON) -> None:
        """Type values in, or let another program write them; None clears."""
        if kind == "note":
            self.twin.person_edits_note(int(ref), str(fields["body"]))
            return
        hand = self.twin.person_edits if author.kind is AuthorKind.PERSON else self.twin.automation_edits
        hand(KINDS[kind], int(ref), self.sent(kind, fields))

    def create_by_person(self, kind: str, fields: Mapping[str, Value]) -> Record:
        """Type a new record in; a person needs a name."""
        written = self.sent(kind, fields)
        custom = {code: value for code, value in written.items() if re.fullmatch(r"[0-9a-f]{40}", code)}
        native = {name: value for name, value in written.items() if name not in custom}
        made = str(self.twin.person_creates(KINDS[kind], {"name": NOBODY, **native, "custom_fields": custom}))
        self._theirs.add((kind, made))
        return self.seen(kind, made)

    def merge(self, kind: str, winner: str, loser: str) -> Record:
        """Merge two records; the winner stays."""
        return self.seen(kind, str(self.twin.person_merges(KINDS[kind], int(winner), int(loser))))

    def delete(self, kind: str, ref: str) -> None:
        """Delete a record."""
        self.twin.person_deletes("note" if kind == "note" else KINDS[kind], int(ref))

    def linked(self, contact: str, kind: str) -> list[Record]:
        """Return the live records of a kind that belong to a person."""
        if kind == "note":
            refs = {str(note["id"]) for note in self.twin.notes() if str(note["person_id"]) == contact}
        else:
            refs = {str(each.id) for each in self.twin.all(KINDS[kind]) if str(each.values["person_id"]) == contact}
        return [record for record in self.show(kind) if record.ref in refs]

    def _record(self, kind: str, held: company_.Record) -> Record:
        customs = {self._slug(code, kind): code for code in held.custom}
        names = [*NAMES[kind], *customs, *(["stage"] if kind == "deal" else [])]
        row = {**held.values, **held.custom}
        fields = {name: value for name in names if (value := self._value(kind, name, row)) is not None}
        if kind == "contact":
            fields |= {
                name: held.values[f"{name}s"][0]["value"] for name in ("email", "phone") if held.values[f"{name}s"]
            }
        return Record(kind, str(held.id), fields)

    def _codes(self, kind: str, name: str) -> tuple[str, ...]:
        """Return what holds a property, as the changelog calls it."""
        if (kind, name) == ("deal", "stage"):
            return ("stage_id", "status")
        custom = {self._slug(code, kind): code for code in self.twin.company.definitions.get(KINDS[kind], {})}
        return (NAMES[kind].get(name) or custom.get(name, name),)

    def _slug(self, code: str, kind: str) -> str:
        """Return our name of a custom field: what people see, in small letters."""
        label = self.twin.company.definitions[KINDS[kind]][code].name.removesuffix(" (UTC)")
        named = re.search(r"\(([a-z_0-9]+)\)$", label)
        return named[1] if named else re.sub(r"[^a-z0-9]+", "_", label.casefold()).strip("_")

    def _value(self, kind: str, name: str, row: Mapping[str, Any]) -> Value:
        codes = self._codes(kind, name)
        if (kind, name) == ("deal", "stage"):
            status = str(row.get("status"))
            return self.ours(kind, name, status if status in ("won", "lost") else str(row.get("stage_id")))
        value = row.get(codes[0])
        known = self.twin.company.definitions.get(KINDS[kind], {}).get(codes[0])
        if known and known.options and value is not None:
            value = known.options.get(int(value), value)
        if (kind, name) == ("task", "status"):
            return "done" if value in (True, 1, "1") else "open"
        if value is None or (kind, name, value) == ("contact", "name", NOBODY):
            return None
        return value if isinstance(value, int | float) else str(value)

    def sent(self, kind: str, fields: Mapping[str, Value]) -> dict[str, Any]:
        written: dict[str, Any] = {}
        for name, value in fields.items():
            if (kind, name) == ("deal", "stage"):
                theirs = self.stages.get(str(value), str(value))
                is_end = theirs in ("won", "lost")
                written |= {"status": theirs} if is_end else {"stage_id": int(theirs), "status": "open"}
            elif (kind, name) == ("task", "status"):
                written["done"] = value == "done"
            elif name in ("email", "phone"):
                written[f"{name}s"] = [{"value": value, "primary": True, "label": "work"}] if value else []
            else:
                (code,) = self._codes(kind, name)
                known = self.twin.company.definitions.get(KINDS[kind], {}).get(code)
                ids = {label: number for number, label in known.options.items()} if known else {}
                written[code] = ids[str(value)] if ids and value is not None else value
        return written


def _is_a(kind: str, held: company_.Record) -> bool:
    return kind != "task" or held.values["type"] == "task"


def _author(line: company_.Edit) -> Author:
    if line.by.source in _AUTHORS:
        return PERSON
    is_ours = str(line.by.user_agent or "").startswith("crm-sidecar")
    return Author(AuthorKind.US) if is_ours else Author(AuthorKind.AUTOMATION, "", line.by.source)
