"""What we call Zoho's own fields, and how each is carried over. Pure.

The core speaks of a contact's `name`, a deal's `stage`, a task's `due`. Here stands which of Zoho's fields hold each,
and how values change on the way. Zoho's bodies are plain text. A note of Zoho's has no time of its own that could be
set, so the time of ours is its title, and its key stands in its last line. How a meeting stands has a field of ours.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from adapters.crms.zoho.signs import spelled, unspelled
from adapters.crms.zoho.values import Definition, fitting, from_vendor, to_vendor
from adapters.crms.zoho.vendor import OUTCOME, Row, held, ref_in
from adapters.formats.canonical import a_moment, a_text, an_option
from adapters.formats.rich_text import marked, unmarked
from sidecar.errors import PermanentError
from sidecar.model import Value
from sidecar.ports import FieldSpec

Definitions = Mapping[str, Definition]
MARK_CHARS = len(marked("x", "k" + "0" * 24)) - 1
"""What the key takes of a note's room."""


@dataclass(frozen=True, slots=True)
class Native:
    """A field of Zoho's own under our name: the vendor's fields, its type, and the way there and back."""

    vendor: tuple[str, ...]
    label: str
    type: str
    to_vendor: Callable[[str, FieldSpec, Value, Definitions], dict[str, Any]]
    from_vendor: Callable[[Row], Value]
    options: tuple[str, ...] = ()
    writable: bool = True
    optional: bool = False
    """Whether an org may be without it."""


def _plain(
    name: str, label: str, type_: str = "text", *, is_required: bool = False, optional: bool = False, enum: str = ""
) -> Native:
    def to(what: str, spec: FieldSpec, value: Value, known: Definitions) -> dict[str, Any]:
        sent = to_vendor(what, spec, value, known.get(name, Definition(name, "text")))
        if sent is None and is_required:
            raise PermanentError(f"{what}: Zoho keeps no such record without it")
        return {name: sent}

    options = (enum,) if enum else ()
    return Native((name,), label, type_, to, lambda row: from_vendor(type_, row.get(name)), options, True, optional)


def _person_name() -> Native:
    def to(what: str, spec: FieldSpec, value: Value, known: Definitions) -> dict[str, Any]:
        words = spelled(a_text(what, value or "", None)).split()
        if not words:
            raise PermanentError(f"{what}: Zoho keeps no such record without it")
        room = [each.length or 10**6 if (each := known.get(n)) else 10**6 for n in ("First_Name", "Last_Name")]
        for place in range(len(words) - 1, -1, -1):
            first, last = " ".join(words[:place]), " ".join(words[place:])
            if len(first) <= room[0] and len(last) <= room[1]:
                return {"First_Name": first or None, "Last_Name": last}
        raise PermanentError(f"{what}: doesn't fit into {room[0]} and {room[1]} characters of first and last name")

    def back(row: Row) -> Value:
        names = (held(row, name).strip() for name in ("First_Name", "Last_Name"))
        return unspelled(" ".join(name for name in names if name)) or None

    return Native(("First_Name", "Last_Name"), "Name", "text", to, back)


def _ref(name: str, label: str, options: str) -> Native:
    """Return a field that names another thing of the org's by its id, and is never empty."""

    def to(what: str, spec: FieldSpec, value: Value, known: Definitions) -> dict[str, Any]:
        return {name: {"id": an_option(what, value, spec.options)}}

    return Native((name,), label, "enum", to, lambda row: ref_in(row.get(name)) or None, (options,))


def _words(name: str, label: str, ours: Mapping[str, str], otherwise: str) -> Native:
    """Translate words; what Zoho has beside these, and what an org adds, is `otherwise` to us, and left as it is."""
    back = {theirs: word for word, theirs in ours.items()}

    def to(what: str, spec: FieldSpec, value: Value, known: Definitions) -> dict[str, Any]:
        return {name: ours[an_option(what, value, spec.options)]}

    def from_(row: Row) -> Value:
        return back.get(held(row, name), otherwise)

    return Native((name,), label, "enum", to, from_, tuple(ours))


