"""What we call HubSpot's own properties, and how each is carried over: the table, and the codecs that it names. Pure.

The core speaks of a contact's `name`, a deal's `stage`, a task's `due`. Here stands which of HubSpot's properties hold
each, sometimes two of them, and how the values change on the way. Times that are days to us are moments to HubSpot: a
day is written as an hour of the account's own day, so that every reader of that account sees the day that was meant.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo

from adapters.crms.hubspot import values
from adapters.formats.canonical import a_date
from adapters.formats.rich_text import from_html, mark_of, marked, to_html, unmarked
from sidecar.errors import PermanentError
from sidecar.model import Value
from sidecar.ports import FieldSpec

Held = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Codec:
    """A pair: a value to the texts of its vendor properties, and these back; both know the account's time zone."""

    to_vendor: Callable[[str, FieldSpec, Value, Sequence[str], tzinfo], dict[str, str]]
    from_vendor: Callable[[FieldSpec, Held, Sequence[str], tzinfo], Value]


@dataclass(frozen=True, slots=True)
class Native:
    """A property of HubSpot's own under our name: the vendor properties that hold it, its type, its codec."""

    vendor: tuple[str, ...]
    label: str
    type: str = "text"
    codec: str = "plain"
    options: tuple[str, ...] = ()
    writable: bool = True


_OWNER = Native(("hubspot_owner_id",), "Owner", "enum", options=("@owners",))
NATIVE: Mapping[str, Mapping[str, Native]] = {
    "contact": {
        "name": Native(("firstname", "lastname"), "Name", codec="person_name"),
        "email": Native(("email",), "E-mail"),
        "phone": Native(("phone",), "Phone"),
        "owner": _OWNER,
    },
    "company": {
        "name": Native(("name",), "Name"),
        "domain": Native(("domain",), "Domain"),
        "phone": Native(("phone",), "Phone"),
        "owner": _OWNER,
    },
    "deal": {
        "name": Native(("dealname",), "Name"),
        "stage": Native(("dealstage",), "Stage", "enum", options=("@stages",)),
        "pipeline": Native(("pipeline",), "Pipeline", "enum", options=("@pipelines",)),
        "owner": _OWNER,
        "amount": Native(("amount",), "Amount", "number"),
        "close_date": Native(("closedate",), "Close date", "date", "noon"),
        "currency": Native(("deal_currency_code",), "Currency", "enum", options=("@theirs",)),
        "closed": Native(("hs_is_closed",), "Closed", "bool", "flag", writable=False),
    },
    "note": {
        "body": Native(("hs_note_body",), "Body", "long_text", "rich_text"),
        "at": Native(("hs_timestamp",), "Time", "datetime", "required"),
    },
    "task": {
        "title": Native(("hs_task_subject",), "Title"),
        "body": Native(("hs_task_body",), "Body", "long_text", "rich_text"),
        "due": Native(("hs_timestamp",), "Due", "date", "end_of_work"),
        "status": Native(("hs_task_status",), "Status", "enum", "task_status", ("open", "done")),
        "owner": _OWNER,
        "priority": Native(("hs_task_priority",), "Priority", "enum", "task_priority", ("low", "normal", "high")),
    },
    "meeting": {
        "title": Native(("hs_meeting_title",), "Title"),
        "body": Native(("hs_meeting_body",), "Body", "long_text", "rich_text"),
        "start": Native(("hs_meeting_start_time", "hs_timestamp"), "Start", "datetime", "required"),
        "end": Native(("hs_meeting_end_time",), "End", "datetime"),
        "status": Native(
            ("hs_meeting_outcome",), "Status", "enum", "outcome", ("scheduled", "attended", "cancelled", "no_show")
        ),
        "owner": _OWNER,
    },
}
"""Options with `@` are the account's: its owners, stages, pipelines, or what HubSpot lists for the property itself."""

MOMENT = "hs_timestamp"
TIMED = frozenset(("note", "task", "meeting"))
"""Kinds that HubSpot makes only with a time. Source: API reference, activities, read 2026-11."""


def in_account_day(at: datetime, zone: tzinfo) -> str:
    """Return the day that a moment falls on in the account's time zone."""
    return at.astimezone(zone).date().isoformat()


def _plain_to(what: str, spec: FieldSpec, value: Value, vendor: Sequence[str], zone: tzinfo) -> dict[str, str]:
    text = values.to_vendor(what, spec, value)
    return dict.fromkeys(vendor, text)


def _plain_from(spec: FieldSpec, held: Held, vendor: Sequence[str], zone: tzinfo) -> Value:
    found = (values.from_vendor(spec.type, held.get(name)) for name in vendor)
    return next((value for value in found if value is not None), None)


