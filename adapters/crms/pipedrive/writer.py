"""Writes records, one call each, since Pipedrive has no batches: checked before it is sent, sent once, told truly.

The same key makes one record because it is looked for first: Pipedrive keeps nothing unique, not even an address, so
the adapter refuses what would make a second person of one. Nothing is sent after a call whose outcome is unknown. The
answer of a write is the whole record as it stands, so it is the reading back.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.crms.pipedrive.account import Company
from adapters.crms.pipedrive.faults import Refusal
from adapters.crms.pipedrive.find import Finder
from adapters.crms.pipedrive.memory import Memory
from adapters.crms.pipedrive.natives import NATIVE, primary
from adapters.crms.pipedrive.records import Records, is_live, mark_in, reference
from adapters.crms.pipedrive.vendor import ACTIVITIES, BODIES, LOST, PATHS, TIES, WON, held, moment, stamp
from adapters.crms.pipedrive.wire import row_in
from adapters.formats.rich_text import from_html, marked, to_html, token
from adapters.formats.writes import Results, by_kind
from sidecar.errors import PermanentError, RecordGone, SidecarError, TemporaryError, UnknownOutcome
from sidecar.model import Link, Value
from sidecar.ports import Create, Failed, Update, Written

Row = dict[str, Any]


class Writer:
    """Writes to one company."""

    def __init__(self, company: Company, records: Records, finder: Finder, memory: Memory) -> None:
        self._company, self._records, self._finder, self._memory = company, records, finder, memory

    def write(self, writes: Sequence[Create | Update]) -> list[Written | Failed]:
        """Write rows, one result each, in their order."""
        return by_kind(writes, self._create, self._update)

    # Creations ------------------------------------------------------------------------------------------------------

    def _create(self, kind: str, mine: Sequence[tuple[int, Create]], results: Results) -> None:
        lately = list(self._records.recent(kind)) if kind not in BODIES else None
        known = self._records.by_key(kind, [write.key for _, write in mine], lately)
        ends = self._ends([link for _, write in mine for link in write.links])
        stop: SidecarError | None = None
        for at, write in mine:
            if write.key in known:
                results[at] = Written(self._records.record(kind, known[write.key]))
                continue
            try:
                if stop is not None:
                    raise _unsent(stop)
                known[write.key] = self._made(kind, write, ends, lately or [])
                results[at] = Written(self._records.record(kind, known[write.key]))
            except SidecarError as error:
                stop = stop or (error if isinstance(error, UnknownOutcome) else None)
                results[at] = Failed(error)

    def _made(self, kind: str, write: Create, ends: Mapping[Link, bool], lately: list[Row]) -> Row:
        if not write.key:
            raise PermanentError(f"a {kind} can't be created under an empty key")
        body = {name: value for name, value in self._body(kind, write.fields, {}).items() if value is not None}
        self._mark(kind, write.key, body)
        body |= self._ties(kind, write.links, ends)
        if kind in ACTIVITIES:
            body["type"] = kind
        email = primary(body, "emails")
        if kind == "contact":
            taken = self._finder.holder(email, lately) if email else None
            if taken:
                raise PermanentError(f"contact.email: contact {taken} already has this address")
            body.setdefault("name", email or primary(body, "phones") or "?")
        row = self._sent(kind, "POST", PATHS[kind], body)
        self._memory.remember(kind, write.key, held(row, "id"))
        lately.append(row)
        return row

    def _mark(self, kind: str, key: str, body: Row) -> None:
        if kind in BODIES:
            name = BODIES[kind]
            body[name] = to_html(marked(from_html(body.get(name) or ""), token(key)))
        else:
            body["custom_fields"] = {
                **{code: value for code, value in body.get("custom_fields", {}).items() if value is not None},
                self._records.key_code(kind): key,
            }

    def _ends(self, links: Sequence[Link]) -> dict[Link, bool]:
        """Say of each record that something is to be tied to whether it is there; one list tells of a hundred."""
        there: dict[Link, bool] = {}
        for kind in dict.fromkeys(link.kind for link in links):
            refs = [link.ref for link in dict.fromkeys(links) if link.kind == kind]
            found = self._records.fetch(kind, refs)
            there |= {Link(kind, ref): ref in found for ref in refs}
        return there

    @staticmethod
    def _ties(kind: str, links: Sequence[Link], ends: Mapping[Link, bool]) -> Row:
        body: Row = {}
        for link in dict.fromkeys(links):
            name = TIES[kind].get(link.kind)
            if name is None or name in body:
                raise PermanentError(f"Pipedrive ties no {kind} to {'a' if name is None else 'a second'} {link.kind}")
            if not ends[link]:
                raise RecordGone(f"the {link.kind} {link.ref} that it belongs to is gone")
            if kind in ACTIVITIES and name == "person_id":
                body["participants"] = [{"person_id": int(link.ref), "primary": True}]
            else:
                body[name] = int(link.ref)
        return body

    # Updates --------------------------------------------------------------------------------------------------------

    def _update(self, kind: str, mine: Sequence[tuple[int, Update]], results: Results) -> None:
        # Read first: some fields can't be written without knowing what stands, and a deleted record might be changed.
        before = self._records.fetch(kind, [write.ref for _, write in mine])
        ends = self._ends([link for _, write in mine for link in write.links])
        stop: SidecarError | None = None
        for at, write in mine:
            try:
                if stop is not None:
                    raise _unsent(stop)
                before[write.ref] = self._updated(kind, write, before.get(write.ref), ends)
                results[at] = Written(self._records.record(kind, before[write.ref]))
            except SidecarError as error:
                stop = stop or (error if isinstance(error, UnknownOutcome) else None)
                results[at] = Failed(error)

    def _updated(self, kind: str, write: Update, row: Row | None, ends: Mapping[Link, bool]) -> Row:
        if row is None:
            raise RecordGone(f"{kind} {write.ref} is gone")
        body = self._body(kind, write.fields, row)
        untied = [link for link in write.links if not reference(row, TIES[kind].get(link.kind, ""))]
        body |= self._ties(kind, untied, ends)
        if not body:
            return row
        name = BODIES.get(kind, "")
        word = mark_in(kind, row) if name in body else None
        if word:
            body[name] = to_html(marked(from_html(body[name] or ""), word))
        try:
            sent = self._sent(kind, "PUT" if kind == "note" else "PATCH", f"{PATHS[kind]}/{write.ref}", body)
        except Refusal as refusal:
            if refusal.is_missing:
                raise RecordGone(f"{kind} {write.ref} is gone") from None
            raise
        if not is_live(kind, sent):
            raise RecordGone(f"{kind} {write.ref} is gone")
        return sent

    # Both -----------------------------------------------------------------------------------------------------------

    def _body(self, kind: str, fields: Mapping[str, Value], row: Row) -> Row:
        """Return what writes these fields; each is checked, in the order in which one relies on another."""
        properties = {name: self._company.property(kind, name, value) for name, value in fields.items()}
        body: Row = {}
        order = list(NATIVE[kind])
        for name in sorted(fields, key=lambda name: order.index(name) if name in order else len(order)):
            part = properties[name].to_vendor(fields[name], {**row, **body})
            custom = {**body.get("custom_fields", {}), **part.get("custom_fields", {})}
            body |= part
            if custom:
                body["custom_fields"] = custom
        if kind == "deal":
            self._check_stage(fields, row)
        return body

    def _check_stage(self, fields: Mapping[str, Value], row: Row) -> None:
        """Refuse a stage that the deal's pipeline doesn't have: Pipedrive would move the deal to another one."""
        stage, ref = fields.get("stage"), fields.get("pipeline") or reference(row, "pipeline_id")
        pipeline = next((p for p in self._company.pipelines() if p.ref == ref), None)
        if stage and stage not in (WON, LOST) and pipeline and stage not in {known for known, _ in pipeline.stages}:
            raise PermanentError(f"deal.stage: not a stage of the pipeline {pipeline.ref!r}")

    def _sent(self, kind: str, method: str, path: str, body: Row) -> Row:
        try:
            row = row_in(self._company.wire.send("write_note" if kind == "note" else "write", method, path, body))
        except Refusal as refusal:
            if refusal.is_missing:
                raise
            self._company.forget()
            raise refusal.about(kind, self._company.catalogue(kind).names) from None
        if not held(row, "id"):
            raise UnknownOutcome(f"Pipedrive's answer shows no {kind}: it may have been written, or not")
        if row.get("update_time"):
            self._memory.wrote(kind, held(row, "id"), stamp(moment(held(row, "update_time"))))
        return row


def _unsent(error: SidecarError) -> SidecarError:
    return TemporaryError(f"not sent, because the outcome of an earlier row is unknown ({type(error).__name__})")
