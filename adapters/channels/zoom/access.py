"""Access to a Zoom account by an app of its own: server-to-server OAuth, without a person's consent or a refresh token.

The app's id and secret go into a header, as Zoom wants them, and the account's number into the form. A token holds for
an hour and is asked for again when it ends or is refused; nothing is kept on disk.

Source: developers.zoom.us "Server-to-Server OAuth", read 2026-11: `grant_type=account_credentials`.
"""

import base64
from dataclasses import dataclass, field

from adapters.http.asking import Api, Ask, Manners
from adapters.http.oauth import Held
from adapters.http.provider import Endpoint, Provider, RefusedError, Token
from sidecar.errors import ConfigError
from sidecar.ports import Clock, Observe


@dataclass(frozen=True, slots=True)
class App:
    """An app of an account, as Zoom's marketplace shows it."""

    account_id: str
    client_id: str
    client_secret: str = field(repr=False)


class AccountCredentials(Held):
    """Asks Zoom for access tokens of one account."""

    def __init__(self, login_url: str, app: App, manners: Manners, clock: Clock, observe: Observe) -> None:
        super().__init__(clock)
        self._app, self._setting = app, manners.credential
        known = base64.b64encode(f"{app.client_id}:{app.client_secret}".encode()).decode()
        headers = {"Authorization": f"Basic {known}"}
        self._api = Api(manners, lambda: headers, observe)
        provider = Provider("Zoom", f"{login_url}/oauth/authorize", f"{login_url}/oauth/token", ())
        self._endpoint = Endpoint(provider, manners.timeouts, observe, clock)

    def _fresh(self) -> Token:
        form = {"grant_type": "account_credentials", "account_id": self._app.account_id}
        ask = Ask("token", self._endpoint.provider.token_url, "POST", form=form, may_lack=(400, 401, 403))
        try:
            return self._endpoint.read(self._api.ask(ask))
        except RefusedError as error:
            told = (
                f"Zoom refused the app ({error.code}): are account_id, client_id and the secret its, and is it active?"
            )
            raise ConfigError(told, setting=self._setting) from None
