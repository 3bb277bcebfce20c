"""Fetches what an address names that somebody else wrote: a file of a message, a recording, a calendar feed.

Such an address is data, and must not make us ask our own network or hand a token to a stranger. So the host stands on a
list, or is any public one where the operator wrote the address; its name is resolved once, each of its addresses is
checked, and the connection goes to the address that was checked, under the name's own certificate. `ipaddress` alone
is not enough: NAT64 and 6to4 addresses count as global and lead wherever their last bits say. A redirect is followed
within its own host alone, so headers never reach another one, or where asked for to another listed host without them;
size, type and time have bounds while it is read.

The trade-off: no proxy of the environment is used, because it would resolve the name a second time, out of our sight,
and each fetch opens a connection of its own. This module imports httpx2 at its top, so whoever needs it imports it
late. Source: httpx2 2.16, read and run 2026-11.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx2

from adapters.http.calls import CutOffError, NotSentError, Timeouts, TooLateError
from adapters.http.deadline import addresses, within
from adapters.http.wires import bound
from sidecar.errors import PermanentError

MAX_REDIRECTS = 3
MAX_TRIED = 3
MAX_URL_CHARS = 8_192
_LEADS_ELSEWHERE = tuple(
    ip_network(text)
    for text in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10", "192.88.99.0/24")
)
"""Embedded IPv4 of five kinds, old site-local, and the 6to4 relays: global to Python 3.11, and not where they end."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Resolve = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a name, as text; `OSError` where there are none."""


