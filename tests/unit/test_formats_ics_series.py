"""Series: told in words, spelt out by their own wall clock, and bounded however they are written."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats.calendar_activity import entry_activities
from adapters.formats.ics import Event, read_calendar
from adapters.formats.ics_dates import DATES_MAX
from adapters.formats.ics_series import DAYS_MAX, is_day_of, is_over, occurrences
from sidecar.model import Activity
from tests.unit.test_formats_calendar_activity import OWN, delivery
from tests.unit.test_formats_ics import calendar, one

NOW = datetime(2026, 3, 20, tzinfo=UTC)
BERLIN = "UID:s\nDTSTAMP:20260101T000000Z\nDTSTART;TZID=Europe/Berlin:20260105T100000\nDURATION:PT1H\n"


def days(properties: str, *exceptions: str, since: datetime = NOW) -> list[str]:
    """Return when a series is on from a time on, by its own wall clock."""
    series, *others = read_calendar(calendar(properties, *exceptions), "Europe/London")
    return [f"{day.start:%Y-%m-%dT%H:%M%z}" for day in occurrences(series, others, since)]


def told(*events: str, at: datetime = NOW) -> list[Activity]:
    """Return the activities of a calendar that was read at a time."""
    return list(entry_activities(delivery(calendar(*events), at), OWN, "a file"))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=DAILY", "daily"),
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "weekly on weekdays"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;COUNT=10", "every 2 weeks on Monday and Thursday, 10 times in all"),
        ("FREQ=MONTHLY;BYDAY=1MO,-1FR", "monthly on the first Monday and the last Friday"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "monthly on the last of the weekdays"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,15,-1", "monthly on day 1, day 15 and the last day"),
        ("FREQ=YEARLY;BYMONTH=3,9;BYMONTHDAY=31", "yearly on day 31 in March and September"),
        ("FREQ=WEEKLY;UNTIL=20260331T215959Z;WKST=SU", "weekly until 2026-03-31"),
        ("FREQ=WEEKLY;UNTIL=20260331T225959Z", "weekly until 2026-04-01"),
        ("freq=weekly;byday=mo;until=20270101", "weekly on Monday until 2027-01-01"),
    ],
)
def test_a_rule_is_told_in_words(rule: str, words: str) -> None:
    """A person reads when it is, and its last day is told by the meeting's own clock."""
    event = one(f"{BERLIN}RRULE:{rule}")
    assert (event.repeats, event.problems) == (words, ())
    assert event.rule


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=SECONDLY", "regularly"),
        ("FREQ=MINUTELY;COUNT=1000000000", "regularly"),
        ("FREQ=HOURLY", "regularly"),
        ("FREQ=DAILY;BYHOUR=0,1,2,3;BYMINUTE=0,1,2;BYSECOND=0,1", "daily"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "daily"),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=TU", "daily"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "yearly"),
        ("FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6", "yearly"),
        ("FREQ=WEEKLY;INTERVAL=0", "weekly"),
        ("FREQ=MONTHLY;COUNT=0;BYMONTH=2", "monthly"),
        ("FREQ=WEEKLY;COUNT=99999999999", "weekly"),
        ("FREQ=WEEKLY;UNTIL=20261399", "weekly"),
        ("FREQ=WEEKLY;UNTIL=00010101", "weekly"),
        ("FREQ=WEEKLY;WKST=XX", "weekly"),
        ("FREQ=WEEKLY;BYMONTH=+2", "weekly"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6", "monthly"),
        ("FREQ=YEARLY;BYMONTHDAY=1;BYMONTH=1;BYSETPOS=-2", "yearly"),
        ("FREQ=WEEKLY;FREQ=SECONDLY", "regularly"),
        ("FREQ=MONTHLY;BYSETPOS=400;BYDAY=MO", "monthly"),
        ("FREQ=MONTHLY;BYMONTHDAY=" + ",".join(["1"] * 90), "monthly"),
        ("canary-7f3a", "regularly"),
        ("FREQ=FORTNIGHTLY", "regularly"),
        ("", "regularly"),
    ],
)
def test_a_rule_that_could_run_for_ever_is_said_and_not_spelt_out(rule: str, words: str) -> None:
    """What nobody's calendar program writes costs nothing, and the event says so; nothing of it is repeated.

    Seen to fail with a first day of the week that is none, a month with a sign and a year of one digit, which raised.
    """
    event = one(f"{BERLIN}RRULE:{rule}")
    assert (event.repeats, event.rule) == (words, "")
    assert event.problems == ("it repeats by a rule that isn't spelt out",)
    assert occurrences(event, (), NOW) == ()
    assert not is_over(event, (), datetime(2199, 1, 1, tzinfo=UTC))


