"""What the edge says: small JSON bodies in fixed words, so that no answer repeats what somebody sent.

The reason for a refusal stands in the log, for the operator; a stranger learns no more than the status tells.
"""

import math
from dataclasses import dataclass

import orjson
from starlette.types import Receive, Scope, Send

from sidecar.ports import Greeting

WORDS = {
    400: "this is not a request that is understood here",
    401: "the signature is missing, wrong or too old",
    404: "there is nothing here",
    405: "this method is not allowed here",
    408: "the request took too long",
    413: "the body is too large",
    415: "send the body without content encoding",
    431: "the headers are too large",
    503: "come again later",
}
MAX_RETRY_S = 3_600
_SPOKEN = frozenset({"application/json", "text/xml; charset=utf-8"})
_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body (JSON, but for a greeting) and the headers that are not on every answer."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content_type: bytes = b"application/json"

    def head(self, *, close: bool = False) -> list[tuple[bytes, bytes]]:
        """Return all headers; `close` says that no other request may follow on this connection."""
        length = (b"content-length", str(len(self.body)).encode())
        kind = (b"content-type", self.content_type)
        return [kind, *_HEADERS, length, *self.headers, *([(b"connection", b"close")] if close else [])]


class Refused(Exception):
    """A request that gets no further; carries its answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


ACCEPTED = Answer(202, orjson.dumps({"status": "accepted"}))


def greeting(told: Greeting) -> Answer:
    """Return what a sender wants to hear in its own words; text that could be read as a page is sent as plain text."""
    kind = told.content_type if told.content_type in _SPOKEN else "text/plain; charset=utf-8"
    return Answer(200, told.text.encode(), content_type=kind.encode())


def refusal(status: int, *, retry_after_s: float | None = None) -> Answer:
    """Return the answer for a status of 4xx, or for 503 with the seconds after which to come again."""
    words = WORDS.get(status, "this request is refused")
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if retry_after_s is not None:
        seconds = math.ceil(retry_after_s) if math.isfinite(retry_after_s) else MAX_RETRY_S
        headers = ((b"retry-after", str(min(max(seconds, 1), MAX_RETRY_S)).encode()),)
    elif status == 405:
        headers = ((b"allow", b"POST"),)
    return Answer(status, orjson.dumps({"error": words}), headers)


BUSY = refusal(503, retry_after_s=1)


async def send_answer(send: Send, answer: Answer, *, close: bool = False) -> None:
    """Send a whole answer."""
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.head(close=close)})
    await send({"type": "http.response.body", "body": answer.body})


async def busy(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer whoever comes when all connections are taken."""
    await send_answer(send, BUSY, close=True)
