"""Writes records: every row checked before it is sent, sent once, and told truly afterwards.

The same key makes one record: where HubSpot keeps keys unique it is the judge, and a refused creation is looked up by
its key; where it doesn't, the key is looked for first. A row that failed is explained by looking: gone or merged, its
key or address taken, what it was to be tied to gone. An update is read back, because its answer shows only what it
changed.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from adapters.crms.hubspot.faults import is_missing, row_error
from adapters.crms.hubspot.feed import Feed
from adapters.crms.hubspot.history import Histories
from adapters.crms.hubspot.natives import MOMENT, TIMED, with_mark, word_in
from adapters.crms.hubspot.portal import Portal
from adapters.crms.hubspot.records import Records, version_of
from adapters.crms.hubspot.rows import Outcome, Row, Rows
from adapters.crms.hubspot.shapes import Problem, Thing
from adapters.crms.hubspot.ties import Ties
from adapters.crms.hubspot.values import stamp
from adapters.crms.hubspot.vendor import BODIES, association
from adapters.formats.rich_text import token
from adapters.formats.writes import Results, by_kind
from sidecar.errors import PermanentError, RecordGone, SidecarError, TemporaryError, UnknownOutcome
from sidecar.model import Link, Value
from sidecar.ports import Clock, Create, Failed, Update, Written

MAX_MADE = 20_000


class Writer:
    """Writes to one account."""

    def __init__(self, portal: Portal, records: Records, histories: Histories, feed: Feed, clock: Clock) -> None:
        self._portal, self._records, self._histories, self._feed = portal, records, histories, feed
        self._rows, self._ties = Rows(portal), Ties(portal, records)
        self._clock = clock
        self._lock = threading.Lock()
        self._made: OrderedDict[tuple[str, str], str] = OrderedDict()
        """What this process made, by kind and key: search knows of it only later."""

    def write(self, writes: Sequence[Create | Update]) -> list[Written | Failed]:
        """Write rows, one result each, in their order."""
        return by_kind(writes, self._create, self._update)

    # Creations ------------------------------------------------------------------------------------------------------

    def _create(self, kind: str, mine: Sequence[tuple[int, Create]], results: Results) -> None:
        first: dict[str, int] = {}
        again: list[tuple[int, int]] = []
        rows: list[Row] = []
        known = self._known(kind, [write.key for _, write in mine])
        for at, write in mine:
            if write.key in first:
                again.append((at, first[write.key]))
                continue
            first[write.key] = at
            if write.key in known:
                results[at] = self._told(kind, known[write.key])
                continue
            try:
                rows.append(self._creation(at, write))
            except SidecarError as error:
                results[at] = Failed(error)
        outcomes = self._rows.send(kind, "create", rows) if rows else {}
        self._take_created(kind, rows, outcomes, results)
        results |= {at: results[other] for at, other in again}

    def _known(self, kind: str, keys: Sequence[str]) -> dict[str, Thing]:
        """Return what was made under keys, where HubSpot wouldn't refuse to make it again."""
        if self._records.key_property(kind) is not None and self._records.is_unique(kind):
            return {}
        found = self._records.by_key(kind, keys)
        with self._lock:
            fresh = {key: self._made[(kind, key)] for key in keys if (kind, key) in self._made and key not in found}
        things = self._records.fetch(kind, list(fresh.values())) if fresh else {}
        return {**found, **{key: things[ref] for key, ref in fresh.items() if ref in things}}

    def _creation(self, at: int, write: Create) -> Row:
        if not write.key:
            raise PermanentError(f"a {write.kind} can't be created under an empty key")
        properties = self._properties(write.kind, write.fields)
        key = self._records.key_property(write.kind)
        if key is not None:
            properties[key] = write.key
        elif write.kind in BODIES:
            body = BODIES[write.kind]
            properties[body] = with_mark(properties.get(body, ""), token(write.key))
        if write.kind in TIMED:
            properties.setdefault(MOMENT, stamp(self._clock()))
        filled = {name: text for name, text in properties.items() if text != ""}
        return Row(at, write, filled, tuple(self._typed(write)))

    @staticmethod
    def _typed(write: Create | Update) -> list[tuple[Link, int]]:
        ties = [(link, association(write.kind, link.kind)) for link in dict.fromkeys(write.links)]
        untied = next((link.kind for link, type_id in ties if type_id is None), None)
        if untied:
            raise PermanentError(f"HubSpot ties no {write.kind} to a {untied}")
        return [(link, type_id) for link, type_id in ties if type_id is not None]

    def _take_created(self, kind: str, rows: Sequence[Row], outcomes: Mapping[int, Outcome], results: Results) -> None:
        made = [(row, o) for row in rows if isinstance(o := outcomes[row.at], Thing)]
        refused = [(row, o) for row in rows if isinstance(o := outcomes[row.at], Problem)]
        results |= {row.at: Failed(o) for row in rows if isinstance(o := outcomes[row.at], SidecarError)}
        shown = self._shown(kind, made)
        for row, thing in made:
            links = tuple(link for link, _ in row.links)
            results[row.at] = self._told(kind, shown[row.at], links) if row.at in shown else _unread(kind)
            self._remember(row, thing)
        if refused:
            results |= self._explained(kind, refused)

    def _shown(self, kind: str, made: Sequence[tuple[Row, Thing]]) -> dict[int, Thing]:
        """Return what the CRM holds of new records: by the answer, else, where that leaves things out, by a reading."""
        shown = {row.at: thing for row, thing in made if set(row.properties) <= set(thing.properties)}
        unclear = {thing.id: row.at for row, thing in made if row.at not in shown}
        if unclear:
            shown |= {unclear[ref]: thing for ref, thing in self._read_back(kind, list(unclear)).items()}
        return shown

    def _explained(self, kind: str, refused: Sequence[tuple[Row, Problem]]) -> Results:
        """Say why rows were refused: made before, tied to what is gone, or what HubSpot says."""
        keys = {row.write.key: row for row, _ in refused if isinstance(row.write, Create)}
        found = self._records.by_key(kind, list(keys)) if self._records.is_unique(kind) else {}
        results: Results = {keys[key].at: self._told(kind, thing) for key, thing in found.items()}
        names = self._portal.catalogue(kind).definitions
        for row, problem in refused:
            if row.at not in results:
                gone = self._gone_tie(row) if row.links else None
                results[row.at] = Failed(gone or self._in_our_words(kind, row_error(kind, problem, names)))
        return results

    def _gone_tie(self, row: Row) -> RecordGone | None:
        for link, _ in row.links:
            gone = self._records.gone(link.kind, link.ref)
            if gone:
                return RecordGone(f"the {link.kind} {link.ref} that it belongs to is gone", moved_to=gone.moved_to)
        return None

    def _in_our_words(self, kind: str, error: Exception) -> Exception:
        """Forget what is remembered of a kind when HubSpot knows its properties otherwise."""
        if not isinstance(error, PermanentError | TemporaryError):
            self._portal.forget()
        return error

    def _remember(self, row: Row, thing: Thing) -> None:
        if isinstance(row.write, Create):
            with self._lock:
                self._made[(row.write.kind, row.write.key)] = thing.id
                while len(self._made) > MAX_MADE:
                    self._made.popitem(last=False)
        self._feed.wrote(row.write.kind, thing.id, version_of(thing), is_new=True)
        self._histories.learn(row.write.kind, thing.id, row.properties)

    # Updates --------------------------------------------------------------------------------------------------------

    def _update(self, kind: str, mine: Sequence[tuple[int, Update]], results: Results) -> None:
        held = self._guards(kind, [write for _, write in mine])
        rows: list[Row] = []
        for at, write in mine:
            try:
                properties = self._properties(kind, write.fields, held.get(write.ref))
                rows.append(Row(at, write, properties, tuple(self._typed(write))))
            except SidecarError as error:
                results[at] = Failed(error)
        empty = [row for row in rows if not row.properties]
        sent = [row for row in rows if row.properties]
        outcomes = self._rows.send(kind, "update", sent) if sent else {}
        done = [(row, o) for row in sent if isinstance(o := outcomes[row.at], Thing)]
        there = [*empty, *(row for row, _ in done)]
        tied = self._ties.add(kind, [row for row in there if row.links])
        back = self._read_back(kind, [_ref(row) for row in there])
        for row, thing in done:
            if thing.id == _ref(row):
                self._feed.wrote(kind, thing.id, version_of(thing), is_new=False)
                self._histories.learn(kind, thing.id, row.properties)
        outcomes = {**outcomes, **tied.failed}
        for row in rows:
            links = tied.links.get(row.at, ())
            results[row.at] = self._updated(kind, row, outcomes.get(row.at), back, links)

    def _updated(
        self, kind: str, row: Row, outcome: Outcome | None, back: Mapping[str, Thing], links: tuple[Link, ...]
    ) -> Written | Failed:
        if isinstance(outcome, SidecarError):
            return Failed(outcome)
        ref, gone_tie = _ref(row), self._gone_tie(row) if isinstance(outcome, Problem) else None
        if gone_tie is not None:
            return Failed(gone_tie)
        if isinstance(outcome, Problem) and not is_missing(outcome):
            names = self._portal.catalogue(kind).definitions
            return Failed(self._in_our_words(kind, row_error(kind, outcome, names)))
        if not isinstance(outcome, Problem) and ref in back and back[ref].id == ref:
            return self._told(kind, back[ref], links)
        try:
            gone = self._records.gone(kind, ref)
        except SidecarError as error:
            return _unread(kind) if isinstance(outcome, Thing) else Failed(error)
        if gone is not None:
            return Failed(RecordGone(f"{kind} {ref} is gone", moved_to=gone.moved_to))
        if isinstance(outcome, Thing):
            return _unread(kind)
        return Failed(TemporaryError(f"{kind} {ref} was gone for a moment"))

    def _guards(self, kind: str, writes: Sequence[Update]) -> dict[str, Thing]:
        """Read what a write can't be checked without: a deal's pipeline, and the body that carries a key."""
        needed: list[str] = []
        if kind == "deal":
            needed = [w.ref for w in writes if w.fields.get("stage") and not w.fields.get("pipeline")]
        elif kind in BODIES and self._records.key_property(kind) is None:
            needed = [w.ref for w in writes if "body" in w.fields]
        guard = ("pipeline",) if kind == "deal" else (BODIES.get(kind, ""),)
        return self._records.fetch(kind, needed, guard) if needed else {}

    # Both -----------------------------------------------------------------------------------------------------------

    def _properties(self, kind: str, fields: Mapping[str, Value], held: Thing | None = None) -> dict[str, str]:
        properties: dict[str, str] = {}
        for name in fields:
            self._portal.property(kind, name)  # what isn't there is told before what doesn't fit
        for name, value in fields.items():
            properties |= self._portal.checked(kind, name, value)
        if kind == "deal":
            self._check_stage(properties, held)
        body = BODIES.get(kind)
        word = word_in(held.properties.get(body)) if held and body else None
        if word and body in properties:
            properties[str(body)] = with_mark(properties[str(body)], word)
        return properties

    def _check_stage(self, properties: Mapping[str, str], held: Thing | None) -> None:
        """Refuse a stage that the deal's pipeline doesn't have: HubSpot may take it, and lose the deal from view."""
        stage = properties.get("dealstage")
        ref = properties.get("pipeline") or (held.properties.get("pipeline") if held else None)
        pipeline = next((p for p in self._portal.pipelines() if p.ref == ref), None)
        if stage and pipeline and stage not in {known for known, _ in pipeline.stages}:
            raise PermanentError(f"deal.stage: not a stage of the pipeline {pipeline.ref!r}")

    def _read_back(self, kind: str, refs: Sequence[str]) -> dict[str, Thing]:
        """Read what was written; what can't be read is left out, and its outcome is not known."""
        try:
            return self._records.fetch(kind, list(dict.fromkeys(refs))) if refs else {}
        except SidecarError:
            return {}

    def _told(self, kind: str, thing: Thing, links: tuple[Link, ...] = ()) -> Written | Failed:
        """Tell a record as it stands; of its associations only those that we made, which costs no call."""
        record = self._records.records(kind, [thing], linked=False)[thing.id]
        return Written(replace(record, links=links))


def _unread(kind: str) -> Failed:
    return Failed(UnknownOutcome(f"a {kind} was written and can't be read back: look again"))


def _ref(row: Row) -> str:
    return row.write.ref if isinstance(row.write, Update) else ""
