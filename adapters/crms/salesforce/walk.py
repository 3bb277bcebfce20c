"""All records of a kind, page by page, with who wrote what in them: for counting, so by reading alone.

A page is one query of two hundred records in the order of their ids, and one of their field histories: two calls, which
is two thousandths of a small org's day for a hundred thousand records. What is made meanwhile comes at the end, and a
cursor holds in another process. Of a field whose history isn't kept, nobody can tell who wrote it, unless nobody has
changed the record since it was made.
"""

from collections.abc import Mapping, Sequence

from adapters.crms.salesforce.defaults import Defaults
from adapters.crms.salesforce.history import Histories
from adapters.crms.salesforce.org import Org
from adapters.crms.salesforce.records import Records
from adapters.crms.salesforce.soql import is_id, like, quoted, select
from adapters.crms.salesforce.vendor import BATCH, KEY, TASK, Row, held, stored_key
from sidecar.errors import ConfigError
from sidecar.model import Edit, Trail, Walked


class Walk:
    """Walks one org."""

    def __init__(self, org: Org, records: Records, histories: Histories) -> None:
        self._org, self._records, self._histories = org, records, histories
        self._defaults = Defaults(org)

    def page(self, kind: str, cursor: str | None, names: Sequence[str]) -> Walked:
        """Return up to two hundred live records with the edits of these properties; first also their count."""
        for name in names:
            self._org.property(kind, name)
        if cursor is not None and not is_id(cursor) and cursor not in self._records.samples(kind):
            raise ConfigError("this is no place in a walk through Salesforce: begin it anew")
        at = cursor or self._records.samples(kind)[0]
        sobject = self._org.object(kind, at)
        after = [f"Id > {quoted(at)}"] if is_id(at) else []
        alive = self._alive(kind, sobject)
        soql = select(self._records.columns(kind, at), sobject, *alive, *after, order="Id", limit=BATCH)
        listed = self._org.wire.query(soql)
        rows = {held(row, "Id"): row for row in listed if self._records.is_live(kind, row)}
        needed = [*names, *self._defaults.needed(kind, names)]
        edits = self._histories.of(kind, rows, needed, guess=False)
        trails = tuple(self._trail(kind, row, names, edits) for row in rows.values())
        onward = held(listed[-1], "Id") if len(listed) == BATCH else self._next(kind, at)
        return Walked(trails, onward, self._total(kind) if cursor is None else None)

    def _trail(self, kind: str, row: Row, names: Sequence[str], edits: Mapping[str, Sequence[Edit]]) -> Trail:
        ref = held(row, "Id")
        known = self._org.catalogue(kind, ref).properties
        filled = (name for name in names if name in known and known[name].from_vendor(row) is not None)
        told = self._defaults.told(kind, row, edits.get(ref, ()))
        asked = tuple((edit, source) for edit, source in told if edit.field in names)
        return Trail(ref, held(row, "OwnerId"), frozenset(filled), asked)

    def _next(self, kind: str, at: str) -> str | None:
        """Return where the walk goes on when an object is at its end: contacts come after leads."""
        samples = self._records.samples(kind)
        place = next((n for n, prefix in enumerate(samples) if at.startswith(prefix)), len(samples))
        return samples[place + 1] if place + 1 < len(samples) else None

    def _alive(self, kind: str, sobject: str) -> list[str]:
        alive = ["IsConverted = false"] if sobject == "Lead" else []
        if sobject == TASK and KEY in self._org.described(TASK):
            ours = like(KEY, stored_key("note", ""), begins=True)
            alive += [ours] if kind == "note" else [f"(NOT {ours})"]
        return alive

    def _total(self, kind: str) -> int | None:
        total = 0
        for prefix in self._records.samples(kind):
            sobject = self._org.object(kind, prefix)
            soql = select(["COUNT(Id) total"], sobject, *self._alive(kind, sobject))
            total += int(self._org.wire.query(soql)[0].get("total") or 0)
        return total
