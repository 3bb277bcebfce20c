"""The one HTTP client that adapters share: time-outs, bounded answers, statuses as errors, and nothing that leaks.

An address may itself be a secret, and an answer may repeat what was sent; so no error names more than the setting and
the status, and no redirect is followed, since it would carry a signed body to somewhere that nobody chose. Proxies and
certificates of the environment count, as operators expect.

The trade-off: an answer is cut after `MAX_ANSWER_BYTES`, which suits those that answer a notice, and would not suit one
that hands out documents.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from time import perf_counter

from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.ports import Clock, Observe, unobserved

MAX_ANSWER_BYTES = 65_536
MAX_RETRY_S = 86_400.0
_LATER = frozenset({408, 421, 423, 425, 429})
_REFUSED = frozenset({401, 403, 404, 405, 407, 410})


def see_proxies(setting: str) -> None:
    """Refuse a proxy of the environment that httpx2 can't call through, which it would say in the midst of a call."""
    told = {name.lower(): value for name, value in sorted(os.environ.items())}  # of two spellings the small one counts
    if "*" in told.get("no_proxy", "").replace(" ", "").split(","):
        return
    spoken = {"http", "https", *(("socks5", "socks5h") if find_spec("socksio") else ())}
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        scheme, is_named, _ = told.get(name, "").partition("://")
        if is_named and scheme.lower() not in spoken:
            problem = f"the environment's {name} names a proxy that isn't spoken here"
            raise ConfigError(f"{problem}; name one of http://, or unset it for this program", setting=setting)


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered, when it was a success."""

    status: int
    body: bytes


class Http:
    """Sends requests for one adapter; `setting` is what its errors name."""

    def __init__(self, setting: str, timeout_s: float, clock: Clock, observe: Observe = unobserved) -> None:
        see_proxies(setting)
        self._setting, self._timeout_s, self._clock, self._observe = setting, timeout_s, clock, observe

    def post(self, operation: str, url: str, headers: Mapping[str, str], content: bytes) -> Reply:
        """Post bytes; what is no success is an error that says who acts: time, or whoever wrote the setting."""
        return self._observed(operation, lambda: self._send(url, headers, content))

    def _observed(self, operation: str, send: Callable[[], tuple[Reply, str | None]]) -> Reply:
        begun, status = perf_counter(), None
        try:
            reply, retry_after = send()
            status = reply.status
        finally:
            self._observe(operation, status, perf_counter() - begun)
        self._raise_for(reply.status, retry_after)
        return reply

    def _send(self, url: str, headers: Mapping[str, str], content: bytes) -> tuple[Reply, str | None]:
        import httpx2

        from adapters.http.deadline import STEPS, within
        from adapters.http.wires import bound

        try:
            with (
                within(STEPS * self._timeout_s),
                bound(httpx2.Client(timeout=self._timeout_s, follow_redirects=False)) as client,
                client.stream("POST", url, headers=dict(headers), content=content) as answer,
            ):
                body = b""
                with suppress(httpx2.TimeoutException):  # the status says it all
                    for part in answer.iter_raw():
                        body += part
                        if len(body) >= MAX_ANSWER_BYTES:
                            break
                return Reply(answer.status_code, body[:MAX_ANSWER_BYTES]), answer.headers.get("retry-after")
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            raise ConfigError("this is no address that could be called", setting=self._setting) from None
        except httpx2.HTTPError as error:
            # Its text names the address; its cause might as well.
            raise TemporaryError(f"{self._setting} could not be reached: {type(error).__name__}") from None

    def _raise_for(self, status: int, retry_after: str | None) -> None:
        if 200 <= status < 300:
            return
        if status >= 500 or status in _LATER:
            raise TemporaryError(f"{self._setting} answered {status}", retry_after_s=self._seconds(retry_after))
        if 300 <= status < 400:
            raise ConfigError(f"answered {status}; write the address that it leads to", setting=self._setting)
        if status in _REFUSED:
            raise ConfigError(f"answered {status}; the address or its credentials are wrong", setting=self._setting)
        raise PermanentError(f"{self._setting} answered {status} to what was sent")

    def _seconds(self, retry_after: str | None) -> float | None:
        """Read Retry-After, in seconds or as a date; nonsense counts as nothing said."""
        if not retry_after:
            return None
        if retry_after.strip().isdigit():
            return min(float(retry_after), MAX_RETRY_S)
        try:
            at: datetime = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return min(max((at - self._clock()).total_seconds(), 0.0), MAX_RETRY_S)