def test_a_series_keeps_its_hour_when_the_clocks_change() -> None:
    """Ten o'clock in Berlin is ten o'clock in March and in April; seen to fail with the rule walked in UTC."""
    assert days(f"{BERLIN}RRULE:FREQ=WEEKLY;COUNT=13") == ["2026-03-23T10:00+0100", "2026-03-30T10:00+0200"]
    night = BERLIN.replace("20260105T100000", "20260329T023000")
    assert days(f"{night}RRULE:FREQ=DAILY;COUNT=2") == ["2026-03-29T03:30+0200", "2026-03-30T02:30+0200"]
    twice = BERLIN.replace("20260105T100000", "20261024T023000")
    assert days(f"{twice}RRULE:FREQ=DAILY;COUNT=2") == ["2026-10-24T02:30+0200", "2026-10-25T02:30+0200"]


def test_days_put_in_taken_out_moved_and_called_off() -> None:
    """RDATE, EXDATE and exceptions are put together, whatever zone each is written in."""
    series = (
        f"{BERLIN}RRULE:FREQ=WEEKLY;UNTIL=20260420T080000Z\nEXDATE;TZID=Europe/Berlin:20260323T100000\n"
        "EXDATE:20260330T080000Z,20260101T000000Z\nRDATE;TZID=Europe/London:20260325T090000"
    )
    moved = "UID:s\nRECURRENCE-ID:20260406T080000Z\nDTSTART;TZID=Europe/London:20260407T150000\nDURATION:PT30M"
    off = "UID:s\nRECURRENCE-ID;TZID=Europe/Berlin:20260413T100000\nSTATUS:CANCELLED\nDTSTART:20260413T080000Z"
    assert days(series, moved, off) == ["2026-03-25T10:00+0100", "2026-04-07T16:00+0200", "2026-04-20T10:00+0200"]
    period = f"{BERLIN}RDATE;VALUE=PERIOD:20260325T090000Z/PT30M"
    assert days(period) == ["2026-03-25T10:00+0100"]


def test_from_a_day_on_all_days_are_moved() -> None:
    """THISANDFUTURE moves the day and those behind it by as much."""
    later = "UID:s\nRECURRENCE-ID;RANGE=THISANDFUTURE:20260330T080000Z\nDTSTART;TZID=Europe/Berlin:20260330T140000\n"
    found = days(f"{BERLIN}RRULE:FREQ=WEEKLY;COUNT=14", f"{later}DURATION:PT2H")
    assert found == ["2026-03-23T10:00+0100", "2026-03-30T14:00+0200", "2026-04-06T14:00+0200"]
    _, change = told(f"{BERLIN}RRULE:FREQ=WEEKLY;COUNT=14", f"{later}DURATION:PT2H")
    assert ", in place of 2026-03-30 10:00, and so on all later days of the series" in change.text
    assert change.attributes["range"] == "this and all later days"


def test_whole_days_and_times_without_a_zone() -> None:
    """A birthday is a day where we are, and a floating time runs by the calendar's own clock."""
    birthday = "UID:s\nDTSTART;VALUE=DATE:20200401\nRRULE:FREQ=YEARLY\nEXDATE;VALUE=DATE:20260401"
    assert days(birthday) == ["2027-04-01T00:00+0100"]
    assert days(birthday.partition("\nEXDATE")[0])[0] == "2026-04-01T00:00+0100"
    assert days("UID:s\nDTSTART:20260327T100000\nRRULE:FREQ=DAILY;COUNT=4") == [
        "2026-03-27T10:00+0000", "2026-03-28T10:00+0000", "2026-03-29T10:00+0100", "2026-03-30T10:00+0100",
    ]  # fmt: skip


def test_a_series_without_end_is_spelt_out_for_a_while() -> None:
    """From however long ago, and however many times it is said to be on, the window bounds it."""
    for rule in ("FREQ=DAILY", "FREQ=DAILY;COUNT=999999999", "FREQ=YEARLY;INTERVAL=1000"):
        event = one(f"UID:s\nDTSTART:19700101T100000Z\nDTEND:19700101T110000Z\nRRULE:{rule}")
        found = occurrences(event, (), NOW)
        assert len(found) <= DAYS_MAX
        assert all(day.end > NOW and day.start < NOW + timedelta(days=401) for day in found)


def test_a_long_list_of_dates_is_read_as_far_as_it_may() -> None:
    """A hundred thousand dates cost no more than a thousand do; seen to fail without the bound."""
    dates = ",".join(f"{NOW + timedelta(hours=number):%Y%m%dT%H%M%SZ}" for number in range(20_000))
    for name in ("EXDATE", "RDATE"):
        event = one(f"{BERLIN}RRULE:FREQ=WEEKLY\n{name}:{dates}")
        assert len(event.excluded) + len(event.added) == DATES_MAX
        assert event.problems == (f"more than {DATES_MAX} dates under {name}: the first are read",)
    broken = one(f"{BERLIN}EXDATE:canary,20260105T090000Z\nRDATE;TZID=Nowhere/At/All:20260106T090000")
    assert len(broken.excluded) == len(broken.added) == 1
    assert not any("canary" in problem for problem in broken.problems)


