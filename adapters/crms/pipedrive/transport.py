"""The vendor's community client as transport: its request methods and its exceptions, and nothing else of it.

The client opens a connection per call, waits without end, puts the token in the address, and takes a gateway's page or
`"success": false` for an answer. So `_request` and `_parse` are overridden: one pooled session, time-outs, the token as
a header, no redirects, a bound of bytes and of time, an exception for whatever isn't a success. It is imported late.
Source: pipedrive-python-lib 1.2.3, read and run 2026-11.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import requests
from pipedrive import exceptions
from pipedrive.client import Client
from requests.adapters import HTTPAdapter

from adapters.http.calls import CutOffError, NotSentError, Timeouts

MAX_BODY_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
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
        self._base_url, self._timeouts = base_url, timeouts
        self._session = requests.Session()
        self._session.trust_env = False  # a netrc or a proxy of the environment must not see the token
        self._session.headers.update({"x-api-token": token, "User-Agent": AGENT, "Accept": "application/json"})
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=2, pool_maxsize=16, max_retries=0))

    def send(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Reply:
        """Send one request and return its answer, a refusal too; `NotSentError` or `CutOffError` without one."""
        given = {} if body is None else {"json": body}
        try:
            reply: Reply = self._request(method, self._base_url + path, params=dict(query), **given)
        except exceptions.BaseError as refusal:
            reply = refusal.response
        return reply

    def _request(self, method: str, url: str, headers: Any = None, params: Any = None, **kwargs: Any) -> Any:
        ends_at = time.monotonic() + self._timeouts.whole_s
        limits = (self._timeouts.connect_s, self._timeouts.read_s)
        try:
            with self._session.request(
                method,
                url,
                headers=headers,
                params=params,
                timeout=limits,
                allow_redirects=False,
                stream=True,
                **kwargs,
            ) as response:
                body = _read(response, ends_at)
        except (requests.ConnectTimeout, requests.exceptions.InvalidURL, requests.exceptions.ProxyError):
            raise NotSentError("no connection") from None
        except requests.ConnectionError as error:
            if "NewConnectionError" in repr(error):
                raise NotSentError("no connection") from None
            if "CERTIFICATE_VERIFY_FAILED" in repr(error):
                raise NotSentError("its certificate is not trusted; is a proxy between, or the clock wrong?") from None
            raise CutOffError("the connection broke") from None
        except requests.Timeout:
            raise CutOffError("no answer in time") from None
        except requests.RequestException as error:
            raise CutOffError(f"the connection broke ({type(error).__name__})") from None
        return self._parse(Reply(response.status_code, _lower(response.headers), _json(body)))

    def _parse(self, response: Reply) -> Reply:
        """Return a success: a 2xx with JSON that doesn't say otherwise; else raise the client's exception."""
        status, data = response.status, response.data
        is_ok = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
        if is_ok and (status == HTTPStatus.NO_CONTENT or (isinstance(data, dict) and data.get("success", True))):
            return response
        raise _RAISES.get(status, exceptions.UnknownError)(f"Pipedrive answered {status}", response)


def _read(response: requests.Response, ends_at: float) -> bytes:
    parts, size = [], 0
    for part in response.iter_content(CHUNK_BYTES):
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise CutOffError("the answer is too large")
        if time.monotonic() > ends_at:
            raise CutOffError("the answer took too long")
    return b"".join(parts)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in headers.items()}
