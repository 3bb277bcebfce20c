"""The twin whole: a company, its limits, its faults and its socket, behind one class."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from tests.twins.pipedrive.company import Company, Switches
from tests.twins.pipedrive.gateway import Gateway
from tests.twins.pipedrive.hands import Hands
from tests.twins.pipedrive.limits import Limits
from tests.twins.wire.faults import Action, Before, Faults, Rule
from tests.twins.wire.passing import Log, Logged
from tests.twins.wire.server import Server


def real_time() -> datetime:
    """Return the time, for those who bring no clock."""
    return datetime.now(UTC)


class PipedriveTwin(Hands):
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
        self.log = Log()
        self.faults = Faults(random.Random(seed))
        self._gateway = Gateway(self.company, self.limits, self.log)
        self._server = Server(self._gateway, self.faults, port)

    def __enter__(self) -> "PipedriveTwin":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(check=kind is None)

    def start(self) -> "PipedriveTwin":
        """Listen."""
        self._server.up()
        return self

    def stop(self, *, check: bool = True) -> None:
        """Close everything, forget late work, and raise if the twin itself was wrong."""
        self._server.cancel()
        self._server.down()
        if check:
            assert not self.defects, f"the twin answered what its schema doesn't fit: {self.defects[:3]}"

    @property
    def url(self) -> str:
        """Return the company's address, the same after `down` and `up`."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def token(self) -> str:
        """Return the API token that is ours: the first."""
        return next(iter(self.switches.tokens))

    @property
    def defects(self) -> list[str]:
        """Return what the twin itself did wrong."""
        return self._gateway.defects

    @property
    def requests(self) -> list[Logged]:
        """Return the requests so far, oldest first."""
        return list(self.log.entries)

    @property
    def spent(self) -> int:
        """Return how many tokens of the day are used."""
        return self.limits.used_today()

    def calls(self, *endings: str) -> int:
        """Return how many requests had operations that end so (`create`, `persons.search`), all without any."""
        return sum(n for name, n in self.log.counts.items() if not endings or name.endswith(endings))

    # Faults -----------------------------------------------------------------------------------------------------

    def fault(
        self, action: Action, method: str = ".*", path: str = ".*", times: int | None = 1, probability: float = 1.0
    ) -> Rule:
        """Let something happen to the requests of a method and path (regular expressions), so many times."""
        return self.faults.add(action, method=method, path=path, times=times, probability=probability)

    def before(self, call: Callable[[], object], method: str = ".*", path: str = ".*", times: int | None = 1) -> Rule:
        """Run something before a matching request is applied: a person's edit between our read and our write."""
        return self.faults.add(Before(call), method=method, path=path, times=times)

    def heal(self) -> None:
        """Take all faults away."""
        self.faults.rules.clear()

    def down(self) -> None:
        """Refuse connections."""
        self._server.down()

    def up(self) -> None:
        """Accept connections again, on the same port."""
        self._server.up()

    def settle(self, timeout_s: float = 5.0) -> None:
        """Wait until all late work is done."""
        self._server.settle(timeout_s)
