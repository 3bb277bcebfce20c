"""Polls that read the last days again: what is refused alone holds nothing else back, and an outage loses nothing."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.formats.rereads import Found, at_hand, counted, newer, older, read_place
from adapters.http.recorded import Recorded, RecordedOptions
from sidecar.errors import PermanentError, SidecarError, TemporaryError, Unanswered
from sidecar.ports import Captured, Extent, PollBatch, nothing_known


def kept(key: str) -> Captured:
    """Return something that is laid down."""
    return Captured("main", key.encode(), key)


def refusing(error: SidecarError | None = None) -> Callable[[], Captured]:
    """Be what the vendor refuses."""

    def refuse() -> Captured:
        raise error or PermanentError("the vendor answered 451 to transcript")

    return refuse


def words(at: int, key: str) -> Found:
    """Return a call whose words are fetched."""
    return Found(at, key, lambda: kept(key))


def read(batches: Iterable[PollBatch]) -> tuple[list[str], Mapping[str, Any]]:
    """Return the keys of what came, those of what is withheld in brackets, and the last cursor."""
    keys, cursor = list[str](), dict[str, Any]()
    for batch in batches:
        keys += [f"({c.key})" if c.withheld else str(c.key) for c in batch.captured]
        cursor = json.loads(json.dumps(batch.cursor))
    return keys, cursor


def test_one_that_is_refused_alone_holds_nothing_else_back() -> None:
    """The calls around it are laid down, it as a call without words and by name; seen to fail with the error raised."""
    found = [words(1, "a"), Found(2, "b:words", refusing(), kept("b")), words(3, "c")]
    keys, cursor = read(newer(found, "main", read_place(None), 100, 20))
    assert keys == ["a", "b", "(b:words)", "c"]
    assert read(newer(found, "main", read_place(cursor), 100, 20))[0] == []
    assert read(older(found, "main", None, 2))[0] == keys
    assert read(counted(found, "main", nothing_known, 2))[0] == keys


def test_the_last_one_is_compared_with_one_that_is_there() -> None:
    """Behind it comes nothing, so what is known already is asked for again; seen to fail without a look."""
    _, cursor = read(newer([words(1, "a")], "main", read_place(None), 100, 20))
    found = [words(1, "a"), Found(2, "b", refusing())]
    assert read(newer(found, "main", read_place(cursor), 100, 20))[0] == ["(b)"]


@pytest.mark.parametrize("error", [PermanentError("451"), TemporaryError("503"), Unanswered("429")])
def test_while_nothing_can_be_fetched_nothing_is_left_out(error: SidecarError) -> None:
    """What is at hand proves nothing; what was refused is asked for again; seen to fail with it taken for proof."""
    found = [at_hand(1, kept("a")), Found(2, "b:words", refusing(error), kept("b")), at_hand(3, kept("c"))]
    keys, cursor = list[str](), None
    with pytest.raises(TemporaryError):
        for batch in newer(found, "main", read_place(None), 100, 20):
            keys += [str(captured.key) for captured in batch.captured]
            cursor = batch.cursor
    assert "(b:words)" not in keys
    assert keys[0] == "a"
    mended = [found[0], words(2, "b:words"), found[2]]
    late, _ = read(newer(mended, "main", read_place(cursor), 100, 20))
    assert {*keys, *late} == {"a", "b:words", "c"} | ({"b"} & set(keys))


def test_what_is_refused_alone_keeps_no_history_from_being_measured() -> None:
    """A backfill begins with its extent, so both take it for one thing; seen to fail with the error raised."""
    found = [Found(2, "b", refusing()), words(3, "c"), Found(4, "d", lambda: None)]
    begun = datetime.fromtimestamp(0, UTC)

    def extent(found: Sequence[Found]) -> Extent:
        installed = datetime.fromtimestamp(1_000, UTC)
        return Recorded("main", lambda *_: iter(found), lambda: installed, installed, RecordedOptions()).extent(begun)

    assert extent(found) == Extent(2, 1, datetime.fromtimestamp(2, UTC))
    with pytest.raises(TemporaryError):
        extent(found[:1])


def test_a_backfill_s_place_waits_for_what_is_refused() -> None:
    """From the cursor of any batch the rest comes; seen to fail with the place moved past what is held."""
    found = [words(1, "a"), Found(2, "b", refusing()), words(3, "c"), words(4, "d")]
    done = set[str]()
    for batch in older(found, "main", None, 1):
        done |= {f"({c.key})" if c.withheld else str(c.key) for c in batch.captured}
        assert done | set(read(older(found, "main", batch.cursor, 20))[0]) == {"a", "(b)", "c", "d"}
