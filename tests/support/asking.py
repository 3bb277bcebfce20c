"""A plain HTTP client for twins, which says exactly what a test says: no retries, no courtesy, no library's opinion."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Heard:
    """What came back: the body as JSON where it is JSON, else as text."""

    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class Asker:
    """Asks one address as one app; `token` None sends no authorisation."""

    url: str
    token: str | None
    timeout_s: float = TIMEOUT_S

    def __call__(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, token: str | None = None
    ) -> Heard:
        """Ask once, on a connection of its own."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=self.timeout_s)
        sent = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        headers = {"Content-Type": "application/json"} if sent is not None else {}
        if authorization := token if token is not None else (f"Bearer {self.token}" if self.token else None):
            headers["Authorization"] = authorization
        try:
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        told = {name.lower(): value for name, value in answer.getheaders()}
        is_json = told.get("content-type", "").startswith("application/json") and text
        return Heard(answer.status, json.loads(text) if is_json else text, told)
