"""What the torture's tests share."""

from collections.abc import Iterator

import pytest

from tests.torture.kills import ENV
from tests.torture.launcher import Mother


@pytest.fixture(scope="session")
def mother() -> Iterator[Mother]:
    """A process that has loaded everything, and forks servers."""
    with Mother(ENV) as mother:
        yield mother
