"""COUNT, MIN, MAX and SUM, over all rows or by group: what an audit asks instead of every record."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.twins.salesforce import soql
from tests.twins.salesforce.errors import ApiError
from tests.twins.salesforce.org import Record
from tests.twins.salesforce.paths import Path, value_of

if TYPE_CHECKING:
    from tests.twins.salesforce.querying import Query

FUNCTIONS: dict[str, Callable[[list[Any]], Any]] = {
    "COUNT": len, "COUNT_DISTINCT": lambda values: len({str(value).lower() for value in values}),
    "MIN": lambda values: min(values, default=None), "MAX": lambda values: max(values, default=None),
    "SUM": lambda values: sum(values) if values else None,
}  # fmt: skip
MOST = 2000


def aggregated(query: "Query", found: list[Record]) -> tuple[int, list[dict[str, Any]]]:
    """Return how many rows there are, and the rows; COUNT() alone tells its number as the size, without rows."""
    select = query.select
    if len(select.fields) == 1 and isinstance(select.fields[0], soql.Aggregate) and select.fields[0].name is None:
        return len(found), []
    by = [query.path(query.of, name) for name in select.group_by]
    _check(query, by)
    groups: dict[tuple[Any, ...], list[Record]] = {} if by else {(): found}
    for record in found if by else []:
        groups.setdefault(tuple(value_of(query.org, record, path) for path in by), []).append(record)
    if len(groups) > MOST:
        raise ApiError(
            "EXCEEDED_ID_LIMIT", "Aggregate query does not support queryMore(), use LIMIT to restrict the results"
        )
    rows = [_row(query, by, key, records) for key, records in groups.items()]
    return len(rows), rows


def _check(query: "Query", by: list[Path]) -> None:
    """Raise what no row would bring to light: a field that is neither grouped nor aggregated, or none at all."""
    grouped = {path.text.lower() for path in by}
    for each in query.select.fields:
        if isinstance(each, soql.Name) and each.path.lower() not in grouped:
            words = f"Field must be grouped or aggregated: {each.path}"
            raise soql.located(query.text, each.at, words, "MALFORMED_QUERY")
        if isinstance(each, soql.Aggregate) and each.name is None:
            raise ApiError("MALFORMED_QUERY", "COUNT() must be the only element of the SELECT list")
        if isinstance(each, soql.Aggregate) and each.name:
            query.path(query.of, each.name)


def _row(query: "Query", by: list[Path], key: tuple[Any, ...], records: list[Record]) -> dict[str, Any]:
    row: dict[str, Any] = {"attributes": {"type": "AggregateResult"}}
    unnamed = 0
    for each in query.select.fields:
        if isinstance(each, soql.Name):
            paths = [path.text.lower() for path in by]
            row[each.path.rpartition(".")[2]] = key[paths.index(each.path.lower())]
            continue
        alias = each.alias or f"expr{unnamed}"
        unnamed += not each.alias
        assert each.name, "checked before"
        path = query.path(query.of, each.name)
        values = [value_of(query.org, record, path) for record in records]
        row[alias] = FUNCTIONS[each.function]([value for value in values if value is not None])
    return row
