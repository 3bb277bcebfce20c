"""The local CRM's lists for people: what was provisioned, and which records are in a list right now.

A view is kept as it was declared, and its records are found when somebody looks. It may not judge what is worth seeing:
that is the core's to declare. Views are few, and lie beside the account's name, under names of their own.
"""

import json
import sqlite3
from collections.abc import Sequence

from pydantic import TypeAdapter

from adapters.crms.local import rows
from sidecar.errors import ConfigError
from sidecar.model import Record
from sidecar.ports import Condition, FieldSpec, View

_VIEW = TypeAdapter(View)
_PREFIX = "view:"


def furnish(db: sqlite3.Connection, view: View, properties: Sequence[FieldSpec], *, dry_run: bool) -> list[str]:
    """Make a view unless one of its name is there; `ConfigError` for a property that is not."""
    if db.execute("SELECT 1 FROM meta WHERE key = ?", (_PREFIX + view.name,)).fetchone():
        return []
    asked = [*(c.property for c in view.where), *view.columns, *([view.order] if view.order else [])]
    missing = sorted(set(asked) - {spec.name for spec in properties})
    if missing:
        raise ConfigError(f"the list {view.name!r} asks for {', '.join(missing)}, which no {view.kind} has")
    if not dry_run:
        db.execute("INSERT INTO meta VALUES (?, ?)", (_PREFIX + view.name, _VIEW.dump_json(view).decode()))
    return [f"create the list {view.name!r} of {view.kind}s"]


def remove(db: sqlite3.Connection, view: View, *, dry_run: bool) -> list[str]:
    """Take a view away, if it is there."""
    if not db.execute("SELECT 1 FROM meta WHERE key = ?", (_PREFIX + view.name,)).fetchone():
        return []
    if not dry_run:
        db.execute("DELETE FROM meta WHERE key = ?", (_PREFIX + view.name,))
    return [f"remove the list {view.name!r}"]


def known(db: sqlite3.Connection) -> list[View]:
    """Return the views, by name."""
    held = db.execute("SELECT value FROM meta WHERE key >= ? AND key < ? ORDER BY key", (_PREFIX, "view;"))
    return [_VIEW.validate_json(value) for (value,) in held]


def members(db: sqlite3.Connection, view: View, limit: int) -> list[Record]:
    """Return the first records of a view, in its order."""
    where = ["kind = ?", "state = 'live'", *(_test(condition) for condition in view.where)]
    values = [view.kind, *(value for condition in view.where for value in _asked(condition))]
    order = "json_extract(fields, ?) DESC, rowid" if view.order else "rowid"
    sql = f"SELECT ref FROM record WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ?"  # noqa: S608 constants
    refs = [ref for (ref,) in db.execute(sql, (*values, *([_path(view.order)] if view.order else []), limit))]
    found = rows.by_ref(db, view.kind, refs)
    return rows.records(db, [found[ref] for ref in refs])


def _test(condition: Condition) -> str:
    tests = ["json_extract(fields, ?) IN (SELECT value FROM json_each(?))"] if condition.one_of else []
    tests += ["json_extract(fields, ?) >= ?"] if condition.at_least is not None else []
    return " AND ".join(tests) or "1"


def _asked(condition: Condition) -> list[str | float]:
    path = _path(condition.property)
    asked: list[str | float] = [path, json.dumps(condition.one_of)] if condition.one_of else []
    return asked + ([path, condition.at_least] if condition.at_least is not None else [])


def _path(name: str) -> str:
    return f'$."{name}"'
