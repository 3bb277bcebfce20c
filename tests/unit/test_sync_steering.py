"""Steering: a word on a record lowers what may be written there and to what is tied to it, and never raises it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model import (
    Author,
    AuthorKind,
    FieldClass,
    FieldSync,
    Hold,
    Mode,
    Policy,
    RecordSync,
    Standing,
    Value,
)
from sidecar.sync.desired import DesiredField, DesiredRecord
from sidecar.sync.steering import is_muted, pins, steered

POLICY = Policy(fields={}, stages={})
NAMES = {"ai_stage": "stage", "stage": "stage", "ai_budget": "budget", "ai_next_step": "next_step", "phone": "phone"}
AT = datetime(2026, 11, 23, 9, tzinfo=UTC)


def standing(**words: Value) -> Standing:
    """A party whose contact and deal hold these words in their mode property."""
    records = {}
    for kind, word in words.items():
        hold = Hold(author=Author(AuthorKind.PERSON), value=word, at=AT)
        records[kind] = RecordSync(kind, kind, "1", fields={"ai_mode": FieldSync(hold=hold)})
    return Standing(party="p", records=records)


def record(kind: str, mode: Mode = Mode.AUTO) -> DesiredRecord:
    """A record with one field."""
    field = DesiredField("x", "stage", FieldClass.STATE, ("d",), None, False, mode)
    return DesiredRecord(kind, kind, 1, {"f": field}, True, mode=mode)


def modes(mode: Mode = Mode.AUTO, **words: Value) -> dict[str, str]:
    """What holds for each kind of record: muted, or the mode."""
    wanted = tuple(record(kind, mode) for kind in ("contact", "deal", "note", "task"))
    found = steered(wanted, standing(**words), POLICY)
    assert all(each.fields["f"].mode is each.mode for each in found)
    return {each.kind: "muted" if each.muted else each.mode.value for each in found}


def test_off_on_a_contact_is_about_the_customer_and_on_a_deal_about_the_deal() -> None:
    """Notes and tasks are tied to both; seen to fail with each record's own word alone."""
    assert modes(contact="off") == dict.fromkeys(("contact", "deal", "note", "task"), "muted")
    assert modes(deal="off") == {"contact": "auto", "deal": "muted", "note": "muted", "task": "muted"}
    assert is_muted(standing(contact=" OFF "), POLICY) and not is_muted(standing(deal="off"), POLICY)


@pytest.mark.parametrize("word", [None, "", "auto", "later", 7])
def test_no_word_raises_anything(word: Value) -> None:
    """Empty, auto, and what is no word at all leave the ladder's mode as it is."""
    for mode in Mode:
        assert set(modes(mode, contact=word, deal=word).values()) == {mode.value}


def test_suggest_lowers_and_the_lower_word_holds() -> None:
    """The lower of both words counts for what is tied to both; seen to fail with the word in place of the mode."""
    assert modes(contact="suggest") == dict.fromkeys(("contact", "deal", "note", "task"), "suggest")
    assert modes(contact="auto", deal="suggest")["note"] == "suggest"
    assert modes(Mode.SHADOW, contact="suggest")["deal"] == "shadow"


def test_a_list_names_fields_as_reps_write_them() -> None:
    """By our name with all that stands for it, or by a property alone; the rest is told."""
    assert pins("Stage; next step\nAI-Budget, phone", NAMES) == (
        frozenset({"stage", "ai_stage", "ai_next_step", "ai_budget", "phone"}), (),
    )  # fmt: skip
    assert pins("ai_stage", NAMES) == (frozenset({"ai_stage"}), ())
    assert pins("bugdet,,  ", NAMES) == (frozenset(), ("bugdet",))
    assert pins(None, NAMES) == (frozenset(), ())


@given(st.text(max_size=300))
def test_whatever_stands_in_the_list_is_read(text: str) -> None:
    """No text breaks it, and none pins what it doesn't name."""
    found, strange = pins(text, NAMES)
    assert found <= NAMES.keys() and len(strange) <= 50
