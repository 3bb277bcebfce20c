"""What a connection may do around the app: send heads of bounded size, in bounded time, and take its answers.

uvicorn's own class has none of these bounds: it was seen to take 2 MB of headers, to wait for slow ones as long as they
pleased, to keep 14,000 requests of one read in memory (ten such connections filled 600 MB), and to hold a connection
for ever whose sender doesn't read. This subclass counts and times heads, answers and what waits in between, and leaves
the rest to uvicorn. Bodies are the app's, which can be timed and capped by any ASGI code.

It may not touch uvicorn's parsing: which bytes are a request is decided in one place, by llhttp. Refusals are sent by
hand, since no request exists yet that an app could answer.
"""

import asyncio
import http
from collections.abc import Callable
from typing import Any, Literal, Self

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sidecar.web.answers import busy, refusal
from sidecar.web.limits import Limits

Answered = Callable[[str, int], None]


class _TooMuch(Exception):
    """Ends the parsing of what is over a limit."""


class Connection(HttpToolsProtocol):
    """One connection under limits; `under` makes the class that a server is given."""

    limits = Limits()

    @classmethod
    def under(cls, limits: Limits, answered: Answered | None = None) -> type[Self]:
        """Return this class with other limits; `answered` is told of what is said before an app is called."""
        own = {"limits": limits, "answered": staticmethod(answered or cls.answered)}
        return type(cls.__name__, (cls,), own)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reading: Literal["head", "body"] = "head"
        self._timer: asyncio.TimerHandle | None = None
        self._raw_bytes = 0  # of a head that isn't complete; the parser hands out no header before its end
        self._head_bytes = 0  # as parsed, trailers included
        self._heads = 0
        self._fault = 400
        self._came_on_top = False  # of as many as are served; who was there before is served whoever comes
        self._has_request = False
        self._refused = False
        self._discarded_bytes = 0
        self._unread: asyncio.TimerHandle | None = None  # runs while the sender takes no answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._came_on_top = self._is_crowded()
        if len(self.connections) > self.limits.connections + self.limits.spare_connections:
            transport.abort()
        else:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._discard(len(data))
            return
        began_in_body, heads = self._reading == "body", self._heads
        if self._reading == "head" and self._timer is None:
            self._start_timer()
        super().data_received(data)
        if self._is_reading_head() and not began_in_body and heads == self._heads:
            self._raw_bytes += len(data)
            if self._raw_bytes > self.limits.header_bytes:
                self._refuse(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        if self._timer is None:
            self._start_timer()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= self.limits.pipelined:
            raise _TooMuch
        self._stop_timer()
        self._reading = "body"
        self._heads += 1
        self._raw_bytes = 0
        self.app = self.config.loaded_app
        if self._came_on_top and self._is_crowded():
            self.app = busy
            self.answered("", 503)
        super().on_headers_complete()
        self._has_request = True

    def on_message_complete(self) -> None:
        self._reading = "head"
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._wait_for_reader()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        self._stop_waiting()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing more is asked."""
        self._close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser could not read, or what made us stop it."""
        self._refuse(self._fault)

    def _is_crowded(self) -> bool:
        return len(self.connections) > self.limits.connections

    def _is_reading_head(self) -> bool:
        return self._reading == "head"

    def _count(self, size_bytes: int) -> None:
        self._head_bytes += size_bytes
        if self._head_bytes > self.limits.header_bytes:
            self._fault = 431
            raise _TooMuch

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.limits.header_timeout_s, self._on_late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_late(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self._raw_bytes or self._has_request:
            self._refuse(408)
        else:
            self._close()  # it never said a word

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()  # which first waits until all that was written is sent,
            self._wait_for_reader()  # for ever, if it is let

    def _wait_for_reader(self) -> None:
        self._stop_waiting()
        self._unread = self.loop.call_later(self.limits.answer_timeout_s, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _is_answering(self) -> bool:
        return self._has_request and not self.cycle.response_complete

    def _refuse(self, status: int) -> None:
        """Say no and close, but never in place of an answer that is still due."""
        if self._refused or self.transport.is_closing():
            return
        self._stop_timer()
        if self._is_answering() and not self.cycle.more_body:
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        self._refused = True
        if self.pipeline or (self._is_answering() and self.cycle.response_started):
            self._close()  # nothing that is sent now would be taken for what it is
            return
        self._write(status)
        self._timer = self.loop.call_later(self.limits.linger_s, self._close)

    @staticmethod
    def answered(channel: str, status: int) -> None:
        """Count nothing, unless somebody wants to know."""

    def _write(self, status: int) -> None:
        self.answered("", status)
        answer = refusal(status)
        headers = [*self.server_state.default_headers, *answer.head(close=True)]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        line = f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\n".encode()
        self.transport.write(line + head + b"\r\n" + answer.body)
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _discard(self, size_bytes: int) -> None:
        """Let a refused sender finish, so that it reads our answer instead of a reset."""
        self._discarded_bytes += size_bytes
        if self._discarded_bytes > self.limits.linger_bytes:
            self.transport.abort()
