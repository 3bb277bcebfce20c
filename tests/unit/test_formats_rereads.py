"""Polls that read the last days again: what is refused for good holds nothing else back."""

import pytest

from adapters.formats.rereads import Found, at_hand, newer, read_place
from sidecar.errors import PermanentError, TemporaryError
from sidecar.ports import Captured


def kept(key: str) -> Captured:
    """Return something that is laid down."""
    return Captured("main", key.encode(), key)


def refused() -> Captured:
    """Be what the vendor refuses for good."""
    raise PermanentError("the vendor answered 451 to transcript")


def test_one_that_is_refused_for_good_holds_nothing_else_back() -> None:
    """The calls around it are laid down, it as a call without words, and it is asked for again while the poll says so;
    seen to fail with none of them laid down, poll after poll, and the channel parked."""
    found = [at_hand(1, kept("a")), Found(2, "b:words", refused, kept("b")), at_hand(3, kept("c"))]
    keys, cursor = list[str | None](), None
    for wanted in (["a", "b", "c"], []):
        keys.clear()
        with pytest.raises(TemporaryError, match="451 to transcript; what else there was is read"):
            for batch in newer(found, read_place(cursor), 100, 20):
                keys += [captured.key for captured in batch.captured]
                cursor = batch.cursor
        assert keys == wanted
    mended = [*found[:1], Found(2, "b:words", lambda: kept("b:words"), kept("b")), *found[2:]]
    batches = list(newer(mended, read_place(cursor), 100, 20))
    assert [captured.key for batch in batches for captured in batch.captured] == ["b:words"]
