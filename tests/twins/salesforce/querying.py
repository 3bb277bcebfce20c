"""What a query finds: each name is looked up in the describe as its user sees it, each literal must fit its field.

Texts compare without case, `!=` finds empty values too, and an empty string is an empty value. Long texts can neither
be filtered nor sorted by. Answers come in pages behind a locator; a user has ten of them open, and no more.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from tests.twins.salesforce import ids, soql
from tests.twins.salesforce.access import Access
from tests.twins.salesforce.aggregates import aggregated
from tests.twins.salesforce.definitions import definitions
from tests.twins.salesforce.errors import ApiError
from tests.twins.salesforce.org import BIN, Org, Record, folded, wire_time
from tests.twins.salesforce.paths import Path, value_of, walked
from tests.twins.salesforce.schema import NUMBERS, TEXTS, Field, SObject
from tests.twins.salesforce.soql import Compare, Condition, Literal, Many, Name, Select
from tests.twins.salesforce.values import moment

LONGEST, DEEPEST, MOST_OFFSET = 100_000, 5, 2000
Test = Callable[[Record], bool]
FITS = {"boolean": {"boolean"}, "date": {"date", "span"}, "datetime": {"datetime", "span"}}


class Query:
    """One query of one user over one org."""

    def __init__(self, org: Org, access: Access, text: str, *, everything: bool = False) -> None:
        if len(text) > LONGEST:
            raise ApiError("QUERY_TOO_COMPLICATED", "SOQL statements may not be longer than 100,000 characters")
        self.org, self.access, self.text, self.everything = org, access, text, everything
        self.select = soql.parse(text)
        self.of = self._sobject(self.select)

    def run(self, version: str) -> tuple[int, list[dict[str, Any]]]:
        """Return how many rows there are, and the rows as the API tells them (none for COUNT())."""
        select = self.select
        found = self._matching(select, self.of)
        found = self._sorted(found)[select.offset :][: select.limit]
        if any(isinstance(each, soql.Aggregate) for each in select.fields) or select.group_by:
            return aggregated(self, found)
        names = [each for each in select.fields if isinstance(each, Name)]
        paths = [self.path(self.of, each) for each in names]
        if twice := {path.text for path in paths if [each.text for each in paths].count(path.text) > 1}:
            raise ApiError("MALFORMED_QUERY", f"duplicate field selected: {sorted(twice)[0]}")
        return len(found), [told(self.org, version, record, paths) for record in found]

    def path(self, of: SObject, name: Name, use: str = "") -> Path:
        """Return the way to a field, or raise INVALID_FIELD; `use` is what it is for: filtered, sorted."""
        path = walked(self.access, of, name, self.text)
        if use and not path.field.raw["filterable" if use == "filtered" else "sortable"]:
            words = f"field '{path.field.name}' can not be {use} in a query call"
            raise soql.located(self.text, name.at, words, "INVALID_FIELD")
        return path

    def _sobject(self, select: Select) -> SObject:
        found = self.access.sobject(select.sobject.path)
        history = found is not None and found.parent and self.org.switches.untracked_history == "missing"
        untracked = (
            history and found is not None and found.fields[found.parent].referenceTo[0] not in self.org.history.tracked
        )
        if found is None or not found.raw["queryable"] or untracked:
            words = f"sObject type '{select.sobject.path}' is not supported."
            raise soql.located(self.text, select.sobject.at, words, "INVALID_TYPE")
        if select.offset > MOST_OFFSET:
            raise ApiError("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MOST_OFFSET}")
        return found

    def _matching(self, select: Select, of: SObject) -> list[Record]:
        test = self._test(of, select.where) if select.where else None
        return [each for each in self._candidates(of, select.where) if test is None or test(each)]

    def _candidates(self, of: SObject, where: Condition | None) -> Iterable[Record]:
        """Return what may match: through an index where the condition asks for one value of a field, or a few."""
        if of.name == "FieldDefinition":
            if where is None:
                raise ApiError("MALFORMED_QUERY", "FieldDefinition must be filtered by its EntityDefinition")
            return definitions(self.org, self.access)
        if self.everything:
            now = self.org.now()
            return [
                each
                for each in self.org.records[of.name].values()
                if not each.deleted_at or now - each.deleted_at <= BIN
            ]
        for part in where.parts if isinstance(where, Many) and where.word == "AND" else (where,):
            if not isinstance(part, Compare) or part.operator not in ("=", "IN") or "." in part.name.path:
                continue
            field = self.access.find(of, part.name.path)
            if field is None or field.type not in TEXTS or isinstance(part.values, Select):
                continue
            if all(each.kind == "string" and each.text for each in part.values):
                wanted = dict.fromkeys(_held(field, self.org, each) for each in part.values)
                found = [record for value in wanted for record in self.org.by_value(of.name, field, value)]
                return {record.id: record for record in found}.values()
        return self.org.every(of.name)

    # Conditions -------------------------------------------------------------------------------------------------

    def _test(self, of: SObject, condition: Condition) -> Test:
        if isinstance(condition, Compare):
            return self._comparison(of, condition)
        tests = [self._test(of, part) for part in condition.parts]
        if condition.word == "NOT":
            return lambda record: not tests[0](record)
        join: Callable[[Iterable[bool]], bool] = all if condition.word == "AND" else any
        return lambda record: join(test(record) for test in tests)

    def _comparison(self, of: SObject, asked: Compare) -> Test:
        path = self.path(of, asked.name, "filtered")
        field, operator = path.field, asked.operator
        if isinstance(asked.values, Select):
            inner = self._inner(asked.values)
            return lambda record: (value_of(self.org, record, path) in inner) == (operator == "IN")
        for literal in asked.values:
            self._check_literal(field, literal, asked)
        if operator == "LIKE":
            like = soql.pattern(asked.values[0])
            return lambda record: bool(like.fullmatch(value_of(self.org, record, path) or ""))
        wanted = [folded(field, _held(field, self.org, each)) for each in asked.values]
        if operator in ("IN", "NOT IN"):
            values = set(wanted)
            return lambda record: (folded(field, value_of(self.org, record, path)) in values) == (operator == "IN")
        return lambda record: _compares(operator, folded(field, value_of(self.org, record, path)), wanted[0])

    def _inner(self, select: Select) -> set[Any]:
        """Return the ids that the query of a semi-join finds."""
        of = self._sobject(select)
        if len(select.fields) != 1 or not isinstance(select.fields[0], Name):
            raise ApiError("MALFORMED_QUERY", "Inner selects must have exactly one field")
        path = self.path(of, select.fields[0])
        if path.field.type not in ("id", "reference"):
            raise ApiError("MALFORMED_QUERY", f"The inner select field '{path.text}' cannot have more than one table")
        return {value_of(self.org, record, path) for record in self._matching(select, of)} - {None}

    def _check_literal(self, field: Field, literal: Literal, asked: Compare) -> None:
        kind, operator = field.type, asked.operator
        if operator == "LIKE" and (kind not in TEXTS or kind in ("id", "reference")):
            raise soql.located(
                self.text, asked.name.at, f"invalid operator on {kind} field", "INVALID_QUERY_FILTER_OPERATOR"
            )
        if kind == "boolean" and operator not in ("=", "!="):
            raise soql.located(
                self.text, asked.name.at, "invalid operator on boolean field", "INVALID_QUERY_FILTER_OPERATOR"
            )
        fits = FITS.get(kind, {"string"} if kind in TEXTS else {"number"} if kind in NUMBERS else {"string"})
        if literal.kind not in fits | {"null"}:
            quoted = "should be enclosed in quotes" if "string" in fits else "should not be enclosed in quotes"
            soap = {"datetime": "dateTime", "string": "string"}.get(kind, "string" if "string" in fits else kind)
            words = f"value of filter criterion for field '{field.name}' must be of type {soap} and {quoted}"
            raise soql.located(self.text, asked.name.at, words, "INVALID_FIELD")
        if kind in ("id", "reference") and literal.kind == "string" and literal.text and not ids.parsed(literal.text):
            raise soql.located(
                self.text, asked.name.at, f"invalid ID field: {literal.text}", "INVALID_QUERY_FILTER_OPERATOR"
            )

    def _sorted(self, found: list[Record]) -> list[Record]:
        for order in reversed(self.select.order_by):
            path = self.path(self.of, order.name, "sorted")
            empty = [each for each in found if value_of(self.org, each, path) is None]
            full = [each for each in found if value_of(self.org, each, path) is not None]
            full.sort(key=lambda each: folded(path.field, value_of(self.org, each, path)), reverse=order.descending)
            found = full + empty if order.nulls_last else empty + full
        return found


def told(org: Org, version: str, record: Record, paths: Sequence[Path]) -> dict[str, Any]:
    """Return a record as the API tells it, with the parents that are asked for nested in it."""
    out: dict[str, Any] = {"attributes": attributes(version, record)}
    for path in paths:
        place, at = out, record
        for step in path.steps:
            parent = (
                org.records[of.name].get(id) if (id := at.values.get(step.name)) and (of := org.of_id(id)) else None
            )
            if parent is None:
                place[str(step.relationshipName)] = None
                break
            marks = attributes(version, parent) | ({"type": "Name"} if path.is_polymorphic else {})
            place = place.setdefault(str(step.relationshipName), {"attributes": marks})
            at = parent
        else:
            place[path.field.name] = wire(path.field, at.sobject if path.field.name == "Type" and path.is_polymorphic
                                          else at.values.get(path.field.name))  # fmt: skip
    return out


def attributes(version: str, record: Record) -> dict[str, str]:
    """Return the mark that each record bears."""
    sobject = record.sobject
    return {"type": sobject, "url": f"/services/data/v{version}/sobjects/{sobject}/{record.id}"}


def wire(field: Field, value: Any) -> Any:
    """Return a value as JSON tells it."""
    return float(value) if field.type in ("double", "currency", "percent") and value is not None else value


def _held(field: Field, org: Org, literal: Literal) -> Any:
    """Return the value that a literal stands for, as a record of this field would hold it."""
    if literal.kind == "null":
        return None
    if literal.kind == "string":
        text = soql.unescaped(literal)
        return (ids.parsed(text) if field.type in ("id", "reference") else text) or None
    if literal.kind == "boolean":
        return literal.text == "TRUE"
    if literal.kind == "number":
        return float(literal.text)
    if literal.kind == "datetime":
        at = moment(literal.text)
        return wire_time(at) if at else None
    return _day(field, org, literal)


def _day(field: Field, org: Org, literal: Literal) -> str:
    if literal.kind == "date":
        return literal.text
    name, _, number = literal.text.partition(":")
    days = {
        "TODAY": 0,
        "YESTERDAY": -1,
        "TOMORROW": 1,
        "LAST_N_DAYS": -int(number or 0),
        "NEXT_N_DAYS": int(number or 0),
    }
    day = org.now().date() + timedelta(days=days[name])
    return wire_time(datetime.combine(day, time(), UTC)) if field.type == "datetime" else day.isoformat()


def _compares(operator: str, held: Any, wanted: Any) -> bool:
    if operator == "=":
        return bool(held == wanted)
    if operator == "!=":
        return bool(held != wanted)
    if held is None or wanted is None:
        return False
    return bool({"<": held < wanted, "<=": held <= wanted, ">": held > wanted, ">=": held >= wanted}[operator])


class Cursors:
    """The pages that are still to come."""

    def __init__(self) -> None:
        self.open: dict[str, tuple[str, int, list[dict[str, Any]]]] = {}
        self.made = 0

    def first(self, user: str, version: str, total: int, rows: list[dict[str, Any]], size: int) -> Mapping[str, Any]:
        """Return the first page."""
        if len(rows) <= size:
            return {"totalSize": total, "done": True, "records": rows}
        mine = [key for key, (whose, _, _) in self.open.items() if whose == user]
        for key in mine[: max(len(mine) - 9, 0)]:
            del self.open[key]
        self.made += 1
        locator = ids.make("01g", self.made)
        self.open[locator] = (user, size, rows)
        return self._page(version, locator, 0)

    def more(self, user: str, version: str, name: str) -> Mapping[str, Any]:
        """Return a later page, or raise INVALID_QUERY_LOCATOR."""
        locator, _, start = name.rpartition("-")
        whose, size, rows = self.open.get(locator, ("", 1, []))
        if whose != user or not start.isdigit() or int(start) >= len(rows) or int(start) % size:
            raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(version, locator, int(start))

    def _page(self, version: str, locator: str, start: int) -> Mapping[str, Any]:
        _, size, rows = self.open[locator]
        page: dict[str, Any] = {"totalSize": len(rows), "done": start + size >= len(rows)}
        if not page["done"]:
            page["nextRecordsUrl"] = f"/services/data/v{version}/query/{locator}-{start + size}"
        return {**page, "records": rows[start : start + size]}
