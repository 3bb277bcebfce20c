"""The calendar of Microsoft 365 under the contract, against a twin on a socket that Microsoft's own examples judge."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.graph.calendar import CalendarChannel
from adapters.channels.graph.calendar_walk import Known
from adapters.channels.graph.events import clean_uid
from adapters.formats.ics import read_calendar
from sidecar.errors import ConfigError, PermanentError, Withheld
from sidecar.model import Activity, Role
from sidecar.ports import Captured
from tests.contract.channel import INSTALLED, NOW, PollContract, WebhookContract, parsed
from tests.contract.graph_mailboxes import SOON, UNWELL, CalendarHarness, graph
from tests.twins.graph.rounds import SHAPES
from tests.twins.wire.faults import Status

EXCHANGE = "040000008200E00074C5B7101A82E008"
REST = "D3D70B8A6A17D7010000000000000000"
DAY = timedelta(days=1)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[CalendarHarness]:
    """Return a calendar that waits for its meetings."""
    with graph() as (twin, clock):
        yield CalendarHarness(twin, tmp_path, clock)


class TestCalendarChannel(WebhookContract, PollContract):
    """A calendar keeps every promise of a channel that asks, and of one that is called."""


def walked(channel: CalendarChannel, cursor: Any = None) -> tuple[list[Captured], Any]:
    """Poll to the end; return what came, and the last cursor as a database gives it back."""
    found: list[Captured] = []
    for batch in channel.poll(cursor):
        found += batch.captured
        cursor = json.loads(json.dumps(batch.cursor, sort_keys=True))
    return found, cursor


def read(harness: CalendarHarness, cursor: Any = None) -> tuple[list[Activity], Any]:
    """Poll to the end; return the activities, and the last cursor."""
    found, cursor = walked(harness.channel, cursor)
    return [activity for captured in found for activity in parsed(harness.channel, captured)], cursor


def someone(address: str, response: str = "none", **more: Any) -> dict[str, Any]:
    """Return a guest."""
    return {
        "type": "required",
        "status": {"response": response},
        "emailAddress": {"name": "B", "address": address},
        **more,
    }


def test_a_meeting_is_told_at_each_of_its_turns(harness: CalendarHarness) -> None:
    """Planned, accepted, moved, declined, called off, removed: each is told once, all under one UID."""
    twin, cursor = harness.twin, None
    id = harness.plan()
    turns: list[tuple[str, Any]] = [
        ("planned", None),
        ("accepted", lambda: twin.changes_event(id, attendees=[someone("bob@example.org", "accepted")])),
        ("accepted", lambda: twin.changes_event(id, SOON + DAY)),
        ("declined", lambda: twin.changes_event(id, attendees=[someone("bob@example.org", "declined")])),
        ("cancelled", lambda: twin.changes_event(id, isCancelled=True)),
        ("removed", lambda: twin.removes(id)),
    ]
    seen = []
    for status, turn in turns:
        harness.clock.move(60)
        if turn:
            turn()
        (activity,), cursor = read(harness, cursor)
        assert (activity.kind, activity.attributes["status"], activity.thread) == (
            "meeting",
            status,
            f"{id}@graph.test",
        )
        seen.append(activity)
    assert len({activity.id for activity in seen}) == len(turns)
    assert seen[1].attributes["start"] == SOON.replace(hour=SOON.hour + 1).isoformat()
    assert seen[2].attributes["start"] == (SOON + DAY).isoformat()
    assert read(harness, cursor)[0] == []


def test_a_change_of_nothing_that_is_read_is_still_one_delivery(harness: CalendarHarness) -> None:
    """An item told twice, out of order and between empty pages is asked for once. Seed: no look at the state."""
    raws = sorted(harness.put() for _ in range(230))
    found, cursor = walked(harness.made(batch_size=50))
    assert sorted(c.raw for c in found) == raws
    asked = harness.twin.calls("events")
    harness.twin.rounds.expire("gone")
    assert walked(harness.channel, cursor)[0] == []
    assert harness.twin.calls("events") == asked


@pytest.mark.parametrize("shape", SHAPES)
def test_a_dead_token_loses_and_doubles_nothing(harness: CalendarHarness, shape: str) -> None:
    """What came, changed and went while a token died is told, and nothing else. Seed: only 410 known."""
    kept, changed, gone = (harness.plan() for _ in range(3))
    _, cursor = read(harness)
    harness.twin.changes_event(changed, subject="Offer, new")
    harness.twin.removes(gone)
    new = harness.plan()
    harness.twin.rounds.expire(shape)
    found, cursor = read(harness, cursor)
    told = {(activity.thread.partition("@")[0], activity.attributes["status"]) for activity in found}
    assert told == {(changed, "planned"), (gone, "removed"), (new, "planned")}
    assert kept not in {thread for thread, _ in told}
    assert read(harness, cursor)[0] == []


def test_a_window_that_moves_loses_and_doubles_nothing(harness: CalendarHarness) -> None:
    """When the window rolls, what was known stays so, what went is removed, what came near is told, the past is not."""
    near, gone = harness.plan(), harness.plan()
    past = harness.twin.plans(INSTALLED + DAY)
    far = harness.twin.plans(NOW + timedelta(days=190))
    found, cursor = read(harness)
    assert {a.thread.partition("@")[0] for a in found} == {near, gone, past}
    harness.twin.removes(gone)
    harness.clock.move(8 * DAY.total_seconds())
    found, cursor = read(harness, cursor)
    assert [(a.thread.partition("@")[0], a.attributes["status"]) for a in found] == [
        (gone, "removed"),
        (far, "planned"),
    ]
    harness.clock.move(40 * DAY.total_seconds())
    assert read(harness, cursor)[0] == []


def test_what_leaves_the_window_is_not_removed(harness: CalendarHarness) -> None:
    """Graph says removed of what was only moved far away; it is moved. Seed: @removed believed."""
    id = harness.plan()
    _, cursor = read(harness)
    stranger = harness.twin.plans(NOW + timedelta(days=400))
    harness.twin.changes_event(id, NOW + timedelta(days=300))
    harness.twin.changes_event(stranger, subject="Elsewhere")
    (activity,), cursor = read(harness, cursor)
    assert (activity.thread, activity.attributes["status"]) == (f"{id}@graph.test", "planned")
    harness.twin.removes(stranger)
    assert read(harness, cursor)[0] == []


def test_what_left_the_calendar_and_still_exists_is_removed(harness: CalendarHarness) -> None:
    """An event that lies elsewhere now (another calendar, deleted items) is in this one no more."""
    id = harness.plan()
    _, cursor = read(harness)
    with harness.twin.lock:
        harness.twin._note("calendar", "deleted", id)
        page = {"value": [{"@removed": {"reason": "deleted"}, "id": id}], "@odata.deltaLink": cursor["link"]}
    harness.twin.fault(Status(200, page), path="delta")
    (activity,), _ = read(harness, cursor)
    assert activity.attributes["status"] == "removed"


def test_a_series_is_one_meeting_and_an_exception_another(harness: CalendarHarness) -> None:
    """Days of a series are nobody's act; the series is told once, a moved day by the time that it first had."""
    master = harness.twin.repeats(SOON, 10, subject="Weekly", attendees=[someone("bob@example.org")])
    (series,), cursor = read(harness)
    assert (series.external_id, series.attributes["repeats"]) == (f"{master}@graph.test", "weekly")
    assert "weekly" in series.text
    harness.twin.excepts(master, 2, SOON + timedelta(weeks=2, hours=3))
    (day,), cursor = read(harness, cursor)
    first = SOON + timedelta(weeks=2)
    assert day.external_id == f"{master}@graph.test#{first.isoformat()}"
    assert (day.thread, day.attributes["occurrence"]) == (f"{master}@graph.test", first.isoformat())
    harness.twin.removes(master)
    found, _ = read(harness, cursor)
    assert [a.attributes["status"] for a in found] == ["removed"]


