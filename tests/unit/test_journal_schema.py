"""The schema: made by migrations alone, changed only with a way back, and never by code that is older than the book."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from sidecar.errors import ConfigError, PermanentError
from sidecar.journal import Journal, schema
from sidecar.journal import tables as t
from tests.support.books import engine_of, rows_of, run_sql
from tests.support.facts import say

ROOT = Path(__file__).parents[2]
NEXT = '''"""A next revision, for tests."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE extra (id TEXT)")
    {then}
'''


def next_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str = "") -> None:
    """Make the code one revision newer, with a migration of the test's own beside the real ones."""
    scripts = tmp_path / "scripts"
    (scripts / "versions").mkdir(parents=True)
    real = Path(schema.__file__).parent / "migrations"
    revisions = (f"versions/{path.name}" for path in sorted((real / "versions").glob("*.py")))
    for path in ("env.py", "script.py.mako", *revisions):
        (scripts / path).write_text((real / path).read_text())
    (scripts / "versions" / "0005_next.py").write_text(NEXT.format(then=then or "pass"))
    monkeypatch.setattr(schema, "_SCRIPTS", scripts)
    monkeypatch.setattr(schema, "HEAD", "0005")
    monkeypatch.setattr(schema.migrate, "__kwdefaults__", {"backed_up": False, "to": "0005"})


def tables_in(url: str) -> set[str]:
    """The tables of a database."""
    return set(sa.inspect(engine_of(url)).get_table_names())


def test_the_migrations_make_the_tables_that_the_code_uses(journal_url: str) -> None:
    """Tables and indexes of a migrated book equal the definitions in the code; seen to fail with a column added."""
    Journal.open(journal_url).close()
    with engine_of(journal_url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), t.metadata) == []
        assert schema.revision(connection) == schema.HEAD


def test_the_newest_revision_is_the_one_that_the_code_names() -> None:
    """A migration that nobody names would never run."""
    scripts = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))
    assert scripts.get_current_head() == schema.HEAD


def test_opening_a_book_needs_no_migration_tool(journal_url: str) -> None:
    """A book that is up to date is opened without the migrations, and nothing in it changes."""
    with Journal.open(journal_url) as journal:
        say(journal, "1", "p")
    kept = rows_of(journal_url, t.BOOK)
    Journal.open(journal_url).close()
    assert rows_of(journal_url, t.BOOK) == kept


def test_a_newer_book_is_refused(journal_url: str) -> None:
    """Older code doesn't know what it must keep, so it doesn't open a newer book."""
    Journal.open(journal_url).close()
    run_sql(journal_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match="9999, newer than"):
        Journal.open(journal_url)


def test_a_copy_is_kept_before_the_schema_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever must go back after an upgrade has a whole, private book of the old schema beside the new one."""
    url = f"sqlite:///{tmp_path / 'j.db'}"
    with Journal.open(url) as journal:
        say(journal, "1", "p")
    kept = rows_of(url, t.BOOK)
    next_revision(tmp_path, monkeypatch)
    Journal.open(url).close()
    copy = tmp_path / "j.db.before-0005"
    assert "extra" in tables_in(url)
    assert "extra" not in tables_in(f"sqlite:///{copy}")
    assert rows_of(f"sqlite:///{copy}", t.BOOK) == kept == rows_of(url, t.BOOK)
    assert copy.stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob("*.draft*"))


def test_a_new_book_leaves_no_copy(tmp_path: Path) -> None:
    """There is nothing to keep of a book that didn't exist."""
    Journal.open("sqlite:///j.db", base=tmp_path).close()
    assert not list(tmp_path.glob("*.before-*"))


def test_a_copy_that_is_not_whole_stops_the_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a sound way back the schema stays as it is; seen to fail with the check left out."""
    url = f"sqlite:///{tmp_path / 'j.db'}"
    with Journal.open(url) as journal:
        say(journal, "1", "p")
    next_revision(tmp_path, monkeypatch)
    honest = schema.copy_sqlite

    def lossy(source: Path, target: Path) -> None:
        honest(source, target)
        with sqlite3.connect(target) as connection:
            connection.execute("DELETE FROM match_index")
        connection.close()

    monkeypatch.setattr(schema, "copy_sqlite", lossy)
    with pytest.raises(PermanentError, match="not sound"):
        Journal.open(url)
    assert "extra" not in tables_in(url)


def test_a_migration_that_breaks_leaves_the_old_schema(
    journal_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration happens whole or not at all, its tables included; seen to fail with the driver's own transactions."""
    with Journal.open(journal_url) as journal:
        say(journal, "1", "p")
    before = tables_in(journal_url)
    with monkeypatch.context() as patch:
        next_revision(tmp_path, patch, then="raise RuntimeError('power cut')")
        with pytest.raises(RuntimeError, match="power cut"):
            Journal.open(journal_url, backed_up=True)
    assert tables_in(journal_url) == before
    with Journal.open(journal_url) as journal:
        assert journal.counts()["facts"] == 3


def test_postgresql_changes_only_with_a_backup(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PostgreSQL book moves on only when somebody says that there is a way back."""
    Journal.open(postgres_url).close()
    next_revision(tmp_path, monkeypatch)
    with pytest.raises(ConfigError, match="make a backup"):
        Journal.open(postgres_url)
    assert "extra" not in tables_in(postgres_url)
    Journal.open(postgres_url, backed_up=True).close()
    assert "extra" in tables_in(postgres_url)


OPENING = """
import sys
from sidecar.journal import Journal
with Journal.open(sys.argv[1]) as journal:
    print(journal.mint.id("x"))
"""


def test_processes_that_open_a_new_book_at_once_make_one(journal_url: str) -> None:
    """Whoever comes second finds the schema and the key made, and nobody fails."""
    command = [sys.executable, "-c", OPENING, journal_url]
    runs = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    ids = {run.communicate(timeout=60)[0] for run in runs}
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert len(ids) == 1
