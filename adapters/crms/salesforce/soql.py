"""Builds SOQL, which binds no parameters: every value goes through one function, so that none can end its quotes.

Names of objects and fields never come from outside: they are ours, or stand in the org's own describe. Ids are checked
by their shape before they are quoted, since what isn't an id is no record. Pure.

The trade-off: text is built from parts, and not from a tree; what makes that safe is that `quoted` is tested against
everything, and that nothing else in the adapter writes a quotation mark.
Source: SOQL and SOSL Reference, "Quoted String Escape Sequences" and "Date Formats", read 2026-11.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

_ESCAPES = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_SPECIAL = re.compile(r"[\\'\"\n\r\t\b\f]")
_ID = re.compile(r"[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?")


def select(columns: Iterable[str], sobject: str, *where: str, order: str = "", limit: int | None = None) -> str:
    """Return a query: all conditions must hold; `limit` is the most rows."""
    parts = ["SELECT", ", ".join(dict.fromkeys(columns)), "FROM", sobject]
    parts += ["WHERE", " AND ".join(where)] if where else []
    parts += ["ORDER BY", order] if order else []
    parts += ["LIMIT", str(limit)] if limit is not None else []
    return " ".join(parts)


def quoted(value: str) -> str:
    """Return a text as a SOQL literal, quotation marks included."""
    return f"'{_SPECIAL.sub(lambda found: _ESCAPES[found.group()], value)}'"


def like(field: str, *parts: str, begins: bool = False) -> str:
    """Return the condition that a field holds these parts in their order, with anything between them and around them.

    With `begins` nothing stands before the first one. Wildcards in a part stand for themselves.
    """
    held = "%".join(re.sub(r"[%_]", r"\\\g<0>", quoted(part)[1:-1]) for part in parts)
    return f"{field} LIKE '{'' if begins else '%'}{held}%'"


def among(field: str, values: Iterable[str]) -> str:
    """Return the condition that a field holds one of these texts; there must be one."""
    return f"{field} IN ({','.join(quoted(value) for value in values)})"


def instant(at: datetime) -> str:
    """Return a time as a SOQL literal, which has no quotes."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def is_id(ref: str) -> bool:
    """Say whether a ref can be the id of anything in Salesforce."""
    return bool(_ID.fullmatch(ref))
