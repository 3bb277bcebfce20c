"""What is pure in Salesforce's adapter: the one function that quotes, values there and back, the table of refusals."""

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.crms.salesforce.faults import Refusal, error_of, problems_in, row_error
from adapters.crms.salesforce.natives import domain_of
from adapters.crms.salesforce.soql import among, is_id, like, quoted, select
from adapters.crms.salesforce.values import Column, from_vendor, to_vendor
from adapters.crms.salesforce.vendor import left_in
from adapters.http.patience import Again
from sidecar.errors import ConfigError, PermanentError, StaleVersion, TemporaryError, UnknownOutcome
from sidecar.ports import FieldSpec
from tests.twins.salesforce import soql as theirs

SENT_AT = "2026-03-29T01:30:00.000Z"
LITERAL = re.compile(r"'(?:[^'\\\n\r]|\\[nrtbf\"'\\])*'", re.DOTALL)
ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
TEXT = FieldSpec("ai_text", "text", max_chars=200)
LONG = FieldSpec("ai_long", "long_text", max_chars=5_000)
LINE, LINES = Column("ai_text__c", "string", 200), Column("ai_long__c", "textarea", 10_000)


@given(st.text())
def test_a_value_is_one_literal_and_means_itself(value: str) -> None:
    """No text ends its quotes or becomes another; seen to fail with backslashes left alone, and with quotes."""
    literal = quoted(value)
    assert LITERAL.fullmatch(literal)
    assert re.sub(r"\\(.)", lambda found: ESCAPED.get(found[1], found[1]), literal[1:-1], flags=re.DOTALL) == value


@given(st.text(), st.lists(st.text(min_size=1), min_size=1, max_size=3))
def test_a_strict_parser_reads_the_query_that_was_meant(name: str, addresses: list[str]) -> None:
    """Whatever is asked for, the query has its two conditions and nothing else; the parser is the twin's."""
    parsed = theirs.parse(select(["Id"], "Contact", f"Name = {quoted(name)}", among("Email", addresses), limit=5))
    where = parsed.where
    assert isinstance(where, theirs.Many)
    first, second = where.parts
    assert isinstance(first, theirs.Compare)
    assert isinstance(second, theirs.Compare)
    assert not isinstance(first.values, theirs.Select)
    assert not isinstance(second.values, theirs.Select)
    assert [theirs.unescaped(each) for each in first.values] == [name]
    assert [theirs.unescaped(each) for each in second.values] == addresses
    assert parsed.limit == 5


@given(st.text(), st.text(), st.text())
@example("", "%", "")
@example("", "_", "")
def test_a_wildcard_in_a_value_stands_for_itself(before: str, value: str, after: str) -> None:
    """Who asks for 100% doesn't get everybody; seen to fail with `%` and `_` left alone."""
    parsed = theirs.parse(select(["Id"], "Account", like("Website", value)))
    assert isinstance(parsed.where, theirs.Compare)
    assert not isinstance(parsed.where.values, theirs.Select)
    pattern = theirs.pattern(parsed.where.values[0])
    assert pattern.fullmatch(before + value + after)
    assert bool(pattern.fullmatch("x")) == (value.lower() in ("", "x"))


def test_what_is_no_id_is_never_asked_for() -> None:
    """Refs come from outside as well; seen to fail with any text taken for an id."""
    assert is_id("003Ws0000000001IAA")
    assert is_id("003Ws0000000001")
    for ref in ("", "1", "003Ws0000000001IAA999", "003Ws0000000001' OR Id != '", "003Ws000000000é"):
        assert not is_id(ref)


def kept(column: Column, sent: str, line_end: str) -> str:
    """Return what Salesforce keeps of a text: no white space at its ends, line ends of its own."""
    return sent.strip().replace("\r\n", "\n").replace("\n", line_end) if column.type == "textarea" else sent.strip()


@given(st.text(max_size=60), st.sampled_from(["\n", "\r\n"]))
def test_a_text_comes_back_though_salesforce_changes_it(text: str, line_end: str) -> None:
    """What is let through is given back to the letter; seen to fail with line ends left alone, and with ends bare."""
    for spec, column in ((TEXT, LINE), (LONG, LINES)):
        try:
            sent = to_vendor("contact.ai", spec, column, text)
        except PermanentError:
            continue
        held = kept(column, sent, line_end) if sent else None
        assert from_vendor(spec, column, held) == (text or None)


@pytest.mark.parametrize("text", ["Ann", " ", "  two  ", "a\nb\r\nc\rd\n", "漢字 👩‍👩‍👧", "x" * 200])
def test_what_customers_write_is_let_through(text: str) -> None:
    """Refusing everything is no way to lose nothing; seen to fail with every line end refused."""
    assert to_vendor("contact.ai_long", LONG, LINES, text)


def test_a_text_is_measured_as_salesforce_measures() -> None:
    """A character beyond the first plane counts twice there, and a row too long would cost its whole request."""
    assert to_vendor("contact.ai_text", TEXT, LINE, "👍" * 100)
    with pytest.raises(PermanentError, match="202 characters"):
        to_vendor("contact.ai_text", TEXT, LINE, "👍" * 101)


