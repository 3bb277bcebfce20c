"""A HubSpot twin and a Salesforce twin under a clock that stands still, and a plain client of each."""

from collections.abc import Iterator

import pytest

from tests.support.asking import Asker
from tests.support.facts import SetClock
from tests.twins.hubspot import HubSpotTwin
from tests.twins.salesforce import SalesforceTwin
from tests.twins.salesforce.asking import Teller


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


@pytest.fixture
def salesforce(clock: SetClock) -> Iterator[SalesforceTwin]:
    """An org."""
    with SalesforceTwin(clock) as twin:
        yield twin


@pytest.fixture
def tell(salesforce: SalesforceTwin) -> Iterator[Teller]:
    """A plain client of the org."""
    teller = Teller(salesforce)
    yield teller
    teller.close()
