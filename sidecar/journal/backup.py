"""Copies of a book that are known to be good, and the way back from them.

A backup is itself a book in SQLite, whatever the original lives in, with a manifest beside it: so it can be looked
into, needs no database tool of the right version, and can be restored into either database. SQLite is copied by its
online backup (a plain copy of the file lost acknowledged rows and still passed the integrity check), PostgreSQL row
by row from one snapshot. A copy is called a backup only after it was read back: structure, every count, every hash.

Whoever holds a backup holds the conversations and the key of the ids, so its file is private; encrypting it is the
operator's, who has the means for it.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sidecar.errors import ConfigError, PermanentError
from sidecar.journal import schema, soundness
from sidecar.journal import tables as t
from sidecar.journal.database import Database, resolve_url
from sidecar.journal.owners import Owner

CHUNK = 50
MAX_FAULTS = 10


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds: rows by table, a hash over all facts in order, and the hash of its file."""

    revision: str
    made_at: str
    rows: Mapping[str, int]
    facts_sha256: str
    file_sha256: str


def backup(journal_url: str, to: Path, *, base: Path = Path()) -> Manifest:
    """Copy a book, which may be in use, into the file `to`, read it back, and write `to` + `.manifest.json`."""
    if to.exists():
        raise ConfigError(f"{to} exists; a backup overwrites nothing")
    source = Database(resolve_url(journal_url, base))
    draft = to.with_name(f"{to.name}.draft")
    draft.unlink(missing_ok=True)
    try:
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with source.read() as connection:
            if schema.revision(connection) is None:
                raise ConfigError("there is no book to back up", setting="journal.url")
            made_at = t.from_us(source.now_us(connection))
            if source.path:
                schema.copy_sqlite(source.path, draft)
            else:
                _copy_into_new(connection, draft)
        manifest = _examined(draft, made_at)
        draft.replace(to)
        _manifest_path(to).write_text(json.dumps(asdict(manifest), indent=2) + "\n")
        return manifest
    finally:
        draft.unlink(missing_ok=True)
        source.close()


def restore(
    source: Path, journal_url: str, *, base: Path = Path(), check: bool = False, force: bool = False
) -> Manifest:
    """Examine a backup and, unless `check`, make it the book at the URL.

    A book that some process has open is never overwritten, one that holds facts only with `force`.
    """
    manifest = _read_manifest(source)
    found = _examined(source, datetime.fromisoformat(manifest.made_at))
    if found != manifest:
        raise PermanentError(f"{source} is not what its manifest says")
    if check:
        return manifest
    target = Database(resolve_url(journal_url, base))
    try:
        _refuse_use(target, force=force)
        if target.path:
            _replace_file(source, target.path)
        else:
            _replace_rows(source, target, manifest.revision)
    finally:
        target.close()
    return manifest


def _examined(path: Path, made_at: datetime) -> Manifest:
    """Read a copy back and describe it; `PermanentError` names what is wrong with it."""
    if wrong := schema.damage(path):
        raise PermanentError(f"{path} is damaged: {wrong}")
    with _opened(path) as connection:
        revision = schema.revision(connection)
        if revision is None:
            raise PermanentError(f"{path} is no book")
        if faults := list(islice(soundness.faults(connection), MAX_FAULTS)):
            raise PermanentError(f"{path} is not sound: {'; '.join(faults)}")
        rows, facts = schema.counts(connection), soundness.fingerprint(connection)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Manifest(revision, made_at.isoformat(), rows, facts, digest)


def _opened(path: Path) -> Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    engine = sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(uri, uri=True), poolclass=sa.NullPool, hide_parameters=True
    )
    return engine.connect()


def _manifest_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.manifest.json")


def _read_manifest(path: Path) -> Manifest:
    try:
        return Manifest(**json.loads(_manifest_path(path).read_text()))
    except FileNotFoundError:
        raise ConfigError(f"there is no backup with a manifest at {path}") from None
    except (TypeError, ValueError):
        raise PermanentError(f"the manifest of {path} can't be read") from None


def _copy_into_new(source: Connection, path: Path) -> None:
    revision = schema.revision(source)
    copy = Database(sa.URL.create("sqlite", database=str(path.absolute())))
    try:
        schema.migrate(copy, to=revision or schema.HEAD)
        with copy.writing.connect() as target, target.begin():
            _copy_rows(source, target)
    finally:
        copy.close()
    schema.leave_wal(path)


def _copy_rows(source: Connection, target: Connection) -> None:
    """Copy every table, facts before what refers to them."""
    held, made = sa.MetaData(), sa.MetaData()
    held.reflect(source)
    made.reflect(target)
    for table in made.sorted_tables:
        if table.name == "alembic_version":
            continue
        columns = [held.tables[table.name].c[column.name] for column in table.columns]
        rows = source.execute(sa.select(*columns).execution_options(yield_per=CHUNK))
        for chunk in rows.mappings().partitions(CHUNK):
            target.execute(sa.insert(table), [dict(row) for row in chunk])


def _refuse_use(target: Database, *, force: bool) -> None:
    with target.read() as connection:
        if schema.revision(connection) is None:
            if not target.is_sqlite and sa.inspect(connection).get_table_names():
                raise ConfigError("the database holds tables that are no book", setting="journal.url")
            return
        owners = set(connection.execute(sa.select(t.owner.c.id)).scalars())
        if owners - Owner(target).dead(connection, owners):
            raise ConfigError("the book is in use; stop every process that has it open", setting="journal.url")
        facts = connection.execute(sa.select(sa.func.count()).select_from(t.fact)).scalar_one()
        if facts and not force:
            raise ConfigError(f"the book holds {facts} facts already; with --force they are lost")


def _replace_file(source: Path, path: Path) -> None:
    draft = path.with_name(f"{path.name}.restoring")
    schema.copy_sqlite(source, draft)
    if wrong := schema.damage(draft):
        raise PermanentError(f"the restored copy is damaged: {wrong}")
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    draft.replace(path)


def _replace_rows(source: Path, target: Database, revision: str) -> None:
    with target.writing.connect() as connection, connection.begin():
        if schema.revision(connection) is not None:
            held = sa.MetaData()
            held.reflect(connection)
            held.drop_all(connection)
            for function in ("refuse_change", "refuse_unmarked"):
                connection.execute(sa.text(f"DROP FUNCTION IF EXISTS {function}()"))
        schema.upgrade(connection, revision)
        with _opened(source) as backed_up:
            _copy_rows(backed_up, connection)
