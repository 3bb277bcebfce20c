"""The local CRM's two sides: the port that the sidecar writes through, and what people do in their CRM.

Each write is one transaction of its own, so a row that is refused leaves its neighbours alone, and each says by whom it
was made. What no row can cure (a kind that isn't there, a condition that this CRM can't check) raises before anything
is written; what is wrong with one row is that row's `Failed`.

It may not guess: `find` returns every candidate, a duplicate e-mail address is refused by the name of its holder, and a
key whose record a person deleted is `RecordGone`, not a reason to make it again. The people's side (`edit`, `delete`,
`merge`, `create_by_person`, `show`) is not part of the port: it stands in for the screens that a real CRM has.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adapters.crms.local import rows
from adapters.crms.local import views as lists
from adapters.crms.local.fields import IDENTIFYING, KINDS, canonical, check_pipeline, native, reconciled, search_value
from adapters.crms.local.rows import Hand
from adapters.crms.local.store import Store
from sidecar.errors import ConfigError, PermanentError, SidecarError, StaleVersion, TemporaryError, UnsupportedFeature
from sidecar.model import Author, AuthorKind, Edit, Gone, Identifier, Link, Record, Value, Walked
from sidecar.ports import (
    ChangedPage,
    Context,
    Create,
    Failed,
    FieldSpec,
    HookRequest,
    LedgerCapabilities,
    Pipeline,
    Update,
    View,
    Written,
)

US, PERSON = Author(AuthorKind.US, "sidecar", "Sidecar"), Author(AuthorKind.PERSON, "person", "A person")
DEFAULTS = Author(AuthorKind.AUTOMATION, "defaults", "The CRM's defaults")
BATCH = 100


class PipelineOptions(BaseModel):
    """A deal pipeline: its id, what people call it, and its stages' ids, first to last."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    ref: str = Field(min_length=1)
    label: str = ""
    stages: tuple[str, ...] = Field(min_length=1)


OUR_STAGES = ("enquired", "qualified", "booked", "attended", "closed_won", "closed_lost")
SALES = PipelineOptions(ref="sales", label="Sales", stages=OUR_STAGES)