def test_a_series_is_told_once_and_its_changes_each() -> None:
    """The series with its rule and when it is next on, and beside it the days that somebody changed."""
    series = f"{BERLIN}SUMMARY:Review\nRRULE:FREQ=WEEKLY;BYDAY=MO\nEXDATE;TZID=Europe/Berlin:20260330T100000"
    moved = "UID:s\nRECURRENCE-ID:20260406T080000Z\nDTSTART;TZID=Europe/Berlin:20260407T150000\nDURATION:PT1H"
    whole, taken_out, change = told(series, moved)
    assert whole.text == (
        'Meeting planned for 2026-01-05 10:00 to 11:00 (Europe/Berlin), and weekly on Monday from then on: "Review".'
    )
    assert whole.attributes["proposed_start"] == whole.attributes["next_start"] == "2026-03-23T10:00:00+01:00"
    assert whole.attributes["end"] == "2026-03-23T11:00:00+01:00"
    assert whole.attributes["series_start"] == "2026-01-05T10:00:00+01:00"
    assert taken_out.text.startswith(
        "Meeting of a series cancelled for one day only, it was for 2026-03-30 10:00 to 11:00 (Europe/Berlin)"
    )
    assert taken_out.external_id == "s#2026-03-30T08:00:00+00:00"
    assert change.text.startswith(
        "Meeting planned for 2026-04-07 15:00 to 16:00 (Europe/Berlin), in place of 2026-04-06 10:00"
    )
    assert {activity.thread for activity in (whole, taken_out, change)} == {"s"}
    again = told(f"{series}\nSEQUENCE:4".replace("20260101T0", "20260301T0"), moved)
    assert again[1].version == taken_out.version
    assert again[0].version != whole.version


def test_a_date_that_is_no_day_of_the_series_takes_nothing_out() -> None:
    """Only what the rule would bring can be left out, and what is over is nobody's news."""
    series = f"{BERLIN}RRULE:FREQ=WEEKLY\nEXDATE;TZID=Europe/Berlin:20260331T100000,20260309T100000,20260406T110000"
    assert len(told(series)) == 1
    assert not is_day_of(one(series), datetime(2026, 3, 31, 8, tzinfo=UTC))
    assert is_day_of(one(series), datetime(2026, 3, 30, 8, tzinfo=UTC))


def test_a_series_is_over_with_its_last_day() -> None:
    """Held as planned is a series as a whole, once no day is left; a day that merely passed isn't told."""
    series = f"{BERLIN}RRULE:FREQ=WEEKLY;COUNT=11"
    (before,), (after,) = told(series, at=datetime(2026, 3, 16, 9, tzinfo=UTC)), told(series)
    assert (before.attributes["status"], after.attributes["status"]) == ("planned", "held_as_planned")
    assert "series_start" not in after.attributes
    late = "UID:s\nRECURRENCE-ID:20260316T090000Z\nDTSTART;TZID=Europe/Berlin:20260326T100000"
    assert [a.attributes["status"] for a in told(series, late)] == ["planned", "planned"]
    past = "UID:s\nRECURRENCE-ID:20260309T090000Z\nDTSTART;TZID=Europe/Berlin:20260310T100000"
    endless = f"{BERLIN}RRULE:FREQ=WEEKLY"
    assert [a.attributes["status"] for a in told(endless, past)] == ["planned", "held_as_planned"]


def test_many_series_are_spelt_out_as_far_as_they_may() -> None:
    """A file of series costs no more than a few of them; the others are told without their next day, and say so."""
    many = [f"{BERLIN}RRULE:FREQ=WEEKLY".replace("UID:s", f"UID:s{number}") for number in range(30)]
    found = told(*many)
    assert len(found) == 30
    assert sum("series_start" in activity.attributes for activity in found) == 20
    assert "more than 20 series" in found[-1].problems[-1]


@settings(max_examples=150, deadline=None)
@given(st.text("FREQ=DAILYWEKMONTHBY;,-+0123456789UCSI", max_size=60), st.sampled_from(["RRULE", "EXDATE", "RDATE"]))
def test_no_series_crashes_its_reader(value: str, name: str) -> None:
    """Whatever a rule or a list says, the event is read, spelt out or not."""
    event = one(f"{BERLIN}{name}:{value}")
    assert isinstance(event, Event)
    assert len(occurrences(event, (), NOW)) <= DAYS_MAX
    is_over(event, (), NOW)
