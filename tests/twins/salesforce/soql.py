"""A query's text into what it asks: the part of SOQL that integrations use, refused as strictly as the vendor does.

Known: fields along parents, COUNT() and the plain aggregates with GROUP BY, WHERE with comparisons, LIKE, IN with a
list or one subquery, AND, OR and NOT, ORDER BY, LIMIT and OFFSET. AND and OR may not be mixed without brackets, as in
SOQL itself. Left out, and refused as unexpected: children's subqueries, TYPEOF, HAVING, FIELDS(), aliases of objects.
"""

import re
from dataclasses import dataclass
from typing import Any

from tests.twins.salesforce.errors import ApiError

TOKEN = re.compile(r"""
    \s*(?:
      (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
    | (?P<date>\d{4}-\d\d-\d\d(?![\dT]))
    | (?P<number>[+-]?\d+(?:\.\d+)?(?![\w-]))
    | (?P<span>[A-Za-z_]+:\d+)
    | (?P<word>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
    | (?P<mark><=|>=|!=|<>|=|<|>|\(|\)|,)
    )""", re.VERBOSE | re.DOTALL)  # fmt: skip
SPANS = re.compile(r"(TODAY|YESTERDAY|TOMORROW|(?:LAST|NEXT)_N_DAYS:\d+)", re.IGNORECASE)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
COMPARISONS = ("=", "!=", "<>", "<", "<=", ">", ">=")
RESERVED = frozenset(
    {"SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "ORDER", "GROUP", "BY", "LIMIT", "OFFSET"}
)
AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "MIN", "MAX", "SUM"})


