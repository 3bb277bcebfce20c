"""One meeting, told by four calendars: the same kind, the same words, the same thread and the same name."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.channels.gcalendar.events import from_vendor
from adapters.channels.graph.events import read_event
from adapters.formats.calendar_activity import entry_activities, event_activities, mail_activities
from adapters.formats.mime import parse_mail
from sidecar.model import Activity
from tests.unit.test_formats_calendar_activity import ANNA, NOW, OWN, delivery, mail

UID = "4k2n9q0r7v8t1s3u5w6x7y8z9a@google.com"
TIMES = ("2026-12-01T10:00:00", "2026-12-01T10:30:00")
ZONE = "Europe/Berlin"
LATER = datetime(2026, 12, 2, tzinfo=UTC)


def by_ics(state: dict[str, Any]) -> bytes:
    """Return the meeting as iCalendar."""
    start, end = (text.replace("-", "").replace(":", "") for text in state["times"])
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", f"UID:{UID}", "DTSTAMP:20261122T090000Z", "SEQUENCE:0",
        f"DTSTART;TZID={ZONE}:{start}", f"DTEND;TZID={ZONE}:{end}", "SUMMARY:Demo Acme", "LOCATION:Teams",
        f"STATUS:{'CANCELLED' if state['cancelled'] else 'CONFIRMED'}",
        "ORGANIZER;CN=Anna Schmidt:mailto:anna@example.com",
        f"ATTENDEE;CN=Bob;PARTSTAT={state['answer'].upper()}:mailto:bob@example.org",
        "ATTENDEE;CUTYPE=ROOM;PARTSTAT=ACCEPTED:mailto:room@example.com",
    ]  # fmt: skip
    lines += [f"RRULE:{state['rule']}"] if state["rule"] else []
    if state["day"]:
        first = state["day"].replace("-", "").replace(":", "")
        lines.append(f"RECURRENCE-ID;TZID={ZONE}:{first}")
    lines += ["CLASS:PRIVATE"] if state["private"] else []
    return "\r\n".join([*lines, "END:VEVENT", "END:VCALENDAR", ""]).encode()


def by_google(state: dict[str, Any]) -> dict[str, Any]:
    """Return the meeting as Google tells it."""
    told = [{"dateTime": f"{text}+01:00", "timeZone": ZONE} for text in state["times"]]
    item: dict[str, Any] = {
        "id": "x", "etag": '"1"', "iCalUID": UID, "sequence": 0, "updated": "2026-11-22T09:00:00.000Z",
        "status": "cancelled" if state["cancelled"] else "confirmed", "summary": "Demo Acme", "location": "Teams",
        "start": told[0], "end": told[1], "organizer": {"email": ANNA, "displayName": "Anna Schmidt", "self": True},
        "attendees": [
            {"email": "bob@example.org", "displayName": "Bob", "responseStatus": state["answer"]},
            {"email": "room@example.com", "resource": True, "responseStatus": "accepted"},
        ],
    }  # fmt: skip
    item |= {"recurrence": [f"RRULE:{state['rule']}"]} if state["rule"] else {}
    item |= {"visibility": "private"} if state["private"] else {}
    day = {"dateTime": f"{state['day']}+01:00", "timeZone": ZONE}
    return item | ({"recurringEventId": "s", "originalStartTime": day} if state["day"] else {})


def by_graph(state: dict[str, Any]) -> bytes:
    """Return the meeting as Graph tells it."""
    answer = {"accepted": "accepted", "declined": "declined", "needs-action": "notResponded"}[state["answer"]]
    utc = [
        {"dateTime": f"{text[:11]}{int(text[11:13]) - 1:02}{text[13:]}.0000000", "timeZone": "UTC"}
        for text in state["times"]
    ]
    person = {"name": "Bob", "address": "bob@example.org"}
    item: dict[str, Any] = {
        "id": "AAk", "changeKey": "k", "iCalUId": UID, "type": "singleInstance", "isCancelled": state["cancelled"],
        "isAllDay": False, "isOrganizer": True, "subject": "Demo Acme", "location": {"displayName": "Teams"},
        "start": utc[0], "end": utc[1], "originalStartTimeZone": "W. Europe Standard Time",
        "sensitivity": "private" if state["private"] else "normal", "lastModifiedDateTime": "2026-11-22T09:00:00Z",
        "organizer": {"emailAddress": {"name": "Anna Schmidt", "address": ANNA}},
        "attendees": [
            {"type": "required", "status": {"response": answer}, "emailAddress": person},
            {"type": "resource", "status": {"response": "accepted"}, "emailAddress": {"address": "room@example.com"}},
        ],
    }  # fmt: skip
    if state["rule"]:
        pattern = {"type": "weekly", "interval": 1, "daysOfWeek": ["tuesday"], "firstDayOfWeek": "monday"}
        span = {"type": "noEnd", "startDate": "2026-12-01", "recurrenceTimeZone": "W. Europe Standard Time"}
        item |= {"type": "seriesMaster", "recurrence": {"pattern": pattern, "range": span}}
    if state["day"]:
        item |= {"type": "exception", "seriesMasterId": "s", "originalStart": f"{state['day'][:11]}09:00:00Z"}
    return json.dumps(item).encode()


WAYS: dict[str, Callable[[dict[str, Any], datetime], Activity]] = {
    "ics": lambda state, at: entry_activities(delivery(by_ics(state), at), OWN, "a file")[0],
    "google": lambda state, at: event_activities(
        delivery(b"{}", at), [e for e in [from_vendor(by_google(state), "", OWN.timezone)] if e], OWN, "Google"
    )[0],
    "graph": lambda state, at: event_activities(
        delivery(b"{}", at), [read_event(by_graph(state), ANNA, OWN.timezone)], OWN, "Graph"
    )[0],
}
PLAIN = {"times": TIMES, "answer": "needs-action", "cancelled": False, "rule": "", "day": "", "private": False}
MOVED = ("2026-12-03T14:00:00", "2026-12-03T15:00:00")


@pytest.mark.parametrize(
    ("change", "at", "status"),
    [
        ({}, NOW, "planned"),
        ({"answer": "accepted"}, NOW, "accepted"),
        ({"answer": "declined"}, NOW, "declined"),
        ({"times": MOVED}, NOW, "planned"),
        ({"cancelled": True}, NOW, "cancelled"),
        ({"answer": "accepted"}, LATER, "held_as_planned"),
        ({"rule": "FREQ=WEEKLY;BYDAY=TU"}, NOW, "planned"),
        ({"day": "2026-12-08T10:00:00", "times": MOVED}, NOW, "planned"),
        ({"day": "2026-12-01T10:00:00", "cancelled": True}, NOW, "occurrence_cancelled"),
        ({"private": True, "answer": "accepted"}, NOW, "accepted"),
    ],
)
def test_the_same_meeting_is_told_alike(change: dict[str, Any], at: datetime, status: str) -> None:
    """Whichever calendar tells it, it is one meeting and not two; seen to fail with Google's own id as the thread."""
    found = {name: way({**PLAIN, **change}, at) for name, way in WAYS.items()}
    assert {a.attributes["status"] for a in found.values()} == {status}
    assert {a.thread for a in found.values()} == {UID}
    for field in ("kind", "external_id", "text", "said", "attributes"):
        told = {name: str(_plain(getattr(activity, field))) for name, activity in found.items()}
        assert len(set(told.values())) == 1, told
    people = {
        name: [(p.part, p.own, [str(i) for i in p.identifiers]) for p in a.participants] for name, a in found.items()
    }
    assert people["ics"] == people["google"] == people["graph"]


def test_the_invitation_in_a_mail_is_the_entry_in_the_calendar() -> None:
    """What a mail proposes and what the calendar plans meet in the UID, with the same time and title."""
    ics = by_ics(PLAIN).replace(b"VERSION:2.0", b"VERSION:2.0\r\nMETHOD:REQUEST")
    raw = mail(ANNA, ics)
    _, invited = mail_activities(delivery(raw), parse_mail(raw), OWN, NOW, in_sent_folder=True)
    entered = WAYS["google"](PLAIN, NOW)
    assert (invited.kind, invited.thread, invited.external_id) == (entered.kind, entered.thread, entered.external_id)
    assert invited.text.rpartition(": ")[2] == entered.text.rpartition(": ")[2]
    assert invited.attributes["proposed_start"] == entered.attributes["proposed_start"]


def _plain(value: Any) -> Any:
    return dict(sorted(value.items())) if isinstance(value, dict) else value
