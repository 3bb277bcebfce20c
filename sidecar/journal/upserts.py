"""Inserts that say what happens when the row is there already, built once and kept.

Both databases spell them alike, but SQLAlchemy takes longer to build one than to run it for ten rows; these are on the
path of every delivery, so they are cached by dialect and table and given their rows when they run.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection


def replace(connection: Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, or give those of the same key their new values in the columns that are named."""
    if rows:
        connection.execute(_replacing(connection.dialect.name, table, tuple(rows[0])), rows)


def add(connection: Connection, table: sa.Table, rows: Sequence[dict[str, Any]], *, latest: str | None = None) -> None:
    """Insert rows, or add them to those of the same key; of the column `latest` the greater value stays."""
    if rows:
        connection.execute(_adding(connection.dialect.name, table, latest), rows)


def keep(connection: Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, and leave those of the same key as they are."""
    if rows:
        connection.execute(_keeping(connection.dialect.name, table), rows)


def insert_into(dialect: str, table: sa.Table) -> Any:
    """Return an insert that can say what happens on conflict."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


@cache
def _replacing(dialect: str, table: sa.Table, columns: tuple[str, ...]) -> Any:
    insert, keys = insert_into(dialect, table), _keys(table)
    changes = {name: insert.excluded[name] for name in columns if name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=changes)


@cache
def _adding(dialect: str, table: sa.Table, latest: str | None) -> Any:
    insert, keys = insert_into(dialect, table), _keys(table)
    changes = {
        column.name: column + insert.excluded[column.name]
        for column in table.columns
        if column.name not in (*keys, latest)
    }
    if latest is not None:
        held, new = table.c[latest], insert.excluded[latest]
        changes[latest] = sa.case((new > held, new), else_=held)
    return insert.on_conflict_do_update(index_elements=keys, set_=changes)


@cache
def _keeping(dialect: str, table: sa.Table) -> Any:
    return insert_into(dialect, table).on_conflict_do_nothing()


def _keys(table: sa.Table) -> list[str]:
    return [column.name for column in table.primary_key]
