"""Answers of many lines through a vendor's client that is built on httpx2: one by one, of a bounded length and in time.

A vendor's client hands out the library's own answer where it is asked for `Response`, and keeps the library's own error
as the cause of its own. This module imports httpx2 at its top, so whoever needs it imports it late. Source: httpx2 2.16
and anthropic 2.12, read and run 2026-11.
"""

from collections.abc import Iterator
from time import monotonic

import httpx2
from httpx2 import Response

from adapters.http.calls import CutOffError
from adapters.http.deadline import within

__all__ = ["Response", "lines", "was_not_sent"]


def lines(answer: Response, max_bytes: int, whole_s: float) -> Iterator[str]:
    """Yield the lines of an answer that isn't read yet and close it; `CutOffError` when it breaks off, or won't end.

    `whole_s` is for the reading alone, however long whoever takes the lines needs for them.
    """
    held = b""
    try:
        for part in _parts(answer, whole_s):
            *whole, held = (held + part).split(b"\n")
            if len(held) > max_bytes:
                raise CutOffError("a line is longer than any is")
            yield from (line.decode("utf-8", "replace") for line in whole if line.strip())
    except httpx2.HTTPError as error:
        raise CutOffError(f"the connection broke ({type(error).__name__})") from None
    finally:
        answer.close()
    if held.strip():
        yield held.decode("utf-8", "replace")


def _parts(answer: Response, left_s: float) -> Iterator[bytes]:
    parts = answer.iter_bytes()
    while True:
        began = monotonic()
        with within(left_s):
            part = next(parts, None)
        if part is None:
            return
        left_s -= monotonic() - began
        yield part


def was_not_sent(error: Exception) -> bool:
    """Say whether a client's error means that no connection was opened, so that nothing can have happened."""
    return isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
