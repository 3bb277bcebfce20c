"""PostgreSQL may stop at once, or lose a backend, while deliveries are acknowledged: none of them is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torture.accounts import Account
from tests.torture.far_crm import FarCrm, Moods
from tests.torture.kills import ALL_AT_ONCE, Office, far
from tests.torture.launcher import Mother
from tests.torture.postgres import Postgres, postgres, trouble


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    """A server that no other test uses."""
    with postgres() as database:
        yield database


def troubled(folder: Path, mother: Mother, database: Postgres, *seeds: str) -> Account:
    """Let deliveries be acknowledged while the database stops at once, then loses a backend."""
    with FarCrm(folder, settle_s=0.5, moods=Moods()) as crm:
        name = f"book_{len(seeds)}"
        office = Office(folder, mother, far(crm), seeds, database.new_database(name))
        office.crowd(400, 4, pace_s=0.2, lines=ALL_AT_ONCE)
        trouble(office, database, 2)
        return office.settle()


def test_nothing_acknowledged_is_lost_when_the_database_ends(
    tmp_path: Path, mother: Mother, database: Postgres
) -> None:
    """Each ending is outlived by the running server, which acknowledges and works again; seen to fail as below."""
    account = troubled(tmp_path, mother, database)
    assert account.is_clean, account
    assert account.acked > 10


def test_the_troubles_find_a_commit_that_is_not_flushed(tmp_path: Path, mother: Mother, database: Postgres) -> None:
    """With synchronous_commit=off acknowledged deliveries are lost, so the harness sees a missing flush."""
    assert troubled(tmp_path, mother, database, "synchronous_commit_off").lost > 0
