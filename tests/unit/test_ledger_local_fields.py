"""The local CRM's values and properties: what is kept, what is refused, what provisioning makes of a wish."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.crms.local.fields import canonical, check_pipeline, custom, native, reconciled, search_value
from sidecar.errors import ConfigError, PermanentError
from sidecar.model import Value
from sidecar.ports import FieldSpec, Pipeline

SALES = Pipeline("sales", "Sales", (("new", "New"), ("won", "Won")))
REPAIRS = Pipeline("repairs", "Repairs", (("asked", "Asked"),))
TYPES = {
    "text": FieldSpec("x", "text", max_chars=40),
    "long_text": FieldSpec("x", "long_text", max_chars=400),
    "enum": FieldSpec("x", "enum", options=("a", "b")),
    "number": FieldSpec("x", "number"),
    "date": FieldSpec("x", "date"),
    "datetime": FieldSpec("x", "datetime"),
    "bool": FieldSpec("x", "bool"),
}
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(), max_size=60),
    st.dates().map(str), st.datetimes(timezones=st.timezones()).map(datetime.isoformat), st.sampled_from(["a", "b"]),
)  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
@given(value=VALUES)
def test_a_value_is_kept_whole_or_refused(kind: str, value: Value) -> None:
    """No value is changed but a time's offset and an empty text; seen to fail with texts stripped."""
    try:
        kept = canonical("contact", TYPES[kind], value)
    except PermanentError as error:
        assert "contact.x" in str(error)
        return
    if kind == "datetime" and value:
        assert datetime.fromisoformat(str(kept)) == datetime.fromisoformat(str(value))
        assert str(kept).endswith("+00:00")
    else:
        assert kept == (None if value == "" else value)
        assert type(kept) is type(value) or value == ""
    assert canonical("contact", TYPES[kind], kept) == kept


@given(text=st.text("Ann said yes é<'\"%{", min_size=41, max_size=60))
def test_a_refusal_never_quotes_the_value(text: str) -> None:
    """An error may reach a log, and a customer's words may not; seen to fail with the value in the message."""
    for spec in TYPES.values():
        if spec.type != "long_text":
            with pytest.raises(PermanentError) as refused:
                canonical("contact", spec, text)
            assert text not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", 10**15 + 1),
        ("number", float("-inf")),
        ("number", "12"),
        ("number", True),
        ("date", "20260131"),
        ("date", "2026-1-31"),
        ("date", "2026-01-31T00:00:00+00:00"),
        ("datetime", "2026-01-31"),
        ("datetime", "0001-01-01T00:00:00+05:00"),
        ("bool", 1),
        ("bool", "true"),
        ("enum", "A"),
        ("text", True),
    ],
)
def test_near_misses_are_refused(kind: str, value: Value) -> None:
    """What only looks like the type is not guessed into it; seen to fail with `bool` taken for a number's kin."""
    with pytest.raises(PermanentError):
        canonical("contact", TYPES[kind], value)


def test_a_time_is_kept_as_the_same_instant_in_utc() -> None:
    """Two ways of writing one instant read back alike; seen to fail with times kept as typed."""
    spellings = ("2026-07-01T12:00:00+02:00", "2026-07-01T10:00:00Z", "2026-07-01T05:00:00-05:00")
    assert {canonical("note", TYPES["datetime"], s) for s in spellings} == {"2026-07-01T10:00:00+00:00"}


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({"pipeline": "sales", "stage": "won"}, True),
        ({"pipeline": "sales"}, True),
        ({"pipeline": "repairs", "stage": "won"}, False),
        ({"pipeline": None, "stage": "new"}, False),
        ({}, False),
    ],
)
def test_a_deal_stands_in_a_stage_of_its_pipeline(fields: dict[str, Value], allowed: bool) -> None:
    """A stage of another pipeline, or of none, is refused; seen to fail with the pipeline ignored."""
    if allowed:
        check_pipeline((SALES, REPAIRS), fields)
    else:
        with pytest.raises(PermanentError):
            check_pipeline((SALES, REPAIRS), fields)


