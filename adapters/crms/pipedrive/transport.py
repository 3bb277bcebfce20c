"""The vendor's community client as transport: its request methods and its exceptions, and nothing else of it.

The client opens a connection per call, waits without end, puts the token in the address, and takes a gateway's page or
`"success": false` for an answer. So `_request` and `_parse` are overridden: one pooled session, time-outs, the token as
a header, no redirects, a bound of bytes and of time, an exception for whatever isn't a success. It is imported late.
Source: pipedrive-python-lib 1.2.3, read and run 2026-11.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pipedrive import exceptions
from pipedrive.client import Client

from adapters.http.calls import Timeouts
from adapters.http.sessions import BoundedSession, lower

AGENT = "crm-sidecar"
"""How we name ourselves; by this name Pipedrive's changelog tells our writes from another tool's."""
_RAISES: Mapping[int, type[Exception]] = {
    400: exceptions.BadRequestError,
    401: exceptions.UnauthorizedError,
    403: exceptions.ForbiddenError,
    404: exceptions.NotFoundError,
    410: exceptions.GoneError,
    415: exceptions.UnsupportedMediaTypeError,
    422: exceptions.UnprocessableEntityError,
    429: exceptions.TooManyRequestsError,
    500: exceptions.InternalServerError,
    501: exceptions.NotImplementedError,
    503: exceptions.ServiceUnavailableError,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: `data` is the parsed JSON, None where the body was none."""

    status: int
    headers: Mapping[str, str]
    data: Any = field(default=None, repr=False)


class Transport(Client):  # type: ignore[misc]  # the client ships without types
    """Sends requests to one company with one token; safe to share between threads."""

    def __init__(self, base_url: str, token: str, timeouts: Timeouts) -> None:
        super().__init__(domain=base_url)
        self._base_url = base_url
        self._session = BoundedSession(timeouts)
        self._session.headers.update({"x-api-token": token, "User-Agent": AGENT, "Accept": "application/json"})

    def send(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Reply:
        """Send one request and return its answer, a refusal too; `NotSentError` or `CutOffError` without one."""
        given = {} if body is None else {"json": body}
        try:
            reply: Reply = self._request(method, self._base_url + path, params=dict(query), **given)
        except exceptions.BaseError as refusal:
            reply = refusal.response
        return reply

    def _request(self, method: str, url: str, headers: Any = None, params: Any = None, **kwargs: Any) -> Any:
        response = self._session.request(method, url, headers=headers, params=params, **kwargs)
        return self._parse(Reply(response.status_code, lower(response.headers), _json(response.content)))

    def _parse(self, response: Reply) -> Reply:
        """Return a success: a 2xx with JSON that doesn't say otherwise; else raise the client's exception."""
        status, data = response.status, response.data
        is_ok = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
        if is_ok and (status == HTTPStatus.NO_CONTENT or (isinstance(data, dict) and data.get("success", True))):
            return response
        raise _RAISES.get(status, exceptions.UnknownError)(f"Pipedrive answered {status}", response)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
