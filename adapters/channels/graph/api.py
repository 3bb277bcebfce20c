"""The few calls of Microsoft Graph that capture needs, with bounds, and refusals named for who must act.

Every call asks for immutable ids, because Graph's usual ids change when somebody files a mail. An address that an
answer names (the next page, the next round) is asked only of the same host: it is data, and our token goes along.

Calls of one channel go out one after the other, so that mail, calendar and a count of one mailbox stay under the four
that Graph lets an app make of a mailbox at once. They are spaced evenly under its 10,000 in ten minutes.

Source: learn.microsoft.com "Obtain immutable identifiers", "Use delta query", "Microsoft Graph throttling guidance" and
the published examples of each call, read 2026-11. That Graph answers 500 for ever to one item that Exchange can't
convert, such as an encrypted mail: microsoft-graph-docs-contrib issue 7758 and OpenArchiver issue 487, read 2026-11.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlsplit

import orjson

from adapters.http.calls import Timeouts, answer, number
from adapters.http.patience import Again, AgainUnanswered, Pace, patient
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.ports import Observe

if TYPE_CHECKING:  # the HTTP client is imported by the first call
    from adapters.http.pooled import Pooled, RawReply, Reply

PAGE_BYTES_MAX = 32 * 1024 * 1024
CONNECTIONS = 1
HOLD_MAX_S = 3_600.0
VENDOR = "Microsoft Graph"
_TRANSIENT = frozenset({408, 423, 425, 429, 509})
_LIMITED = frozenset({429, 509})
_DEAD = frozenset({"syncstatenotfound", "syncstateinvalid", "resyncrequired"})
_GONE = frozenset({404, 410})
_WITHHELD = frozenset({"errormimecontentconversionfailed", "errorcontentconversionfailed", "errorcorruptdata"})


class Access(Protocol):
    """What gives access tokens."""

    def access_token(self) -> str: ...
    def refused(self, token: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Given:
    """One token, for a look."""

    token: str = field(repr=False)

    def access_token(self) -> str:
        """Return it."""
        return self.token

    def refused(self, token: str) -> None:
        """Do nothing: there is no other."""


class DeadTokenError(TemporaryError):
    """Graph doesn't know any more what it has told us: a round begins anew, anything else is asked later."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Whose mailbox is asked for, where, and how patiently; `setting` is what errors name."""

    graph_url: str
    mailbox: str
    timeouts: Timeouts
    max_wait_s: float
    calls_per_s: float
    setting: str


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a list, the address of its next page, and at its end that of the next round, where there is one."""

    rows: list[dict[str, Any]]
    next: str = ""
    delta: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """The bytes of one thing as Graph hands them out; the beginning alone where it is larger than allowed.

    None of them, and why, where Graph can't hand out this one: it never will, and its neighbours mustn't wait for it.
    """

    raw: bytes = field(repr=False)
    is_cut: bool = False
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    operation: str
    effect: bool = False


class Api:
    """Asks Graph for one mailbox; safe to share between threads."""

    def __init__(
        self, reached: Reached, access: Access, observe: Observe, sleep: Callable[[float], None] | None = None
    ) -> None:
        self._reached, self._access, self._observe = reached, access, observe
        self._spacing_s = 1.0 / reached.calls_per_s
        self._pace = Pace(VENDOR, 1, self._spacing_s)
        self._sleep = sleep or _nap
        self._turn = threading.Lock()
        self._pooled: Pooled | None = None

    def page(self, operation: str, link: str, query: Mapping[str, str], size: int) -> Page:
        """Return a page of a list: by its address, or where there is none yet, by `query`.

        `DeadTokenError` where the address holds a token that Graph doesn't take any more.
        """
        url = self._same_host(link) if link.startswith(("https:", "http:")) else self.url(link)
        reply = self._read(operation, url, query, PAGE_BYTES_MAX, f"odata.maxpagesize={size}")
        code = _code(reply.body).casefold()
        if reply.status == 410 or (400 <= reply.status < 500 and code in _DEAD):
            raise DeadTokenError(f"{VENDOR} has forgotten how far {operation} had come")
        self._raise_for(reply, operation)
        return _page(reply, operation)

    def thing(
        self,
        operation: str,
        path: str,
        max_bytes: int,
        query: Mapping[str, str] | None = None,
        *,
        may_be_odd: bool = False,
    ) -> Read | None:
        """Return one thing's bytes; None where it is gone, or where what was asked for `may_be_odd` and isn't an id."""
        reply = self._read(operation, self.url(path), query or {}, max_bytes, "")
        if reply.status in _GONE or (may_be_odd and reply.status == 400):
            return None
        if _is_withheld(reply):
            return Read(b"", fault=f"{VENDOR} can't hand it out: it answered {reply.status} to {operation}")
        self._raise_for(reply, operation)
        return Read(reply.body, reply.is_cut)

    def change(self, operation: str, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Make, renew or end a subscription, the only things that we ever change; None where it isn't there."""
        url = f"{self._reached.graph_url}/v1.0/{path}"

        def once(transport: "Pooled", headers: Mapping[str, str]) -> "Reply":
            return transport.send(method, url, headers, body=body)

        reply: Reply = self._ask(_Asked(operation), once, "")
        if reply.status in _GONE:
            return None
        self._raise_for(reply, operation)
        return reply.data if isinstance(reply.data, dict) else {}

    def url(self, path: str) -> str:
        """Return the address of something of the mailbox."""
        return f"{self._reached.graph_url}/v1.0/{self.resource(path)}"

    def resource(self, path: str) -> str:
        """Return the name by which a subscription knows something of the mailbox."""
        return f"users/{quoted(self._reached.mailbox)}/{path}"

    def _same_host(self, link: str) -> str:
        here, there = urlsplit(self._reached.graph_url), urlsplit(link)
        if (here.scheme, here.netloc.lower()) != (there.scheme, there.netloc.lower()):
            raise PermanentError(f"{VENDOR} names a page on another host, which isn't asked")
        return link

    def _read(self, operation: str, url: str, query: Mapping[str, str], max_bytes: int, preference: str) -> "RawReply":
        def once(transport: "Pooled", headers: Mapping[str, str]) -> "RawReply":
            return transport.read(url, headers, max_bytes, query=query or None)

        reply: RawReply = self._ask(_Asked(operation), once, preference)
        return reply

    def _ask(self, asked: _Asked, send: Callable[["Pooled", Mapping[str, str]], Any], preference: str) -> Any:
        """Send once a turn, a second time with a new token after a 401, and again while somebody may wait."""
        prefer = 'IdType="ImmutableId"' + (f", {preference}" if preference else "")

        def tried(token: str) -> Any:
            reached = self._reached
            self._pace.wait(self._spacing_s + reached.max_wait_s)
            headers = {"Authorization": f"Bearer {token}", "Prefer": prefer}
            transport = self._ready()
            with self._turn:
                return answer(VENDOR, asked, self._observe, lambda: send(transport, headers))

        def once() -> Any:
            token = self._access.access_token()
            reply = tried(token)
            if reply.status == 401:
                self._access.refused(token)
                reply = tried(self._access.access_token())
            self._hold_for(reply, asked.operation)
            return reply

        return patient(self._reached.max_wait_s, self._sleep)(once)

    def _hold_for(self, reply: Any, operation: str) -> None:
        """Obey a limit, and take an outage for one."""
        if (reply.status in _TRANSIENT or reply.status >= 500) and not _is_withheld(reply):
            wait_s = number(reply.headers, "retry-after")
            if wait_s is not None:
                self._pace.hold(min(wait_s, HOLD_MAX_S))
            kind = AgainUnanswered if reply.status in _LIMITED else Again
            raise kind(f"{VENDOR} answered {reply.status} to {operation}", retry_after_s=wait_s)

    def _raise_for(self, reply: Any, operation: str) -> None:
        status, setting = reply.status, self._reached.setting
        if 200 <= status < 300:
            return
        told = f"answered {status} to {operation}"
        if status in (401, 403):
            raise ConfigError(f"{told}: may the app, or who connected it, read this mailbox?", setting=setting)
        if status == 404:
            raise ConfigError(f"{told}: no such mailbox or folder is there", setting=f"{setting}.mailbox")
        if 300 <= status < 400:
            raise ConfigError(f"{told}; write the address that it leads to", setting=f"{setting}.graph_url")
        raise PermanentError(f"{VENDOR} {told}")

    def _ready(self) -> "Pooled":
        with self._turn:
            if self._pooled is None:
                from adapters.http.pooled import Pooled

                self._pooled = Pooled(self._reached.timeouts, CONNECTIONS)
            return self._pooled


