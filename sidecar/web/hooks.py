"""The door for webhooks: `POST /hooks/{channel}`, and the GET by which some senders first ask whose address it is.

It reads a body only when path, method, encoding and declared length allow it, hands the raw bytes on, and says 202 when
they are durable. It never looks into a body. A framework's routing would cost as much as all of that together, for one
route; so there is none.

An answer that is late doesn't cancel the commit: the sender hears 503 and comes again, and the journal recognises what
it has already.
"""

import asyncio
import contextlib
import re
import traceback
from urllib.parse import parse_qsl

import structlog
from starlette.types import Receive, Scope, Send

from sidecar.errors import RejectedInput, TemporaryError
from sidecar.ports import Greeting, HookRequest
from sidecar.web.answers import ACCEPTED, Answer, Refused, greeting, refusal, send_answer
from sidecar.web.bell import Bell
from sidecar.web.door import Door
from sidecar.web.limits import Limits
from sidecar.web.sparing import SparingLog

MAX_PARAMETERS = 100
RETRY_S = 5.0
_PATH = re.compile(r"/hooks/([a-z0-9][a-z0-9_-]{0,63})")
_log = structlog.get_logger(__name__)


class _Gone(Exception):
    """The sender closed the connection before its request was complete."""


class Hooks:
    """The app for webhooks; for one loop."""

    def __init__(self, door: Door, limits: Limits) -> None:
        self._door = door
        self._limits = limits
        self._log = SparingLog(_log)
        self._bell = Bell()
        self._held_bytes = 0  # of bodies that are not durable yet; only the loop's thread touches it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reader = _Body(scope, receive)
        try:
            answer = await self._answer(scope, reader)
        except Refused as refused:
            answer = refused.answer
            self._log.say("info", "http_refused", status=answer.status)
        except _Gone:
            return
        except asyncio.CancelledError:  # the server's grace is over: the last thing that this task does is to say so
            answer = refusal(503, retry_after_s=RETRY_S)
        finally:
            self._held_bytes -= reader.held_bytes
        self._door.answered(reader.channel, answer.status)
        if reader.is_complete:
            await send_answer(send, answer)
        else:
            await self._refuse_and_linger(send, answer, reader)

    async def _answer(self, scope: Scope, reader: "_Body") -> Answer:
        headers = _headers(scope, self._limits.headers)
        channel = reader.channel = _channel(scope, headers, self._door.max_body_bytes)
        raw_query: bytes = scope["query_string"]
        query = _query(raw_query)
        body = await self._read(reader)
        try:
            kept = await self._keep(
                channel, HookRequest(headers, body, query, scope["method"], raw_query.decode("latin-1"))
            )
        except RejectedInput as error:
            return self._rejected(channel, error)
        except (TemporaryError, TimeoutError) as error:
            self._log.say("warning", "hook_deferred", channel=channel, error=type(error).__name__)
            retry_after_s = error.retry_after_s if isinstance(error, TemporaryError) else None
            return refusal(503, retry_after_s=RETRY_S if retry_after_s is None else retry_after_s)
        except Exception as error:  # the sender keeps it and comes again; what it sent stays out of the log
            self._log.say("error", "hook_failed", channel=channel, error=type(error).__name__, where=where(error))
            return refusal(503, retry_after_s=RETRY_S)
        return greeting(kept) if isinstance(kept, Greeting) else ACCEPTED

    async def _read(self, reader: "_Body") -> bytes:
        limits, begun = self._limits, asyncio.get_running_loop().time()
        most_s = max(limits.body_most_s, limits.body_timeout_s)
        body = bytearray()  # joined as it comes: a body of single bytes, kept apart, would take forty times its room
        try:
            async with asyncio.timeout_at(begun + limits.body_timeout_s) as deadline:
                while not reader.is_complete:
                    if body:
                        allowed_s = limits.body_timeout_s + len(body) / limits.body_rate
                        deadline.reschedule(begun + min(allowed_s, most_s))
                    part = await reader.next()
                    self._hold(reader, len(part))
                    body += part
        except TimeoutError:
            raise Refused(refusal(408)) from None
        return bytes(body)

    def _hold(self, reader: "_Body", size_bytes: int) -> None:
        self._held_bytes += size_bytes
        reader.held_bytes += size_bytes
        if reader.held_bytes > self._door.max_body_bytes:
            raise Refused(refusal(413))
        if self._held_bytes > self._limits.held_bytes:
            raise Refused(refusal(503, retry_after_s=RETRY_S))

    async def _keep(self, channel: str, request: HookRequest) -> object:
        """Hand a request over, wait until it is durable, and return what came of it."""
        future = self._door.receive(channel, request)
        if not future.done():
            await self._bell.wait(future, self._limits.ack_timeout_s)
        return future.result(timeout=0)

    def _rejected(self, channel: str, error: RejectedInput) -> Answer:
        status = error.status if 400 <= error.status < 500 else 400
        if status == 404:
            self._log.say("info", "http_refused", status=status)  # the name is a stranger's
        else:
            self._log.say("info", "hook_rejected", reason=str(error)[:200], channel=channel, status=status)
        return refusal(status)

    async def _refuse_and_linger(self, send: Send, answer: Answer, reader: "_Body") -> None:
        """Answer before all was read, then read on for a moment, lest a reset overtakes the answer."""
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.head(close=True)})
        await send({"type": "http.response.body", "body": answer.body, "more_body": True})
        size_bytes = 0
        with contextlib.suppress(TimeoutError, _Gone, asyncio.CancelledError):
            async with asyncio.timeout(self._limits.linger_s):
                while not reader.is_complete and size_bytes <= self._limits.linger_bytes:
                    size_bytes += len(await reader.next())
        await send({"type": "http.response.body", "body": b""})