def host_of(text: str) -> str:
    """Return the domain in a web address, whoever typed it how; empty for none."""
    try:
        found = urlsplit(text.strip() if "//" in text else f"//{text.strip()}")
        return (found.hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def _domain() -> Native:
    def to(what: str, spec: FieldSpec, value: Value, known: Definitions) -> dict[str, Any]:
        return {"Website": to_vendor(what, spec, value, known.get("Website", Definition("Website", "website")))}

    return Native(("Website",), "Domain", "text", to, lambda row: host_of(held(row, "Website")) or None)


def _note_body() -> Native:
    def to(what: str, spec: FieldSpec, value: Value, known: Definitions) -> dict[str, Any]:
        text = spelled(a_text(what, value or "", None))
        room = known["Note_Content"].length if "Note_Content" in known else None
        return {"Note_Content": fitting(what, text, None if room is None else room - MARK_CHARS)}

    def from_(row: Row) -> Value:
        return unspelled(unmarked(held(row, "Note_Content"))) or None

    return Native(("Note_Content",), "Body", "long_text", to, from_)


_TITLE = "AI note of {} UTC"
_TITLED = re.compile(r"AI note of (\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d(?:\.\d{6})?)?) UTC")


def _note_at() -> Native:
    def to(what: str, spec: FieldSpec, value: Value, known: Definitions) -> dict[str, Any]:
        at = a_moment(what, value).replace(tzinfo=None)
        way = "auto" if at.second or at.microsecond else "minutes"
        return {"Note_Title": _TITLE.format(at.isoformat(" ", way))}

    def from_(row: Row) -> Value:
        found = _TITLED.fullmatch(held(row, "Note_Title").strip())
        try:
            return datetime.fromisoformat(found.group(1)).replace(tzinfo=UTC).isoformat() if found else None
        except ValueError:
            return None

    return Native(("Note_Title",), "Time", "datetime", to, from_)


def _nobodys(what: str, spec: FieldSpec, value: Value, known: Definitions) -> dict[str, Any]:
    raise PermanentError(f"{what}: Zoho keeps it by the deal's stage")


_OWNER = _ref("Owner", "Owner", "@owners")
_BODY = _plain("Description", "Body", "long_text")
NATIVE: Mapping[str, Mapping[str, Native]] = {
    "contact": {
        "name": _person_name(),
        "email": _plain("Email", "E-mail"),
        "phone": _plain("Phone", "Phone"),
        "owner": _OWNER,
    },
    "company": {
        "name": _plain("Account_Name", "Name", is_required=True),
        "domain": _domain(),
        "phone": _plain("Phone", "Phone"),
        "owner": _OWNER,
    },
    "deal": {
        "name": _plain("Deal_Name", "Name", is_required=True),
        "stage": _plain("Stage", "Stage", "enum", is_required=True, enum="@stages"),
        "owner": _OWNER,
        "amount": _plain("Amount", "Amount", "number"),
        "close_date": _plain("Closing_Date", "Close date", "date"),
        "currency": _plain("Currency", "Currency", "enum", optional=True, enum="@theirs"),
    },
    "note": {"body": _note_body(), "at": _note_at()},
    "task": {
        "title": _plain("Subject", "Title", is_required=True),
        "body": _BODY,
        "due": _plain("Due_Date", "Due", "date"),
        # Deferred, In Progress and Waiting for input are open to us, and left as they are while we want it open.
        "status": _words("Status", "Status", {"open": "Not Started", "done": "Completed"}, "open"),
        "owner": _OWNER,
        "priority": _words("Priority", "Priority", {"low": "Low", "normal": "Normal", "high": "High"}, "normal"),
    },
    "meeting": {
        "title": _plain("Event_Title", "Title", is_required=True),
        "body": _BODY,
        "start": _plain("Start_DateTime", "Start", "datetime", is_required=True),
        "end": _plain("End_DateTime", "End", "datetime", is_required=True),
        "status": _plain(OUTCOME, "Status", "enum", optional=True, enum="@theirs"),
        "owner": _OWNER,
    },
}
"""Options with `@` are the org's: its users, its stages, or what Zoho lists for the field itself. Where a deal stands
(`pipeline`, and `closed`) is known from the org's pipelines, and added by `org`."""


def where_it_is(to: Callable[[Value], Mapping[str, Any]], back: Callable[[Row], Value]) -> Native:
    """Return a deal's pipeline, as the org's layouts have it."""

    def to_vendor_(what: str, spec: FieldSpec, value: Value, known: Definitions) -> dict[str, Any]:
        return dict(to(an_option(what, value, spec.options)))

    return Native(("Pipeline", "Layout"), "Pipeline", "enum", to_vendor_, back, ("@pipelines",))


def whether_closed(back: Callable[[Row], Value]) -> Native:
    """Return whether a deal's stage is an end."""
    return Native(("Stage",), "Closed", "bool", _nobodys, back, (), False)