def _nap(seconds: float) -> None:
    threading.Event().wait(seconds)


def quoted(text: str) -> str:
    """Return an id or a name as one step of a path."""
    return quote(text, safe="@")


def read_json(raw: bytes) -> dict[str, Any]:
    """Return an object of JSON; an empty one where there is none."""
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return data if isinstance(data, dict) else {}


def _code(raw: bytes) -> str:
    """The code of an error, which may stand within another."""
    error: Any = read_json(raw[:100_000]).get("error")
    outer = error.get("code") if isinstance(error, dict) else None
    inner = error.get("innerError", error.get("innererror")) if isinstance(error, dict) else None
    deeper = inner.get("code") if isinstance(inner, dict) else None
    found = next((c for c in (deeper, outer) if isinstance(c, str) and c.casefold() in _DEAD | _WITHHELD), outer)
    return found if isinstance(found, str) else ""


def _is_withheld(reply: Any) -> bool:
    """Whether Graph says of this one thing that it can't be had; any other refusal may be one of all, and pass."""
    return reply.status >= 400 and _code(getattr(reply, "body", b"")).casefold() in _WITHHELD


def _page(reply: "RawReply", operation: str) -> Page:
    """Read a page; one that is none counts as an outage, since a proxy's page is the usual cause."""
    data = read_json(reply.body) if not reply.is_cut else {}
    rows = data.get("value")
    links = [data.get(f"@odata.{name}", "") for name in ("nextLink", "deltaLink")]
    is_page = isinstance(rows, list) and all(isinstance(row, dict) and isinstance(row.get("id"), str) for row in rows)
    if not is_page or not all(isinstance(link, str) for link in links):
        raise Again(f"{VENDOR}'s answer to {operation} is no page of a list")
    return Page(rows or [], *links)
