"""Zoho CRM's twin as a test's CRM.

A workflow acts in the name of whoever set it off, so an edit's author is told by where it came from. What a record was
made with is in no line of its timeline: it is told from what the first change replaced, by who made the record.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from adapters.crms.local import PERSON
from sidecar.model import Author, AuthorKind, Edit, Record, Value
from tests.support.crms.crm import HASTY, NOBODY, Crm, Settings, moment
from tests.twins.zoho import ZohoTwin
from tests.twins.zoho import org as org_
from tests.twins.zoho.hands import ALIASES

NAMES: Mapping[str, Mapping[str, str]] = {
    "contact": {"name": "Last_Name", "email": "Email", "phone": "Phone"},
    "company": {"name": "Account_Name"},
    "deal": {"name": "Deal_Name", "stage": "Stage"},
    "note": {"body": "Note_Content"},
    "task": {"title": "Subject", "status": "Status", "due": "Due_Date"},
}
_SPELLED = re.compile("⟦([a-z0-9 -]+)⟧")
_AUTHORS = {"crm_ui": AuthorKind.PERSON, "crm_mobile": AuthorKind.PERSON, "workflow": AuthorKind.AUTOMATION}
_WRITTEN = "Contacts|Accounts|Deals|Tasks|Events|Notes"


class ZohoCrm(Crm):
    """An org."""

    name = "zoho"
    pipeline = "Standard (Standard)"
    stages: ClassVar[Mapping[str, str]] = {
        "enquired": "Qualification", "qualified": "Needs Analysis", "booked": "Proposal/Price Quote",
        "attended": "Negotiation/Review", "closed_won": "Closed Won", "closed_lost": "Closed Lost",
    }  # fmt: skip
    tells_merges = False
    conditional = True
    changes = ("PUT", rf"/crm/v8/({_WRITTEN})$")
    writes = ("POST|PUT", rf"/crm/v8/({_WRITTEN})(/upsert)?$")
    person = "Ann Sales"
    twin: ZohoTwin
    unpaced: ClassVar[Settings] = {"deletions_every_s": 1, "max_wait_s": 0, "reserve": 0}
    hasty: ClassVar[Settings] = {**HASTY, "deletions_every_s": 5, "reserve": 0}

    def made(self, ticks: Callable[[], float], search_lag_s: float, switches: Mapping[str, Any]) -> ZohoTwin:
        """Return an org."""
        twin = ZohoTwin(clock=self.clock, search_lag_s=search_lag_s, **switches)
        # Each start takes an access token, and tests start a sidecar more often than ten times in ten minutes.
        twin.tokens.most = None
        return twin

    @property
    def env(self) -> Mapping[str, str]:
        """The secrets of the client, and the refresh token."""
        return {"ZOHO_CLIENT_SECRET": self.twin.switches.client_secret, "ZOHO_REFRESH_TOKEN": self.twin.refresh_token}

    @property
    def auth(self) -> Mapping[str, str]:
        """A new access token of ours."""
        return {"Authorization": f"Zoho-oauthtoken {self.twin.token}"}

    def section(self, settings: Settings, **more: str | float | bool) -> str:
        """Return what stands in `[crm]`; nothing lags that this adapter asks for, so no lag is set."""
        given = {"accounts_url": self.twin.url, "client_id": self.twin.switches.client_id, **more}
        return super().section(settings, **{name: value for name, value in given.items() if name != "search_lag_s"})

    def unlimit(self) -> None:
        """Let as many calls be under way as there are, and give the day as many credits as it takes."""
        self.twin.limits.daily, self.twin.limits.at_once = 100_000_000, 1_000

    def show(self, kind: str) -> list[Record]:
        """Return the live records of a kind."""
        return [self._record(kind, held) for held in self.twin.all(kind)]

    def edits(self, kind: str, ref: str, name: str) -> list[Edit]:
        """Return the edits of one property, oldest first."""
        with self.twin.org.lock:
            record = next((each for each in self.twin.all(kind) if each.id == ref), None)
            if record is None:
                return []
            theirs, maker = self._theirs(kind, name), record.entries[0]
            lines = [(e, old, new) for e in record.entries for field, old, new in e.history if field == theirs]
            first = lines[0][1] if lines else record.values.get(theirs)
        made = Edit(name, self._value(kind, name, first), moment(record.created_at), self._author(maker.by))
        edits = [made] if made.value is not None else []
        return edits + [
            Edit(name, self._value(kind, name, new), moment(entry.at), self._author(entry.by))
            for entry, _, new in lines
        ]

    def create_by_person(self, kind: str, fields: Mapping[str, Value]) -> Record:
        """Type a new record in; a contact needs a name."""
        unnamed = {"Last_Name": NOBODY} if kind == "contact" else {}
        return self.seen(kind, self.twin.person_creates(kind, {**unnamed, **self.sent(kind, fields)}))

    def linked(self, contact: str, kind: str) -> list[Record]:
        """Return the live records of a kind that belong to a contact."""
        lookup = {"deal": "Contact_Name", "note": "Parent_Id"}.get(kind, "Who_Id")
        return [self._record(kind, held) for held in self.twin.all(kind) if held.values.get(lookup) == contact]

    def _record(self, kind: str, held: org_.Record) -> Record:
        names = [*NAMES[kind], *(n.casefold() for n, f in self.twin.org.fields[held.module].items() if f.is_custom)]
        fields = {name: self._value(kind, name, held.values.get(self._theirs(kind, name))) for name in names}
        if kind == "contact" and held.values.get("First_Name"):
            fields["name"] = f"{_plain(held.values['First_Name'])} {fields['name']}"
        return Record(kind, held.id, {name: value for name, value in fields.items() if value is not None})

    def _theirs(self, kind: str, name: str) -> str:
        custom = {theirs.casefold(): theirs for theirs in self.twin.org.fields[ALIASES[kind]]}
        return NAMES[kind].get(name) or custom.get(name, name)

    def _value(self, kind: str, name: str, value: Any) -> Value:
        if (kind, name) == ("task", "status"):
            return "done" if value == "Completed" else "open"
        if value is None or value == "-None-" or (kind, name, value) == ("contact", "name", NOBODY):
            return None
        if isinstance(value, datetime):
            return value.isoformat()
        plain = _plain(value) if isinstance(value, str) else value
        return self.ours(kind, name, plain)

    def sent(self, kind: str, fields: Mapping[str, Value]) -> dict[str, Any]:
        written: dict[str, Any] = {}
        for name, value in fields.items():
            theirs = self._theirs(kind, name)
            if (kind, name) == ("deal", "stage"):
                value = self.stages.get(str(value), value)
            elif (kind, name) == ("task", "status"):
                value = "Completed" if value == "done" else "Not Started"
            elif (kind, name) == ("contact", "name"):
                written["First_Name"], _, value = str(value or NOBODY).rpartition(" ")
            written[theirs] = value
        return written

    def _author(self, by: org_.Author) -> Author:
        if by.source == "crm_api" and by.user_id == self.twin.our_user:
            return Author(AuthorKind.US)
        kind = _AUTHORS.get(by.source, AuthorKind.AUTOMATION)
        return PERSON if kind is AuthorKind.PERSON else Author(kind, "", by.source)


def _plain(text: str) -> str:
    """Return a text as it was meant: an emoji is spelled out, as docs/zoho.md says."""
    return _SPELLED.sub(lambda found: unicodedata.lookup(found[1].upper()), text)
