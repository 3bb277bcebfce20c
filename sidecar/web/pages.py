"""The explain page at the edge: `GET /explain/...`, read-only, for whoever holds a sealed link.

The seal is checked before anything is looked up, so a stranger's guess costs one HMAC. Pages are built in threads, two
at a time with a short queue, so that however many open one, webhooks are taken as before. A page may be kept by nobody
(no-store), listed, framed or sent along as a referrer by nobody, and sets no cookie. An answer that isn't a page says
the same for whatever is wrong, in our own words; the log holds the status, never a path.
"""

import asyncio
from collections.abc import Mapping

import structlog
from starlette.types import Receive, Scope, Send

from sidecar.errors import RejectedInput
from sidecar.links import PREFIX, Linked
from sidecar.markup.document import notice, policy
from sidecar.web.door import Door
from sidecar.web.hooks import where
from sidecar.web.limits import Limits
from sidecar.web.sparing import SparingLog

_log = structlog.get_logger(__name__)
_WORDS: Mapping[int, tuple[str, str]] = {
    404: ("There is nothing here", "This link leads nowhere. It may be incomplete, or what it showed is gone."),
    405: ("There is nothing here", "Pages here can be looked at, and nothing else."),
    410: ("This link has ended", "Links hold for some days only. Ask your administrator for a new one."),
    431: ("There is nothing here", "The request is too large."),
    503: ("Please come again", "The page can't be shown right now. Try again in a moment."),
}
_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", policy().encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"x-robots-tag", b"noindex, nofollow, noarchive"),
)
_MORE: Mapping[int, tuple[tuple[bytes, bytes], ...]] = {
    405: ((b"allow", b"GET, HEAD"),),
    503: ((b"retry-after", b"5"),),
}


def is_page(scope: Scope) -> bool:
    """Say whether a request asks for a page, rather than for the door of webhooks."""
    return PREFIX.encode() in _path(scope)


class Pages:
    """The app for pages; for one loop."""

    def __init__(self, door: Door, limits: Limits) -> None:
        self._door = door
        self._limits = limits
        self._log = SparingLog(_log)
        self._running = asyncio.Semaphore(limits.pages)
        self._begun = 0  # pages that run or wait; a thread that is late still counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, page = await self._answer(scope)
        body = (page if status == 200 else notice(*_WORDS[status])).encode("utf-8", "replace")
        self._door.answered("", status)
        has_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
        close = ((b"connection", b"close"),) if has_body else ()  # what nobody reads must not be taken for a request
        length = (b"content-length", str(len(body)).encode())
        headers = [*_HEADERS, length, *_MORE.get(status, ()), *close]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: Scope) -> tuple[int, str]:
        if len(scope["headers"]) > self._limits.headers:
            return 431, ""
        if scope["method"] not in ("GET", "HEAD"):
            return 405, ""
        try:
            linked = self._door.linked(_path(scope).decode("latin-1"))
            page = await self._build(linked)
        except RejectedInput as error:
            self._log.say("info", "page_refused", status=error.status)
            return (error.status if error.status in _WORDS else 404), ""
        except (TimeoutError, asyncio.CancelledError):  # cancelled: the server's grace is over
            self._log.say("warning", "page_late")
            return 503, ""
        except Exception as error:  # what it says may quote a customer
            self._log.say("error", "page_failed", error=type(error).__name__, where=where(error))
            return 503, ""
        self._log.say("info", "page_shown")
        return 200, page

    async def _build(self, linked: Linked) -> str:
        """Build a page in a thread; `TimeoutError` when it is late, or when too many wait already."""
        if self._begun >= self._limits.pages_waiting:
            raise TimeoutError
        task = asyncio.ensure_future(self._in_thread(linked))
        self._begun += 1
        task.add_done_callback(self._ended)
        return await asyncio.wait_for(asyncio.shield(task), self._limits.page_timeout_s)

    async def _in_thread(self, linked: Linked) -> str:
        async with self._running:
            return await asyncio.to_thread(self._door.page, linked)

    def _ended(self, task: "asyncio.Task[str]") -> None:
        self._begun -= 1
        if not task.cancelled():
            task.exception()  # whoever waited has heard of it; who had gone doesn't mind


def _path(scope: Scope) -> bytes:
    """Return the path as it was sent, without a query: mail programs add one to count clicks."""
    raw: bytes = scope.get("raw_path") or b""
    return raw.partition(b"?")[0]
