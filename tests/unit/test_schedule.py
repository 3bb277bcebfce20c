"""The schedule: a tick makes a row of work due and does nothing else, so that many processes may tick."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sidecar.app.schedule import Schedule, trigger
from sidecar.model import WorkKey, WorkKind
from tests.support.houses import House

FRIDAY = datetime(2026, 3, 6, 20, tzinfo=UTC)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house whose folder is looked into each second."""
    env = {"SIDECAR_CHANNELS__DROP__EVERY_S": "1", "SIDECAR_OWN__TIMEZONE": "America/New_York"}
    with House(tmp_path, "sqlite:///journal.db", env=env) as opened:
        yield opened.start()


def touches(house: House) -> dict[WorkKey, int]:
    """How often each piece of work was made due."""
    return {row.work: row.touched for row in house.journal.work()}


def test_everything_that_is_polled_is_due_at_the_start(house: House) -> None:
    """What came while nobody ran is fetched at once; seen to fail with the first tick an interval later."""
    schedule = Schedule(house.app)
    schedule.start()
    try:
        due = {key.key for key in house.journal.due(10, [WorkKind.POLL])}
        assert due == {"drop", "ledger"}, "a webhook has nothing to poll"
    finally:
        schedule.stop()


def test_a_poll_comes_round_by_its_rhythm_and_ends_with_the_schedule(house: House) -> None:
    """Ticks go on while it runs, and not after; seen to fail with the trigger's interval ignored."""
    schedule, drop = Schedule(house.app), WorkKey(WorkKind.POLL, "drop")
    schedule.start()
    waited = threading.Event()
    for _ in range(300):
        if touches(house)[drop] > 1:
            break
        waited.wait(0.1)
    schedule.stop()
    count = touches(house)[drop]
    assert count > 1
    waited.wait(1.2)
    assert touches(house)[drop] == count


def test_ticks_of_many_processes_make_one_poll(house: House) -> None:
    """A row of work is one however often it is touched."""
    schedules = [Schedule(house.app) for _ in range(3)]
    for schedule in schedules:
        schedule.start()
        schedule.stop()
    assert touches(house)[WorkKey(WorkKind.POLL, "drop")] >= 3
    assert house.journal.due(10, [WorkKind.POLL]).count(WorkKey(WorkKind.POLL, "drop")) == 1


def test_office_hours_are_our_own(house: House) -> None:
    """A cron line is read in our time zone; seen to fail with UTC."""
    at = trigger(None, "0 8 * * mon-fri", 0.0, house.app).get_next_fire_time(None, FRIDAY)
    assert at.astimezone(UTC) == datetime(2026, 3, 9, 12, tzinfo=UTC), "Monday at eight in New York, which has summer"


def test_pollers_that_are_told_to_don_t_march_in_step(house: House) -> None:
    """Jitter reaches both kinds of rhythm; seen to fail with it left out of the cron trigger."""
    for every_s, cron in ((60.0, None), (None, "* * * * *")):
        assert trigger(every_s, cron, 5.0, house.app).jitter == 5
        assert trigger(every_s, cron, 0.0, house.app).jitter is None


def test_no_rhythm_is_faster_than_a_second(house: House) -> None:
    """An interval of nothing would spin; seen to fail with the number taken as it is."""
    assert trigger(0.2, None, 0.0, house.app).interval.total_seconds() == 1.0
