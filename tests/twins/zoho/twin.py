"""The twin whole: an org, its tokens, its limits, its faults and its socket, behind one class."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Self

from tests.twins.wire.passing import Log
from tests.twins.wire.twin import Twin, real_time
from tests.twins.zoho.gateway import Gateway
from tests.twins.zoho.hands import Hands
from tests.twins.zoho.limits import Limits
from tests.twins.zoho.org import Org, Switches
from tests.twins.zoho.tokens import Tokens


class ZohoTwin(Hands, Twin):
    """A Zoho CRM org on a loopback socket: `with ZohoTwin(clock=clock) as twin: ... twin.url ...`.

    `switches`, `limits` and `faults` may be changed at any time; `log` tells what was asked. One socket is both hosts:
    tokens are at `twin.url + "/oauth/v2/token"`, the API at `twin.url + "/crm/v8"`, which `api_domain` says, too.
    """

    def __init__(
        self, clock: Callable[[], datetime] = real_time, *, seed: int = 0, port: int = 0, **switches: Any
    ) -> None:
        self.switches = Switches(**switches)
        self.limits = Limits(clock, lambda: (self.switches.edition, self.switches.users))
        self.tokens = Tokens(clock, self.switches)
        self.org = Org(clock, self.switches)
        self._token = ""
        log = Log()
        self._gateway = Gateway(self.org, self.tokens, self.limits, log)
        super().__init__(self._gateway, log, seed, port)

    def start(self) -> Self:
        """Listen."""
        super().start()
        self._gateway.api_domain = self.url
        return self

    @property
    def refresh_token(self) -> str:
        """Return the refresh token that is ours: the first."""
        return next(iter(self.switches.refresh_tokens))

    @property
    def token(self) -> str:
        """Return an access token of ours that holds, without asking for it over the socket."""
        if self.tokens.owner(self._token) is None:
            self._token = self.tokens.mint(self.refresh_token)
        return self._token

    @property
    def our_user(self) -> str:
        """Return the id of the user that our token acts as."""
        return str(self.org.users[self.switches.refresh_tokens[self.refresh_token] - 1]["id"])

    @property
    def spent(self) -> int:
        """Return how many credits of the last 24 hours are used."""
        return self.limits.used()