def test_stages_and_owners_are_options_of_native_properties() -> None:
    """Who reads the schema sees which ids a write takes; seen to fail with the first pipeline's stages only."""
    deal = native((SALES, REPAIRS), {"7": "ann@ours.test"})["deal"]
    assert deal["pipeline"].options == ("sales", "repairs")
    assert deal["stage"].options == ("new", "won", "asked")
    assert deal["owner"].options == ("7",)
    assert not any(spec.ours for spec in deal.values())


@pytest.mark.parametrize(
    ("typed", "found_as"),
    [
        ("+442079460123", "+442079460123"),
        ("020 7946 0123", "+442079460123"),
        ("+44 (0)20 7946-0123", "+442079460123"),
        ("00442079460123", "+442079460123"),
        ("+49 30 901820", "+4930901820"),
        ("ask Bob", "ask bob"),
    ],
)
def test_a_phone_number_is_found_however_it_was_typed(typed: str, found_as: str) -> None:
    """People type numbers with spaces and without a country code; seen to fail with numbers compared as typed."""
    assert search_value("phone", typed, "GB") == found_as


def test_other_identifiers_ignore_case_and_outer_spaces() -> None:
    """An address is one address in any case; seen to fail without casefold."""
    assert search_value("email", " Ann@X.test ", "GB") == search_value("email", "ann@x.TEST", "GB") == "ann@x.test"


@pytest.mark.parametrize(
    "spec",
    [
        FieldSpec("AI Mood"),
        FieldSpec("9lives"),
        FieldSpec("x" * 64),
        FieldSpec("ai_mood", "enum"),
        FieldSpec("ai_mood", "picklist"),
    ],
)
def test_a_property_that_can_not_be_made_is_refused(spec: FieldSpec) -> None:
    """A bad name, an unknown type and an enum without options are the operator's to mend; seen to fail unchecked."""
    with pytest.raises(ConfigError, match=f"deal.{spec.name}"):
        custom("deal", spec)


def test_a_made_property_has_its_limits_filled_in() -> None:
    """The schema tells the length that a write is held to; seen to fail with limits left empty."""
    assert custom("deal", FieldSpec("ai_mood")) == FieldSpec("ai_mood", "text", "AI mood", max_chars=255, ours=True)
    assert custom("deal", FieldSpec("ai_why", "long_text")).max_chars == 65_536
    assert custom("deal", FieldSpec("ai_sure", "number", max_chars=9, options=("a",))) == FieldSpec(
        "ai_sure", "number", "AI sure", ours=True
    )


@pytest.mark.parametrize(
    ("held", "wanted", "line"),
    [
        ({"type": "text", "max_chars": 100}, {"type": "text", "max_chars": 100}, ""),
        ({"type": "text", "max_chars": 100}, {"type": "text", "max_chars": 50}, ""),
        ({"type": "text", "max_chars": 100}, {"type": "text"}, ""),
        ({"type": "text", "max_chars": 100}, {"type": "text", "max_chars": 200}, "widen deal.x to 200 characters"),
        ({"type": "enum", "options": ("a", "b")}, {"type": "enum", "options": ("b",)}, ""),
        ({"type": "enum", "options": ("a",)}, {"type": "enum", "options": ("b", "a", "c")}, "add b, c to deal.x"),
    ],
)
def test_provisioning_only_ever_widens(held: dict[str, Any], wanted: dict[str, Any], line: str) -> None:
    """A property grows to what is wanted and never shrinks; seen to fail with the wish put in its place."""
    before = FieldSpec("x", **held, ours=True)
    after, told = reconciled("deal", before, FieldSpec("x", **wanted))
    assert told == line
    assert set(before.options) <= set(after.options)
    assert (after.max_chars or 0) >= (before.max_chars or 0)
    assert reconciled("deal", after, FieldSpec("x", **wanted)) == (after, "")


def test_native_properties_are_not_ours_to_change() -> None:
    """The people's own stages get no options from us; seen to fail with `ours` ignored."""
    stage = native((SALES,), {})["deal"]["stage"]
    assert reconciled("deal", stage, FieldSpec("stage", "enum", options=("won",))) == (stage, "")
    with pytest.raises(ConfigError, match=r"deal\.stage.*lost"):
        reconciled("deal", stage, FieldSpec("stage", "enum", options=("won", "lost")))
