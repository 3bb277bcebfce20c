"""COQL, as strict as the vendor's: one module, a where clause, conditions joined two by two in brackets.

    select Last_Name, Account_Name.Account_Name from Contacts
    where ((Email = 'ann@x.test') and (Modified_Time >= '2026-03-02T12:00:00+01:00')) order by id asc limit 0, 200

It reads what is there, not what the index knows. A quote within a value is doubled; texts of several lines can't be
asked for, nor can notes. Left out: aggregates, group by, aliases and subqueries, which are answered as not supported.
Source: zoho/crm-oas v8.0 coql, the vendor's "COQL limitations" of v2 to v8 and its Kaizen 171, read 2026-11-22.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.twins.zoho import schema, values
from tests.twins.zoho.calls import Answer, Call
from tests.twins.zoho.errors import ApiError
from tests.twins.zoho.fields import Field
from tests.twins.zoho.org import Org, Record, whole
from tests.twins.zoho.values import moment

LIMIT, DEFAULT, COLUMNS, IN_VALUES, CRITERIA, ORDERS, OFFSET = 2000, 200, 50, 50, 25, 10, 100_000
TOKENS = re.compile(
    r"\s*(?:(?P<text>'(?:''|[^'])*')|(?P<word>[A-Za-z$_][\w$.]*)|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<sign><=|>=|!=|[=<>(),]))"
)
ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
TEXTS = ("text", "email", "phone", "website", "picklist", "lookup", "ownerlookup", "boolean")
Fits = Callable[[Mapping[str, Any]], bool]


@dataclass
class Query:
    """What a query asks for."""

    columns: list[str] = field(default_factory=list)
    module: str = ""
    fits: Fits = bool
    order: list[tuple[str, bool]] = field(default_factory=list)
    limit: int = DEFAULT
    offset: int = 0


def query(call: Call) -> Answer:
    """Run a query; nothing found is a 204."""
    text = call.body.get("select_query") if isinstance(call.body, dict) else None
    if not isinstance(text, str):
        raise ApiError(400, "MANDATORY_NOT_FOUND", "mandatory key not found", {"api_name": "select_query"})
    asked = Parser(call.org, text).query()
    rows = [row for row in call.org.all(asked.module) if asked.fits(whole(row))]
    rows.sort(key=lambda row: int(row.id))
    for name, is_down in reversed(asked.order):
        rows.sort(key=lambda row: _sortable(whole(row).get(name)), reverse=is_down)
    page = rows[asked.offset : asked.offset + asked.limit]
    if not page:
        return Answer(204)
    data = [_told(call.org, row, asked.columns) for row in page]
    info = {"count": len(page), "more_records": asked.offset + asked.limit < len(rows)}
    return Answer(200, {"data": data, "info": info}, schema.CoqlPage)


def credits(call: Call) -> int:
    """Return what a query costs by its limit."""
    text = str(call.body.get("select_query")) if isinstance(call.body, dict) else ""
    found = re.search(r"limit\s+(?:\d+\s*,\s*)?(\d+)", text, re.IGNORECASE)
    limit = int(found[1]) if found else DEFAULT
    return 1 if limit <= 200 else 2 if limit <= 1000 else 3


class Parser:
    """Reads one query from left to right."""

    def __init__(self, org: Org, text: str) -> None:
        self.org, self.tokens, self.at, self.conditions = org, list[tuple[str, str]](), 0, 0
        place = 0
        while place < len(text.rstrip()):
            found = TOKENS.match(text, place)
            if found is None or found.lastgroup is None:
                raise _near(text[place:].strip()[:40])
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            place = found.end()

    def query(self) -> Query:
        """Return the whole query."""
        asked = Query()
        self._word("select")
        asked.columns = self._columns()
        self._word("from")
        asked.module = self._take("word")
        if asked.module not in self.org.records or asked.module == "Notes":
            raise ApiError(400, "INVALID_MODULE", "the given module is not supported in api")
        for column in asked.columns:
            self._field(asked.module, column)
        if self._peek() != "where":
            raise ApiError(400, "SYNTAX_ERROR", "missing clause", {"clause": "where"})
        self._word("where")
        asked.fits = self._criteria(asked.module, 0)
        self._tail(asked)
        if self.at < len(self.tokens):
            raise _near(self.tokens[self.at][1])
        return asked

    def _columns(self) -> list[str]:
        columns = [self._take("word")]
        if self._peek() == "(":
            raise ApiError(400, "SYNTAX_ERROR", "given coql query not supported")
        while self._peek() == ",":
            self._take("sign")
            columns.append(self._take("word"))
        twice = next((name for name in columns if columns.count(name) > 1), None)
        if twice:
            raise ApiError(400, "DUPLICATE_DATA", "duplicate select column", {"column_name": twice})
        if len(columns) > COLUMNS:
            raise ApiError(400, "LIMIT_EXCEEDED", "select columns limit exceeded", {"limit": COLUMNS})
        return columns

    def _tail(self, asked: Query) -> None:
        if self._peek() == "order":
            self._word("order")
            self._word("by")
            asked.order.append(self._ordering(asked.module))
            while self._peek() == ",":
                self._take("sign")
                asked.order.append(self._ordering(asked.module))
            _check_order([name for name, _ in asked.order])
        if self._peek() == "limit":
            self._word("limit")
            asked.limit = self._whole_number("limit")
            if self._peek() == ",":
                self._take("sign")
                asked.offset, asked.limit = asked.limit, self._whole_number("limit")
        if self._peek() == "offset":
            self._word("offset")
            asked.offset = self._whole_number("offset")
        if asked.limit == 0:
            raise ApiError(400, "INVALID_DATA", "limit should be greater than 0")
        if asked.limit > LIMIT or asked.offset > OFFSET:
            raise ApiError(400, "LIMIT_EXCEEDED", "limit exceeded", {"limit": LIMIT})

    def _ordering(self, module: str) -> tuple[str, bool]:
        name = self._take("word")
        self._field(module, name)
        is_down = self._peek() == "desc"
        if self._peek() in ("asc", "desc"):
            self._take("word")
        return name, is_down

    def _criteria(self, module: str, depth: int) -> Fits:
        """Read one condition or bracket, and at most one other joined to it."""
        if depth > CRITERIA or self.conditions > CRITERIA:
            raise ApiError(400, "LIMIT_EXCEEDED", "criteria limit exceeded", {"limit": CRITERIA})
        one = self._part(module, depth)
        if (word := self._peek()) not in ("and", "or"):
            return one
        self._take("word")
        other = self._part(module, depth)
        if word == "and":
            return lambda held: one(held) and other(held)
        return lambda held: one(held) or other(held)

    def _part(self, module: str, depth: int) -> Fits:
        if self._peek() != "(":
            return self._condition(module)
        self._take("sign")
        inside = self._criteria(module, depth + 1)
        if self._peek() != ")":
            raise _near(self._peek())
        self._take("sign")
        return inside

    def _condition(self, module: str) -> Fits:
        name = self._take("word")
        of = self._field(module, name)
        sign = self._sign()
        self.conditions += 1
        if of.data_type in ("textarea", "jsonarray"):
            details = {"cv_criteria": False, "column_name": name, "value": "", "operator": sign}
            raise ApiError(400, "INVALID_QUERY", "unsupported column in criteria", details)
        if sign in ORDERED and of.data_type in TEXTS:
            details = {"reason": "invalid operator found", "column_name": name, "operator": sign}
            raise ApiError(400, "INVALID_QUERY", "Invalid query formed", details)
        if sign in ("is null", "is not null"):
            return lambda held: (held.get(name) in (None, "", [])) == (sign == "is null")
        if sign in ("in", "not in"):
            several = self._list(of)
            return lambda held: any(_same(each, held.get(name)) for each in several) == (sign == "in")
        if sign in ("between", "not between"):
            low = self._value(of)
            self._word("and")
            high = self._value(of)
            return lambda held: held.get(name) is not None and (low <= held[name] <= high) == (sign == "between")
        asked = self._value(of)
        if "like" in sign and "%" in str(asked)[1:-1]:
            raise ApiError(400, "INVALID_QUERY", "invalid value found", {"column_name": name})
        return lambda held: _compared(sign, held.get(name), asked)

    def _sign(self) -> str:
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        if kind == "sign" and text in ("=", "!=", *ORDERED):
            self.at += 1
            return text
        words = list[str]()
        while self._peek() in ("is", "not", "null", "in", "like", "between"):
            words.append(self._take("word").lower())
        sign = " ".join(words)
        if sign not in ("is null", "is not null", "in", "not in", "like", "not like", "between", "not between"):
            raise ApiError(400, "SYNTAX_ERROR", "operator not supported", {"operator": sign or text})
        return sign

    def _list(self, of: Field) -> list[Any]:
        if self._peek() != "(":
            raise _near(self._peek())
        self._take("sign")
        several = [self._value(of)]
        while self._peek() == ",":
            self._take("sign")
            several.append(self._value(of))
        if self._peek() != ")":
            raise _near(self._peek())
        self._take("sign")
        if len(several) > IN_VALUES:
            raise ApiError(400, "LIMIT_EXCEEDED", "values limit exceeded", {"limit": IN_VALUES})
        return several

    def _value(self, of: Field) -> Any:
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        self.at += 1
        if kind == "text":
            plain = text[1:-1].replace("''", "'")
            return moment(plain) or _wrong(of) if of.data_type == "datetime" else plain
        if kind == "number":
            is_id = of.data_type in ("bigint", "lookup", "ownerlookup")
            return text if is_id else float(text) if "." in text else int(text)
        if kind == "word" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise _near(text)

    def _field(self, module: str, name: str) -> Field:
        first, _, rest = name.partition(".")
        of = self.org.fields[module].get(first)
        if of is not None and rest and of.lookup in self.org.records:
            return self._field(of.lookup, rest)
        if of is None or rest:
            raise ApiError(400, "INVALID_QUERY", "unsupported column", {"column_name": name})
        return of

    def _peek(self) -> str:
        return self.tokens[self.at][1].lower() if self.at < len(self.tokens) else ""

    def _take(self, kind: str) -> str:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != kind:
            raise _near(self._peek())
        self.at += 1
        return self.tokens[self.at - 1][1]

    def _word(self, word: str) -> None:
        if self._peek() != word:
            raise _near(self._peek() or word)
        self.at += 1

    def _whole_number(self, clause: str) -> int:
        text = self._peek()
        if not text.isdigit():
            raise ApiError(400, "INVALID_QUERY", f"{clause} given seems to be invalid", {clause: text})
        self.at += 1
        return int(text)


def _check_order(names: list[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ApiError(400, "DUPLICATE_DATA", "duplicate column in order by", {"column_name": twice})
    if len(names) > ORDERS:
        raise ApiError(400, "LIMIT_EXCEEDED", "order by columns limit exceeded", {"limit": ORDERS})


def _compared(sign: str, held: Any, asked: Any) -> bool:
    if sign in ("=", "!="):
        return _same(asked, held) == (sign == "=")
    if sign in ("like", "not like"):
        pattern = ".*".join(re.escape(part) for part in str(asked).split("%"))
        found = re.fullmatch(pattern, str(held or ""), re.IGNORECASE | re.DOTALL) is not None
        return found == (sign == "like")
    return held is not None and ORDERED[sign](held, asked)


def _same(asked: Any, held: Any) -> bool:
    if isinstance(asked, str) and isinstance(held, str):
        return asked.casefold() == held.casefold()
    return bool(asked == held) or (isinstance(held, list) and asked in held)


def _sortable(value: Any) -> tuple[bool, Any]:
    return value is not None, value.casefold() if isinstance(value, str) else value if value is not None else 0


def _told(org: Org, record: Record, columns: list[str]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for column in columns:
        first, _, rest = column.partition(".")
        field_, value = org.fields[record.module][first], whole(record).get(first)
        if rest:
            linked = org.live(field_.lookup, value) if value else None
            body[column] = _told(org, linked, [rest])[rest] if linked else None
        elif field_.data_type in ("lookup", "ownerlookup"):
            body[column] = {"id": value} if value else None
        else:
            body[column] = values.told(org, record, field_, value)
    return {**body, "id": record.id}


def _near(text: str) -> ApiError:
    return ApiError(400, "SYNTAX_ERROR", "error occured while parsing the query", {"near": text})


def _wrong(of: Field) -> Any:
    raise ApiError(400, "INVALID_QUERY", "invalid value found", {"column_name": of.api_name})
