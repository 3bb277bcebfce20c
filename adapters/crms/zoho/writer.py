"""Writes records in batches of a hundred: checked before they are sent, sent once, each row of the answer read.

The same key makes one record: it is looked for first, by a query that doesn't lag, and where Zoho keeps it unique the
row is an upsert on the key that may write over nothing. So a creation that was applied late is met and not repeated,
and runs over nobody's edit when it comes through at last. A write of Zoho's answers with ids alone, so what was written
is read back before it is told. Updates go under the version that they rely on, those of one version together. Nothing
sets off a workflow (`trigger` is empty), and nothing is sent after a batch whose outcome is unknown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.crms.zoho.faults import met_in, row_error
from adapters.crms.zoho.find import Finder
from adapters.crms.zoho.org import Org
from adapters.crms.zoho.records import Records, Row
from adapters.crms.zoho.vendor import (
    BATCH,
    MODULES,
    OF,
    PARENT,
    TIES,
    UPSERTED,
    WHAT,
    chunks,
    held,
    ref_in,
)
from adapters.formats.rich_text import mark_of, marked, token
from adapters.formats.writes import Results, by_kind, second_bearer
from sidecar.errors import (
    ConfigError,
    PermanentError,
    RecordGone,
    SidecarError,
    TemporaryError,
    UnknownOutcome,
)
from sidecar.model import Link, Value
from sidecar.ports import Create, Failed, Update, Written

LAST_NAME_CHARS = 80
NEVER = "2000-01-01T00:00:00+00:00"
"""Since when an upsert says that nothing was modified: so it makes a record, or meets one, and never writes over it."""
SILENT: Mapping[str, Any] = {"trigger": []}


class Writer:
    """Writes to one org."""

    def __init__(self, org: Org, records: Records, finder: Finder) -> None:
        self._org, self._records, self._finder = org, records, finder

    def write(self, writes: Sequence[Create | Update]) -> list[Written | Failed]:
        """Write rows, one result each, in their order."""
        return by_kind(writes, self._create, self._update)

    # Creations ------------------------------------------------------------------------------------------------------

    def _create(self, kind: str, mine: Sequence[tuple[int, Create]], results: Results) -> None:
        known = self._records.by_key(kind, [write.key for _, write in mine])
        ends = self._ends([link for _, write in mine for link in write.links])
        rows: dict[str, Row] = {}
        for at, write in mine:
            if write.key in known:
                results[at] = Written(self._records.record(kind, known[write.key]))
            elif write.key not in rows:
                try:
                    rows[write.key] = self._made(kind, write, ends)
                except SidecarError as error:
                    results[at] = Failed(error)
        made = self._inserted(kind, rows)
        for at, write in mine:
            results.setdefault(at, made.get(write.key, Failed(PermanentError(f"{kind}: it could not be made"))))

    def _inserted(self, kind: str, rows: Mapping[str, Row]) -> dict[str, Written | Failed]:
        """Send new rows; of those with one address the first, by which the others are refused once it is there."""
        made: dict[str, Written | Failed] = {}
        first, later = self._taken(kind, rows, made)
        self._sent_new(kind, first, made)
        for key, holder in later.items():
            first_one = made[holder]
            made[key] = Failed(second_bearer(first_one.record.ref if isinstance(first_one, Written) else None))
        return made

    def _taken(
        self, kind: str, rows: Mapping[str, Row], made: dict[str, Written | Failed]
    ) -> tuple[dict[str, Row], dict[str, str]]:
        """Refuse addresses that somebody has; return what is left, and whose address stands before it in the batch."""
        if kind != "contact":
            return dict(rows), {}
        addresses = {key: str(row["Email"]).strip().casefold() for key, row in rows.items() if row.get("Email")}
        holders = self._finder.holders(dict.fromkeys(addresses.values())) if addresses else {}
        first, later, seen = dict[str, Row](), dict[str, str](), dict[str, str]()
        for key, row in rows.items():
            address = addresses.get(key, "")
            if address in holders:
                made[key] = Failed(second_bearer(holders[address]))
            elif address and address in seen:
                later[key] = seen[address]
            else:
                first[key], seen[address] = row, key
        return first, later

    def _sent_new(self, kind: str, rows: Mapping[str, Row], made: dict[str, Written | Failed]) -> None:
        path, more, before = f"/{MODULES[kind]}", dict[str, Any](), None
        if kind in UPSERTED:
            path, more, before = f"{path}/upsert", {"duplicate_check_fields": [self._org.key(kind)]}, NEVER
        stop: SidecarError | None = None
        for keys in chunks(list(rows), BATCH):
            try:
                if stop is not None:
                    raise _unsent(stop)
                body = {"data": [rows[key] for key in keys], **more, **SILENT}
                answered = self._org.wire.send("write", "POST", path, body, unmodified_since=before)
                told = self._met(kind, answered, self._told(kind, answered, len(keys)))
                made |= self._confirmed(kind, dict(zip(keys, told, strict=True)), {})
            except SidecarError as error:
                stop = stop or (error if isinstance(error, UnknownOutcome) else None)
                made |= {key: made.get(key, Failed(error)) for key in keys}

    def _met(self, kind: str, answered: Sequence[Row], told: list[str | Exception]) -> list[str | Exception]:
        """Return what became of new rows: one whose key is there already has met the record that it would have made."""
        if kind in UPSERTED and len(answered) == len(told):
            return [met_in(row, self._org.key(kind)) or each for row, each in zip(answered, told, strict=True)]
        return told

    def _made(self, kind: str, write: Create, ends: Mapping[Link, bool]) -> Row:
        if not write.key:
            raise PermanentError(f"a {kind} can't be created under an empty key")
        row = {name: value for name, value in self._row(kind, write.fields).items() if value is not None}
        if kind == "note":
            row["Note_Content"] = marked(row.get("Note_Content") or "", token(write.key))
        else:
            row[self._org.key(kind)] = write.key
        if kind == "contact":
            row.setdefault("Last_Name", (row.get("Email") or row.get("Phone") or "?")[:LAST_NAME_CHARS])
        if kind == "deal":
            self._check_stage(row, {})
        return row | self._ties(kind, write.links, ends)

    def _ends(self, links: Sequence[Link]) -> dict[Link, bool]:
        """Say of each record that something is to be tied to whether it is there; one list tells of a hundred."""
        there: dict[Link, bool] = {}
        for kind in dict.fromkeys(link.kind for link in links):
            refs = [link.ref for link in dict.fromkeys(links) if link.kind == kind]
            found = self._records.fetch(kind, refs, ("id",))
            there |= {Link(kind, ref): ref in found for ref in refs}
        return there

    @staticmethod
    def _ties(kind: str, links: Sequence[Link], ends: Mapping[Link, bool]) -> Row:
        """Return the fields that tie a record; where one field takes several kinds, the first of them that is given."""
        wanted: dict[str, list[Link]] = {}
        for link in dict.fromkeys(links):
            name = TIES[kind].get(link.kind)
            if name is None or any(link.kind == other.kind for other in wanted.get(name, ())):
                which = "a" if name is None else "a second"
                raise PermanentError(f"Zoho ties no {kind} to {which} {link.kind}")
            if not ends[link]:
                raise RecordGone(f"the {link.kind} {link.ref} that it belongs to is gone")
            wanted.setdefault(name, []).append(link)
        order, row = list(TIES[kind]), Row()
        for name, given in wanted.items():
            link = min(given, key=lambda link: order.index(link.kind))
            row[name] = {"id": link.ref}
            if name == PARENT:
                row[name]["module"] = {"api_name": MODULES[link.kind]}
            elif name == WHAT:
                row[OF] = MODULES[link.kind]
        return row

    # Updates --------------------------------------------------------------------------------------------------------

    def _update(self, kind: str, mine: Sequence[tuple[int, Update]], results: Results) -> None:
        needed = [write.ref for _, write in mine if self._relies(kind, write)]
        before = self._records.fetch(kind, needed) if needed else {}
        ends = self._ends([link for _, write in mine for link in write.links])
        groups: dict[str | None, dict[int, Row]] = {}
        for at, write in mine:
            try:
                row = self._changed(kind, write, before, ends)
            except SidecarError as error:
                results[at] = Failed(error)
                continue
            groups.setdefault(write.if_version, {})[at] = row
        writes, stop = dict(mine), None
        for version, rows in groups.items():
            for part in chunks(list(rows), BATCH):
                portion = {at: rows[at] for at in part}
                stop = self._sent_changes(kind, version, portion, writes, results, stop) or stop

    def _sent_changes(
        self,
        kind: str,
        version: str | None,
        rows: Mapping[int, Row],
        writes: Mapping[int, Update],
        results: Results,
        stop: SidecarError | None,
    ) -> SidecarError | None:
        """Send the changes that rely on one version; return what nothing more may be sent after."""
        refs = {at: writes[at].ref for at in rows}
        sent = [at for at, row in rows.items() if len(row) > 1]
        try:
            if stop is not None and sent:
                raise _unsent(stop)
            told: dict[int, str | Exception] = {at: refs[at] for at in rows if at not in sent}
            if sent:
                body = {"data": [rows[at] for at in sent], **SILENT}
                path = f"/{MODULES[kind]}"
                answered = self._org.wire.send("write", "PUT", path, body, unmodified_since=version)
                told |= dict(zip(sent, self._told(kind, answered, len(sent), [refs[at] for at in sent]), strict=True))
            results |= self._confirmed(kind, told, refs)
        except SidecarError as error:
            results |= {at: results.get(at, Failed(error)) for at in rows}
            return error if isinstance(error, UnknownOutcome) else None
        return None

    @staticmethod
    def _relies(kind: str, write: Update) -> bool:
        """Say whether a change can't be made without knowing what stands."""
        needs = (kind == "note" and "body" in write.fields) or (kind == "deal" and "stage" in write.fields)
        return needs or bool(write.links)

    def _changed(self, kind: str, write: Update, before: Mapping[str, Row], ends: Mapping[Link, bool]) -> Row:
        row = self._row(kind, write.fields)
        if self._relies(kind, write):
            if write.ref not in before:
                raise RecordGone(f"{kind} {write.ref} is gone")
            stands = before[write.ref]
            if kind == "deal":
                self._check_stage(row, stands)
            elif "Note_Content" in row and (word := mark_of(held(stands, "Note_Content"))):
                row["Note_Content"] = marked(row["Note_Content"] or "", word)
            untied = [link for link in write.links if not ref_in(stands.get(TIES[kind].get(link.kind, "")))]
            row |= self._ties(kind, untied, ends)
        if not write.ref.isdigit():
            raise RecordGone(f"{kind} {write.ref} is gone")
        return {"id": write.ref, **row}

    # Both -----------------------------------------------------------------------------------------------------------

    def _row(self, kind: str, fields: Mapping[str, Value]) -> Row:
        """Return what writes these fields; each is checked."""
        properties = {name: self._org.property(kind, name, value) for name, value in fields.items()}
        known = self._org.catalogue(kind).definitions
        row: Row = {}
        for name, value in fields.items():
            row |= properties[name].to_vendor(value, known)
        return row

    def _check_stage(self, row: Row, stands: Mapping[str, Any]) -> None:
        """Refuse a stage that the deal's pipeline doesn't have, in the words of the pipelines that were read."""
        stage, place = held(row, "Stage"), self._org.place_of({**stands, **row})
        if stage and place and stage not in {known for known, _ in place.stages}:
            raise PermanentError(f"deal.stage: not a stage of the pipeline {place.ref!r}")

    def _told(self, kind: str, answered: Sequence[Row], count: int, refs: Sequence[str] = ()) -> list[str | Exception]:
        """Return what became of each row: its ref, or its error."""
        if len(answered) != count:
            if count and len(answered) == 1 and answered[0].get("status") == "error":
                answered = [answered[0]] * count  # one refusal of all of them
            else:
                raise UnknownOutcome(
                    f"Zoho's answer tells of {len(answered)} rows of {count}: they may be written, or not"
                )
        told: list[str | Exception] = []
        names = self._org.catalogue(kind).ours
        for place, row in enumerate(_by_ref(answered, refs) if refs else answered):
            if row and row.get("status") == "error":
                told.append(row_error(kind, refs[place] if refs else "", row, names))
            else:
                ref = _done(row) if row else ""
                told.append(ref or UnknownOutcome(f"{kind}: Zoho's answer doesn't say what became of it"))
        if any(isinstance(error, ConfigError) for error in told):
            self._org.forget()
        return told

    def _confirmed(self, kind: str, told: Mapping[Any, str | Exception], refs: Mapping[Any, str]) -> dict[Any, Any]:
        """Return results: what was written is read back; what can't be is told as unknown."""
        wanted = [ref for ref in told.values() if isinstance(ref, str)]
        try:
            rows = self._records.fetch(kind, wanted) if wanted else {}
        except SidecarError as error:
            unread = UnknownOutcome(f"{kind}: written, and could not be read back ({type(error).__name__})")
            return {at: Failed(unread if isinstance(ref, str) else ref) for at, ref in told.items()}
        results: dict[Any, Any] = {}
        for at, ref in told.items():
            if isinstance(ref, Exception):
                results[at] = Failed(ref)
            elif ref in rows:
                results[at] = Written(self._records.record(kind, rows[ref]))
            else:
                results[at] = Failed(RecordGone(f"{kind} {refs.get(at, ref)} is gone"))
        return results


def _by_ref(answered: Sequence[Row], refs: Sequence[str]) -> list[Row | None]:
    """Return the row that tells of each ref; None where none does.

    A success names its record. A refusal needn't, and goes by its place, as long as each success stands in its own.
    """
    if all(_done(row) in ("", ref) for row, ref in zip(answered, refs, strict=True)):
        return list(answered)
    told = {_done(row): row for row in answered}
    return [told.get(ref) for ref in refs]


def _done(row: Row) -> str:
    """Return the record that a success names; empty for anything else."""
    return ref_in(row.get("details")) if row.get("status") == "success" else ""


def _unsent(error: SidecarError) -> SidecarError:
    return TemporaryError(f"not sent, because the outcome of an earlier row is unknown ({type(error).__name__})")
