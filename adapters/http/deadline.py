"""One end for a whole call, held by the sockets themselves: name, connection, TLS, request, status, headers and body.

A library's time-outs begin anew with each read, so a server that sends a byte now and then is waited for without end,
and never longer in one piece than in a status line or among headers, where no caller gets a turn to look at the clock.
So whoever calls says how long the call may take (`within`), for the thread that it runs in, and each step of a socket
from here gets what is left of that: of a chatty or a silent peer alike there comes a `TimeoutError`, in which libraries
see a time-out of their own and give the connection up. A system's look-up of names knows no time-out at all; it runs in
a thread of its own, which is left behind, and of which there are only so many.

The trade-off: two system calls more a read. It knows the standard library alone; `wires` makes clients of httpx2 use
it, `pools` those of urllib3, and the clients of mail take a socket from it.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

MAX_ADDRESSES = 32
MAX_LOOKUPS = 32
LOOKUP_S = 20.0
STEPS = 4
"""How many time-outs of one step a conversation of many steps may take as a whole."""
_calls = threading.local()
_lookups = threading.BoundedSemaphore(MAX_LOOKUPS)


@contextmanager
def within(whole_s: float) -> Iterator[None]:
    """Give what this thread does by sockets of this module so many seconds; a call within another ends with it."""
    outer: float | None = getattr(_calls, "ends_at", None)
    ends_at = time.monotonic() + whole_s
    _calls.ends_at = ends_at if outer is None else min(ends_at, outer)
    try:
        yield
    finally:
        _calls.ends_at = outer


def left_s(step_s: float | None) -> float | None:
    """Return what a step may take, None for any time; `TimeoutError` when nothing is left of the call."""
    ends_at: float | None = getattr(_calls, "ends_at", None)
    if ends_at is None:
        return step_s
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError("the call took too long")
    return left if step_s is None else min(step_s, left)


def connected(host: str, port: int, step_s: float | None) -> socket.socket:
    """Connect to the first address of a name that takes it, within so many seconds each; `OSError` where none does."""
    failed = OSError("its name has no address")
    for address in addresses(host, port):
        try:
            sock = socket.create_connection((address, port), left_s(step_s))
        except OSError as error:
            failed = error
        else:
            held = _Held(sock.family, sock.type, sock.proto, fileno=sock.detach())
            held.settimeout(step_s)
            return held
    raise failed


def trusting(context: ssl.SSLContext) -> ssl.SSLContext:
    """Make the connections of a context hold to the end of a call, too."""
    context.sslsocket_class = _HeldTls
    return context


def addresses(host: str, port: int) -> Sequence[str]:
    """Return the addresses that the system knows for a name; `OSError` where there are none, or not in time."""
    try:
        return _found(host, port, socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):
        pass  # it is a name
    return _in_time(lambda: _found(host, port))


def _found(host: str, port: int, flags: int = 0) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))[:MAX_ADDRESSES]


def _in_time(look_up: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Look a name up in a thread that may be left behind, and not in more of them than there may be."""
    said: SimpleQueue[Sequence[str] | Exception] = SimpleQueue()

    def look() -> None:
        try:
            said.put(look_up())
        except Exception as error:
            said.put(error)
        finally:
            _lookups.release()

    if not _lookups.acquire(timeout=left_s(LOOKUP_S)):
        raise TimeoutError("too many names are being looked up")
    try:
        threading.Thread(target=look, name="look-up", daemon=True).start()
    except RuntimeError:  # no more threads just now, or the process is ending
        _lookups.release()
        raise OSError("there is no thread to look a name up in") from None
    try:
        found = said.get(timeout=left_s(LOOKUP_S))
    except Empty:
        raise TimeoutError("its name wasn't found in time") from None
    if isinstance(found, UnicodeError):
        raise socket.gaierror(socket.EAI_NONAME, "this can't be a name") from None
    if isinstance(found, Exception):
        raise found
    return found


class _Held(socket.socket):
    """A connection, each step of which ends with the call at the latest."""

    __slots__ = ()

    def recv(self, *given: Any) -> bytes:
        """Read as far as something is there."""
        with self._step():
            return super().recv(*given)

    def recv_into(self, *given: Any) -> int:
        """Read into a buffer as far as something is there."""
        with self._step():
            return super().recv_into(*given)

    def send(self, *given: Any) -> int:
        """Write as far as it is taken."""
        with self._step():
            return super().send(*given)

    def sendall(self, *given: Any) -> None:
        """Write all of it."""
        with self._step():
            super().sendall(*given)

    @contextmanager
    def _step(self) -> Iterator[None]:
        """Let what is done in here take no longer than the call; the time-out that a library has set stays its own."""
        set_s = self.gettimeout()
        step_s = left_s(set_s)
        if step_s == set_s:
            yield
            return
        self.settimeout(step_s)
        try:
            yield
        finally:
            if self.fileno() >= 0:  # a library may have closed it meanwhile
                self.settimeout(set_s)


class _HeldTls(_Held, ssl.SSLSocket):
    """The same over TLS, whose handshake has one time-out as a whole."""

    def do_handshake(self, block: bool = False) -> None:
        """Agree on keys and see the certificate."""
        with self._step():
            super().do_handshake(block)
