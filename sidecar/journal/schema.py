"""Brings a book to the schema that this code knows, forward only, and never without a way back.

A book that holds something is copied and the copy verified before its schema changes. SQLite: the online backup,
beside the file, taken while the migration already holds the write lock, so that nothing slips in between. PostgreSQL:
its DDL is transactional, but a copy beside the database is not ours to make, so the operator must say that a backup
exists. The whole migration is one transaction on both: a process killed half-way leaves the old schema. A book that
is newer than the code is refused, since older code would not know what it must keep.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sidecar.errors import ConfigError, PermanentError
from sidecar.journal.database import Database

HEAD = "0004"
"""The newest revision under migrations/versions, named here so that opening a book needs no Alembic."""

_MIGRATING = 0x5C0B003
_SCRIPTS = Path(__file__).parent / "migrations"


def migrate(database: Database, *, backed_up: bool = False, to: str = HEAD) -> None:
    """Bring the schema up to date; `ConfigError` when the book is newer, or has no backup where one must be made."""
    with database.read() as connection:
        if revision(connection) == to:
            return
    with database.writing.connect() as connection, connection.begin():
        if not database.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING, 0)))
        held = revision(connection)
        if held == to:
            return
        if held is not None:
            _refuse_unknown(held)
            _keep_copy(database, connection, held, backed_up=backed_up)
        upgrade(connection, to)


def revision(connection: Connection) -> str | None:
    """Return the schema's revision, None for an empty database."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return found


def counts(connection: Connection) -> dict[str, int]:
    """Return the number of rows of every table, whatever the schema's revision."""
    names = sorted(sa.inspect(connection).get_table_names())
    return {
        name: int(connection.execute(sa.select(sa.func.count()).select_from(sa.table(name))).scalar_one())
        for name in names
    }


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite file online, page by page, into a file of its own."""
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    with closing(sqlite3.connect(source, timeout=10.0)) as held, closing(sqlite3.connect(target)) as copy:
        held.backup(copy)
    leave_wal(target)


def leave_wal(path: Path) -> None:
    """Make a SQLite file whole in itself, without a write-ahead log beside it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").close()


def damage(path: Path) -> str:
    """Return what SQLite's integrity check says against a file, an empty text when it says nothing."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("PRAGMA integrity_check(10)").fetchall()
        rows += connection.execute("PRAGMA foreign_key_check").fetchall()
    return "" if rows == [("ok",)] else "; ".join(str(row[0]) for row in rows[:10])


def _refuse_unknown(held: str) -> None:
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    try:
        ScriptDirectory(str(_SCRIPTS)).get_revision(held)
    except CommandError:
        raise ConfigError(
            f"the book is of revision {held}, newer than this version of the sidecar knows ({HEAD}); run a newer one",
            setting="journal.url",
        ) from None


def _keep_copy(database: Database, connection: Connection, held: str, *, backed_up: bool) -> None:
    if database.path is None:
        if not backed_up:
            raise ConfigError(
                f"the book must move from revision {held} to {HEAD}; make a backup with pg_dump, then run "
                "`sidecar migrate --backed-up`",
                setting="journal.url",
            )
        return
    copy = database.path.with_name(f"{database.path.name}.before-{HEAD}")
    draft = copy.with_name(f"{copy.name}.draft")
    copy_sqlite(database.path, draft)
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(draft)), poolclass=sa.NullPool)
    with engine.connect() as copied:
        same = counts(copied) == counts(connection)
    if (wrong := damage(draft)) or not same:
        raise PermanentError(f"the copy before the migration is not sound: {wrong or 'rows are missing'}")
    draft.replace(copy)


def upgrade(connection: Connection, to: str) -> None:
    """Run the migrations up to a revision in the transaction that the connection is in."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, to)