class LocalOptions(BaseModel):
    """Settings of the local CRM: its file (relative to the config's folder), and which abilities it is to have.

    `owners` maps an owner's id to an e-mail address. `search_lag_s` makes `find` blind to records younger than that,
    `settle_s` is only declared, and without `conditional_write` a write can't name the version that it relies on. With
    `vendor` it is treated as somebody else's CRM, whose safe defaults hold: a rehearsal of a rollout.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    path: Path = Path("data/crm.db")
    account: str = Field(default="local", min_length=1)
    conditional_write: bool = True
    settle_s: float = Field(default=0.0, ge=0)
    search_lag_s: float = Field(default=0.0, ge=0)
    vendor: bool = False
    pipelines: tuple[PipelineOptions, ...] = Field(default=(SALES,), min_length=1)
    owners: Mapping[str, str] = Field(default_factory=dict)

    @field_validator("pipelines")
    @classmethod
    def _distinct(cls, pipelines: tuple[PipelineOptions, ...]) -> tuple[PipelineOptions, ...]:
        if len({p.ref for p in pipelines}) != len(pipelines):
            raise ValueError("two pipelines have the same ref")
        return pipelines


class LocalLedger:
    """A CRM in one SQLite file, safe to share between threads and processes."""

    Options = LocalOptions

    def __init__(self, name: str, options: LocalOptions, context: Context) -> None:
        self.name = name
        self._options = options
        self._context = context
        self._store = Store(context.base / options.path, options.account)
        self._pipelines = tuple(
            Pipeline(p.ref, p.label or p.ref.capitalize(), tuple((s, _label(s)) for s in p.stages))
            for p in options.pipelines
        )
        self._native = native(self._pipelines, options.owners)
        self.capabilities = LedgerCapabilities(
            kinds=frozenset(KINDS),
            conditional_write=options.conditional_write,
            history=True,
            unique_key=True,
            change_feed=True,
            merges=True,
            owners=True,
            automations=True,
            walk=True,
            meetings=True,
            views=True,
            vendor=options.vendor,
            search_lag_s=options.search_lag_s,
            settle_s=options.settle_s,
            batch_size=BATCH,
        )

    def account(self) -> str:
        """Return the account that the file is bound to; `ConfigError` when it is another one's."""
        with self._store.reading():
            return self._options.account

    def schema(self, kind: str) -> Mapping[str, FieldSpec]:
        """Return the properties of a record kind, native ones first."""
        self._known(kind)
        with self._store.reading() as db:
            return self._schema(db, kind)

    def pipelines(self) -> Sequence[Pipeline]:
        """Return the pipelines of the options; the first is where a deal lands that names none."""
        return self._pipelines

    def owners(self) -> Mapping[str, str]:
        """Return the owners of the options."""
        return dict(self._options.owners)

    def find(self, kind: str, identifiers: Sequence[Identifier]) -> Mapping[Identifier, Sequence[Record]]:
        """Return all live records that bear each identifier; kinds that a record can't bear find nothing."""
        self._known(kind)
        with self._store.reading() as db:
            return {i: rows.records(db, self._bearers(db, kind, i)) for i in identifiers}

    def _bearers(self, db: sqlite3.Connection, kind: str, identifier: Identifier) -> list[rows.Row]:
        if identifier.kind not in IDENTIFYING.get(kind, {}):
            return []
        value = search_value(identifier.kind, identifier.value, self._context.own.default_region)
        found = rows.by_identifier(db, kind, [(identifier.kind, value)])
        if not self._options.search_lag_s:  # then a clock that was set back must hide nothing
            return found
        indexed_until = self._context.clock() - timedelta(seconds=self._options.search_lag_s)
        return [row for row in found if row.created_at <= indexed_until]

    def find_by_key(self, kind: str, keys: Sequence[str]) -> Mapping[str, Record]:
        """Return the live records that were created under these keys, by key."""
        self._known(kind)
        with self._store.reading() as db:
            found = {key: row for key, row in rows.by_key(db, kind, keys).items() if row.state == "live"}
            return dict(zip(found, rows.records(db, found.values()), strict=True))

    def linked(self, kind: str, to: Sequence[Link]) -> Mapping[Link, Sequence[Record]]:
        """Return the live records of a kind that are associated with each live record; others are left out."""
        self._known(kind)
        with self._store.reading() as db:
            live = [
                link
                for link in to
                if (row := rows.by_ref(db, link.kind, [link.ref]).get(link.ref)) and row.state == "live"
            ]
            return {link: rows.records(db, rows.linked_to(db, kind, link)) for link in live}

    def read(self, kind: str, refs: Sequence[str]) -> Mapping[str, Record | Gone]:
        """Return a record for each ref, or `Gone`; empty properties are left out of a record's fields."""
        self._known(kind)
        with self._store.reading() as db:
            return rows.record_or_gone(db, kind, refs)

    def history(self, kind: str, refs: Sequence[str], fields: Sequence[str]) -> Mapping[str, Sequence[Edit]]:
        """Return the edits of these fields of each live record; a value written again is no edit."""
        self._known(kind)
        with self._store.reading() as db:
            schema = self._schema(db, kind)
            for name in fields:
                _spec(kind, schema, name)
            live = [row.ref for row in rows.by_ref(db, kind, refs).values() if row.state == "live"]
            found: dict[str, list[Edit]] = {ref: [] for ref in live}
            for ref, edit in rows.edits(db, live, fields):
                found[ref].append(edit)
            return found

    def walk(self, kind: str, cursor: str | None, fields: Sequence[str]) -> Walked:
        """Return up to 100 live records, oldest first; the cursor is the last one's ref."""
        self._known(kind)
        with self._store.reading() as db:
            schema = self._schema(db, kind)
            for name in fields:
                _spec(kind, schema, name)
            page = rows.after(db, kind, cursor or "", BATCH)
            end = page[-1].ref if len(page) == BATCH else None
            return Walked(rows.trails(db, page, fields), end, rows.count(db, kind) if cursor is None else None)

    def write(self, writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
        """Write each row in a transaction of its own; raises before the first one for what no row can cure."""
        for write in writes:
            self._known(write.kind)
            if isinstance(write, Update) and write.if_version is not None and not self._options.conditional_write:
                raise UnsupportedFeature("this ledger has no conditional write: leave if_version out")
        self.account()
        results: list[Written | Failed] = []
        for write in writes:
            last = results[-1] if results else None
            if isinstance(last, Failed) and type(last.error) is TemporaryError:
                results.append(last)  # the file is locked: each further row would wait as long in vain
            else:
                results.append(self._write(write))
        return results

    def changed(self, cursor: Mapping[str, Any] | None) -> ChangedPage:
        """Return up to 100 records that changed after the cursor, our own writes, deletions and merges among them.

        A cursor that this file can't have given (it was restored from a backup) starts at the beginning: to look at
        a record too often is harmless, to miss a person's edit is not.
        """
        with self._store.reading() as db:
            newest = rows.newest_seq(db)
            if cursor is None:
                return ChangedPage((), {"seq": newest})
            seq = cursor.get("seq")
            since = seq if isinstance(seq, int) and 0 <= seq <= newest else 0
            page = rows.changed_since(db, since, BATCH)
        return ChangedPage(tuple((kind, ref) for _, kind, ref in page), {"seq": page[-1][0] if page else since})

    def hinted(self, request: HookRequest) -> Sequence[tuple[str, str]]:
        """Refuse: the change feed alone tells of edits."""
        raise UnsupportedFeature("the local CRM sends no webhooks")

    def provision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Make what is missing, all or none; `ConfigError` for a property that exists and can't hold what is wanted."""
        lines: list[str] = []
        with self._store.reading() if dry_run else self._store.writing() as db:
            schemas = {kind: self._schema(db, kind) for kind in (*wanted, *(view.kind for view in views))}
            for kind, specs in wanted.items():
                for spec in specs:
                    schemas[kind][spec.name], line = reconciled(kind, schemas[kind].get(spec.name), spec)
                    if line:
                        lines.append(line)
                        if not dry_run:
                            rows.put_property(db, kind, schemas[kind][spec.name])
            for view in views:
                lines += lists.furnish(db, view, [*schemas[view.kind].values()], dry_run=dry_run)
        return lines

    def deprovision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Take views and the AI-owned properties away, with what records hold in them; native ones stay."""
        for kind in wanted:
            self._known(kind)
        with self._store.reading() if dry_run else self._store.writing() as db:
            lines = [line for view in views for line in lists.remove(db, view, dry_run=dry_run)]
            held = {kind: rows.properties(db, kind) for kind in wanted}
            gone = [(kind, spec.name) for kind, specs in wanted.items() for spec in specs if spec.name in held[kind]]
            for kind, name in () if dry_run else gone:
                rows.drop_property(db, kind, name)
        return [*lines, *(f"remove {kind}.{name}" for kind, name in gone)]

    def automations(self, properties: Mapping[str, Sequence[str]]) -> Sequence[str]:
        """Return nothing: this CRM has no automations of its own."""
        return ()

    def check(self) -> Sequence[str]:
        """Open the file for writing and say what stands in the way."""
        try:
            with self._store.writing():
                return ()
        except SidecarError as error:
            return (str(error),)

    # What people do in their CRM ------------------------------------------------------------------------------------

    def create_by_person(
        self, kind: str, fields: Mapping[str, Value], links: Sequence[Link] = (), author: Author = PERSON
    ) -> Record:
        """Make a record as a person (or, by `author`, an automation) does: without an idempotency key."""
        self._known(kind)
        with self._store.writing() as db:
            return self._create(db, kind, None, fields, links, author)

    def edit(self, kind: str, ref: str, fields: Mapping[str, Value], author: Author = PERSON) -> Record:
        """Change the named fields as a person, or as an automation, does; None clears."""
        self._known(kind)
        with self._store.writing() as db:
            return self._update(db, kind, rows.alive(db, kind, ref), fields, author)

    def delete(self, kind: str, ref: str, author: Author = PERSON) -> None:
        """Put a record into the recycle bin."""
        self._known(kind)
        with self._store.writing() as db:
            rows.bury(db, rows.alive(db, kind, ref), self._hand(author))

    def merge(self, kind: str, winner: str, loser: str, author: Author = PERSON) -> Record:
        """Merge `loser` into `winner`, which keeps its values and takes over what it lacks."""
        self._known(kind)
        with self._store.writing() as db:
            kept, lost = rows.alive(db, kind, winner), rows.alive(db, kind, loser)
            if kept.ref == lost.ref:
                raise PermanentError("a record can't be merged into itself")
            fills = {name: value for name, value in lost.fields.items() if name not in kept.fields}
            if kept.fields.get("pipeline") != lost.fields.get("pipeline"):
                fills.pop("stage", None)  # a stage means nothing in another pipeline
            return self._record(db, rows.merge(db, kept, lost, fills, self._hand(author)))

    def show(self, kind: str | None = None, ref: str | None = None, limit: int = 1000) -> Sequence[Record]:
        """Return live records, oldest first: all, those of a kind, or one."""
        if kind is not None:
            self._known(kind)
        with self._store.reading() as db:
            return rows.records(db, rows.live(db, kind, ref, limit))

    def views(self) -> Sequence[View]:
        """Return the lists that were provisioned."""
        with self._store.reading() as db:
            return lists.known(db)

    def members(self, view: View, limit: int = 1000) -> Sequence[Record]:
        """Return the records that are in a list now, in its order."""
        with self._store.reading() as db:
            return lists.members(db, view, limit)

    # --------------------------------------------------------------------------------------------------------------

    def _known(self, kind: str) -> None:
        if kind not in self.capabilities.kinds:
            raise UnsupportedFeature(f"this ledger has no records of the kind {kind!r}")

    def _schema(self, db: sqlite3.Connection, kind: str) -> dict[str, FieldSpec]:
        self._known(kind)
        return {**self._native[kind], **rows.properties(db, kind)}

    def _write(self, write: Create | Update) -> Written | Failed:
        try:
            with self._store.writing() as db:
                if isinstance(write, Create):
                    return Written(self._create(db, write.kind, write.key, write.fields, write.links, US))
                row = rows.alive(db, write.kind, write.ref)
                if write.if_version is not None and write.if_version != str(row.version):
                    raise StaleVersion(f"{write.kind} {write.ref} is at version {row.version}, not {write.if_version}")
                return Written(self._update(db, write.kind, rows.tie(db, row, write.links), write.fields, US))
        except SidecarError as error:
            return Failed(error)

    def _create(
        self,
        db: sqlite3.Connection,
        kind: str,
        key: str | None,
        fields: Mapping[str, Value],
        links: Sequence[Link],
        author: Author,
    ) -> Record:
        if key is not None:
            if not key:
                raise PermanentError(f"a {kind} can't be created under an empty key")
            known = rows.by_key(db, kind, [key])
            if known:
                return self._record(db, rows.alive(db, kind, known[key].ref))
        row = rows.insert(db, kind, key, links, self._hand(author))
        if kind == "deal" and fields.get("pipeline") is None:
            row = rows.update(db, row, {"pipeline": self._pipelines[0].ref}, self._hand(DEFAULTS))
            fields = {name: value for name, value in fields.items() if name != "pipeline"}
        return self._update(db, kind, row, fields, author)

    def _update(
        self, db: sqlite3.Connection, kind: str, row: rows.Row, fields: Mapping[str, Value], author: Author
    ) -> Record:
        schema = self._schema(db, kind)
        checked = {name: canonical(kind, _spec(kind, schema, name), value) for name, value in fields.items()}
        if kind == "deal":
            check_pipeline(self._pipelines, {**row.fields, **checked})
        return self._record(db, rows.update(db, row, checked, self._hand(author)))

    def _hand(self, author: Author) -> Hand:
        return Hand(author, self._context.clock(), self._context.own.default_region)

    @staticmethod
    def _record(db: sqlite3.Connection, row: rows.Row) -> Record:
        return rows.records(db, [row])[0]


def _spec(kind: str, schema: Mapping[str, FieldSpec], name: str) -> FieldSpec:
    if name not in schema:
        raise ConfigError(f"{kind}.{name}: there is no such property; `sidecar provision` makes the AI-owned ones")
    return schema[name]


def _label(stage: str) -> str:
    return stage.replace("_", " ").capitalize()
