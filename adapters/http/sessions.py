"""A session of `requests` for vendors' clients that bring none of their own: pooled, bounded, and never redirected.

Such clients wait without end, read whatever comes, and leave pooling to the session that they are given. So what they
are given reads each answer whole, within a size and a time, and says what became of a call in our words (`calls`).
A netrc or a proxy of the environment must not see the credentials, so the environment doesn't count.

The trade-off: answers are in memory whole, which suits pages of records, and would not suit files. This module imports
`requests` at its top, so whoever needs it imports it late. Source: requests 2.34, read and run 2026-11.
"""

import ssl
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError
from urllib3.util.ssl_ import create_urllib3_context

from adapters.http.calls import CutOffError, NotSentError, Timeouts, TooLateError
from adapters.http.deadline import within
from adapters.http.pools import HeldPools, body_of

POOLED = 16


class BoundedSession(requests.Session):
    """Sends requests; `NotSentError` or `CutOffError` when no whole answer came. Safe to share between threads."""

    def __init__(self, timeouts: Timeouts) -> None:
        super().__init__()
        self._timeouts = timeouts
        self.trust_env = False
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(pool_connections=2, pool_maxsize=POOLED, max_retries=0))

    def request(  # type: ignore[override]  # how it is sent is not the caller's to say
        self, method: str, url: str, **given: Any
    ) -> requests.Response:
        """Send one request and return its answer, whose body is read already."""
        limits = (self._timeouts.connect_s, self._timeouts.read_s)
        given |= {"timeout": limits, "allow_redirects": False, "stream": True}
        try:
            with within(self._timeouts.whole_s), super().request(method, url, **given) as response:
                response._content = body_of(response.raw)
                return response
        except (requests.ConnectTimeout, requests.exceptions.InvalidURL, requests.exceptions.ProxyError):
            raise NotSentError("no connection") from None
        except requests.ConnectionError as error:
            if isinstance(getattr(error.args[0] if error.args else None, "reason", None), NewConnectionError):
                raise NotSentError("no connection") from None
            if "CERTIFICATE_VERIFY_FAILED" in repr(error):
                raise NotSentError("its certificate is not trusted; is a proxy between, or the clock wrong?") from None
            raise CutOffError("the connection broke") from None
        except (requests.Timeout, ReadTimeoutError):
            raise TooLateError("no answer in time") from None
        except (requests.RequestException, HTTPError) as error:
            raise CutOffError(f"the connection broke ({type(error).__name__})") from None


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        trusted: ssl.SSLContext = create_urllib3_context()  # the certificates that are trusted come with each call
        self.poolmanager = HeldPools(trusted, num_pools=connections, maxsize=maxsize, block=block, **options)


def lower(headers: Any) -> dict[str, str]:
    """Return headers with their names in lower case."""
    return {str(name).lower(): str(value) for name, value in headers.items()}
