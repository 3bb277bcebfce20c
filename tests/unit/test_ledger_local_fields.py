"""The local CRM's values and properties: what is kept, what is refused, what provisioning makes of a wish."""

from typing import Any

import pytest

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


@pytest.mark.parametrize("kind", TYPES)
def test_an_empty_text_is_kept_as_nothing(kind: str) -> None:
    """None and the empty text clear a property of any type; seen to fail with the check before it."""
    assert canonical("contact", TYPES[kind], "") is None
    assert canonical("contact", TYPES[kind], None) is None


def test_what_a_property_can_not_hold_is_refused_by_name() -> None:
    """Nothing goes into the database that the schema doesn't allow; seen to fail with values kept unchecked."""
    with pytest.raises(PermanentError, match=r"contact\.x"):
        canonical("contact", TYPES["text"], "x" * 41)


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


def test_other_identifiers_ignore_case_and_outer_spaces() -> None:
    """An address is one address in any case; seen to fail without casefold."""
    assert search_value("email", " Ann@X.test ", "GB") == search_value("email", "ann@x.TEST", "GB") == "ann@x.test"


def test_a_phone_number_is_searched_for_as_it_is_dialled() -> None:
    """How somebody typed it doesn't matter; seen to fail with phones treated as addresses."""
    assert search_value("phone", "020 7946 0123", "GB") == "+442079460123"


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
