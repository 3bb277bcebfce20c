"""The twin whole: a company, its limits, its faults and its socket, behind one class."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.twins.pipedrive.company import Company, Switches
from tests.twins.pipedrive.gateway import Gateway
from tests.twins.pipedrive.hands import Hands
from tests.twins.pipedrive.limits import Limits
from tests.twins.wire.passing import Log
from tests.twins.wire.twin import Twin, real_time


class PipedriveTwin(Hands, Twin):
    """A Pipedrive company on a loopback socket: `with PipedriveTwin(clock=clock) as twin: ... twin.url ...`.

    `switches`, `limits` and `faults` may be changed at any time; `log` tells what was asked. The base of v2 is
    `twin.url + "/api/v2"`, that of v1 `twin.url + "/v1"`, and `Client(domain=twin.url)` finds the latter by itself.
    """

    def __init__(
        self,
        clock: Callable[[], datetime] = real_time,
        *,
        seed: int = 0,
        port: int = 0,
        ticks: Callable[[], float] = time.monotonic,
        **switches: Any,
    ) -> None:
        self.switches = Switches(**switches)
        self.limits = Limits(clock, ticks)
        self.company = Company(clock, self.switches)
        log = Log()
        super().__init__(Gateway(self.company, self.limits, log), log, seed, port)

    @property
    def token(self) -> str:
        """Return the API token that is ours: the first."""
        return next(iter(self.switches.tokens))

    @property
    def spent(self) -> int:
        """Return how many tokens of the day are used."""
        return self.limits.used_today()
