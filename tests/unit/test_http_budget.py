"""The budget of a day that adapters share: who is let through, and when it goes on."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from adapters.http.budget import Budget, at_midnight
from sidecar.errors import TemporaryError


class Day:
    """A clock that only the test moves."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def wait_s(budget: Budget) -> float | None:
    """Return when a budget that is spent says to come again."""
    with pytest.raises(TemporaryError, match="over") as spent:
        budget.check()
    return spent.value.retry_after_s


def test_it_ends_at_the_reserve() -> None:
    """Others keep theirs, and it goes on by itself; seen to fail with the reserve ignored."""
    day = Day(datetime(2026, 1, 5, 9, tzinfo=UTC))
    budget = Budget(day, 10, "over")
    budget.learn(11)
    budget.check()
    budget.learn(None)
    assert (budget.left, budget.is_spent) == (None, False)
    budget.learn(10)
    assert wait_s(budget) == 900
    day.now += timedelta(minutes=15)
    budget.check()
    assert (budget.left, budget.is_spent) == (10, True)


def test_a_refusal_ends_it_whatever_was_said_before() -> None:
    """The vendor knows best; seen to fail with a refusal that is only raised."""
    day = Day(datetime(2026, 1, 5, 9, tzinfo=UTC))
    budget = Budget(day, 10, "over")
    budget.learn(5_000)
    assert budget.exhaust().retry_after_s == 900
    day.now += timedelta(minutes=14)
    assert wait_s(budget) == 60


def test_midnight_is_that_of_the_zone() -> None:
    """Summer time counts: the night of the change is an hour shorter; seen to fail with midnight in UTC."""
    day = Day(datetime(2026, 3, 28, 22, 30, tzinfo=UTC))  # 23:30 in Berlin
    budget = Budget(day, 0, "over", at_midnight(ZoneInfo("Europe/Berlin")))
    budget.learn(0)
    assert wait_s(budget) == 30 * 60 + 1
    day.now += timedelta(minutes=31)
    budget.check()
    assert budget.exhaust().retry_after_s == (22 * 60 + 59) * 60 + 1
