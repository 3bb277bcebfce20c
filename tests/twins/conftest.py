"""A HubSpot twin under a clock that stands still, and a plain client of it."""

from collections.abc import Iterator

import pytest

from tests.support.asking import Asker
from tests.support.facts import SetClock
from tests.twins.hubspot import HubSpotTwin


@pytest.fixture
def clock() -> SetClock:
    """A clock that stands still until it is moved."""
    return SetClock()


@pytest.fixture
def twin(clock: SetClock) -> Iterator[HubSpotTwin]:
    """A portal without limits of speed."""
    with HubSpotTwin(clock) as twin:
        twin.limits.burst = twin.limits.search_per_s = None
        yield twin


@pytest.fixture
def ask(twin: HubSpotTwin) -> Asker:
    """A plain client of the portal."""
    return Asker(twin.url, twin.token)
