"""Inserts of many rows, and what happens when a row is there already: each statement is built and compiled once.

Both databases spell them alike, but SQLAlchemy takes longer to build and compile a statement, and to look at each row's
values, than the database to run it. These are on the path of every delivery, so their text is kept by dialect and
table, and the rows go to the driver as they are: they must hold every column that is written, in types that the driver
takes by itself (text, integers, floats, booleans, bytes, None).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

Rows = Sequence[dict[str, Any]]
KEPT = 128
"""Statements kept: some twenty for each open database."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement as text; `names` are its parameters in order (None: by name), `fixed` those that never change."""

    sql: str
    names: tuple[str, ...] | None
    fixed: dict[str, Any]

    def run(self, connection: Connection, rows: Rows) -> None:
        """Run it for each row."""
        if self.fixed:
            rows = [self.fixed | row for row in rows]
        if self.names is None:
            connection.exec_driver_sql(self.sql, list(rows))
        else:
            connection.exec_driver_sql(self.sql, [tuple([row[name] for name in self.names]) for row in rows])


def insert(connection: Connection, table: sa.Table, rows: Rows) -> None:
    """Insert rows; one that is there already fails them all."""
    if rows:
        _inserting(connection.dialect, table, tuple(rows[0])).run(connection, rows)


def replace(connection: Connection, table: sa.Table, rows: Rows) -> None:
    """Insert rows, or give those of the same key their new values in the columns that are named."""
    if rows:
        _replacing(connection.dialect, table, tuple(rows[0])).run(connection, rows)


def add(connection: Connection, table: sa.Table, rows: Rows, *, latest: str | None = None) -> None:
    """Insert rows, or add them to those of the same key; of the column `latest` the greater value stays."""
    if rows:
        _adding(connection.dialect, table, tuple(rows[0]), latest).run(connection, rows)


def keep(connection: Connection, table: sa.Table, rows: Rows) -> None:
    """Insert rows, and leave those of the same key as they are."""
    if rows:
        _keeping(connection.dialect, table, tuple(rows[0])).run(connection, rows)


def insert_into(dialect: sa.Dialect, table: sa.Table) -> Any:
    """Return an insert that can say what happens on conflict."""
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)


def prepare(
    dialect: sa.Dialect, statement: Any, given: Collection[str], columns: Sequence[str] | None = None
) -> Prepared:
    """Compile a statement; rows will hold what is `given`, its other parameters have their values already."""
    compiled = statement.compile(dialect=dialect, column_keys=columns)
    fixed = {name: value for name, value in compiled.params.items() if name not in given}
    return Prepared(str(compiled), tuple(compiled.positiontup or ()) if compiled.positional else None, fixed)


@lru_cache(KEPT)
def _inserting(dialect: sa.Dialect, table: sa.Table, columns: tuple[str, ...]) -> Prepared:
    return prepare(dialect, sa.insert(table), columns, columns)


@lru_cache(KEPT)
def _replacing(dialect: sa.Dialect, table: sa.Table, columns: tuple[str, ...]) -> Prepared:
    inserting, keys = insert_into(dialect, table), _keys(table)
    changes = {name: inserting.excluded[name] for name in columns if name not in keys}
    return prepare(dialect, inserting.on_conflict_do_update(index_elements=keys, set_=changes), columns, columns)


@lru_cache(KEPT)
def _adding(dialect: sa.Dialect, table: sa.Table, columns: tuple[str, ...], latest: str | None) -> Prepared:
    inserting, keys = insert_into(dialect, table), _keys(table)
    changes = {
        column.name: column + inserting.excluded[column.name]
        for column in table.columns
        if column.name not in (*keys, latest)
    }
    if latest is not None:
        held, new = table.c[latest], inserting.excluded[latest]
        changes[latest] = sa.case((new > held, new), else_=held)
    return prepare(dialect, inserting.on_conflict_do_update(index_elements=keys, set_=changes), columns, columns)


@lru_cache(KEPT)
def _keeping(dialect: sa.Dialect, table: sa.Table, columns: tuple[str, ...]) -> Prepared:
    return prepare(dialect, insert_into(dialect, table).on_conflict_do_nothing(), columns, columns)


def _keys(table: sa.Table) -> list[str]:
    return [column.name for column in table.primary_key]
