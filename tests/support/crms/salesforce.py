"""Salesforce's twin as a test's CRM.

The org keeps no history of activities, none of fields that nobody tracks, and of long texts only that they changed. So
who wrote what is noted here as the org's own tables change, each write of each field with its user and its second.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from adapters.crms.local import PERSON
from sidecar.model import Author, AuthorKind, Edit, Record, Value
from tests.support.crms.crm import HASTY, NOBODY, Crm, Settings, moment
from tests.twins.salesforce import SalesforceTwin
from tests.twins.salesforce import org as org_
from tests.twins.wire.passing import Logged, Reply
from tests.twins.wire.passing import Request as Asked

OBJECTS = {
    "contact": "Contact", "company": "Account", "deal": "Opportunity", "note": "Task", "task": "Task",
    "meeting": "Event",
}  # fmt: skip
NAMES: Mapping[str, Mapping[str, str]] = {
    "contact": {"name": "LastName", "email": "Email", "phone": "Phone"},
    "company": {"name": "Name"},
    "deal": {"name": "Name", "stage": "StageName"},
    "note": {"body": "Description"},
    "task": {"title": "Subject", "status": "Status", "due": "ActivityDate"},
    "meeting": {"title": "Subject"},
}
KEY = "AI_Sidecar_Key__c"
_OBJECTS = "Contact|Account|Opportunity|Task|Event"


class SalesforceCrm(Crm):
    """An org."""

    name = "salesforce"
    pipeline = "default"
    stages: ClassVar[Mapping[str, str]] = {
        "enquired": "Prospecting", "qualified": "Qualification", "booked": "Needs Analysis",
        "attended": "Value Proposition", "closed_won": "Closed Won", "closed_lost": "Closed Lost",
    }  # fmt: skip
    conditional = True
    changes = ("PATCH", rf"/composite/sobjects$|/sobjects/({_OBJECTS})/\w{{18}}$")
    writes = ("POST|PATCH", rf"/composite/sobjects(/({_OBJECTS})/{KEY})?$|/sobjects/({_OBJECTS})/\w{{18}}$")
    person = "Ann Sales"
    twin: SalesforceTwin
    unpaced: ClassVar[Settings] = {"max_wait_s": 0, "reserve": 0}
    hasty: ClassVar[Settings] = {**HASTY, "reserve": 0}

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._written: dict[tuple[str, str], list[tuple[datetime, Any, str]]] = {}
        self._conditions: dict[tuple[str, str, bytes], str] = {}
        self._note_writes()
        self._note_conditions()

    def made(self, ticks: Callable[[], float], search_lag_s: float, switches: Mapping[str, Any]) -> SalesforceTwin:
        """Return an org whose histories are kept."""
        twin = SalesforceTwin(clock=self.clock, **switches)
        for kind in ("contact", "company", "deal"):
            twin.tracks(kind)
        twin.tracks("deal", "StageName", "Name")
        twin.tracks("contact", "FirstName", "LastName", "Email", "Phone")
        return twin

    @property
    def env(self) -> Mapping[str, str]:
        """The app's own secret."""
        return {"SALESFORCE_SECRET": self.twin.switches.consumer_secret}

    @property
    def auth(self) -> Mapping[str, str]:
        """A session of ours."""
        return {"Authorization": f"Bearer {self.twin.session()}"}

    def section(self, settings: Settings, **more: str | float | bool) -> str:
        """Return what stands in `[crm]`; nothing lags here and deletions are in the feed, so neither is set."""
        given = {"auth": "client_credentials", "client_id": self.twin.switches.consumer_key, **more}
        named = {name: value for name, value in given.items() if name not in ("search_lag_s", "deletions_every_s")}
        robot = self.twin.value("User", self.twin.robot, "Username")
        return f'{super().section(settings, **named)}\nmachines = ["{robot}"]'

    def unlimit(self) -> None:
        """Give the day as many calls as it takes."""
        self.twin.limits.daily = 100_000_000

    # What its people see and do ---------------------------------------------------------------------------------------

    def show(self, kind: str) -> list[Record]:
        """Return the live records of a kind."""
        return [self._record(kind, held) for held in self.twin.all(kind) if _is_a(kind, held)]

    def edits(self, kind: str, ref: str, name: str) -> list[Edit]:
        """Return the edits of one property, oldest first."""
        with self.twin.org.lock:
            lines = list(self._written.get((ref, self._theirs(kind, name)), ()))
        edits: list[Edit] = []
        last: Value = None
        for at, held, by in lines:
            value = self._value(kind, name, held)
            if value != last:
                edits.append(Edit(name, value, moment(at), self._author(by)))
            last = value
        return edits

    def create_by_person(self, kind: str, fields: Mapping[str, Value]) -> Record:
        """Type a new record in; a contact needs a name, a deal a date on which it closes."""
        needed = {"contact": {"LastName": NOBODY}, "deal": {"CloseDate": f"{self.clock():%Y-%m-%d}"}}.get(kind, {})
        return self.seen(kind, self.twin.person_creates(kind, {**needed, **self.sent(kind, fields)}))

    def merge(self, kind: str, winner: str, loser: str) -> Record:
        """Merge two records; the winner stays, and where it holds nothing takes what the wizard shows of the other."""
        kept, lost = ({h.id: h.values for h in self.twin.all(kind)}[ref] for ref in (winner, loser))
        shown = [n for n in lost if n.startswith("ai_") or n == "FirstName" or n in NAMES[kind].values()]
        fill = {n: lost[n] for n in shown if lost[n] is not None and kept.get(n) in (None, NOBODY)}
        survivor = self.twin.person_merges(kind, winner, loser)
        if fill:
            self.twin.person_edits(kind, survivor, fill)
        return self.seen(kind, survivor)

    def linked(self, contact: str, kind: str) -> list[Record]:
        """Return the live records of a kind that belong to a contact."""
        if kind != "deal":
            return [r for r, held in self._held(kind) if held.values.get("WhoId") == contact]
        roles = self.twin.all("OpportunityContactRole")
        deals = {role.values["OpportunityId"] for role in roles if role.values["ContactId"] == contact}
        return [record for record in self.show(kind) if record.ref in deals]

    def _held(self, kind: str) -> list[tuple[Record, org_.Record]]:
        return [(self._record(kind, held), held) for held in self.twin.all(kind) if _is_a(kind, held)]

    def _record(self, kind: str, held: org_.Record) -> Record:
        known = self.twin.org.sobjects[OBJECTS[kind]].fields
        names = [*NAMES[kind], *(name[:-3] for name in known if name.startswith("ai_"))]
        fields = {name: self._value(kind, name, held.values.get(self._theirs(kind, name))) for name in names}
        if kind == "contact" and held.values.get("FirstName"):
            fields["name"] = f"{held.values['FirstName']} {fields['name']}"
        return Record(kind, held.id, {name: value for name, value in fields.items() if value is not None})

    @staticmethod
    def _theirs(kind: str, name: str) -> str:
        return NAMES[kind].get(name) or (f"{name}__c" if name.startswith("ai_") else name)

    def _value(self, kind: str, name: str, value: Any) -> Value:
        if (kind, name) == ("task", "status"):
            return "done" if value == "Completed" else "open"
        if value is None or (kind, name, value) == ("contact", "name", NOBODY):
            return None
        return self.ours(kind, name, value.replace("\r\n", "\n") if isinstance(value, str) else value)

    def sent(self, kind: str, fields: Mapping[str, Value]) -> dict[str, Any]:
        sent: dict[str, Any] = {}
        for name, value in fields.items():
            if (kind, name) == ("deal", "stage"):
                value = self.stages.get(str(value), value)
            elif (kind, name) == ("task", "status"):
                value = "Completed" if value == "done" else "Not Started"
            elif (kind, name) == ("contact", "name"):
                first, _, value = str(value or NOBODY).rpartition(" ")
                sent["FirstName"] = first or None
            sent[self._theirs(kind, name)] = value
        return sent

    def _author(self, by: str) -> Author:
        if by == self.twin.user:
            return Author(AuthorKind.US)
        return Author(AuthorKind.AUTOMATION, by) if by == self.twin.robot else PERSON

    # What is noted on the way -----------------------------------------------------------------------------------------

    def again(self, entry: Logged) -> None:
        """Do a logged call now, with the condition that it had: one that was on its way for long."""
        condition = self._conditions.get((entry.method, entry.path, entry.body))
        headers = {**self.auth, "Content-Type": "application/json"}
        headers |= {"If-Unmodified-Since": condition} if condition else {}
        late = Request(self.twin.url + entry.path, entry.body or None, headers, method=entry.method)  # noqa: S310
        with suppress(HTTPError):  # what it was about may be gone by now
            urlopen(late, timeout=10).close()  # noqa: S310  the twin's own address

    def _note_writes(self) -> None:
        org = self.twin.org
        insert, update = org.insert, org.update

        def noted_insert(sobject: str, values: Mapping[str, Any], by: str) -> org_.Record:
            made = insert(sobject, values, by)
            self._note({}, made, by)
            return made

        def noted_update(record: org_.Record, changes: Mapping[str, Any], by: str) -> org_.Record:
            made = update(record, changes, by)
            self._note(record.values, made, by)
            return made

        org.insert, org.update = noted_insert, noted_update  # type: ignore[method-assign]

    def _note(self, before: Mapping[str, Any], after: org_.Record, by: str) -> None:
        for name, value in after.values.items():
            if value != before.get(name) and (value is not None or name in before):
                lines = self._written.setdefault((after.id, name), [])
                lines.append((self.twin.org.now(), value, by))

    def _note_conditions(self) -> None:
        gateway = self.twin.gateway
        answer = gateway.answer

        def noted(request: Asked, *, answered: bool = True, fault: str = "") -> Reply:
            condition = {name.lower(): value for name, value in request.headers.items()}.get("if-unmodified-since")
            if condition:
                self._conditions[(request.method, request.target, request.body)] = condition
            return answer(request, answered=answered, fault=fault)

        gateway.answer = noted  # type: ignore[method-assign]


def _is_a(kind: str, held: org_.Record) -> bool:
    """Say whether a task is a note of ours, or anything else is what it is."""
    return OBJECTS[kind] != "Task" or str(held.values.get(KEY) or "").startswith("note/") == (kind == "note")