class NotAllowedError(PermanentError):
    """It is not to be fetched: another host, a private address, too large, a wrong type."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back, whatever its status: names of headers in lower case, and the body of a success alone."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        """The type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Fetcher:
    """Fetches from the hosts that it may; safe to share between threads.

    `hosts` are names, `*.name` for what lies below one, or None for any public host. `trusted` are origins that the
    operator wrote himself (`http://127.0.0.1:8080`): these may be private and need no https. `types` are the accepted
    beginnings of a content type (`audio/`); without any, each is accepted. With `roams` a redirect may lead from one of
    the hosts to another, which gets no headers.
    """

    def __init__(
        self,
        hosts: Sequence[str] | None,
        timeouts: Timeouts,
        *,
        trusted: Sequence[str] = (),
        roams: bool = False,
        resolve: Resolve | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._hosts = None if hosts is None else tuple(host.lower() for host in hosts)
        self._timeouts = timeouts
        self._trusted = frozenset(_origin(httpx2.URL(url)) for url in trusted)
        self._roams = roams
        self._resolve = resolve or addresses
        self._transport = transport

    def get(self, url: str, headers: Mapping[str, str], max_bytes: int, *, types: Sequence[str] = ()) -> Fetched:
        """Fetch a file; `NotAllowedError` for what may not be, `NotSentError` or `CutOffError` without an answer."""
        with within(self._timeouts.whole_s):  # all that it redirects to, too
            return self._get(url, headers, max_bytes, types)

    def _get(self, url: str, headers: Mapping[str, str], max_bytes: int, types: Sequence[str]) -> Fetched:
        at = _url(url)
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._ask(at, headers, max_bytes, types)
            if answer.status not in _REDIRECTS:
                return answer
            before, at = at, _redirected(at, answer.headers.get("location", ""), roams=self._roams)
            headers = headers if _origin(before) == _origin(at) else {}
        raise NotAllowedError("it redirects again and again")

    def _ask(self, url: httpx2.URL, headers: Mapping[str, str], max_bytes: int, types: Sequence[str]) -> Fetched:
        """Ask the first of the checked addresses that takes a connection."""
        tried = NotSentError("no connection")
        for address in self._checked(url)[:MAX_TRIED]:
            try:
                return self._ask_at(address, url, headers, max_bytes, types)
            except NotSentError as error:
                tried = error
        raise tried

    def _checked(self, url: httpx2.URL) -> Sequence[str]:
        """Return the addresses of a host that may be asked; one that is not public spoils them all."""
        is_trusted = _origin(url) in self._trusted
        if not is_trusted:
            self._check_name(url)
        try:
            found = self._resolve(url.host, url.port or (443 if url.scheme == "https" else 80))
        except (OSError, UnicodeError):
            raise NotSentError("its name can't be resolved") from None
        if not found:
            raise NotSentError("its name has no address")
        if not is_trusted and not all(is_public(address) for address in found):
            raise NotAllowedError("its name leads to an address that is not public")
        return found

    def _check_name(self, url: httpx2.URL) -> None:
        if url.scheme != "https":
            raise NotAllowedError("it is not https")
        if self._hosts is None:
            return
        host = url.host.lower().rstrip(".")
        if url.port not in (None, 443) or not any(_matches(host, pattern) for pattern in self._hosts):
            raise NotAllowedError("its host is not on the list of hosts that files are fetched from")

    def _ask_at(
        self, address: str, url: httpx2.URL, headers: Mapping[str, str], max_bytes: int, types: Sequence[str]
    ) -> Fetched:
        sent = {**headers, "Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
        timeout = httpx2.Timeout(self._timeouts.read_s, connect=self._timeouts.connect_s)
        named = {"sni_hostname": url.host} if url.scheme == "https" else {}
        try:
            with (
                # A client of its own: a pool knows connections by address, and one address may serve many names.
                bound(
                    httpx2.Client(timeout=timeout, follow_redirects=False, trust_env=False, transport=self._transport)
                ) as client,
                client.stream("GET", url.copy_with(host=address), headers=sent, extensions=named) as answer,
            ):
                told = {name.lower(): value for name, value in answer.headers.items()}
                empty = Fetched(answer.status_code, told, b"")
                if not 200 <= answer.status_code < 300:
                    return empty
                _check_answer(empty, max_bytes, types)
                return Fetched(answer.status_code, told, _read(answer.iter_raw(), max_bytes))
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            raise NotSentError("no connection") from None
        except httpx2.TimeoutException:
            raise TooLateError("no answer in time") from None
        except httpx2.HTTPError as error:
            raise CutOffError(f"the connection broke ({type(error).__name__})") from None


def is_public(address: str) -> bool:
    """Say whether an address, as text, lies in the public internet and is what it seems to be."""
    try:
        found: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if any(found.version == net.version and found in net for net in _LEADS_ELSEWHERE):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def _url(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text) if len(text) <= MAX_URL_CHARS else httpx2.URL("")
    except (httpx2.InvalidURL, ValueError):
        url = httpx2.URL("")
    if not url.host or url.scheme not in ("https", "http") or url.userinfo:
        raise NotAllowedError("it is no address that could be fetched")
    return url


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _redirected(url: httpx2.URL, location: str, *, roams: bool) -> httpx2.URL:
    """Return where a redirect leads; without `roams` within the same host, whose headers may hold a secret."""
    try:
        target = _url(str(url.join(location)))
    except (httpx2.InvalidURL, ValueError):
        raise NotAllowedError("it redirects to nowhere") from None
    if not location or (_origin(target) != _origin(url) and not roams):
        raise NotAllowedError("it redirects to another host")
    return target


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _check_answer(answer: Fetched, max_bytes: int, types: Sequence[str]) -> None:
    if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise NotAllowedError("it comes compressed, which was not asked for")
    if types and not answer.content_type.startswith(tuple(types)):
        raise NotAllowedError("it is of a type that is not fetched")
    told = answer.headers.get("content-length", "")
    if told.isascii() and told.isdigit() and int(told[:20]) > max_bytes:
        raise NotAllowedError(f"it is larger than {max_bytes} bytes")


def _read(parts: Iterator[bytes], max_bytes: int) -> bytes:
    read = bytearray()
    for part in parts:
        read += part
        if len(read) > max_bytes:
            raise NotAllowedError(f"it is larger than {max_bytes} bytes")
    return bytes(read)
