"""What is asked of Meta's Graph API: files of messages, and what was said on a page while its webhooks were lost.

Reading alone. The token goes to the API and, for WhatsApp's files, to the one host of Meta's that hands them out; to
every other host of the list a file is asked for without it, and to hosts beyond the list nothing is asked at all. An
answer's error says who must act by its code: a token that is no good, a permission, a limit, or an object that is gone.
No error repeats what Meta says, because that may name whom it is about.

Source: Meta's OpenAPI description v23 (retrieveMediaUrl, download media: an address is good for 5 minutes), Graph API
error codes, conversation reference; read 2026-11.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import orjson

from adapters.channels.meta.contents import BY_ID
from adapters.http.calls import CutOffError, NotSentError, Timeouts, answer, number
from adapters.http.patience import Again, Pace, patient
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.model import Attachment
from sidecar.ports import Media, Observe

if TYPE_CHECKING:  # the HTTP client is imported by the first call
    from adapters.http.fetched import Fetched, Fetcher
    from adapters.http.pooled import Pooled, RawReply, Reply

TOKEN_HOST = "lookaside.fbsbx.com"  # noqa: S105  a host, which is given the token
HOSTS = (TOKEN_HOST, "cdn.fbsbx.com", "*.fbsbx.com", "*.fbcdn.net", "*.cdninstagram.com")
CONNECTIONS = 2
MAX_ANSWER_BYTES = 3_000_000
TOKEN, PERMISSION = frozenset({102, 190}), frozenset({3, 10, *range(200, 300)})
LIMIT = frozenset({1, 2, 4, 17, 32, 341, 613, 80001, 80002, 80006, 80007, 130429, 131056})
"""Codes of errors: whose token is no good, what it may not do, and what time mends."""
GONE = "its provider doesn't have it any more"


@dataclass(frozen=True, slots=True)
class Reached:
    """Where the API is, with which token and version, how patiently it is asked, and what a file may weigh."""

    base_url: str
    version: str
    token: str = field(repr=False)
    timeouts: Timeouts
    max_wait_s: float
    calls_per_s: float
    max_media_bytes: int
    setting: str


@dataclass(frozen=True, slots=True)
class _Asked:
    operation: str
    effect: bool = False


class Graph:
    """Asks Meta's Graph API for one app; safe to share between threads."""

    def __init__(self, reached: Reached, observe: Observe, sleep: Callable[[float], None] | None = None) -> None:
        self._reached, self._observe = reached, observe
        self._pace = Pace("Meta", 1, 1.0 / reached.calls_per_s)
        self._sleep = sleep or _nap
        self._pooled: Pooled | None = None
        self._fetcher: Fetcher | None = None
        self._lock = threading.Lock()

    def media(self, attachment: Attachment) -> Media:
        """Fetch a file: by its id from the API, or from its own address without a token."""
        media_id = attachment.ref.removeprefix(BY_ID)
        if media_id == attachment.ref:
            fetched = self._fetched(attachment.ref, {})
            return Media(fetched.body, fetched.content_type or attachment.content_type, attachment.name)
        told = self.read("media", quote(media_id, safe=""), {}).data
        url, kind = (told.get("url"), told.get("mime_type")) if isinstance(told, Mapping) else (None, None)
        if not isinstance(url, str):
            raise Again("Meta's answer to media names no address")
        fetched = self._fetched(url, {"Authorization": f"Bearer {self._token()}"} if self._is_trusted(url) else {})
        return Media(fetched.body, kind if isinstance(kind, str) else fetched.content_type, attachment.name)

    def read(self, operation: str, path: str, query: Mapping[str, str], token: str = "") -> "Reply":
        """Return an answer of the API, asked with another token than ours where one is given."""
        reply: Reply = self._patiently(
            operation,
            lambda pooled, url, headers: pooled.send("GET", url, headers, query=query),
            path,
            token,
            lambda reply: _raise_for(reply.status, reply.data, reply.headers, operation, self._reached.setting),
        )
        return reply

    def bytes_of(self, operation: str, path: str, query: Mapping[str, str], token: str = "") -> bytes | None:
        """Return an answer of the API as its bytes were; None for one that is too large."""
        reply: RawReply = self._patiently(
            operation,
            lambda pooled, url, headers: pooled.read(url, headers, MAX_ANSWER_BYTES, query=query),
            path,
            token,
            lambda reply: _raise_for(
                reply.status, _parsed(reply.body), reply.headers, operation, self._reached.setting
            ),
        )
        return None if reply.is_cut else reply.body

    def named(self, key: str) -> str:
        """Return a setting's dotted key, for an error."""
        return f"{self._reached.setting}.{key}"

    def _patiently(
        self,
        operation: str,
        send: Callable[["Pooled", str, Mapping[str, str]], Any],
        path: str,
        token: str,
        check: Callable[[Any], None],
    ) -> Any:
        reached = self._reached
        url = f"{reached.base_url}/{reached.version}/{path}"
        headers = {"Authorization": f"Bearer {token or self._token()}"}

        def once() -> Any:
            self._pace.wait(1.0 / reached.calls_per_s + reached.max_wait_s)
            pooled = self._ready()
            reply = answer("Meta", _Asked(operation), self._observe, lambda: send(pooled, url, headers))
            check(reply)
            return reply

        return patient(reached.max_wait_s, self._sleep)(once)

    def _fetched(self, url: str, headers: Mapping[str, str]) -> "Fetched":
        """Fetch a file from its address; the address of a file that is gone answers 404, or 410, or 403 for ever."""
        status: int | None = None
        began = monotonic()
        try:
            fetched = self._files().get(url, {**headers, "User-Agent": "crm-sidecar"}, self._reached.max_media_bytes)
            status = fetched.status
        except (NotSentError, CutOffError) as error:
            raise TemporaryError(f"a file of Meta's could not be fetched: {error}") from None
        finally:
            self._observe("file", status, monotonic() - began)
        if 200 <= status < 300:
            return fetched
        if status in (408, 425, 429) or status >= 500:
            raise TemporaryError(
                f"a file of Meta's could not be fetched: {status}", retry_after_s=number(fetched.headers, "retry-after")
            )
        if status == 401 and headers:
            raise ConfigError("answered 401 to a file: the token is not accepted", setting=self.named("token_env"))
        raise PermanentError(GONE if status in (401, 403, 404, 410) else f"its address answered {status}")

    def _is_trusted(self, url: str) -> bool:
        return url.startswith(self._reached.base_url + "/") or urlsplit(url).hostname == TOKEN_HOST

    def _token(self) -> str:
        if not self._reached.token:
            raise ConfigError("name the variable that holds an access token", setting=self.named("token_env"))
        return self._reached.token

    def _ready(self) -> "Pooled":
        with self._lock:
            if self._pooled is None:
                from adapters.http.pooled import Pooled

                self._pooled = Pooled(self._reached.timeouts, CONNECTIONS)
            return self._pooled

    def _files(self) -> "Fetcher":
        with self._lock:
            if self._fetcher is None:
                from adapters.http.fetched import Fetcher

                trusted = (self._reached.base_url,)
                self._fetcher = Fetcher(HOSTS, self._reached.timeouts, trusted=trusted, roams=True)
            return self._fetcher


def _raise_for(status: int, data: Any, headers: Mapping[str, str], operation: str, setting: str) -> None:
    if 200 <= status < 300:
        return
    told = data.get("error") if isinstance(data, Mapping) else None
    code = told.get("code") if isinstance(told, Mapping) else None
    said = f"Meta answered {status} to {operation}" + (f", code {code}" if isinstance(code, int) else "")
    is_transient = isinstance(told, Mapping) and told.get("is_transient") is True
    if status in (408, 425, 429) or status >= 500 or code in LIMIT or is_transient:
        raise Again(said, retry_after_s=number(headers, "retry-after"))
    if code in TOKEN or status == 401:
        raise ConfigError(f"the token is not accepted; {said}", setting=f"{setting}.token_env")
    if code in PERMISSION or status == 403:
        raise ConfigError(f"the token lacks a permission; {said}", setting=f"{setting}.token_env")
    if 300 <= status < 400:
        raise ConfigError(f"write the address that it leads to; {said}", setting=f"{setting}.graph_url")
    raise PermanentError(f"{GONE}: {said}" if code == 100 or status in (404, 410) else said)


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def _nap(seconds: float) -> None:
    threading.Event().wait(seconds)
