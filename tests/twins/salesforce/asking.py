"""A plain client of the twin, which says exactly what a test says, in the newest version and as us."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.support.asking import Heard
from tests.twins.salesforce.twin import SalesforceTwin

ROOT = "/services/data/v68.0"


@dataclass
class Teller:
    """Asks on one connection; `token` is a session's."""

    twin: SalesforceTwin
    token: str = ""
    timeout_s: float = 10.0
    headers: dict[str, str] = field(default_factory=dict)
    _line: http.client.HTTPConnection | None = None

    def __call__(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **query: Any
    ) -> Heard:
        """Ask once; paths begin behind the version, unless they begin with /services."""
        self.token = self.token or self.twin.session()
        target = (path if path.startswith("/services") else ROOT + path) + (f"?{urlencode(query)}" if query else "")
        told = {"Authorization": f"Bearer {self.token}", **self.headers, **(headers or {})}
        if body is not None:
            told = {"Content-Type": "application/json", **told}
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if self._line is None:
            self._line = http.client.HTTPConnection(urlsplit(self.twin.url).netloc, timeout=self.timeout_s)
        try:
            self._line.request(method, target, sent, told)
            answer = self._line.getresponse()
            text = answer.read().decode()
        except BaseException:
            self.close()
            raise
        names = {name.lower(): value for name, value in answer.getheaders()}
        is_json = names.get("content-type", "").startswith("application/json") and text
        return Heard(answer.status, json.loads(text) if is_json else text, names)

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def made(self, sobject: str, **values: Any) -> str:
        """Make a record and return its id."""
        heard = self("POST", f"/sobjects/{sobject}", values)
        assert heard.status == 201, heard.body
        return str(heard.body["id"])

    def found(self, soql: str, all: bool = False) -> list[dict[str, Any]]:
        """Return the first page of what a query finds, without the marks of the records."""
        heard = self("GET", "/queryAll" if all else "/query", q=soql)
        assert heard.status == 200, heard.body
        return [{name: value for name, value in row.items() if name != "attributes"} for row in heard.body["records"]]

    def refused(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, str]:
        """Ask what is to be refused; return the status and the code."""
        heard = self(method, path, body, **query)
        return heard.status, heard.body[0]["errorCode"] if isinstance(heard.body, list) else str(heard.body)
