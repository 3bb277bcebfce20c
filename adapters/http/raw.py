"""One connection that answers in bytes, for protocols that are no JSON: any method, with a user's password, bounded.

The password goes to the hosts that the caller asks and no further: no redirect is followed, and the environment's
proxies don't count. An answer that is larger than asked for is cut, and says so, since its beginning may be of use to
nobody; one that takes too long as a whole is an error of time. No error names the address, which may be a secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2

from adapters.http.calls import CutOffError, NotSentError, TooLateError
from adapters.http.deadline import STEPS, within
from adapters.http.wires import bound


@dataclass(frozen=True, slots=True)
class RawReply:
    """What came back, whatever its status; an answer that was cut has no body."""

    status: int
    body: bytes = field(repr=False)
    is_cut: bool = False


class RawHttp:
    """Sends one request after the other; whoever opens it closes it."""

    def __init__(self, username: str, password: str, timeout_s: float) -> None:
        self._whole_s = STEPS * timeout_s
        auth = (username.encode(), password.encode())
        self._client = bound(httpx2.Client(auth=auth, timeout=timeout_s, follow_redirects=False, trust_env=False))

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes, max_bytes: int) -> RawReply:
        """Send a request and return its answer; `NotSentError` or `CutOffError` without one."""
        try:
            with (
                within(self._whole_s),
                self._client.stream(method, url, headers=dict(headers), content=body) as answer,
            ):
                read = bytearray()
                for part in answer.iter_bytes():
                    read += part
                    if len(read) > max_bytes:
                        return RawReply(answer.status_code, b"", is_cut=True)
                return RawReply(answer.status_code, bytes(read))
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            raise NotSentError("this is no address that could be called") from None
        except httpx2.TimeoutException:
            raise TooLateError("no answer in time") from None
        except httpx2.HTTPError as error:
            raise CutOffError(type(error).__name__) from None

    def close(self) -> None:
        """End the connection."""
        self._client.close()
