"""The few requests of CalDAV that a poll needs, with bounds, and errors named for who must act.

The password goes to one host over one scheme: no redirect is followed, and a path that the server names is only ever
asked of that same host. An answer's XML is read as UTF-8 without document types, so that no entity can grow in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit
from xml.etree import ElementTree

from adapters.http.calls import CutOffError, NotSentError
from sidecar.errors import ConfigError, TemporaryError, Unanswered

if TYPE_CHECKING:
    from adapters.http.raw import RawHttp, RawReply

ANSWER_BYTES_MAX = 32 * 1024 * 1024
PAGES_MAX = 100
PATH_CHARS_MAX = 2_000
_SYNC = (
    '<?xml version="1.0" encoding="utf-8"?><D:sync-collection xmlns:D="DAV:"><D:sync-token>{token}</D:sync-token>'
    "<D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>"
)
_PROPS = (
    '<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop><D:getetag/><D:resourcetype/></D:prop>'
    "</D:propfind>"
)
_NO_SYNC = frozenset({400, 403, 405, 409, 410, 412, 415, 422, 501, 507})
"""What servers answer to a token, or to the whole report, that they don't take. Source: RFC 6578 3.2, 2026-11-23."""
_LATER = frozenset({408, 423, 425, 429})


@dataclass(frozen=True, slots=True)
class Access:
    """How a calendar is reached; `setting` is what errors name."""

    url: str
    username: str
    password: str = field(repr=False)
    timeout_s: float
    setting: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Entries by path with their ETags, paths that are gone, the next token; `is_whole` when all was listed."""

    there: dict[str, str]
    gone: tuple[str, ...]
    token: str
    is_whole: bool


class Dav:
    """One connection to a calendar's server."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._http: RawHttp

    def __enter__(self) -> "Dav":
        from adapters.http.raw import RawHttp

        access = self._access
        self._http = RawHttp(access.username, access.password, access.timeout_s)
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def listing(self, token: str) -> Listing:
        """List what has changed since a token, or everything when there is none that the server takes."""
        return (self._synced(token) if token else None) or self._synced("") or self._listed()

    def entry(self, path: str, max_bytes: int) -> bytes | int | None:
        """Return an entry's bytes; None when it is gone, the limit when it is larger."""
        answer = self._ask("GET", urljoin(self._access.url, path), b"", {}, max_bytes)
        if answer.status in (404, 410):
            return None
        self._raise_for(answer, (200,))
        return max_bytes if answer.is_cut else answer.body

    def is_calendar(self) -> bool:
        """Say whether the address is a calendar's."""
        root = self._tree(self._ask("PROPFIND", self._access.url, _PROPS.encode(), {"depth": "0"}))
        return root.find(".//{DAV:}resourcetype/{urn:ietf:params:xml:ns:caldav}calendar") is not None

    def _synced(self, token: str) -> Listing | None:
        """What a sync report says, page by page; None when the server doesn't take the token or the report."""
        from xml.sax.saxutils import escape

        there: dict[str, str] = {}
        gone: dict[str, None] = {}
        now = token
        for _ in range(PAGES_MAX):
            body = _SYNC.format(token=escape(now)).encode()
            answer = self._ask("REPORT", self._access.url, body, {"depth": "0"})
            if answer.status in _NO_SYNC:
                return None
            root = self._tree(answer)
            is_cut = False
            for path, status, etag in self._entries(root):
                is_cut = is_cut or status == 507
                if status in (404, 410):
                    gone[path] = None
                    there.pop(path, None)
                elif etag:
                    there[path] = etag
                    gone.pop(path, None)
            now = (root.findtext("{DAV:}sync-token") or "").strip()
            if not now or not is_cut:
                return Listing(there, tuple(gone), now, is_whole=not token) if now else None
        raise TemporaryError(f"{self._access.setting}: the server's list of changes doesn't end")

    def _listed(self) -> Listing:
        root = self._tree(self._ask("PROPFIND", self._access.url, _PROPS.encode(), {"depth": "1"}))
        there = {path: etag for path, _, etag in self._entries(root) if etag}
        return Listing(there, (), "", is_whole=True)

    def _entries(self, root: ElementTree.Element) -> Iterator[tuple[str, int, str]]:
        """The answer's entries: path on our host, status, ETag; the calendar itself has no ETag here."""
        own = urlsplit(self._access.url)
        for response in root.iterfind("{DAV:}response"):
            href = (response.findtext("{DAV:}href") or "").strip()
            parts = urlsplit(urljoin(self._access.url, href))
            is_here = (parts.scheme, parts.netloc) == (own.scheme, own.netloc) and len(parts.path) <= PATH_CHARS_MAX
            is_itself = unquote(parts.path).rstrip("/") == unquote(own.path).rstrip("/")
            status = _status(response.findtext("{DAV:}status") or "")
            if is_itself and status == 507:
                yield parts.path, 507, ""
            elif is_here and not is_itself:
                yield parts.path, status, (response.findtext(".//{DAV:}getetag") or "").strip()[:500]

    def _tree(self, answer: "RawReply") -> ElementTree.Element:
        self._raise_for(answer, (207,))
        wrong = TemporaryError(f"{self._access.setting}: the server's answer can't be read")
        try:
            text = answer.body.decode()
            if answer.is_cut or "<!DOCTYPE" in text or "<!ENTITY" in text:
                raise wrong
            return ElementTree.fromstring(text)  # noqa: S314 # see the essay above
        except (UnicodeDecodeError, ElementTree.ParseError, ValueError):
            raise wrong from None

    def _ask(
        self, method: str, url: str, body: bytes, headers: dict[str, str], max_bytes: int = ANSWER_BYTES_MAX
    ) -> "RawReply":
        sent = headers | ({"content-type": "application/xml; charset=utf-8"} if body else {})
        try:
            return self._http.ask(method, url, sent, body, max_bytes)
        except (NotSentError, CutOffError) as error:
            raise TemporaryError(f"{self._access.setting} can't be reached: {error}") from None

    def _raise_for(self, answer: "RawReply", good: tuple[int, ...]) -> None:
        status, setting = answer.status, self._access.setting
        if status in good:
            return
        if status == 429:
            raise Unanswered(f"{setting}: the server answered {status}")
        if status >= 500 or status in _LATER:
            raise TemporaryError(f"{setting}: the server answered {status}")
        if status in (401, 403):
            raise ConfigError(f"the server answered {status}; see user, password and rights", setting=setting)
        text = f"the server answered {status}; write the address of the calendar itself"
        raise ConfigError(text, setting=f"{setting}.url")


def _status(line: str) -> int:
    """The number in a line such as `HTTP/1.1 404 Not Found`; 200 where there is none."""
    words = line.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() and len(words[1]) == 3 else 200
