"""Killed at every named point: acknowledged lost 0, missing 0, duplicates 0, and all of it done.

The short form, for every run of the tests; `make torture` kills hundreds of times, at all points, on both databases.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.torture.far_crm import FarCrm, Moods
from tests.torture.kills import ALL_AT_ONCE, POINT_S, Office, far, kill_at_points, passed
from tests.torture.launcher import Mother

SETTLE_S, LATE_S = 3.0, 0.3
"""What is done late is done within the settle time however long a busy machine holds it up: that is the CRM's word."""
NEVER_S = 600.0
"""Late enough that it is done only when the CRM is asked to do all that it owes."""
POINTS = 12
"""So many of the points are died at here, spread over all of them."""


@contextmanager
def office(
    folder: Path, mother: Mother, moods: Moods, *seeds: str, keys: bool = True
) -> Iterator[tuple[Office, FarCrm]]:
    """An office with a CRM elsewhere."""
    with FarCrm(folder, settle_s=SETTLE_S, keys=keys, moods=moods) as crm:
        yield Office(folder, mother, far(crm), seeds), crm


def test_dying_at_named_points_nothing_is_lost_and_nothing_twice(tmp_path: Path, mother: Mother) -> None:
    """The points are those that an undisturbed server has passed; no list of them is kept by hand."""
    with office(tmp_path, mother, Moods(0.1, 0.1, 0.1, LATE_S)) as (here, _):
        here.crowd(4, 2)
        here.work()
        every = passed(here)
        here.crowd(200, 2, pace_s=0.2)
        kill_at_points(here, every[:: max(1, len(every) // POINTS)], POINT_S)
        account = here.settle()
    assert len(every) > 40
    assert account.is_clean, account
    assert here.kills > POINTS // 2, "some points are passed only after a mishap, but most are always"


SEEDED = {
    "ack_before_commit": ("before commit delivery", "lost"),
    "done_before_send": ("before write create contact", "missing"),
    "create_without_key": ("after write create task", "duplicates"),
    "two_transactions": ("before commit due end party done", "missing"),
}
"""A planted bug, the place to die that shows it, and the name under which it must be counted."""


@pytest.mark.parametrize("seed", SEEDED)
def test_the_kills_find_a_planted_bug(tmp_path: Path, mother: Mother, seed: str) -> None:
    """One death at the right place, and the account says so under the right name."""
    dies_at, counter = SEEDED[seed]
    with office(tmp_path, mother, Moods(), seed) as (here, _):
        here.crowd(2, 2, lines=ALL_AT_ONCE)
        assert not kill_at_points(here, [dies_at])
        account = here.settle()
    assert getattr(account, counter) > 0, account


def test_a_look_too_early_is_found_by_a_crm_that_is_late(tmp_path: Path, mother: Mother) -> None:
    """Without the settle time, what a CRM without keys does late is done twice."""
    with office(tmp_path, mother, _late("create task", NEVER_S), "no_settle_time", keys=False) as (here, _):
        here.crowd(2, 2, lines=ALL_AT_ONCE)
        here.work()
        account = here.settle()
    assert account.duplicates > 0, account


def test_without_a_planted_bug_the_same_harms_nothing(tmp_path: Path, mother: Mother) -> None:
    """So it is the bug that was seen: all those places to die, and a late CRM without keys, are survived."""
    with office(tmp_path, mother, _late("create task", LATE_S), keys=False) as (here, crm):
        here.crowd(2, 2, lines=ALL_AT_ONCE)
        here.work()
        assert crm.mishaps["late"] == 1
        here.crowd(100, 2, pace_s=0.25, lines=ALL_AT_ONCE)
        points = [point for point, _ in SEEDED.values() if point in passed(here)]
        assert not kill_at_points(here, [*points, "after commit claim decision inference end party done"])
        account = here.settle()
    assert account.is_clean, account


def _late(what: str, late_s: float) -> Moods:
    """Moods of a CRM that does the next write of a kind late, and no other."""
    return Moods(late_s=late_s, next={what: "late"})
