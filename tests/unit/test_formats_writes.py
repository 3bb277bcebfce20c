"""Each write gets its own result, whatever befell the others."""

from collections.abc import Sequence

from adapters.formats.writes import Results, by_kind
from sidecar.errors import TemporaryError
from sidecar.model import Record
from sidecar.ports import Create, Failed, Update, Written


def _written(kind: str, at: int) -> Written:
    return Written(Record(kind, str(at), {}))


def _create(kind: str, mine: Sequence[tuple[int, Create]], results: Results) -> None:
    if kind == "deal":
        raise TemporaryError("the pipelines can't be read")
    results |= {at: _written(kind, at) for at, _ in mine}


def _update(kind: str, mine: Sequence[tuple[int, Update]], results: Results) -> None:
    for at, _ in mine:
        if results:
            results[at] = _written(kind, at)
            continue
        raise TemporaryError("nothing was made before it")


WRITES: list[Create | Update] = [
    Update("contact", "7", {}),
    Create("deal", "k1", {}),
    Create("contact", "k2", {}),
    Update("deal", "9", {}),
]


def test_results_stand_in_the_order_of_the_writes() -> None:
    """Creations go first, and each result is still its own write's; seen to fail with updates first."""
    results = by_kind(WRITES, _create, _update)
    assert [result.record.ref if isinstance(result, Written) else None for result in results] == ["0", None, "2", "3"]


def test_a_failure_of_all_is_that_of_each_without_a_result() -> None:
    """What was written before stays told as written; seen to fail with the guard left out."""
    results = by_kind(WRITES, _create, _update)
    assert isinstance(failed := results[1], Failed)
    assert isinstance(failed.error, TemporaryError)
    assert sum(isinstance(result, Written) for result in results) == 3


def test_nothing_to_write_calls_nobody() -> None:
    """An empty part costs no call; seen to fail without the question."""

    def never(kind: str, mine: Sequence[tuple[int, object]], results: Results) -> None:
        assert mine

    assert by_kind([], never, never) == []
    assert len(by_kind(WRITES[2:3], _create, never)) == 1
