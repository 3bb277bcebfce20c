"""What we call Salesforce's own fields, and how each is carried over. Pure.

The core speaks of a contact's `name`, a deal's `stage`, a task's `due`. Here stands which of Salesforce's fields hold
each, and how values change on the way. A lead's fields bear the same names as a contact's. An org without record types
has one pipeline, which nothing in a record names. An event has no status and a task no time, so both have a field of
ours for it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from adapters.crms.salesforce import values
from adapters.crms.salesforce.values import Column
from adapters.crms.salesforce.vendor import AT, OUTCOME, OUTCOMES, held, moment, stamp
from adapters.formats.canonical import a_moment, a_text, an_option
from sidecar.errors import PermanentError
from sidecar.model import Value
from sidecar.ports import FieldSpec

DEFAULT = "default"
"""The one pipeline of an org without record types."""
CANCELLED = "cancelled"
Held = Mapping[str, Any]
Columns = Mapping[str, Column]


@dataclass(frozen=True, slots=True)
class Native:
    """A field of Salesforce's own under our name: the fields that hold it, its type, and the way there and back.

    `to_vendor(what, spec, columns, value, row)` is given what the record holds so far, where a write must know it.
    `options` with `@` are the org's: its users, stages, record types, words for open and done.
    """

    vendor: tuple[str, ...]
    label: str
    type: str
    to_vendor: Callable[[str, FieldSpec, Columns, Value, Held], dict[str, Any]]
    from_vendor: Callable[[FieldSpec, Columns, Held], Value]
    options: tuple[str, ...] = ()
    writable: bool = True


def _plain(
    name: str, label: str, type_: str = "text", options: tuple[str, ...] = (), *, needed: bool = False
) -> Native:
    def to_vendor(what: str, spec: FieldSpec, columns: Columns, value: Value, row: Held) -> dict[str, Any]:
        if needed and (value is None or value == ""):
            raise PermanentError(f"{what}: Salesforce keeps no such record without it")
        return {name: values.to_vendor(what, spec, columns[name], value)}

    def from_vendor(spec: FieldSpec, columns: Columns, row: Held) -> Value:
        return values.from_vendor(spec, columns[name], row.get(name))

    return Native((name,), label, type_, to_vendor, from_vendor, options)


def _name_to(what: str, spec: FieldSpec, columns: Columns, value: Value, row: Held) -> dict[str, Any]:
    words = a_text(what, value or "", None).split(maxsplit=1)
    if not words:
        raise PermanentError(f"{what}: Salesforce keeps no person without a last name")
    first, last = words if len(words) == 2 else ("", words[0])
    text = FieldSpec(spec.name)
    return {
        "FirstName": values.to_vendor(what, text, columns["FirstName"], first.strip()),
        "LastName": values.to_vendor(what, text, columns["LastName"], last.strip()),
    }


def _name_from(spec: FieldSpec, columns: Columns, row: Held) -> Value:
    return " ".join(text for name in ("FirstName", "LastName") if (text := held(row, name).strip())) or None


def domain_of(website: str) -> str:
    """Return the domain in an account's website, however somebody typed it."""
    host = re.sub(r"^[a-z][a-z0-9+.-]*://", "", website.strip().casefold())
    return re.split(r"[/?#:]", host, maxsplit=1)[0].removeprefix("www.").rstrip(".")


def _domain_from(spec: FieldSpec, columns: Columns, row: Held) -> Value:
    return domain_of(held(row, "Website")) or None


def _domain_to(what: str, spec: FieldSpec, columns: Columns, value: Value, row: Held) -> dict[str, Any]:
    return {"Website": values.to_vendor(what, spec, columns["Website"], value)}


def _pipeline_to(what: str, spec: FieldSpec, columns: Columns, value: Value, row: Held) -> dict[str, Any]:
    chosen = an_option(what, value, spec.options)
    return {} if chosen == DEFAULT else {"RecordTypeId": chosen}


def _pipeline_from(spec: FieldSpec, columns: Columns, row: Held) -> Value:
    return held(row, "RecordTypeId") if held(row, "RecordTypeId") in spec.options else DEFAULT


def _closed_to(what: str, spec: FieldSpec, columns: Columns, value: Value, row: Held) -> dict[str, Any]:
    raise PermanentError(f"{what}: Salesforce keeps it by the deal's stage")


def _closed_from(spec: FieldSpec, columns: Columns, row: Held) -> Value:
    return True if row.get("IsClosed") is True else None


def _at_to(what: str, spec: FieldSpec, columns: Columns, value: Value, row: Held) -> dict[str, Any]:
    sent = values.to_vendor(what, spec, columns[AT], value)
    return {AT: sent, "ActivityDate": sent and sent[:10]}


def _status_to(what: str, spec: FieldSpec, columns: Columns, value: Value, row: Held) -> dict[str, Any]:
    an_option(what, value, spec.options)
    return {"Status": value}


