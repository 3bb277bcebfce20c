"""The twin whole: a portal, its limits, its faults and its socket, behind one class."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.twins.hubspot.gateway import Gateway
from tests.twins.hubspot.hands import Hands
from tests.twins.hubspot.limits import Limits
from tests.twins.hubspot.portal import Portal, Switches
from tests.twins.wire.passing import Log
from tests.twins.wire.twin import Twin, real_time


class HubSpotTwin(Hands, Twin):
    """A HubSpot account on a loopback socket: `with HubSpotTwin(clock=clock) as twin: ... twin.url ...`.

    `switches`, `limits`, `faults` and `portal.rules` may be changed at any time; `log` tells what was asked.
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
        self.limits = Limits(clock, lambda: self.switches.time_zone, ticks)
        self.portal = Portal(clock, self.switches, self.limits, seed)
        log = Log()
        self._gateway = Gateway(self.portal, log)
        super().__init__(self._gateway, log, seed, port)

    @property
    def token(self) -> str:
        """Return a token that is accepted."""
        return sorted(self.switches.tokens)[0]

    def check_answers(self, wanted: bool) -> None:
        """Judge each answer by the SDK's models, or, for a benchmark, don't."""
        self._gateway.checks_answers = wanted
