"""Reading iCalendar: what is said when, whatever a zone is called, and a hostile file harms nothing but itself."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats.ics import EVENTS_MAX, GUESTS_MAX, ICS_BYTES_MAX, Event, read_calendar
from sidecar.errors import PermanentError

FIXTURES = sorted((Path(__file__).parent.parent / "fixtures" / "ics").glob("*.ics"))
CUSTOM = """BEGIN:VTIMEZONE
TZID:{tzid}
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ={freq};BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ={freq};BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
"""


def calendar(*events: str, head: str = "") -> bytes:
    """Return a calendar of events that are given by their properties."""
    body = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\n{head}{body}END:VCALENDAR\n".encode()


def one(properties: str, head: str = "", zone: str = "Europe/London") -> Event:
    """Read the only event of a calendar."""
    (event,) = read_calendar(calendar(properties, head=head), zone)
    return event


def test_every_fixture_is_read_in_its_zone() -> None:
    """A Windows zone means what it means, with its VTIMEZONE and without."""
    assert len(FIXTURES) == 6
    for path in FIXTURES:
        (event,) = read_calendar(path.read_bytes())
        assert event.start is not None
        assert event.start.utcoffset() == timedelta(hours=1), path.name
        assert (event.zone, event.summary, event.problems) == ("Europe/Berlin", "Angebot besprechen", ())
        assert event.organizer is not None
        assert (event.organizer.email, event.organizer.name) == ("anna@example.com", "Anna Schmidt")
        assert [(guest.email, guest.name) for guest in event.guests] == [("bob@example.org", "Bob Müller")]


def test_one_day_of_a_series_is_an_event_of_its_own() -> None:
    """A RECURRENCE-ID names the day, in UTC, whatever zone the sender writes it in."""
    path = next(path for path in FIXTURES if "one_instance" in path.name)
    (event,) = read_calendar(path.read_bytes())
    assert (event.method, event.recurrence) == ("CANCEL", "2026-12-07T09:00:00+00:00")


@pytest.mark.parametrize(
    ("tzid", "summer_hours"),
    [
        ("Europe/Berlin", 2),
        ("Eastern Standard Time", -4),
        ('"Europe/London"', 1),
        ("/vendor.example/20260101/Europe/Paris", 2),
        ("America/Argentina/Buenos_Aires", -3),
        ("UTC", 0),
    ],
)
def test_zone_names_of_all_makers(tzid: str, summer_hours: int) -> None:
    """IANA, Windows, quoted and vendor's names are the same zones."""
    event = one(f"UID:a\nDTSTART;TZID={tzid}:20260701T100000")
    assert event.start is not None
    assert event.start.utcoffset() == timedelta(hours=summer_hours)
    assert event.problems == ()


def test_a_zone_that_nobody_knows_follows_the_files_rules() -> None:
    """A customised zone has its own summer time."""
    head = CUSTOM.format(tzid="Customized Time Zone", freq="YEARLY")
    for day, hours in (("20260701", 2), ("20261201", 1)):
        event = one(f"UID:a\nDTSTART;TZID=Customized Time Zone:{day}T100000", head=head)
        assert event.start is not None
        assert (event.start.utcoffset(), event.problems) == (timedelta(hours=hours), ())