@pytest.mark.parametrize(
    ("pattern", "limits", "words"),
    [
        ({"type": "daily", "interval": 3}, {"type": "noEnd"}, "every 3 days"),
        (
            {"type": "weekly", "interval": 1, "daysOfWeek": ["monday", "thursday"], "firstDayOfWeek": "sunday"},
            {"type": "endDate", "endDate": "2026-12-31"},
            "weekly on Monday and Thursday until 2026-12-31",
        ),
        ({"type": "absoluteMonthly", "interval": 3, "dayOfMonth": 15}, {"type": "noEnd"}, "every 3 months on day 15"),
        (
            {"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["tuesday"], "index": "last"},
            {"type": "numbered", "numberOfOccurrences": 4},
            "monthly on the last Tuesday, 4 times in all",
        ),
        (
            {
                "type": "relativeYearly",
                "interval": 1,
                "daysOfWeek": ["saturday", "sunday"],
                "index": "first",
                "month": 5,
            },
            {"type": "noEnd"},
            "yearly on the first of Saturday and Sunday in May",
        ),
        ({"type": "absoluteYearly", "interval": 1, "dayOfMonth": 24, "month": 12}, {}, "yearly on day 24 in December"),
        ({"type": "hourly", "interval": 1}, {}, "regularly"),
        ({"type": "weekly", "interval": "x" * 900, "daysOfWeek": [7]}, None, "regularly"),
    ],
)
def test_a_series_is_told_in_words(harness: CalendarHarness, pattern: Any, limits: Any, words: str) -> None:
    """Each of Graph's patterns is a rule of iCalendar's, read and bounded by the same reader."""
    start = datetime.fromisoformat("2026-11-30T09:00:00+00:00")
    zone = "W. Europe Standard Time"
    more = {"type": "seriesMaster", "originalStartTimeZone": zone, "recurrence": {"pattern": pattern, "range": limits}}
    id = harness.twin.plans(start, **more)
    (activity,) = parsed(harness.channel, Captured("ann@ours.test", harness.bytes_of(id), "x", {"thing": "event"}))
    assert activity.attributes["repeats"] == words
    assert ("next_start" in activity.attributes) == (words != "regularly")


def test_times_are_shown_where_the_event_was_made(harness: CalendarHarness) -> None:
    """Windows names are zones, whole days are days where we are, and the line is what the same ICS gives."""
    start = datetime.fromisoformat("2026-11-30T09:00:00+00:00")
    harness.twin.plans(start, subject="Offer", originalStartTimeZone="W. Europe Standard Time", iCalUId="one")
    days = {
        name: {"dateTime": f"2026-12-0{day}T00:00:00.0000000", "timeZone": "UTC"}
        for name, day in (("start", 1), ("end", 3))
    }
    harness.twin.events[harness.twin.plans(start, subject="Fair", isAllDay=True, iCalUId="two")] |= days
    lines = {a.thread: a.text for a in read(harness)[0]}
    assert lines["one"].startswith("Meeting planned for 2026-11-30 10:00 to 11:00 (Europe/Berlin)")
    assert lines["two"].startswith("Meeting planned for 2026-12-01 to 2026-12-02")


def test_a_private_meeting_keeps_its_words(harness: CalendarHarness) -> None:
    """Title and place of a private event are told to nobody; that and when it is, is. Seed: sensitivity not read."""
    place = {"displayName": "Clinic"}
    for sensitivity in ("private", "confidential", "personal"):
        harness.plan(subject="Surgery", location=place, sensitivity=sensitivity)
    found, _ = read(harness)
    assert len(found) == 3
    for activity in found:
        assert activity.attributes["visibility"] == "private"
        assert "Surgery" not in repr(activity)
        assert "Clinic" not in repr(activity)


def test_our_own_answer_is_put_back(harness: CalendarHarness) -> None:
    """What we answered to a customer's invitation stands beside the guests, and counts as ours alone."""
    theirs = {"emailAddress": {"name": "Bob", "address": "bob@example.org"}}
    answer = {"response": "accepted", "time": "2026-11-22T08:00:00Z"}
    guests = [someone("Ann@ours.test"), someone("room@ours.test", "accepted", type="resource")]
    harness.twin.plans(SOON, organizer=theirs, isOrganizer=False, responseStatus=answer, attendees=guests)
    (activity,), _ = read(harness)
    assert (activity.attributes["status"], activity.actor.authenticated) == ("accepted", False)
    assert len(activity.participants) == 2


@pytest.mark.parametrize(
    ("told", "uid"),
    [
        (f"{EXCHANGE}07EA0B1E{REST}10000000" + "AB" * 16, f"{EXCHANGE}00000000{REST}10000000" + "AB" * 16),
        (f"{EXCHANGE}00000000{REST}15000000" + (b"vCal-Uid\x01\0\0\0x@google.com\0").hex().upper(), "x@google.com"),
        (f"{EXCHANGE}00000000{REST}15000000" + (b"vCal-Uid\x01\0\0\0\xff\x01\0").hex(), ""),
        ("7kuk@google.com", "7kuk@google.com"),
        (EXCHANGE, EXCHANGE),
        ("0" * 200, "0" * 200),
    ],
)
def test_a_uid_is_the_one_in_the_mail(told: str, uid: str) -> None:
    """A day of a series has the series' UID, an invitation from elsewhere its own; any other stays as it is."""
    assert clean_uid(told) == (uid or told)


def test_a_meeting_by_graph_and_by_icalendar_has_one_shape(harness: CalendarHarness) -> None:
    """The same meeting has the same external id, line and people, whoever tells of it."""
    uid = f"{EXCHANGE}00000000{REST}10000000" + "AB" * 16
    lines = [
        "BEGIN:VCALENDAR", "BEGIN:VEVENT", f"UID:{uid}", "DTSTART:20261130T090000Z", "DTEND:20261130T100000Z",
        "SUMMARY:Offer", "ORGANIZER;CN=Ann:mailto:ann@ours.test",
        "ATTENDEE;CN=B;PARTSTAT=ACCEPTED:mailto:bob@example.org", "END:VEVENT", "END:VCALENDAR", "",
    ]  # fmt: skip
    (wanted,) = read_calendar("\r\n".join(lines).encode())
    start = datetime.fromisoformat("2026-11-30T09:00:00+00:00")
    harness.twin.plans(start, subject="Offer", iCalUId=uid, attendees=[someone("bob@example.org", "accepted")])
    (activity,), _ = read(harness)
    assert activity.external_id == wanted.uid
    shown = 'Meeting accepted, it is for 2026-11-30 09:00 to 10:00 (UTC): "Offer" with B.'
    assert activity.text == shown
    assert [p.identifiers[0].value for p in activity.participants] == [
        g.email for g in (wanted.organizer, *wanted.guests) if g
    ]


def test_a_count_gives_the_keys_of_the_poll(harness: CalendarHarness) -> None:
    """What lies in the window and was touched since is counted under the key that the poll gave it."""
    harness.twin.repeats(SOON, 5)
    for _ in range(4):
        harness.plan()
    harness.twin.plans(INSTALLED - timedelta(days=9))
    harness.clock.move(3_600)
    late = harness.plan()
    polled, _ = walked(harness.channel)
    counted = [c.key for batch in harness.channel.census(NOW - timedelta(days=30)) for c in batch.captured]
    assert sorted(map(str, counted)) == sorted(str(c.key) for c in polled)
    recent = [c.key for batch in harness.channel.census(NOW + timedelta(minutes=30)) for c in batch.captured]
    assert [key.split(":")[1] for key in map(str, recent)] == [late]


def test_what_was_refused_comes_by_a_poll_and_its_removal_is_told(harness: CalendarHarness) -> None:
    """A meeting, a series, and one that was known: each poll asks again. Seen to fail with no state remembered."""
    harness.put()
    known = harness.plan()
    _, cursor = walked(harness.channel)
    harness.clock.move(60)
    harness.twin.changes_event(known, subject="Offer, new")
    ids = [known, harness.plan(), harness.twin.repeats(SOON, 3)]
    harness.twin.fault(UNWELL, path="events/(" + "|".join(map(quote, ids)) + ")", times=None)
    left, cursor = walked(harness.channel, cursor)
    assert sorted(c.headers["id"] for c in left if c.withheld) == sorted(ids)
    again, cursor = walked(harness.channel, cursor)
    assert not again
    harness.mend()
    come, cursor = walked(harness.channel, cursor)
    assert sorted(c.raw for c in come) == sorted(map(harness.bytes_of, ids))
    fetched = [c for one in left for c in harness.channel.retrieve(str(one.key), one.headers)]
    assert {c.key for c in fetched} == {c.key for c in come}
    for id in ids:
        harness.twin.removes(id)
    gone, cursor = read(harness, cursor)
    assert sorted(a.thread for a in gone) == sorted(f"{id}@graph.test" for id in ids)
    assert {a.attributes["status"] for a in gone} == {"removed"}
    assert not harness.channel.retrieve(str(left[0].key), left[0].headers)


def test_many_that_are_refused_hold_nothing_back(harness: CalendarHarness) -> None:
    """All but the last that is listed, at the first poll; then each has its turn, and its removal is told.

    Seen to fail with the listing's first ones asked whether any can be had, by the poll and by a retrieval, and
    with the same ten asked again.
    """
    ids, channel = [harness.plan() for _ in range(15)], harness.channel
    harness.twin.rounds.dice = Random(7)
    *refused, good = channel._window.news(Known(), NOW).ids
    harness.twin.rounds.dice = Random(7)  # so that it lists them in this order again
    harness.twin.fault(UNWELL, path="events/(" + "|".join(map(quote, refused)) + ")", times=None)
    found, cursor = walked(channel)
    assert sorted(c.headers["id"] for c in found if c.withheld) == sorted(refused)
    assert [c.raw for c in found if c.raw] == [harness.bytes_of(good)]
    left = next(c for c in found if c.withheld)
    assert ids.index(good) > 3
    with pytest.raises(Withheld):  # and no outage, for which it would be asked for without end
        channel.retrieve(str(left.key), left.headers)
    last = max(refused)
    harness.mend()
    harness.twin.fault(UNWELL, path="events/(" + "|".join(quote(id) for id in ids if id != last) + ")", times=None)
    come, cursor = walked(channel, cursor)
    more, cursor = walked(channel, cursor)
    assert [c.raw for c in (*come, *more)] == [harness.bytes_of(last)]
    harness.twin.removes(last)
    (removed,), _ = read(harness, cursor)
    assert (removed.thread, removed.attributes["status"]) == (f"{last}@graph.test", "removed")


def test_what_left_the_calendar_while_it_was_refused_is_removed(harness: CalendarHarness) -> None:
    """That Graph said so isn't forgotten until the event is seen. Seen to fail with one state for all refused."""
    harness.put()
    id = harness.plan()
    _, cursor = walked(harness.channel)
    page = {"value": [{"@removed": {"reason": "deleted"}, "id": id}], "@odata.deltaLink": cursor["link"]}
    harness.twin.fault(Status(200, page), path="delta")
    harness.twin.fault(UNWELL, path=f"events/{quote(id)}", times=None)
    (left,), cursor = walked(harness.channel, cursor)
    assert left.withheld
    harness.mend()
    (activity,), _ = read(harness, cursor)
    assert activity.attributes["status"] == "removed"


def test_a_calendar_that_is_too_full_says_so(harness: CalendarHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """More entries than a cursor can bear is the operator's to change, and named."""
    monkeypatch.setattr("adapters.channels.graph.calendar_walk.ENTRIES_MAX", 3)
    for _ in range(4):
        harness.put()
    with pytest.raises(ConfigError, match="days_ahead"):
        walked(harness.channel)


@pytest.mark.parametrize(
    "fields",
    [
        {"iCalUId": None}, {"iCalUId": "u" * 501}, {"start": None}, {"start": {"dateTime": "x" * 30}},
        {"start": {"dateTime": "9999-12-31T23:59:59.0000000", "timeZone": "UTC"}}, {"start": {"dateTime": 7}},
    ],
)  # fmt: skip
def test_an_event_that_cant_be_read_is_parked(harness: CalendarHarness, fields: dict[str, Any]) -> None:
    """What has no name or no time is kept and parked, without a word of it."""
    id = harness.plan()
    raw = json.dumps({**json.loads(harness.bytes_of(id)), "subject": "secret words", **fields}).encode()
    captured = Captured("ann@ours.test", raw, "event:x:1", {"thing": "event"})
    with pytest.raises(PermanentError) as caught:
        parsed(harness.channel, captured)
    assert "secret" not in str(caught.value)


def test_odd_shapes_cost_no_meeting(harness: CalendarHarness) -> None:
    """Whatever stands in fields that matter little, the meeting is read."""
    odd: list[dict[str, Any]] = [
        {"attendees": None, "organizer": None, "location": "Clinic", "recurrence": []},
        {"attendees": [None, 7, {"emailAddress": "x"}, someone("not an address")], "responseStatus": 1},
        {"originalStartTimeZone": "tzone://Microsoft/Custom", "end": None, "lastModifiedDateTime": "never"},
        {"end": {"dateTime": "2020-01-01T00:00:00", "timeZone": "UTC"}, "recurrence": {"pattern": {"type": "hourly"}}},
        {
            "attendees": [someone(f"g{number}@example.org") for number in range(300)],
            "type": "exception",
            "originalStart": 5,
        },
    ]
    for fields in odd:
        raw = json.dumps({**json.loads(harness.bytes_of(harness.plan())), **fields}).encode()
        (activity,) = parsed(harness.channel, Captured("ann@ours.test", raw, "event:x:1", {"thing": "event"}))
        assert activity.kind == "meeting"
        assert len(activity.participants) <= 201


def test_no_event_breaks_the_reader(harness: CalendarHarness) -> None:
    """Whatever stands in an event's fields, it is read or parked, and nobody but our own calendar vouches for it."""
    channel, good = harness.channel, json.loads(harness.bytes_of(harness.plan()))
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    inner = st.sampled_from(["dateTime", "timeZone", "emailAddress", "address", "status", "pattern", "range", "type"])
    values = st.recursive(leaves, lambda more: st.lists(more, max_size=3) | st.dictionaries(inner, more, max_size=4))

    @given(st.dictionaries(st.sampled_from(sorted(good)), values, min_size=1, max_size=5))
    def forge(fields: dict[str, Any]) -> None:
        raw = json.dumps(good | fields).encode()
        try:
            activities = parsed(channel, Captured("ann@ours.test", raw, "event:x:1", {"thing": "event"}))
        except PermanentError:
            return
        for activity in activities:
            assert activity.actor.role is Role.SYSTEM
            assert all(activity.text[said.start : said.end] for said in activity.said)

    forge()
