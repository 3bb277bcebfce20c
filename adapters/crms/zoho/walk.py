"""All records of a kind, page by page, with who wrote what in them: for counting, so by reading alone.

Zoho tells who wrote what record by record, so a walk costs a credit for each record and two for each page of twenty.
For ten thousand records that is a fifth of the smallest paid edition's day; it stops at the reserve and goes on later,
since a cursor, the last id that was told, holds in another process. Kinds without a timeline to speak of have none.
"""

from collections.abc import Sequence

from adapters.crms.zoho import coql
from adapters.crms.zoho.defaults import Defaults
from adapters.crms.zoho.history import Histories
from adapters.crms.zoho.org import Org, Property
from adapters.crms.zoho.records import Records, Row
from adapters.crms.zoho.vendor import MODULES, held, is_ref, ref_in
from sidecar.errors import ConfigError
from sidecar.model import Trail, Walked

SIZE = 20


class Walk:
    """Walks one org."""

    def __init__(self, org: Org, records: Records, histories: Histories) -> None:
        self._org, self._records, self._histories = org, records, histories
        self._defaults = Defaults(org)

    def page(self, kind: str, cursor: str | None, names: Sequence[str]) -> Walked:
        """Return up to twenty live records with the edits of these properties, and their count on the first page."""
        asked = [self._org.property(kind, name) for name in dict.fromkeys(names)]
        if cursor is not None and not is_ref(cursor):
            raise ConfigError(f"{cursor!r} is no place in a list of Zoho's: begin the walk anew")
        refs = self._notes(cursor) if kind == "note" else self._after(kind, cursor)
        rows = self._records.fetch(kind, refs, self._org.catalogue(kind).reading(asked)) if refs else {}
        trails = tuple(self._trail(kind, rows[ref], asked) for ref in refs if ref in rows)
        onward = refs[-1] if len(refs) == SIZE else None
        return Walked(trails, onward, self._total(kind) if cursor is None else None)

    def _after(self, kind: str, cursor: str | None) -> list[str]:
        where = f"id > {coql.quoted(cursor)}" if cursor else "id is not null"
        query = next(coql.paged(coql.select(MODULES[kind], ("id",), where), 1, SIZE))
        return self._org.wire.found("walk", query)

    def _notes(self, cursor: str | None) -> list[str]:
        """Return the ids after a place among the notes, which can't be queried: the list is read up to it."""
        query = {"fields": "id", "sort_by": "id", "sort_order": "asc"}
        rows = self._org.wire.rows("walk", "/Notes", query, 500)
        after = (held(row, "id") for row in rows if cursor is None or int(held(row, "id")) > int(cursor))
        return [ref for ref, _ in zip(after, range(SIZE), strict=False)]

    def _trail(self, kind: str, row: Row, asked: Sequence[Property]) -> Trail:
        filled = frozenset(one.spec.name for one in asked if one.from_vendor(row) is not None)
        needed = [*asked, *self._defaults.needed(kind, asked)]
        told = self._defaults.told(kind, row, self._histories.sourced(kind, row, needed)) if asked else ()
        names = {one.spec.name for one in asked}
        edits = tuple((edit, source) for edit, source in told if edit.field in names)
        return Trail(held(row, "id"), ref_in(row.get("Owner")), filled, edits)

    def _total(self, kind: str) -> int | None:
        found = self._org.wire.get("walk", f"/{MODULES[kind]}/actions/count").get("count")
        return found if isinstance(found, int) else None
