"""The twin whole: an org, its limits, its sessions, its faults and its socket, behind one class."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.twins.salesforce.gateway import Gateway
from tests.twins.salesforce.hands import Hands
from tests.twins.salesforce.limits import Limits
from tests.twins.salesforce.org import Org
from tests.twins.salesforce.switches import Switches
from tests.twins.salesforce.tokens import key_pair
from tests.twins.wire.passing import Log
from tests.twins.wire.twin import Twin, real_time


class SalesforceTwin(Hands, Twin):
    """A Salesforce org on a loopback socket: `with SalesforceTwin(clock=clock) as twin: ... twin.url ...`.

    `switches`, `limits` and `faults` may be changed at any time; `log` tells what was asked. Login and API answer
    at the same address; the `instance_url` that a login tells is another name, which a session has to send here.
    """

    def __init__(
        self, clock: Callable[[], datetime] = real_time, *, seed: int = 0, port: int = 0, **switches: Any
    ) -> None:
        self.switches = Switches(**switches)
        self.limits = Limits(clock)
        self.org = Org(clock, self.switches)
        log = Log()
        self.gateway = Gateway(self.org, self.limits, log)
        super().__init__(self.gateway, log, seed, port)

    @property
    def private_key(self) -> str:
        """Return the key, in PEM, whose certificate the org's app holds."""
        return key_pair()[0]

    @property
    def user(self) -> str:
        """Return the id of the integration user, who is us."""
        return self.org.integration_user

    @property
    def logins(self) -> int:
        """Return how many sessions were granted to those who asked for one."""
        return self.gateway.sessions.granted

    def session(self, user: str | None = None) -> str:
        """Return a session without asking for one, as a test or another program may hold it."""
        with self.org.lock:
            return self.gateway.sessions.issue(user or self.user)

    def end_sessions(self) -> None:
        """End every session: an admin did, or a policy."""
        with self.org.lock:
            self.gateway.sessions.open.clear()
