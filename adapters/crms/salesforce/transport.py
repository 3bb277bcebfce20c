"""The vendor's community client as transport: its calls and its exceptions, with a session that is got and kept here.

The client's own way to get and renew a session drops a call's headers when it sends it again, so that a conditional
write would become an unconditional one; it also renews once per thread, and without end. So it is given a session id,
which turns all of that off, and after a 401 the id is renewed here, once for all threads, and the call sent again as it
was: a call that was refused for its session has done nothing. It always speaks https to the host that Salesforce names;
here every call goes to the one configured host, which may be a sandbox's or a stand-in's. It is imported late.
Source: simple-salesforce 1.12.10, read and run 2026-11.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError, SalesforceExpiredSession

from adapters.crms.salesforce.login import Login, Session
from adapters.crms.salesforce.vendor import left_in
from adapters.http.calls import CutOffError, NotSentError, Timeouts
from adapters.http.sessions import BoundedSession

UNREADABLE: Any = object()
"""What the body of a success was that is no JSON: a page, or half an answer."""
_LIMITS = "Sforce-Limit-Info"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: `data` is the parsed JSON, None for none."""

    status: int
    data: Any = field(default=None, repr=False)


class Transport:
    """Sends requests to one org as one user; safe to share between threads."""

    def __init__(self, login: Login, version: str, timeouts: Timeouts, learn: Callable[[int], None]) -> None:
        self._login, self._version = login, version
        self._http = _Session(login.base_url, timeouts, learn)
        self._lock = threading.Lock()
        self._entered: tuple[Salesforce, Session] | None = None

    @property
    def session(self) -> Session:
        """Who we are in which org."""
        return self._ready(None)[1]

    def send(self, method: str, path: str, query: Mapping[str, str], body: Any, headers: Mapping[str, str]) -> Reply:
        """Send one request and return its answer, a refusal too; `NotSentError` or `CutOffError` without one.

        `path` begins behind the API's version.
        """
        client, _ = self._ready(None)
        call = _Call(method, path, dict(query), body, dict(headers))
        try:
            return call.by(client)
        except SalesforceExpiredSession:
            client, _ = self._ready(client)
        try:
            return call.by(client)
        except SalesforceExpiredSession as refusal:
            return Reply(401, refusal.content)

    def _ready(self, refused: Salesforce | None) -> tuple[Salesforce, Session]:
        """Return a client with a session; another one than the refused, which whoever comes first gets for all."""
        with self._lock:
            if self._entered is None or self._entered[0] is refused:
                session = self._enter()
                client = Salesforce(
                    session_id=session.token,
                    instance_url=self._login.base_url,
                    session=self._http,
                    version=self._version,
                    object_pairs_hook=dict,
                )
                self._entered = client, session
            return self._entered

    def _enter(self) -> Session:
        """Get a session; a failure of that is none of the call's, which wasn't sent."""
        try:
            return self._login.session(self._http)
        except CutOffError as error:
            raise NotSentError(str(error)) from None


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, which can be sent again as it was."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]

    def by(self, client: Salesforce) -> Reply:
        given = {} if self.body is None else {"json": self.body}
        try:
            data = client.restful(
                self.path, params=self.query or None, method=self.method, headers=self.headers, **given
            )
        except SalesforceExpiredSession:
            raise
        except SalesforceError as refusal:
            return Reply(refusal.status, refusal.content)
        except json.JSONDecodeError:
            return Reply(200, UNREADABLE)
        return Reply(200, data)


class _Session(BoundedSession):
    """Sends every call to one host, whatever host it is for, and tells what answers say of the day's calls."""

    def __init__(self, base_url: str, timeouts: Timeouts, learn: Callable[[int], None]) -> None:
        super().__init__(timeouts)
        self._base, self._learn = urlsplit(base_url), learn

    def request(self, method: str, url: str, **given: Any) -> requests.Response:  # type: ignore[override]
        parts = urlsplit(url)
        there = urlunsplit((self._base.scheme, self._base.netloc, parts.path, parts.query, ""))
        response = super().request(method, there, **given)
        left = left_in(response.headers.get(_LIMITS))
        if left is not None:
            self._learn(left)
        return response
