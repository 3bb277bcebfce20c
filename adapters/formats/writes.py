"""Parts a mixed list of writes by kind of record, creations first, and puts the results back in their order. Pure.

Vendors take rows of one kind at a time, and a failure of something that is no row's own (a list that can't be read, a
connection) must still be told to each row that has no result yet, never as an error of the whole list: what was written
before it was written.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from sidecar.errors import PermanentError, SidecarError, TemporaryError
from sidecar.ports import Create, Failed, Update, Written

Results: TypeAlias = dict[int, Written | Failed]
"""What came of each write, by its place in the list."""

W = TypeVar("W", Create, Update)
Work: TypeAlias = Callable[[str, Sequence[tuple[int, W]], Results], None]
"""Writes rows of one kind, each with its place in the list, and enters what came of them."""


def by_kind(writes: Sequence[Create | Update], create: Work[Create], update: Work[Update]) -> list[Written | Failed]:
    """Return one result for each write, in their order."""
    results: Results = {}
    for kind in dict.fromkeys(write.kind for write in writes):
        mine = [(at, write) for at, write in enumerate(writes) if write.kind == kind]
        _guarded(create, kind, [(at, w) for at, w in mine if isinstance(w, Create)], results)
        _guarded(update, kind, [(at, w) for at, w in mine if isinstance(w, Update)], results)
    return [results[at] for at in range(len(writes))]


def second_bearer(ref: str | None) -> SidecarError:
    """Return why a person isn't made whose address is `ref`'s, or None for that of an earlier row that wasn't made.

    Only somebody who is there has an address: where the earlier row came to nothing, this one may be written yet.
    """
    if ref is None:
        return TemporaryError("not sent, because an earlier row with the same address was not written")
    return PermanentError(f"contact.email: contact {ref} already has this address")


def _guarded(work: Work[W], kind: str, mine: Sequence[tuple[int, W]], results: Results) -> None:
    """Let a failure outside of the writes themselves be that of the rows that have no result yet."""
    try:
        if mine:
            work(kind, mine, results)
    except SidecarError as error:
        for at, _ in mine:
            results.setdefault(at, Failed(error))