def test_zones_that_are_told_to_keep_us_busy_are_not_followed() -> None:
    """Rules from the year 1 on, all Mondays, or hundreds of zones cost little, and a zone from the year 1 is right;
    seen to fail by the bound, after minutes."""
    part = "BEGIN:{}\r\nDTSTART:0001{}T020000\r\nTZOFFSETFROM:{}\r\nTZOFFSETTO:{}\r\nRRULE:FREQ=YEARLY;{}\r\nEND:{}\r\n"
    winter = part.format("STANDARD", "1028", "+0500", "+0400", "BYMONTH=10;BYDAY=-1SU", "STANDARD")
    summer = part.format("DAYLIGHT", "0325", "+0400", "+0500", "BYMONTH=3;BYDAY=-1SU", "DAYLIGHT")
    mondays = part.format("STANDARD", "0101", "+0400", "+0400", "BYDAY=MO", "STANDARD")
    zone, event = "BEGIN:VTIMEZONE\r\nTZID:{}\r\n{}END:VTIMEZONE\r\n", "DTSTART;TZID={}:20260701T100000"
    told = {"Ours": winter + summer, "Mondays": mondays * 20} | {f"Z{n}": winter * 20 for n in range(300)}
    made = [f"BEGIN:VEVENT\r\nUID:{name}\r\n{event.format(name)}\r\nEND:VEVENT" for name in told]
    zones = "".join(zone.format(name, parts) for name, parts in told.items())
    began = time.process_time()
    first, second, *others = read_calendar(f"BEGIN:VCALENDAR\r\n{zones}{chr(10).join(made)}\r\nEND:VCALENDAR".encode())
    assert time.process_time() - began < 20
    assert (first.start, first.problems) == (datetime(2026, 7, 1, 5, tzinfo=UTC), ())
    assert all("nobody knows" in event.problems[0] for event in (second, others[-1]))


def test_no_mail_changes_a_zone_for_another() -> None:
    """A file's false rules for a known name hold nowhere; seen to fail with the file's rules first."""
    lie = CUSTOM.format(tzid="W. Europe Standard Time", freq="YEARLY").replace("+0100", "+0900")
    for head in (lie, ""):
        event = one("UID:a\nDTSTART;TZID=W. Europe Standard Time:20261201T100000", head=head)
        assert event.start == datetime(2026, 12, 1, 9, tzinfo=UTC)
    own = CUSTOM.format(tzid="Made Up", freq="YEARLY")
    one("UID:a\nDTSTART;TZID=Made Up:20261201T100000", head=own)
    event = one("UID:a\nDTSTART;TZID=Made Up:20261201T100000")
    assert event.start == datetime(2026, 12, 1, 10, tzinfo=UTC)
    assert event.problems


