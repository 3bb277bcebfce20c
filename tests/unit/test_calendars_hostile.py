"""Whatever a calendar, a feed or a push says, it is read or refused, and nothing else happens."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.channels.gcalendar.events import from_vendor
from adapters.channels.gcalendar.push import token, verify
from adapters.channels.gcalendar.walk import read_place
from adapters.channels.icsfeed.state import read_state
from adapters.formats.calendar_activity import event_activities
from adapters.formats.ics_pieces import EVENTS_MAX, cut_pieces
from sidecar.errors import PermanentError, RejectedInput
from sidecar.ports import HookRequest
from tests.unit.test_formats_calendar_activity import OWN, delivery
from tests.unit.test_formats_ics import calendar

FIXTURES = Path(__file__).parent.parent / "fixtures"
ICS = [path.read_bytes() for path in sorted((FIXTURES / "ics").glob("*.ics"))]
ITEMS = [json.loads(path.read_bytes()) for path in sorted((FIXTURES / "google_calendar" / "events").glob("*.json"))]
SECRET = b"secret-of-the-pushes-4d1"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    | st.sampled_from(["2026-12-01T10:00:00Z", "0001-01-01", "9999-12-31T23:59:59-12:00", "RRULE:FREQ=DAILY", "x@y.z"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["date", "dateTime", "timeZone", "email", "self", "resource", "responseStatus"]), inner
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_event_of_googles_crashes_its_reader(data: st.DataObject) -> None:
    """Any value in the place of any other is read, is no meeting, or can't be read."""
    item: dict[str, Any] = dict(data.draw(st.sampled_from(ITEMS)))
    names = sorted({name for one in ITEMS for name in one} | {"endTimeUnspecified"})
    for name in data.draw(st.lists(st.sampled_from(names), max_size=4)):
        item[name] = data.draw(JSON)
    try:
        event = from_vendor(item, "uid", "Europe/London")
    except PermanentError:
        return
    if event is not None:
        assert event.uid
        assert event_activities(delivery(b"{}"), (event,), OWN, "Google")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_feed_crashes_what_cuts_it(data: st.DataObject) -> None:
    """Any change of a good calendar is cut or refused, and no piece is larger than what it was cut from."""
    good = bytearray(data.draw(st.sampled_from(ICS)))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(good)))
        good[at : at + data.draw(st.integers(0, 8))] = data.draw(
            st.binary(max_size=8)
            | st.sampled_from([b"\n", b"\r", b"\r\n ", b"BEGIN:VEVENT\n", b"END:VEVENT\n", b"\x00"])
        )
    try:
        pieces = cut_pieces(bytes(good))
    except PermanentError:
        return
    assert all(len(piece.raw) <= len(good) + 100 for piece in pieces)
    assert len({piece.uid for piece in pieces if piece.uid}) == sum(bool(piece.uid) for piece in pieces)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"<html>",
        b"BEGIN:VCALENDAR\n" * 10,
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\nEND:VEVENT\n",
        calendar(*["UID:a"] * (EVENTS_MAX + 1)),
    ],
)
def test_what_is_no_feed_is_refused(content: bytes) -> None:
    """Whatever is wrong, it is one clear error, and a calendar without events is none."""
    with pytest.raises(PermanentError):
        cut_pieces(content)
    assert cut_pieces(b"BEGIN:VCALENDAR\nEND:VCALENDAR\n") == ()


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["channel-id", "channel-token", "resource-state", "message-number", "resource-id"]),
        st.text(max_size=70) | st.text("abcdef0123456789\n\x00\ud800", min_size=1, max_size=70),
        min_size=1,
    )
)
def test_no_header_of_a_push_raises_anything_else(changed: dict[str, str]) -> None:
    """Whatever stands in a push's headers, the answer is a 401, or a push whose token was ours."""
    good = {
        "channel-id": "c-1",
        "channel-token": token(SECRET, "c-1"),
        "resource-state": "exists",
        "message-number": "1",
    }
    request = HookRequest({f"x-goog-{name}": value for name, value in {**good, **changed}.items()}, b"")
    try:
        captured = verify(request, "a@x.test", [SECRET])
    except RejectedInput as refused:
        assert refused.status == 401
        return
    told = {**good, **changed}
    assert told["channel-token"] == token(SECRET, told["channel-id"])
    assert all(value.isascii() and value.isprintable() for value in captured.headers.values())


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["token", "page", "size", "items", "fresh", "watch", "over", "etag"]), JSON))
def test_no_cursor_crashes_a_poll(cursor: dict[str, Any]) -> None:
    """A cursor that can't be read counts as lost."""
    assert isinstance(json.dumps(read_place(cursor).told()), str)
    assert isinstance(json.dumps(read_state(cursor).told()), str)
