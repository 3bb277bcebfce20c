"""A pooled client of httpx2 for APIs that have no client of their vendor's: JSON, bounded, and never redirected.

It reads each answer whole, within a size and a time, and says what became of a call in our words (`calls`): what no
connection was opened for has not happened, what broke off later may have. A proxy of the environment must not see the
credentials, so the environment doesn't count.

The trade-off: answers are in memory whole, which suits pages of records, and would not suit files. This module imports
httpx2 at its top, so whoever needs it imports it late. Source: httpx2 2.16, read and run 2026-11.
"""

import json
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from adapters.http.calls import BusyError, CutOffError, NotSentError, Timeouts, TooLateError, whole
from adapters.http.deadline import within
from adapters.http.wires import bound

AGENT = "crm-sidecar"
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: header names in lower case; `data` is the parsed JSON, None where the body `raw` was none."""

    status: int
    headers: Mapping[str, str]
    data: Any = field(default=None, repr=False)
    raw: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class RawReply:
    """What came back as bytes, whatever its status; of an answer that was cut, its beginning."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    is_cut: bool = False


class Pooled:
    """Sends requests over at most so many connections; safe to share between threads."""

    def __init__(self, timeouts: Timeouts, connections: int) -> None:
        self._whole_s = timeouts.whole_s
        wait_s = min(timeouts.read_s, timeouts.whole_s)  # for a connection that is free
        self._client = bound(
            httpx2.Client(
                timeout=httpx2.Timeout(timeouts.read_s, connect=timeouts.connect_s, pool=wait_s),
                limits=httpx2.Limits(max_connections=connections),
                follow_redirects=False,
                trust_env=False,
                headers={"User-Agent": AGENT, "Accept": "application/json"},
            )
        )
        weakref.finalize(self, self._client.close)  # connections end with whoever held them

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
    ) -> Reply:
        """Send JSON or a form and return the answer, whatever its status; `NotSentError` or `CutOffError` without.

        A form may bring files, each as its name, bytes and type.
        """
        given = {"params": dict(query) if query else None, "json": body, "data": dict(form) if form else None}
        given |= {"files": dict(files)} if files else {}
        with self._answered(method, url, headers, given) as answer:
            content = whole(answer.iter_bytes())
            return Reply(answer.status_code, _lower(answer), _json(content), content)

    def read(
        self, url: str, headers: Mapping[str, str], max_bytes: int, *, query: Mapping[str, str] | None = None
    ) -> RawReply:
        """Get bytes as they come, at most so many; `NotSentError` or `CutOffError` without an answer."""
        content = bytearray()
        with self._answered("GET", url, headers, {"params": dict(query) if query else None}) as answer:
            for part in answer.iter_bytes():
                content += part
                if len(content) > max_bytes:
                    return RawReply(answer.status_code, _lower(answer), bytes(content[:max_bytes]), is_cut=True)
            return RawReply(answer.status_code, _lower(answer), bytes(content))

    @contextmanager
    def _answered(
        self, method: str, url: str, headers: Mapping[str, str], given: Mapping[str, Any]
    ) -> Iterator[httpx2.Response]:
        """An answer whose body is not read yet, and what goes wrong until its end in our words."""
        try:
            with within(self._whole_s), self._client.stream(method, url, headers=dict(headers), **given) as answer:
                yield answer
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            raise NotSentError("this is no address that could be called") from None
        except httpx2.PoolTimeout:
            raise BusyError("our own connections are taken") from None
        except _UNSENT as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise NotSentError("its certificate is not trusted; is a proxy between, or the clock wrong?") from None
            raise NotSentError("no connection") from None
        except httpx2.TimeoutException:
            raise TooLateError("no answer in time") from None
        except httpx2.HTTPError as error:
            raise CutOffError(f"the connection broke ({type(error).__name__})") from None


def _lower(answer: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
