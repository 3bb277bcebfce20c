"""Conditions on records: the search's `(Field:operator:value)`, and the criteria of list views.

The search's `equals` finds what contains the value, and signs that the index doesn't know are all one to it: who needs
an exact answer compares what came back, or asks by COQL.
Source: zoho/crm-oas v8.0 module_search and custom_views, read 2026-11-22.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tests.twins.zoho.errors import ApiError
from tests.twins.zoho.fields import Field
from tests.twins.zoho.org import Org
from tests.twins.zoho.values import moment

CRITERIA, VALUES, DEPTH = 10, 100, 10
TOKEN = re.compile(r"\s*(\(|\)|and\b|or\b)\s*", re.IGNORECASE)
OPERATORS = (
    "equals", "starts_with", "in", "not_equal", "greater_equal", "greater_than", "less_equal", "less_than", "between",
)  # fmt: skip
NUMBERS = ("integer", "double", "currency", "bigint")
Fits = Callable[[Mapping[str, Any]], bool]


def parsed(org: Org, module: str, text: str) -> Fits:
    """Return what a search's criteria ask for, or raise the 400."""
    reader = _Reader(org, module, text)
    fits = reader.group(0)
    reader.end()
    return fits


def of_view(criteria: Any) -> Fits:
    """Return what a list view shows: everything without criteria."""
    if not isinstance(criteria, dict):
        return lambda held: True
    if "group" in criteria:
        parts = [of_view(each) for each in criteria["group"]]
        together = any if str(criteria.get("group_operator", "and")).lower() == "or" else all
        return lambda held: together(part(held) for part in parts)
    name, comparator, value = criteria["field"]["api_name"], criteria["comparator"], criteria.get("value")
    return lambda held: _compared(held.get(name), comparator, value)


def _compared(held: Any, comparator: str, value: Any) -> bool:
    if value in ("${EMPTY}", "${NOTEMPTY}"):
        return (held in (None, "", [])) == ((value == "${EMPTY}") == (comparator == "equal"))
    if isinstance(value, dict):
        value = value.get("id")
    text, asked = str(held or "").casefold(), str(value).casefold()
    given = held if isinstance(held, list) else [held]
    if comparator in ("in", "not_in"):
        return any(each in value for each in given) == (comparator == "in")
    if comparator in ("equal", "not_equal"):
        same = held == value or (text == asked and held is not None)
        return same == (comparator == "equal")
    if comparator in ("contains", "not_contains"):
        return (asked in text) == (comparator == "contains")
    if comparator == "starts_with":
        return text.startswith(asked)
    return held is not None and _ordered(held, comparator.replace("_", ""), value)


def _ordered(held: Any, how: str, value: Any) -> bool:
    return {
        "greaterthan": lambda: held > value, "greaterequal": lambda: held >= value,
        "lessthan": lambda: held < value, "lessequal": lambda: held <= value,
    }[how]() is True  # fmt: skip


class _Reader:
    """Reads criteria from left to right."""

    def __init__(self, org: Org, module: str, text: str) -> None:
        self.org, self.module, self.text, self.at, self.found = org, module, text, 0, 0

    def group(self, depth: int) -> Fits:
        """Read one part in brackets: one condition, or parts joined by one kind of word."""
        self._need("(", depth)
        if self._peek() != "(":
            return self._condition()
        parts, words = [self.group(depth + 1)], set[str]()
        while (word := self._peek()) in ("and", "or"):
            words.add(word)
            self._take()
            parts.append(self.group(depth + 1))
        self._need(")", depth)
        if len(words) > 1:
            raise _invalid(self.text[self.at :])
        together = any if words == {"or"} else all
        return lambda held: together(part(held) for part in parts)

    def end(self) -> None:
        """Raise unless all is read."""
        if self.text[self.at :].strip():
            raise _invalid(self.text[self.at :])

    def _peek(self) -> str:
        found = TOKEN.match(self.text, self.at)
        return found[1].lower() if found else ""

    def _take(self) -> None:
        found = TOKEN.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _need(self, sign: str, depth: int) -> None:
        if self._peek() != sign or depth > DEPTH:
            raise _invalid(self.text[self.at :])
        self._take()

    def _condition(self) -> Fits:
        body = re.compile(r"((?:\\.|[^\\()])*)\)").match(self.text, self.at)
        if body is None:
            raise _invalid(self.text[self.at :])
        self.at, self.found = body.end(), self.found + 1
        name, _, rest = body[1].partition(":")
        operator, colon, value = rest.partition(":")
        field = self.org.fields[self.module].get(name.strip())
        if field is None or operator not in OPERATORS or not colon or self.found > CRITERIA:
            raise _invalid(body[1])
        given = [re.sub(r"\\(.)", r"\1", each) for each in re.split(r"(?<!\\),", value)]
        if operator not in ("in", "between"):
            given = [",".join(given)]
        if len(given) > VALUES or (operator == "between" and len(given) != 2):
            raise _invalid(body[1])
        asked = [_typed(field, each) for each in given]
        return lambda held: _fits(field, operator, held.get(field.api_name), asked)


def _fits(field: Field, operator: str, held: Any, asked: list[Any]) -> bool:
    if operator == "not_equal":
        return not _fits(field, "equals", held, asked)
    if held is None:
        return False
    if operator == "between":
        return bool(asked[0] <= held <= asked[1])
    if operator == "in":
        return any(_same(each, held) for each in asked)
    if operator in ("equals", "starts_with"):
        return _found(field, operator, held, asked[0])
    return _ordered(held, operator.replace("_", ""), asked[0])


def _found(field: Field, operator: str, held: Any, asked: Any) -> bool:
    if isinstance(held, list):
        return any(_same(asked, each) for each in held)
    if not isinstance(held, str) or field.data_type in ("picklist", "lookup", "ownerlookup", "date"):
        return _same(asked, held)
    text, sought = _words(held), _words(str(asked))
    return text.startswith(sought) if operator == "starts_with" else sought in text


def _words(text: str) -> str:
    """Return a text as the index knows it: many signs are one to it."""
    return re.sub(r"[\s{}\[\]^:\-/!?*_@.]+", " ", text.casefold()).strip()


def _same(asked: Any, held: Any) -> bool:
    if isinstance(asked, str) and isinstance(held, str):
        return asked.casefold() == held.casefold()
    return bool(asked == held)


def _typed(field: Field, text: str) -> Any:
    if field.data_type == "datetime":
        at: datetime | None = moment(text)
        if at is None:
            raise _invalid(text)
        return at
    if field.data_type == "boolean":
        return text.lower() == "true"
    if field.data_type in NUMBERS:
        try:
            return float(text) if field.data_type != "bigint" else str(int(text))
        except ValueError:
            raise _invalid(text) from None
    return text


def _invalid(near: str) -> ApiError:
    return ApiError(400, "INVALID_QUERY", f"Invalid query formed {near}", {"reason": "invalid criteria", "near": near})