@pytest.mark.parametrize(
    ("spec", "column", "value", "sent"),
    [
        (FieldSpec("n", "number"), Column("n__c", "double", 0, 6), 0.125, 0.125),
        (FieldSpec("n", "number"), Column("n__c", "int"), 7.0, 7),
        (FieldSpec("b", "bool"), Column("b__c", "picklist", 255, 0, True), False, "No"),
        (FieldSpec("b", "bool"), Column("b__c", "boolean"), True, True),
        (FieldSpec("t", "datetime"), Column("t__c", "datetime"), "2026-03-29T01:30:00+00:00", SENT_AT),
        (FieldSpec("d", "date"), Column("d__c", "date"), "2026-02-28", "2026-02-28"),
        (FieldSpec("e", "enum", options=("a",)), Column("e__c", "picklist"), None, None),
    ],
)  # fmt: skip
def test_each_type_is_sent_as_salesforce_wants_it(spec: FieldSpec, column: Column, value: Any, sent: Any) -> None:
    """One line of the table of types; what was sent reads back as the same moment, number or flag."""
    assert to_vendor("contact.it", spec, column, value) == sent
    assert from_vendor(spec, column, sent) == value


@pytest.mark.parametrize(
    ("spec", "column", "value"),
    [
        (FieldSpec("n", "number"), Column("n__c", "double", 0, 2), 0.125),
        (FieldSpec("b", "bool"), Column("b__c", "boolean"), None),
        (TEXT, LINE, "two\nlines"),
        (LONG, LINES, "\u2060joined"),
    ],
)
def test_what_would_come_back_otherwise_is_refused_by_name(spec: FieldSpec, column: Column, value: Any) -> None:
    """Nothing is rounded, emptied or run together in silence; the error doesn't repeat the value."""
    with pytest.raises(PermanentError, match=r"contact\.it") as refused:
        to_vendor("contact.it", spec, column, value)
    assert "joined" not in str(refused.value)


@pytest.mark.parametrize(
    ("website", "domain"),
    [("https://www.Roofs.test/contact?x=1", "roofs.test"), ("roofs.test:8080", "roofs.test"), ("", "")],
)
def test_a_website_is_read_as_a_domain(website: str, domain: str) -> None:
    """Whoever typed it how; seen to fail with `www.` kept."""
    assert domain_of(website) == domain


def said(code: str, message: str = "words", **more: Any) -> list[dict[str, Any]]:
    """Return the body of a refusal."""
    return [{"errorCode": code, "message": message, **more}]


@pytest.mark.parametrize(
    ("status", "body", "effect", "expected"),
    [
        (400, said("INVALID_FIELD"), True, Refusal),
        (400, said("UNABLE_TO_LOCK_ROW"), True, Again),
        (401, said("INVALID_SESSION_ID"), True, ConfigError),
        (403, said("INSUFFICIENT_ACCESS"), False, ConfigError),
        (403, "<html>", False, ConfigError),
        (404, said("NOT_FOUND"), False, Refusal),
        (404, "<html>", False, ConfigError),
        (302, "<html>", False, ConfigError),
        (403, said("INSUFFICIENT_ACCESS_OR_READONLY"), True, Refusal),
        (406, "<html>", True, Again),
        (408, "<html>", True, UnknownOutcome),
        (408, "<html>", False, Again),
        (412, None, True, StaleVersion),
        (429, "", True, Again),
        (500, said("UNKNOWN_EXCEPTION"), True, UnknownOutcome),
        (500, said("UNKNOWN_EXCEPTION"), False, Again),
        (502, "<html>", True, UnknownOutcome),
        (503, said("SERVER_UNAVAILABLE"), True, Again),
        (503, "<html>", True, UnknownOutcome),
        (503, "<html>", False, Again),
        (200, object(), True, UnknownOutcome),
    ],
)
def test_each_refusal_says_who_acts(status: int, body: Any, effect: bool, expected: type[Exception]) -> None:
    """One line of the table; seen to fail with a 502, or a 408, after a write taken for one that may be sent again."""
    assert type(error_of(status, body, "write", effect=effect)) is expected


def row(code: str, message: str = "words", **more: Any) -> list[dict[str, Any]]:
    """Return the errors of one row."""
    return [{"statusCode": code, "message": message, "fields": [], **more}]


MATCH = {"matchRecords": [{"record": {"Id": "003Ws0000000007IAA", "attributes": {"type": "Contact"}}}]}


@pytest.mark.parametrize(
    ("errors", "expected", "tells"),
    [
        (row("REQUIRED_FIELD_MISSING", fields=["LastName"]), PermanentError, r"contact\.name"),
        (row("DUPLICATE_VALUE", "X duplicates value on record with id: 003Ws0000000009IAA"), PermanentError, "0009IAA"),
        (row("DUPLICATES_DETECTED", duplicateResult={"matchResults": [MATCH]}), PermanentError, "003Ws0000000007IAA"),
        (row("INVALID_FIELD_FOR_INSERT_UPDATE", fields=["LastName"]), ConfigError, "can't write"),
        (row("INSUFFICIENT_ACCESS_OR_READONLY"), ConfigError, "may not write"),
        (row("UNABLE_TO_LOCK_ROW"), TemporaryError, "busy"),
        (row("REQUEST_LIMIT_EXCEEDED"), TemporaryError, "used up"),
        (row("UNKNOWN_EXCEPTION"), UnknownOutcome, "failed"),
        (row("FIELD_CUSTOM_VALIDATION_EXCEPTION", "secret rule"), PermanentError, "VALIDATION"),
    ],
)
def test_each_row_says_who_acts(errors: Any, expected: type[Exception], tells: str) -> None:
    """One line of the table of rows: who acts, and our name of what it is about, or whose value it is already."""
    error = row_error("contact", problems_in(errors), {"LastName": "name"})
    assert isinstance(error, expected)
    assert re.search(tells, str(error))
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ("api-usage=89/100; per-app-api-usage=1/2(appName=x)", 11),
        ("per-app-api-usage=250/250(appName=x)", None),
        ("api-usage=101/100", 0),
        (None, None),
    ],
)
def test_the_orgs_calls_are_counted_and_not_the_apps(told: str | None, left: int | None) -> None:
    """An app's own limit is no word of what all share; seen to fail with either taken."""
    assert left_in(told) == left
