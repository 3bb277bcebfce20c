"""A plain client of the Zoho twin, which says exactly what a test says."""

import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.support.asking import TIMEOUT_S, Heard
from tests.twins.zoho import ZohoTwin

API = "/crm/v8"
ANN = {"Last_Name": "Bee", "First_Name": "Ann", "Email": "Ann@x.test", "Phone": "+44 20 7946 0001"}
"""Somebody to make."""


@dataclass
class ZohoAsker:
    """Asks the twin with one access token; `headers` go with every request."""

    twin: ZohoTwin
    token: str
    timeout_s: float = TIMEOUT_S
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **query: Any
    ) -> Heard:
        """Ask once, on a connection of its own; a path that doesn't begin with `/oauth` is one of the API's."""
        target = path if path.startswith("/oauth") else API + path
        target += f"?{urlencode(query)}" if query else ""
        told = {"Authorization": f"Zoho-oauthtoken {self.token}", **self.headers, **(headers or {})}
        sent = None if body is None else body if isinstance(body, str) else json.dumps(body)
        connection = http.client.HTTPConnection(urlsplit(self.twin.url).netloc, timeout=self.timeout_s)
        try:
            connection.request(method, target, sent, told)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        heard = {name.lower(): value for name, value in answer.getheaders()}
        is_json = heard.get("content-type", "").startswith("application/json") and text
        return Heard(answer.status, json.loads(text) if is_json else text, heard)

    def made(self, module: str, row: dict[str, Any]) -> str:
        """Make one record without setting anything off; return its id."""
        heard = self("POST", f"/{module}", {"data": [row], "trigger": []})
        assert heard.status == 201, heard.body
        return str(heard.body["data"][0]["details"]["id"])

    def row(self, module: str, id: str) -> dict[str, Any]:
        """Return one record as it is shown."""
        (row,) = self("GET", f"/{module}/{id}").body["data"]
        return dict(row)
