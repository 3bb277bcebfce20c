"""A vendor's twin as tests hold it: a socket that can be struck, and what was asked over it. It knows no vendor.

A twin of a vendor is this, its hands (what people do in that CRM) and a gateway that answers as the vendor does.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from tests.twins.wire.faults import Action, Before, Faults, Rule
from tests.twins.wire.passing import Gateway, Log, Logged
from tests.twins.wire.server import Server


def real_time() -> datetime:
    """Return the time, for those who bring no clock."""
    return datetime.now(UTC)


class Twin:
    """A vendor's account on a loopback socket: `with SomeTwin(clock=clock) as twin: ... twin.url ...`.

    `faults` may be changed at any time; `log` tells what was asked.
    """

    def __init__(self, gateway: Gateway, log: Log, seed: int, port: int) -> None:
        self.log = log
        self.faults = Faults(random.Random(seed))
        self._answering = gateway
        self._server = Server(gateway, self.faults, port)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(check=kind is None)

    def start(self) -> Self:
        """Listen."""
        self._server.up()
        return self

    def stop(self, *, check: bool = True) -> None:
        """Close everything, forget late work, and raise if the twin itself was wrong."""
        self._server.cancel()
        self._server.down()
        self._server.leave()
        if check:
            assert not self.defects, f"the twin answered what its vendor never would: {self.defects[:3]}"

    @property
    def url(self) -> str:
        """Return the base URL, the same after `down` and `up`."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def defects(self) -> list[str]:
        """Return what the twin itself did wrong."""
        return self._answering.defects

    @property
    def requests(self) -> list[Logged]:
        """Return the requests so far, oldest first."""
        return list(self.log.entries)

    def calls(self, *endings: str) -> int:
        """Return how many requests had operations that end so (`create`, `contacts.search`), all without any."""
        return sum(n for name, n in self.log.counts.items() if not endings or name.endswith(endings))

    # Faults -----------------------------------------------------------------------------------------------------

    def fault(
        self,
        action: Action,
        method: str = ".*",
        path: str = ".*",
        times: int | None = 1,
        probability: float = 1.0,
        body: bytes = b"",
    ) -> Rule:
        """Let something happen to the requests of a method and path (regular expressions), so many times.

        Only to those in whose body some bytes stand, where they are given.
        """
        return self.faults.add(action, method=method, path=path, times=times, probability=probability, body=body)

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

    def hasten(self) -> int:
        """Do now what is still to be done late; return how much that was."""
        late = [timer for timer in self._server.timers if timer.is_alive()]
        for timer in late:
            timer.cancel()
            timer.function()
        return len(late)

    def settle(self, timeout_s: float = 5.0) -> None:
        """Wait until all late work is done."""
        self._server.settle(timeout_s)