def _flag_from(spec: FieldSpec, held: Held, vendor: Sequence[str], zone: tzinfo) -> Value:
    """A flag that is not set is as good as none: HubSpot leaves it out of some answers."""
    return True if _plain_from(spec, held, vendor, zone) is True else None


def _required_to(what: str, spec: FieldSpec, value: Value, vendor: Sequence[str], zone: tzinfo) -> dict[str, str]:
    if value is None or value == "":
        raise PermanentError(f"{what}: HubSpot keeps no such record without a time")
    return _plain_to(what, spec, value, vendor, zone)


def _name_to(what: str, spec: FieldSpec, value: Value, vendor: Sequence[str], zone: tzinfo) -> dict[str, str]:
    words = values.to_vendor(what, spec, value).split(maxsplit=1)
    return dict(zip(vendor, (*words, "", "")[:2], strict=True))


def _name_from(spec: FieldSpec, held: Held, vendor: Sequence[str], zone: tzinfo) -> Value:
    return " ".join(text for name in vendor if (text := (held.get(name) or "").strip())) or None


def _rich_to(what: str, spec: FieldSpec, value: Value, vendor: Sequence[str], zone: tzinfo) -> dict[str, str]:
    html = to_html(values.to_vendor(what, spec, value))
    if len(html) > values.TEXT_CHARS:
        raise PermanentError(f"{what}: {len(html)} characters as HTML, and at most {values.TEXT_CHARS} fit")
    return dict.fromkeys(vendor, html)


def _rich_from(spec: FieldSpec, held: Held, vendor: Sequence[str], zone: tzinfo) -> Value:
    return unmarked(from_html(held.get(vendor[0]) or "")) or None


def _day(hour: int) -> Codec:
    def to_vendor(what: str, spec: FieldSpec, value: Value, vendor: Sequence[str], zone: tzinfo) -> dict[str, str]:
        if value is None or value == "":
            if MOMENT in vendor:
                raise PermanentError(f"{what}: HubSpot keeps no such record without a time")
            return dict.fromkeys(vendor, "")
        at = datetime.combine(a_date(what, value), time(hour), zone).astimezone(UTC)
        return dict.fromkeys(vendor, values.stamp(at))

    def from_vendor(spec: FieldSpec, held: Held, vendor: Sequence[str], zone: tzinfo) -> Value:
        text = held.get(vendor[0])
        try:
            return in_account_day(values.moment(text), zone) if text else None
        except (ValueError, OverflowError):
            return text

    return Codec(to_vendor, from_vendor)


def _words(to: Mapping[str, str], others: Mapping[str, str | None], otherwise: str | None) -> Codec:
    """Translate words; `others` are HubSpot's that we have no word for, and `otherwise` reads what it may invent."""
    back = {theirs: ours for ours, theirs in to.items()}

    def to_vendor(what: str, spec: FieldSpec, value: Value, vendor: Sequence[str], zone: tzinfo) -> dict[str, str]:
        text = values.to_vendor(what, spec, value)
        return dict.fromkeys(vendor, to[text] if text else "")

    def from_vendor(spec: FieldSpec, held: Held, vendor: Sequence[str], zone: tzinfo) -> Value:
        text = held.get(vendor[0])
        return back.get(text, others.get(text, otherwise)) if text else None

    return Codec(to_vendor, from_vendor)


CODECS: Mapping[str, Codec] = {
    "plain": Codec(_plain_to, _plain_from),
    "required": Codec(_required_to, _plain_from),
    "flag": Codec(_plain_to, _flag_from),
    "person_name": Codec(_name_to, _name_from),
    "rich_text": Codec(_rich_to, _rich_from),
    "noon": _day(12),
    "end_of_work": _day(17),
    # IN_PROGRESS, WAITING and DEFERRED are open to us, and left as they are while we want it open.
    "task_status": _words({"open": "NOT_STARTED", "done": "COMPLETED"}, {}, "open"),
    "task_priority": _words({"low": "LOW", "normal": "MEDIUM", "high": "HIGH"}, {"NONE": None}, None),
    "outcome": _words(
        {"scheduled": "SCHEDULED", "attended": "COMPLETED", "cancelled": "CANCELED", "no_show": "NO_SHOW"},
        {"RESCHEDULED": "scheduled"},
        None,
    ),
}


def with_mark(html: str, word: str) -> str:
    """Return a body's HTML with a key's word in its last line."""
    return to_html(marked(from_html(html), word))


def word_in(html: str | None) -> str | None:
    """Return the key's word that a body carries."""
    return mark_of(from_html(html or ""))