def _status_from(spec: FieldSpec, columns: Columns, row: Held) -> Value:
    return "done" if row.get("IsClosed") is True else "open"


_PRIORITY = {"low": "Low", "normal": "Normal", "high": "High"}


def _priority_to(what: str, spec: FieldSpec, columns: Columns, value: Value, row: Held) -> dict[str, Any]:
    return {"Priority": _PRIORITY[an_option(what, value or "normal", spec.options)]}


def _priority_from(spec: FieldSpec, columns: Columns, row: Held) -> Value:
    return {theirs: ours for ours, theirs in _PRIORITY.items()}.get(held(row, "Priority"))


def _start_to(what: str, spec: FieldSpec, columns: Columns, value: Value, row: Held) -> dict[str, Any]:
    at = a_moment(what, value)
    end = at + timedelta(minutes=30)
    if row.get("StartDateTime") and row.get("EndDateTime"):  # it stays as long as it was
        end = at + (moment(held(row, "EndDateTime")) - moment(held(row, "StartDateTime")))
    return {"StartDateTime": stamp(at), "EndDateTime": stamp(end)}


def _end_to(what: str, spec: FieldSpec, columns: Columns, value: Value, row: Held) -> dict[str, Any]:
    start, end = row.get("StartDateTime"), a_moment(what, value)
    if start and end < moment(str(start)):
        raise PermanentError(f"{what}: takes a time that is not before the meeting's start")
    # Salesforce wants both told together: an end alone is held against the minutes that it knows.
    return {"EndDateTime": stamp(end), **({"StartDateTime": stamp(moment(str(start)))} if start else {})}


def _outcome_to(what: str, spec: FieldSpec, columns: Columns, value: Value, row: Held) -> dict[str, Any]:
    """Write how a meeting stands; one that was called off takes none of its owner's time until it is back."""
    told = an_option(what, value, spec.options) if value else None
    was_off = row.get(OUTCOME) == CANCELLED
    busy = {"ShowAs": "Free"} if told == CANCELLED else {"ShowAs": "Busy"} if was_off else {}
    return {OUTCOME: told, **busy}


_PERSON: Mapping[str, Native] = {
    "name": Native(("FirstName", "LastName"), "Name", "text", _name_to, _name_from),
    "email": _plain("Email", "E-mail"),
    "phone": _plain("Phone", "Phone"),
    "owner": _plain("OwnerId", "Owner", "enum", ("@owners",), needed=True),
}
_OWNER = _PERSON["owner"]
_TITLE, _BODY = _plain("Subject", "Title"), _plain("Description", "Body", "long_text")
_WHEN = _plain("StartDateTime", "Start", "datetime")
NATIVE: Mapping[str, Mapping[str, Native]] = {
    "contact": _PERSON,
    "company": {
        "name": _plain("Name", "Name", needed=True),
        "domain": Native(("Website",), "Domain", "text", _domain_to, _domain_from),
        "phone": _plain("Phone", "Phone"),
        "owner": _OWNER,
    },
    "deal": {
        "name": _plain("Name", "Name", needed=True),
        "pipeline": Native(("RecordTypeId",), "Pipeline", "enum", _pipeline_to, _pipeline_from, ("@pipelines",)),
        "stage": _plain("StageName", "Stage", "enum", ("@stages",), needed=True),
        "owner": _OWNER,
        "amount": _plain("Amount", "Amount", "number"),
        "currency": _plain("CurrencyIsoCode", "Currency", "enum", ("@theirs",)),
        "close_date": _plain("CloseDate", "Close date", "date", needed=True),
        "closed": Native(("IsClosed",), "Closed", "bool", _closed_to, _closed_from, writable=False),
    },
    "note": {
        "body": _BODY,
        "at": Native((AT, "ActivityDate"), "Time", "datetime", _at_to, _plain(AT, "Time", "datetime").from_vendor),
        "owner": _OWNER,
    },
    "task": {
        "title": _TITLE,
        "body": _BODY,
        "due": _plain("ActivityDate", "Due", "date"),
        "status": Native(("Status",), "Status", "enum", _status_to, _status_from, ("open", "done")),
        "owner": _OWNER,
        "priority": Native(
            ("Priority",), "Priority", "enum", _priority_to, _priority_from, ("low", "normal", "high")
        ),
    },
    "meeting": {
        "title": _TITLE,
        "body": _BODY,
        "start": Native(("StartDateTime",), "Start", "datetime", _start_to, _WHEN.from_vendor),
        "end": Native(("EndDateTime",), "End", "datetime", _end_to, _plain("EndDateTime", "", "datetime").from_vendor),
        "status": Native((OUTCOME,), "Status", "enum", _outcome_to, _plain(OUTCOME, "", "enum").from_vendor, OUTCOMES),
        "owner": _OWNER,
    },
}  # fmt: skip
"""In the order in which one relies on another."""
