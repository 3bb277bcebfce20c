"""The hours in which a channel is expected to bring something."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sidecar.config import Hours

LONDON = ZoneInfo("Europe/London")
HOUR = 3600.0


def at(text: str) -> datetime:
    """Return a time in London, as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=LONDON).astimezone(UTC)


@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [
        ("2026-11-23T09:00", "2026-11-23T12:00", 3.0),  # a Monday
        ("2026-11-20T17:00", "2026-11-23T09:00", 2.0),  # over a weekend: an hour on each side
        ("2026-11-21T09:00", "2026-11-22T20:00", 0.0),  # at the weekend
        ("2026-11-23T05:00", "2026-11-23T07:00", 0.0),  # before it opens
        ("2026-11-23T05:00", "2026-11-24T23:00", 20.0),  # two whole days
        ("2026-11-23T12:00", "2026-11-23T09:00", 0.0),  # the clock was set back
    ],
)
def test_silence_is_counted_in_expected_time(since: str, until: str, hours: float) -> None:
    """Nights and weekends are nobody's fault; seen to fail with every hour counted."""
    assert Hours.parse("mon-fri 8:00-18:00").between_s(at(since), at(until), LONDON) == hours * HOUR


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_day_is_as_long_as_the_clocks_make_it(day: str, hours: int) -> None:
    """Where the clocks change, a day has 23 or 25 hours; seen to fail with the minutes added to midnight."""
    begun = at(f"{day}T00:00")
    ended = at((datetime.fromisoformat(day) + timedelta(days=1)).isoformat())
    assert Hours().between_s(begun, ended, LONDON) == hours * HOUR


def test_a_span_of_days_may_go_round_the_week() -> None:
    """From Saturday to Tuesday is four days, and one day is one; seen to fail with first and last compared."""
    assert Hours.parse("Sat-Tue 00:00-24:00").days == {5, 6, 0, 1}
    assert Hours.parse("wed 09:30-17:00") == Hours(frozenset({2}), 9 * 60 + 30, 17 * 60)


def test_a_time_long_ago_takes_no_time_to_count() -> None:
    """A channel that was silent for decades is as silent as after a year."""
    long_ago = Hours().between_s(datetime(1990, 1, 1, tzinfo=UTC), at("2026-11-23T09:00"), LONDON)
    assert long_ago == pytest.approx(400 * 24 * HOUR, abs=HOUR)


@pytest.mark.parametrize(
    ("now", "latest"),
    [
        ("2026-11-23T12:00", "2026-11-23T12:00"),
        ("2026-11-23T07:00", "2026-11-20T18:00"),
        ("2026-11-23T22:00", "2026-11-23T18:00"),
        ("2026-11-22T12:00", "2026-11-20T18:00"),
    ],
)
def test_the_last_expected_moment_is_known(now: str, latest: str) -> None:
    """Before opening it is the closing of the day before, over a weekend too; seen to fail with today alone."""
    assert Hours.parse("mon-fri 08:00-18:00").latest(at(now), LONDON) == at(latest)
    assert Hours().latest(at(now), LONDON) == at(now)


@pytest.mark.parametrize("text", ["", "mon", "8-18", "mon-fri 18:00-08:00", "mon-fri 08:00-25:00", "mo-fr 08:00-18:00"])
def test_what_is_no_span_of_hours_is_refused(text: str) -> None:
    """Nothing is guessed, and an example says what would be right."""
    with pytest.raises(ValueError, match="mon-fri 08:00-18:00"):
        Hours.parse(text)