class _Body:
    """A request's body as it comes in, with what is known of it before the first byte."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self.channel = ""
        self.held_bytes = 0
        self.is_complete = not any(
            name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
            for name, value in scope["headers"]
        )

    async def next(self) -> bytes:
        """Return what has come since the last call."""
        message = await self._receive()
        if message["type"] != "http.request":
            raise _Gone
        self.is_complete = not message.get("more_body", False)
        part: bytes = message.get("body", b"")
        return part


def _channel(scope: Scope, headers: dict[str, str], max_body_bytes: int) -> str:
    """Return the channel that a request is for, or refuse it for what its head says."""
    match = _PATH.fullmatch(scope["path"])
    if match is None:
        raise Refused(refusal(404))
    if scope["method"] != "POST" and not _asks(scope, headers):
        raise Refused(refusal(405))
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Refused(refusal(415))
    if headers.get("transfer-encoding", "chunked").strip().lower() != "chunked":
        raise Refused(refusal(400))
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise Refused(refusal(400))
    if int(length[:20]) > max_body_bytes:
        raise Refused(refusal(413))
    return match.group(1)


def _asks(scope: Scope, headers: dict[str, str]) -> bool:
    """Say whether a request is a sender's question whose address this is: a GET with a query and no body."""
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    return scope["method"] == "GET" and bool(scope["query_string"]) and not has_body


def _headers(scope: Scope, most: int) -> dict[str, str]:
    """Join repeated headers with commas, so that a second signature makes the first one wrong, never the reverse."""
    raw = scope["headers"]
    if len(raw) > most:
        raise Refused(refusal(431))
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1"), value.strip(b" \t").decode("latin-1")  # the parser leaves what is behind
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _query(query: bytes) -> dict[str, str]:
    if not query:
        return {}
    try:
        return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS))
    except ValueError:
        raise Refused(refusal(400)) from None


def where(error: BaseException) -> str:
    """Return the place in the code at which an error arose: what the log may hold of it."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return f"{frames[-1].name}:{frames[-1].lineno}" if frames else ""
