"""Search: behind the writes, blind to what is archived, and strict about its limits.

Source: HubSpot's search guide, 2026: five groups of six filters and eighteen in all, bodies of 3,000 characters, 200
results a page and 10,000 a query, one sort, times as milliseconds; text is compared without case, and the values of IN
must be lower case.
"""

import fnmatch
import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.twins.hubspot.calls import Answer, Call, module
from tests.twins.hubspot.definitions import DEFAULTS, Definition
from tests.twins.hubspot.errors import invalid
from tests.twins.hubspot.portal import Record
from tests.twins.hubspot.values import EPOCH_MS, epoch_ms

GROUPS, FILTERS, ALL_FILTERS, SORTS, PAGE, RESULTS, BODY_CHARS, VALUES = 5, 6, 18, 1, 200, 10_000, 3_000, 100
LISTED, RANGE, VALUELESS = {"IN", "NOT_IN"}, {"BETWEEN"}, {"HAS_PROPERTY", "NOT_HAS_PROPERTY"}
TOKENS = {"CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}
Filter = tuple[Definition, dict[str, Any]]
Found = tuple[Record, dict[str, str]]


def search(call: Call) -> Answer:
    """Find records by filters, as the index knows them."""
    kind, body = call.type(), call.body
    groups = [[_checked(call, each) for each in group["filters"]] for group in body.get("filterGroups", [])]
    _check_limits(call, groups)
    found = [
        (record, held)
        for record in call.portal.records[kind].values()
        if (held := call.portal.indexed(record)) is not None and _matches(kind, held, groups, body.get("query", ""))
    ]
    _sort(call, found, body.get("sorts", []))
    start, limit = int(body.get("after", "0") or 0), body.get("limit", 10)
    answer: dict[str, Any] = {
        "total": len(found),
        "results": [
            record.wire(body.get("properties", []), None, held) for record, held in found[start : start + limit]
        ],
    }
    if start + limit < len(found):
        answer["paging"] = {"next": {"after": str(start + limit)}}
    return Answer(200, answer, (module(kind), "CollectionResponseWithTotalSimplePublicObjectForwardPaging"))


def without_sorts(body: Any) -> Any:
    """Return the body for the SDK's judge, which knows sorts as texts alone; the API takes objects as well."""
    if not isinstance(body, dict) or not isinstance(body.get("sorts"), list):
        return body
    fits = all(isinstance(each, str) or _is_sort(each) for each in body["sorts"])
    return {**body, "sorts": ["fits"]} if fits else body


def _is_sort(each: Any) -> bool:
    return (
        isinstance(each, dict)
        and set(each) <= {"propertyName", "direction"}
        and isinstance(each.get("propertyName"), str)
        and each.get("direction", "ASCENDING") in ("ASCENDING", "DESCENDING")
    )


def _check_limits(call: Call, groups: list[list[Filter]]) -> None:
    body = call.body
    after = body.get("after", "0") or "0"
    checks = {
        f"at most {GROUPS} filterGroups": len(groups) <= GROUPS,
        f"at most {FILTERS} filters in a group": all(0 < len(group) <= FILTERS for group in groups),
        f"at most {ALL_FILTERS} filters": sum(len(group) for group in groups) <= ALL_FILTERS,
        f"at most {SORTS} sort": len(body.get("sorts", [])) <= SORTS,
        f"limit between 1 and {PAGE}": 1 <= body.get("limit", 10) <= PAGE,
        f"a body of at most {BODY_CHARS} characters": call.raw_chars <= BODY_CHARS,
        "after must be a number": after.isdigit(),
        f"at most {RESULTS} results": after.isdigit() and int(after) + body.get("limit", 10) <= RESULTS,
    }
    for words, holds in checks.items():
        if not holds:
            raise invalid(f"There was a problem with the request: {words}")


def _checked(call: Call, each: dict[str, Any]) -> Filter:
    definition = call.portal.definition(call.type(), each["propertyName"])
    if definition is None:
        raise invalid(f"Property {each['propertyName']} does not exist for this object type")
    operator, keys = each["operator"], each.keys() & {"value", "values", "highValue"}
    wanted = {"value"}
    if operator in LISTED:
        wanted = {"values"}
    elif operator in RANGE:
        wanted = {"value", "highValue"}
    elif operator in VALUELESS:
        wanted = set()
    if keys != wanted:
        raise invalid(f"operator {operator} takes {sorted(wanted) or 'no value'}, not {sorted(keys)}")
    values = [*each.get("values", []), *(each[key] for key in ("value", "highValue") if key in each)]
    if operator in LISTED and not 0 < len(values) <= VALUES:
        raise invalid(f"{operator} takes 1 to {VALUES} values")
    for value in values:
        _check_value(definition, value)
    return definition, each


def _check_value(definition: Definition, value: str) -> None:
    if value == "":
        raise invalid(f"the filter on {definition.name} has an empty value")
    if definition.type in ("date", "datetime") and not EPOCH_MS.fullmatch(value):
        raise invalid(f"the filter on {definition.name} must be a time in milliseconds")
    if definition.type == "number":
        try:
            Decimal(value)
        except InvalidOperation:
            raise invalid(f"the filter on {definition.name} must be a number") from None


def _matches(kind: str, held: Mapping[str, str], groups: list[list[Filter]], query: str) -> bool:
    if query and not any(query.lower() in held.get(name, "").lower() for name in (*DEFAULTS[kind], "phone")):
        return False
    return not groups or any(all(_holds(held, *each) for each in group) for group in groups)


def _holds(held: Mapping[str, str], definition: Definition, each: dict[str, Any]) -> bool:
    operator = each["operator"]
    if operator.startswith("NOT_"):
        return not _holds(held, definition, {**each, "operator": operator[4:]})
    if operator == "NEQ":
        return not _holds(held, definition, {**each, "operator": "EQ"})
    value = held.get(definition.name)
    if value is None or operator == "HAS_PROPERTY":
        return value is not None
    if operator == "CONTAINS_TOKEN":
        return _has_tokens(value, each["value"])
    mine = [_comparable(definition, part) for part in (value.split(";") if definition.is_multiple else [value])]
    if operator == "IN":
        return any(_listed(definition, wanted) in mine for wanted in each["values"])
    return any(_compare(operator, one, definition, each) for one in mine)


def _compare(operator: str, mine: Any, definition: Definition, each: dict[str, Any]) -> bool:
    wanted = _wanted(definition, each["value"])
    return bool({
        "EQ": lambda: mine == wanted,
        "LT": lambda: mine < wanted,
        "LTE": lambda: mine <= wanted,
        "GT": lambda: mine > wanted,
        "GTE": lambda: mine >= wanted,
        "BETWEEN": lambda: wanted <= mine <= _wanted(definition, each["highValue"]),
    }[operator]())  # fmt: skip


def _comparable(definition: Definition, stored: str) -> Any:
    if definition.type in ("date", "datetime"):
        return epoch_ms(stored)
    return Decimal(stored) if definition.type == "number" else stored.lower()


def _wanted(definition: Definition, value: str) -> Any:
    if definition.type in ("date", "datetime"):
        return int(value)
    return Decimal(value) if definition.type == "number" else value.lower()


def _listed(definition: Definition, value: str) -> Any:
    """Return a value of IN, which for text is compared as it is given: upper case finds nothing."""
    return value if definition.type == "string" else _wanted(definition, value)


def _has_tokens(stored: str, wanted: str) -> bool:
    text = stored.lower()
    tokens = {*re.split(r"[\s;,]+", text), *re.split(r"[^\w]+", text)}
    return all(any(fnmatch.fnmatchcase(token, part) for token in tokens) for part in wanted.lower().split())


def _sort(call: Call, found: list[Found], sorts: list[Any]) -> None:
    found.sort(key=lambda each: int(each[0].id))
    for sort in sorts:
        name, descending = _sort_of(sort)
        definition = call.portal.definition(call.type(), name)
        if definition is None:
            raise invalid(f"Property {name} does not exist for this object type")
        has = [each for each in found if name in each[1]]
        has.sort(key=lambda each: _comparable(definition, each[1][name]), reverse=descending)
        found[:] = [*has, *(each for each in found if name not in each[1])]


def _sort_of(sort: Any) -> tuple[str, bool]:
    if isinstance(sort, str) and sort.startswith("{"):
        try:
            sort = json.loads(sort)
        except ValueError:
            raise invalid("sorts can't be read") from None
        if not _is_sort(sort):
            raise invalid("sorts can't be read")
    if isinstance(sort, dict):
        return sort["propertyName"], sort.get("direction") == "DESCENDING"
    return sort.removeprefix("-"), sort.startswith("-")
