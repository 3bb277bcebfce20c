"""The vendor's SDK as transport: its host, auth, connection pool and request code, and nothing else of it.

One `ApiClient` per process and ledger, because each of the SDK's API objects would open a pool of its own. Its retries
are off: urllib3's sleep as long as a header says, and resend what must not be sent twice. Its reads are put under a
bound of bytes and of time as a whole, which the SDK has for neither. This module imports the SDK (0.1 s) at its top, so
whoever needs it imports it late. Source: hubspot-api-client 12.0.0 and urllib3 2.x, read and run 2026-11.
"""

import io
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import urllib3
from hubspot.crm.objects.api_client import ApiClient
from hubspot.crm.objects.configuration import Configuration
from hubspot.crm.objects.exceptions import ApiException
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    LocationValueError,
    MaxRetryError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
)

from adapters.http.calls import CutOffError, NotSentError, Timeouts, TooLateError
from adapters.http.deadline import within
from adapters.http.pools import HeldPools, body_of

_JSON: Mapping[int, str] = dict.fromkeys(range(200, 300), "object")
_UNSENT = (NewConnectionError, ConnectTimeoutError, ProxyError, LocationParseError, LocationValueError)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: `data` is the parsed JSON of a success (a text where it was none), `body` that of a failure."""

    status: int
    headers: Mapping[str, str]
    data: Any = None
    body: str = field(default="", repr=False)


class Transport:
    """Sends requests to one host with one token; safe to share between threads."""

    def __init__(self, base_url: str, token: str, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        configuration = Configuration()
        configuration.host = base_url
        configuration.base_url = base_url  # what the SDK's raw helper would read in place of `host`
        configuration.access_token = token
        configuration.retries = False
        self._client = ApiClient(configuration)
        self._client.user_agent = "crm-sidecar (hubspot-api-client-python; 12)"
        self._client.rest_client.pool_manager = _Pools(
            ssl.create_default_context(),
            num_pools=2,
            maxsize=configuration.connection_pool_maxsize,
            cert_reqs="CERT_REQUIRED",
            retries=False,
        )

    def send(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Reply:
        """Send one request; `NotSentError` or `CutOffError` when no whole answer came, whatever the status."""
        try:
            with within(self._timeouts.whole_s):
                data, status, headers = self._client.call_api(
                    path,
                    method,
                    query_params=list(query.items()),
                    header_params={"Accept": "application/json"},
                    body=body,
                    response_types_map=_JSON,
                    auth_settings=["oauth2"],
                    _request_timeout=(self._timeouts.connect_s, self._timeouts.read_s),
                )
            return Reply(status, _lower(headers), data)
        except ApiException as error:
            return _failure(error)
        except (UnicodeDecodeError, AttributeError) as error:
            # The SDK fails while it reads an error's body that isn't UTF-8, or that isn't there, as of TLS.
            if isinstance(error.__context__, ApiException):
                return _failure(error.__context__)
            if isinstance(error, AttributeError):
                raise
            raise CutOffError("the answer is no text") from None
        except _UNSENT:
            raise NotSentError("no connection") from None
        except MaxRetryError as error:
            raise (NotSentError if isinstance(error.reason, _UNSENT) else CutOffError)("no answer") from None
        except ReadTimeoutError:
            raise TooLateError("no answer in time") from None
        except HTTPError as error:
            raise CutOffError(f"the connection broke ({type(error).__name__})") from None


class _Pools(HeldPools):
    """Reads each answer whole, within a size, and follows no redirect: the token is for one host."""

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **options: Any
    ) -> urllib3.BaseHTTPResponse:
        options.pop("preload_content", None)
        response = super().urlopen(method, url, redirect=False, preload_content=False, **options)
        try:
            body = body_of(response)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return urllib3.HTTPResponse(
            body=io.BytesIO(body),  # bytes would leave an empty body as None, which the SDK can't decode
            headers=response.headers,
            status=response.status,
            reason=response.reason,
            version=response.version,
            request_method=method,
            decode_content=False,
        )


def _failure(error: ApiException) -> Reply:
    if not error.status:  # how the SDK passes on what went wrong with TLS
        if "CERTIFICATE_VERIFY_FAILED" in str(error.reason):
            raise NotSentError("its certificate is not trusted; is a proxy between, or the clock wrong?")
        raise CutOffError("TLS broke, or could not be agreed")
    body = error.body
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    return Reply(int(error.status), _lower(error.headers or {}), None, text)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in headers.items()}
