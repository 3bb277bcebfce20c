"""All records of a kind, page by page, with who wrote what in them: for counting, so by reading alone.

Pipedrive tells who wrote what one record at a time, at 20 tokens each, so a walk is dear: 10,000 records take some
203,000 tokens, days of a small plan's budget. It is bounded by the same reserve as everything else: when the day's
tokens are down to that, the walk stops with a time to come back, and its cursor goes on from there. Pages are small,
lest what a page has cost is lost with it. Notes and activities have no changelog: of them only what is held is told.
"""

from collections.abc import Iterator, Mapping, Sequence

from adapters.crms.pipedrive.account import Company, Property
from adapters.crms.pipedrive.history import Histories
from adapters.crms.pipedrive.records import Row, is_live, reference
from adapters.crms.pipedrive.vendor import CHANGELOGS, PATHS, held, moment, source
from adapters.crms.pipedrive.wire import onward, rows_in
from sidecar.errors import ConfigError
from sidecar.model import Edit, Source, Trail, Walked

PAGE, CHEAP_PAGE = 25, 500
"""Records of a page: of those whose histories are asked one by one, and of those that have none."""
PRESET = frozenset(("pipeline", "stage", "currency"))
"""What the form of a new deal shows as chosen."""
_START, _CURSOR = "start:", "cursor:"


class Walk:
    """Walks one company."""

    def __init__(self, company: Company, histories: Histories) -> None:
        self._company, self._histories = company, histories

    def page(self, kind: str, cursor: str | None, names: Sequence[str]) -> Walked:
        """Return some live records with the edits of these properties; nobody tells how many there are in all."""
        properties = [self._company.property(kind, name) for name in dict.fromkeys(names)]
        size = PAGE if kind in CHANGELOGS and properties else CHEAP_PAGE
        operation = "notes" if kind == "note" else "list"
        order = {} if kind == "note" else {"sort_by": "id", "sort_direction": "asc"}
        query = {"limit": str(size), **order, **_place(cursor)}
        answer = self._company.wire.get(operation, PATHS[kind], query)
        rows = [row for row in rows_in(answer) if is_live(kind, row)]
        trails = tuple(self._trail(kind, row, properties) for row in rows)
        return Walked(trails, _mark(onward(answer)))

    def _trail(self, kind: str, row: Row, properties: Sequence[Property]) -> Trail:
        owner = reference(row, "user_id" if kind == "note" else "owner_id")
        filled = frozenset(one.spec.name for one in properties if one.from_vendor(row) is not None)
        edits = self._histories.told(kind, row, properties) if properties else []
        return Trail(held(row, "id"), owner, filled, tuple(_sourced(row, edits)))


def _sourced(row: Row, edits: Sequence[Edit]) -> Iterator[tuple[Edit, Source]]:
    """Yield edits with their sources; what a form of Pipedrive's begins with isn't taken for typed.

    A deal's owner who is its maker was put in; its pipeline, stage and currency may have been left as they stood.
    """
    begun: set[str] = set()
    for edit in edits:
        told = source(edit.author)
        if edit.field not in begun and edit.at == moment(held(row, "add_time")):
            if edit.field == "owner" and edit.value == held(row, "creator_user_id"):
                told = Source.DEFAULT
            elif edit.field in PRESET and told is Source.PERSON:
                told = Source.UNKNOWN
        begun.add(edit.field)
        yield edit, told


def _place(cursor: str | None) -> dict[str, str]:
    """Return where a page begins, as v2 or v1 wants it."""
    if cursor is None:
        return {}
    for mark, name in ((_CURSOR, "cursor"), (_START, "start")):
        if cursor.startswith(mark):
            return {name: cursor.removeprefix(mark)}
    raise ConfigError(f"{cursor[:40]!r} is no place in a list of Pipedrive's: begin the walk anew")


def _mark(more: Mapping[str, str]) -> str | None:
    return next((f"{name}:{value}" for name, value in more.items()), None)
