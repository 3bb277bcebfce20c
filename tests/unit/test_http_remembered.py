"""What is remembered of an account: how long, and what is forgotten."""

from datetime import UTC, datetime, timedelta
from itertools import count

from adapters.http.remembered import Remembered


def test_a_thing_is_looked_up_once_until_it_is_old_or_forgotten() -> None:
    """A look costs calls; seen to fail with nothing kept, and with what is too old handed on."""
    now = [datetime(2026, 1, 5, 9, tzinfo=UTC)]
    looks = count(1)
    kept = Remembered(lambda: now[0], 60)

    def look(name: str) -> int:
        return kept.get(name, lambda: next(looks))

    assert [look("me"), look("me"), look("fields")] == [1, 1, 2]
    now[0] += timedelta(seconds=60)
    assert (kept.known("me"), kept.known("owners")) == (1, None)
    assert [look("me"), look("fields")] == [3, 4]
    kept.forget("fields", "owners")
    assert [look("me"), look("fields")] == [3, 5]
    kept.forget_all_but("fields")
    assert [look("me"), look("fields")] == [6, 5]


def test_one_look_may_ask_for_another() -> None:
    """The fields of a deal need its pipelines, which the holder of the lock looks up."""
    kept = Remembered(lambda: datetime(2026, 1, 5, 9, tzinfo=UTC), 60)
    assert kept.get("fields", lambda: kept.get("pipelines", lambda: 1) + 1) == 2