@pytest.mark.parametrize("freq", ["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "YEARLY;BYSECOND=1"])
def test_rules_that_never_end_are_not_followed(freq: str) -> None:
    """A zone that changes each second costs nothing; it is read as ours, and said so."""
    event = one("UID:a\nDTSTART;TZID=Made Up:20260701T100000", head=CUSTOM.format(tzid="Made Up", freq=freq))
    assert event.start == datetime(2026, 7, 1, 9, tzinfo=UTC)
    assert any("zone that nobody knows" in problem for problem in event.problems)


def test_floating_times_and_whole_days() -> None:
    """A time without a zone is the calendar's own, else ours, and a day is a day there."""
    floating = one("UID:a\nDTSTART:20260701T100000")
    assert floating.start == datetime(2026, 7, 1, 9, tzinfo=UTC)
    assert any("without a zone" in problem for problem in floating.problems)
    theirs = one("UID:a\nDTSTART:20260701T100000", head="X-WR-TIMEZONE:Asia/Tokyo\n")
    assert theirs.start == datetime(2026, 7, 1, 1, tzinfo=UTC)
    day = one("UID:a\nDTSTART;VALUE=DATE:20260701")
    assert day.is_all_day
    assert (day.start, day.end) == (datetime(2026, 6, 30, 23, tzinfo=UTC), datetime(2026, 7, 1, 23, tzinfo=UTC))


def test_a_duration_spans_the_change_of_clocks() -> None:
    """Two hours are two hours in the night in which the clock goes forward."""
    event = one("UID:a\nDTSTART;TZID=Europe/Berlin:20270328T010000\nDURATION:PT2H")
    assert event.end is not None
    assert event.end.isoformat() == "2027-03-28T04:00:00+02:00"


def test_a_broken_event_costs_itself_alone() -> None:
    """The library keeps silent about a bad date; here it is named, and the neighbour is read."""
    events = read_calendar(calendar("UID:a\nDTSTART:2026", "UID:b\nDTSTART:20260701T100000Z", "DTSTART:20260701T1Z"))
    assert [event.uid for event in events] == ["b"]
    assert [problem.partition(":")[0] for problem in events[0].problems] == [
        "event 1 can't be read",
        "event 3 can't be read",
    ]
    with pytest.raises(PermanentError, match="DTSTART"):
        read_calendar(calendar("UID:a\nDTSTART:2026"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"Dear Ann, BEGIN:VCALENDAR",
        b"BEGIN:VCALENDAR\nEND:VCALENDAR\n",
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\n",
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nEND:VCALENDAR\nEND:VEVENT\n",
        b"BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:a\nEND:VTODO\nEND:VCALENDAR\n",
        b"BEGIN:VCALENDAR\n" * 10_000,
        b"x" * (ICS_BYTES_MAX + 1),
        b"BEGIN:VCALENDAR\n" + b"X:\n" * 60_000,
        calendar(*["UID:a\nDTSTART:20260701T100000Z"] * (EVENTS_MAX + 1)),
        calendar("UID:a\nDTSTART:00010101T000000Z"),
        calendar(f"UID:{'a' * 600}\nDTSTART:20260701T100000Z"),
        calendar("UID:a"),
    ],
)
def test_what_is_no_calendar_is_said_to_be_none(content: bytes) -> None:
    """Whatever is wrong, it is one clear error."""
    with pytest.raises(PermanentError):
        read_calendar(content)


def test_an_error_repeats_nothing_that_was_written() -> None:
    """An error goes to lists and logs, where nobody's words belong."""
    with pytest.raises(PermanentError) as caught:
        read_calendar(calendar("UID:a\nDTSTART:canary-7f3a\nSUMMARY:canary-7f3a"))
    assert "canary" not in str(caught.value)


def test_guests_are_people_with_addresses_each_once() -> None:
    """Rooms are known for rooms, an Exchange path for none, and a crowd is cut, which is said."""
    event = one(
        "UID:a\nDTSTART:20260701T100000Z\nATTENDEE;CN=Room;CUTYPE=ROOM:mailto:room@x.test\n"
        "ATTENDEE;EMAIL=ann@x.test:/o=x/cn=ann\nATTENDEE:MAILTO:Ann@X.test\nATTENDEE:invalid:nomail\n"
        "ATTENDEE;PARTSTAT=DECLINED;CN=bob@x.test:mailto:bob@x.test"
    )
    assert [(g.email, g.name, g.answer, g.is_person) for g in event.guests] == [
        ("room@x.test", "Room", "", False),
        ("ann@x.test", "", "", True),
        ("bob@x.test", "", "declined", True),
    ]
    crowd = "\n".join(f"ATTENDEE:mailto:g{number}@x.test" for number in range(GUESTS_MAX + 5))
    cut = one(f"UID:a\nDTSTART:20260701T100000Z\n{crowd}")
    assert len(cut.guests) == GUESTS_MAX
    assert cut.problems


def test_only_what_is_read_reaches_the_library() -> None:
    """An enclosed file, an alarm and a property of nobody's can't break an event."""
    event = one(
        "UID:a\nDTSTART:20260701T100000Z\nDTEND:20260701T090000Z\nX-ODD;;;=:\nATTACH;ENCODING=BASE64:%%%\n"
        "BEGIN:VALARM\nTRIGGER:no\nUID:b\nEND:VALARM\nSEQUENCE:many\nRRULE:FREQ=WEEKLY"
    )
    assert (event.uid, event.sequence, event.repeats, event.end) == ("a", 0, "weekly", event.start)
    assert len(event.problems) == 2


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_calendar_crashes_its_reader(data: st.DataObject) -> None:
    """Any bytes, and any change of a good file, are read or refused; seen to fail with broken values kept."""
    good = bytearray(data.draw(st.sampled_from([path.read_bytes() for path in FIXTURES])))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(good) - 1))
        until = data.draw(st.integers(at, min(at + 8, len(good))))
        good[at:until] = data.draw(
            st.binary(max_size=8) | st.sampled_from([b";", b":", b"\n", b"\n ", b",", b'"', b"9" * 9])
        )
        if not good:
            break
    try:
        events = read_calendar(bytes(good))
    except PermanentError:
        return
    assert all(event.uid for event in events)
