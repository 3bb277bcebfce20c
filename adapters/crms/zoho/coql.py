"""Queries in Zoho's COQL: one function quotes values, one builds conditions. Pure.

COQL reads from the database, where search reads from an index that lags. It takes at most 50 values in a list, and more
than two conditions only in pairs of parentheses. A quote within a value is doubled. Source: Zoho's COQL pages and its
Kaizen 171, read 2026-11.
"""

import re
from collections.abc import Iterator, Sequence
from functools import reduce

VALUES, PAGE = 50, 200
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.$]{0,99}")


def quoted(value: str) -> str:
    """Return a value as a query holds it."""
    if any(ord(sign) < 32 for sign in value) or "\\" in value:  # nothing says how these would be read
        raise ValueError("a query can't hold this value")
    return "'" + value.replace("'", "''") + "'"


def can_ask(value: str) -> bool:
    """Say whether a query can hold a value."""
    return "\\" not in value and all(ord(sign) >= 32 for sign in value)


def one_of(field: str, values: Sequence[str]) -> str:
    """Return the condition that a field holds one of up to 50 values."""
    if not 0 < len(values) <= VALUES:
        raise ValueError(f"a list of a query has 1 to {VALUES} values, not {len(values)}")
    return f"{named(field)} in ({', '.join(quoted(value) for value in values)})"


def either(conditions: Sequence[str]) -> str:
    """Return the condition that any of several holds."""
    return reduce(lambda one, other: f"({one} or {other})", conditions)


def select(module: str, fields: Sequence[str], where: str, order: str = "id asc") -> str:
    """Return a query without its page."""
    columns = ", ".join(named(field) for field in fields)
    return " ".join(("select", columns, "from", named(module), "where", where, "order by", order))


def paged(query: str, pages: int, size: int = PAGE) -> Iterator[str]:
    """Yield a query page by page."""
    for page in range(pages):
        yield f"{query} limit {size} offset {page * size}"


def named(name: str) -> str:
    """Return a name of a field or module, which is never a value."""
    if not _NAME.fullmatch(name):
        raise ValueError("this is no name of a field")
    return name
