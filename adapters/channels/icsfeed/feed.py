"""One request to a feed: what came, or that nothing has changed, or who must act. No error names the address."""

import threading
from dataclasses import dataclass, field
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from adapters.http.calls import CutOffError, NotSentError, Timeouts, number
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.ports import Observe

if TYPE_CHECKING:  # the HTTP client is imported by the first call
    from adapters.http.fetched import Fetched, Fetcher

MAX_TAG_CHARS = 500
_LATER = frozenset({408, 421, 423, 425, 429})


@dataclass(frozen=True, slots=True)
class Got:
    """What came: its bytes, their hash, and by what the server knows them; `fault` says why they are not to be read."""

    body: bytes = field(repr=False)
    digest: str
    etag: str = ""
    modified: str = ""
    fault: str = ""


class Feed:
    """Fetches one address; `setting` is what errors name."""

    def __init__(
        self, url: str, timeouts: Timeouts, max_bytes: int, allow_private: bool, setting: str, observe: Observe
    ) -> None:
        self._url, self._timeouts, self._max_bytes = url, timeouts, max_bytes
        self._allow_private, self._setting, self._observe = allow_private, setting, observe
        self._fetcher: Fetcher | None = None
        self._lock = threading.Lock()

    def get(self, etag: str, modified: str) -> Got | None:
        """Fetch the feed; None when it is what the server has named so."""
        headers = {"Accept": "text/calendar, */*;q=0.5", "User-Agent": "crm-sidecar"}
        headers |= {"If-None-Match": etag} if etag else {}
        headers |= {"If-Modified-Since": modified} if modified else {}
        began, status = monotonic(), None
        try:
            answer = self._ask(headers)
            status = None if isinstance(answer, str) else answer.status
        finally:
            self._observe("feed", status, monotonic() - began)
        if isinstance(answer, str):
            return Got(b"", sha256(answer.encode()).hexdigest(), fault=answer)
        if answer.status == 304 and (etag or modified):
            return None
        self._raise_for(answer)
        named = [answer.headers.get(name, "") for name in ("etag", "last-modified")]
        tags = [text if len(text) <= MAX_TAG_CHARS and text.isprintable() else "" for text in named]
        return Got(answer.body, sha256(answer.body).hexdigest(), *tags)

    def _ask(self, headers: dict[str, str]) -> "Fetched | str":
        """The answer, or why its body isn't read."""
        from adapters.http.fetched import NotAllowedError

        fetcher = self._ready()
        try:
            return fetcher.get(self._url, headers, self._max_bytes)
        except NotAllowedError as error:
            if "larger" in str(error) or "compressed" in str(error):
                return f"the feed can't be read: {error}"
            raise ConfigError(f"the feed isn't fetched: {error}", setting=self._setting) from None
        except (NotSentError, CutOffError) as error:
            raise TemporaryError(f"{self._setting} can't be reached: {error}") from None

    def _raise_for(self, answer: "Fetched") -> None:
        status = answer.status
        if status == 200:
            return
        if status >= 500 or status in _LATER:
            wait_s = number(answer.headers, "retry-after")
            raise TemporaryError(f"{self._setting}: the server answered {status}", retry_after_s=wait_s)
        if status in (401, 403, 404, 410):
            told = f"the server answered {status}; copy the feed's address anew, it may have been reset"
            raise ConfigError(told, setting=self._setting)
        raise PermanentError(f"{self._setting}: the server answered {status}")

    def _ready(self) -> "Fetcher":
        with self._lock:
            if self._fetcher is None:
                from adapters.http.fetched import Fetcher

                parts = urlsplit(self._url)
                trusted = (f"{parts.scheme}://{parts.netloc}",) if self._allow_private else ()
                self._fetcher = Fetcher(None, self._timeouts, trusted=trusted)
            return self._fetcher