@dataclass(frozen=True)
class Token:
    """A piece of a query: what kind it is, its text, and where it begins."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class Name:
    """A field along its parents, with its place in the text."""

    path: str
    at: int


@dataclass(frozen=True)
class Literal:
    """A value: string (still escaped), number, date, datetime, boolean, null, or a span of days."""

    kind: str
    text: str


@dataclass(frozen=True)
class Aggregate:
    """A function over a field, or COUNT() over rows, and what its column is called."""

    function: str
    name: Name | None
    alias: str


@dataclass(frozen=True)
class Compare:
    """One comparison; `values` holds one literal, several for IN, or the query of a semi-join."""

    name: Name
    operator: str
    values: "tuple[Literal, ...] | Select"


@dataclass(frozen=True)
class Many:
    """Conditions joined by AND or OR, or one under NOT."""

    word: str
    parts: "tuple[Condition, ...]"


Condition = Compare | Many


@dataclass(frozen=True)
class Order:
    """A field to sort by."""

    name: Name
    descending: bool
    nulls_last: bool


@dataclass(frozen=True)
class Select:
    """A whole query."""

    fields: tuple[Name | Aggregate, ...]
    sobject: Name
    where: Condition | None
    group_by: tuple[Name, ...]
    order_by: tuple[Order, ...]
    limit: int | None
    offset: int


def parse(text: str) -> Select:
    """Return what a query asks, or raise MALFORMED_QUERY."""
    parser = _Parser(text)
    select = parser.select()
    if parser.here.kind != "end":
        raise parser.unexpected()
    return select


def unescaped(literal: Literal) -> str:
    """Return the text that a string stands for."""
    return "".join(ESCAPES.get(escape, escape) if escape else plain for escape, plain in _pieces(literal.text))


def pattern(literal: Literal) -> re.Pattern[str]:
    """Return what a string means after LIKE: % is any text and _ any character, unless escaped."""
    out = ""
    for escape, plain in _pieces(literal.text):
        wild = {"%": ".*", "_": "."}.get(plain) if not escape else None
        out += wild or re.escape(ESCAPES.get(escape, escape) if escape else plain)
    return re.compile(out, re.IGNORECASE | re.DOTALL)


def located(text: str, at: int, message: str, code: str) -> ApiError:
    """Return a refusal that shows the place in a query."""
    start = max(at - 40, 0)
    shown = text[start : at + 30].replace("\n", " ")
    return ApiError(code, f"\n{shown}\n{' ' * (at - start)}^\nERROR at Row:1:Column:{at + 1}\n{message}")


def _pieces(raw: str) -> list[tuple[str, str]]:
    return re.findall(r"\\(.)|([^\\])", raw, re.DOTALL)


class _Parser:
    """Walks the tokens once."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0
        self.tokens = self._tokens()

    @property
    def here(self) -> Token:
        return self.tokens[self.place]

    def unexpected(self) -> ApiError:
        """Return the refusal of the token that comes next."""
        token = self.here
        words = "unexpected token: <EOF>" if token.kind == "end" else f"unexpected token: '{token.text}'"
        return located(self.text, token.at, words, "MALFORMED_QUERY")

    def select(self, is_inner: bool = False) -> Select:
        self._expect("SELECT")
        fields = tuple(self._listed(self._selected))
        self._expect("FROM")
        sobject = self._name()
        where = self._condition() if self._take("WHERE") else None
        group_by = tuple(self._listed(self._name)) if not is_inner and self._pair("GROUP", "BY") else ()
        order_by = tuple(self._listed(self._order)) if not is_inner and self._pair("ORDER", "BY") else ()
        limit = self._whole() if self._take("LIMIT") else None
        offset = self._whole() if not is_inner and self._take("OFFSET") else 0
        return Select(fields, sobject, where, group_by, order_by, limit, offset)

    def _tokens(self) -> list[Token]:
        tokens, at = [], 0
        while self.text[at:].strip():
            found = TOKEN.match(self.text, at)
            if found is None or found.lastgroup is None:
                at += len(self.text[at:]) - len(self.text[at:].lstrip())
                words = f"unexpected token: '{self.text[at]}'"
                raise located(self.text, at, words, "MALFORMED_QUERY")
            kind = found.lastgroup
            token = Token(kind, found[kind], found.start(kind))
            if kind == "string" and re.search(r"[\r\n]", token.text):
                raise located(self.text, token.at, "Line breaks not allowed in string literals", "MALFORMED_QUERY")
            if kind == "string" and (wrong := re.search(r"\\[^nrtbf\"'\\_%]", token.text.replace("\\\\", ""))):
                raise located(self.text, token.at, f"Illegal escape sequence: {wrong[0]}", "MALFORMED_QUERY")
            tokens.append(token)
            at = found.end()
        return [*tokens, Token("end", "", len(self.text))]

    def _take(self, *words: str) -> str | None:
        """Return the word or mark that comes next if it is one of these, and go past it."""
        token = self.here
        if token.kind in ("word", "mark") and token.text.upper() in words:
            self.place += 1
            return token.text.upper()
        return None

    def _pair(self, first: str, second: str) -> bool:
        if not self._take(first):
            return False
        self._expect(second)
        return True

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise self.unexpected()

    def _listed(self, one: Any) -> list[Any]:
        items = [one()]
        while self._take(","):
            items.append(one())
        return items

    def _name(self) -> Name:
        token = self.here
        if token.kind != "word" or token.text.upper() in RESERVED:
            raise self.unexpected()
        self.place += 1
        return Name(token.text, token.at)

    def _selected(self) -> Name | Aggregate:
        name = self._name()
        if not self._take("("):
            return name
        function = name.path.upper()
        if function not in AGGREGATES:
            raise located(self.text, name.at, f"unexpected token: '{name.path}'", "MALFORMED_QUERY")
        inner = None
        if not self._take(")"):
            inner = self._name()
            self._expect(")")
        elif function != "COUNT":
            raise self.unexpected()
        is_alias = inner is not None and self.here.kind == "word" and self.here.text.upper() not in RESERVED
        return Aggregate(function, inner, self._name().path if is_alias else "")

    def _order(self) -> Order:
        name = self._name()
        descending = self._take("ASC", "DESC") == "DESC"
        nulls = self._take("FIRST", "LAST") if self._take("NULLS") else None
        if self.here.text.upper() in ("FIRST", "LAST"):
            raise self.unexpected()
        return Order(name, descending, nulls == "LAST")

    def _whole(self) -> int:
        token = self.here
        if token.kind != "number" or not token.text.isdigit():
            raise self.unexpected()
        self.place += 1
        return int(token.text)

    def _condition(self) -> Condition:
        parts = [self._term()]
        word = self._take("AND", "OR")
        while word:
            parts.append(self._term())
            if not self._take(word):  # the other word is left over then, and so refused as unexpected
                return Many(word, tuple(parts))
        return parts[0]

    def _term(self) -> Condition:
        if self._take("NOT"):
            return Many("NOT", (self._term(),))
        if self._take("("):
            inner = self._condition()
            self._expect(")")
            return inner
        name = self._name()
        negated = self._take("NOT")
        if self._take("IN"):
            self._expect("(")
            inside: tuple[Literal, ...] | Select = (
                self.select(is_inner=True) if self.here.text.upper() == "SELECT" else tuple(self._listed(self._literal))
            )
            self._expect(")")
            return Compare(name, "NOT IN" if negated else "IN", inside)
        if negated:
            raise self.unexpected()
        operator = self._take("LIKE", *COMPARISONS)
        if operator is None:
            raise self.unexpected()
        return Compare(name, "!=" if operator == "<>" else operator, (self._literal(),))

    def _literal(self) -> Literal:
        token = self.here
        kind, text = token.kind, token.text
        if kind == "string":
            text = text[1:-1]
        elif kind == "word" and text.upper() in ("TRUE", "FALSE"):
            kind, text = "boolean", text.upper()
        elif kind == "word" and text.upper() == "NULL":
            kind = "null"
        elif kind in ("word", "span") and SPANS.fullmatch(text):
            kind, text = "span", text.upper()
        elif kind not in ("number", "date", "datetime"):
            raise self.unexpected()
        self.place += 1
        return Literal(kind, text)
