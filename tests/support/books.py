"""Looks at a book from behind, past the Journal: all rows of its tables, and raw SQL for what nobody may do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sidecar.journal import tables as t
from sidecar.journal.database import resolve_url


def engine_of(url: str) -> sa.Engine:
    """An engine of the test's own, without the journal's settings."""
    return sa.create_engine(resolve_url(url, Path()), poolclass=sa.NullPool)


def rows_of(url: str, tables: Sequence[sa.Table] = t.PROJECTIONS) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the tables, in an order of its own."""
    engine = engine_of(url)
    with engine.connect() as connection:
        return {table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr) for table in tables}


def run_sql(url: str, statement: str, **values: Any) -> None:
    """Run a statement, as somebody with access to the database could."""
    with engine_of(url).begin() as connection:
        connection.execute(sa.text(statement), values)


def erase(url: str, fact_id: str) -> None:
    """Take a fact's payloads out of the book in the one way that its guards allow: marked as erased first."""
    run_sql(url, "INSERT INTO erased (fact_id, at, reason) VALUES (:id, 0, 'test')", id=fact_id)
    run_sql(url, "DELETE FROM payload WHERE fact_id = :id", id=fact_id)
